//! Which phone a REGISTER is about, and how long the PBX takes it.

use super::fingerprint::{Fingerprint, Fingerprinter};
use sipward_sip::{Contact, Message, Uri};

/// In seconds, where neither side says anything (RFC 3261 §10.2.1.1 leaves it to the registrar).
const DEFAULT_EXPIRES: u32 = 3_600;

/// The request of a REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be told what is registered.
    Nothing,
    Register(Phone),
    Unregister {
        phone: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phone {
    /// Stays the same wherever it is computed.
    pub(super) identity: u64,
    uri: Fingerprint,
    seconds: u32,
}

/// The PBX's answer in its 200.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    /// By contact.
    contacts: Vec<(Fingerprint, Option<u32>)>,
    expires: Option<u32>,
}

/// Of all phones of an account.
pub const ALL_PHONES: u64 = 0;

impl Wish {
    /// Of several contacts the first that is to be registered; a phone that moved takes its old one back with the same
    /// request.
    pub(super) fn of(request: &Message<'_>, fingerprinter: &Fingerprinter) -> Self {
        if request.all_contacts {
            return Self::Unregister { phone: ALL_PHONES };
        }
        let seconds = |contact: &Contact<'_>| contact.expires.or(request.expires).unwrap_or(DEFAULT_EXPIRES);
        match request.contacts.iter().find(|contact| seconds(contact) > 0) {
            Some(contact) => Self::Register(Phone {
                identity: identity(contact),
                uri: fingerprint(&contact.uri, fingerprinter),
                seconds: seconds(contact),
            }),
            None => request
                .contacts
                .first()
                .map_or(Self::Nothing, |contact| Self::Unregister { phone: identity(contact) }),
        }
    }
}

impl Grant {
    pub(super) fn of(answer: &Message<'_>, fingerprinter: &Fingerprinter) -> Self {
        let contact = |contact: &Contact<'_>| (fingerprint(&contact.uri, fingerprinter), contact.expires);
        Self { contacts: answer.contacts.iter().map(contact).collect(), expires: answer.expires }
    }

    /// In seconds. Some PBXs rewrite the contact that they tell: if it is the only one, it is the one.
    pub(super) fn seconds(&self, phone: &Phone) -> u32 {
        let same = self.contacts.iter().find(|(uri, _)| *uri == phone.uri);
        let only = || self.contacts.first().filter(|_| self.contacts.len() == 1);
        let granted = same.or_else(only).and_then(|(_, expires)| *expires);
        granted.or(self.expires).unwrap_or(phone.seconds)
    }
}

fn fingerprint(uri: &Uri<'_>, fingerprinter: &Fingerprinter) -> Fingerprint {
    fingerprinter.of((uri.user, uri.host, uri.port))
}

/// The device, if it says which it is; or else its address as it writes it.
fn identity(contact: &Contact<'_>) -> u64 {
    let Uri { user, host, port } = contact.uri;
    let hash = match contact.instance {
        Some(instance) => stable_hash(&[b"instance", instance]),
        None => stable_hash(&[b"uri", user, host, &port.unwrap_or(0).to_be_bytes()]),
    };
    if hash == ALL_PHONES { 1 } else { hash }
}

/// FNV-1a, with the lengths: the same in every process and version.
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        let hash = (part.len() as u32).to_be_bytes().iter().fold(hash, add);
        part.iter().fold(hash, add)
    })
}
