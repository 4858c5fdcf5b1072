//! REGISTER requests that the PBX has not answered yet: its answer says whether, and for how long, a phone is registered.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sipward_sip::Contact;
use sipward_types::{evidence::Method, fifo_map::FifoMap, time::KernelTime};

use super::{Evidence, Outcome, bindings::Rebinding};
use crate::{base64url, link::Link, message::Message};

/// Requests at once. Of more, the oldest are forgotten: their phones are registered all the same.
const REQUESTS: usize = 16_384;
/// In bytes, of a request: those of phones are much shorter, and a longer one is not remembered either.
const LONGEST: usize = 4_096;
/// In bytes, of the name of a contact. Of a longer one, a hash is the name, so that a thousand of them make one call of
/// the control socket.
const LONGEST_NAME: usize = 256;
/// A phone sends a request again for so long.
const PATIENCE: Duration = Duration::from_secs(32);
/// The time of a registration of which the PBX has not said one (RFC 3261 §10.2.1.1).
pub(super) const DEFAULT: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Registering(FifoMap<Key, (KernelTime, Registration)>);

/// Of a request and of its answer. Two phones may have the same Call-ID and CSeq.
type Key = (Link, Vec<u8>, u32);

#[derive(Clone, Debug)]
pub(super) struct Registration {
    from: Link,
    /// `None`: `Contact: *`, which ends all of them.
    contacts: Option<Vec<Wish>>,
    pub(super) rebinding: Rebinding,
}

#[derive(Clone, Debug)]
struct Wish {
    contact: String,
    ends: bool,
}

impl Default for Registering {
    fn default() -> Self {
        Self(FifoMap::new(REQUESTS))
    }
}

impl Registering {
    pub(super) fn add(&mut self, request: &Message<'_>, registration: Registration, now: KernelTime) {
        while self.0.oldest().is_some_and(|(_, (since, _))| now.since(*since) > PATIENCE) {
            self.0.pop();
        }
        if request.bytes().len() <= LONGEST {
            let phone = request.reply_to(registration.from);
            self.0.insert(key(request, phone), (now, registration));
        }
    }

    /// `phone`: where the answer goes.
    pub(super) fn take(&mut self, answer: &Message<'_>, phone: Link) -> Option<Registration> {
        self.0.remove(&key(answer, phone)).map(|(_, registration)| registration)
    }
}

impl Registration {
    pub(super) fn of(request: &Message<'_>, from: Link, rebinding: Rebinding) -> Self {
        let wish = |contact: Contact<'_>| {
            let expires = contact.expires.or_else(|| request.expires());
            Wish { contact: name(&contact), ends: expires == Some(0) }
        };
        let contacts = (!request.has_all_contacts()).then(|| request.contacts().map(wish).collect());
        Self { from, contacts, rebinding }
    }

    /// The longest time that the PBX has granted.
    pub(super) fn granted(outcomes: &[Evidence]) -> Duration {
        let lasts = |evidence: &Evidence| match evidence.outcome {
            Outcome::Registered { lasts, .. } => Some(lasts),
            _ => None,
        };
        outcomes.iter().filter_map(lasts).max().unwrap_or(DEFAULT)
    }

    /// `answer`: the PBX's 2xx, with the contacts as the phone knows them.
    pub(super) fn outcomes(&self, answer: &Message<'_>) -> Vec<Evidence> {
        let Some(wishes) = &self.contacts else {
            return vec![self.evidence(Outcome::Unregistered { contact: None })];
        };
        wishes.iter().filter_map(|wish| Some(self.evidence(wish.outcome(answer)?))).collect()
    }

    fn evidence(&self, outcome: Outcome) -> Evidence {
        let account = self.rebinding.account.clone();
        Evidence { account: Some(account), from: self.from, method: Method::Register, outcome }
    }
}

impl Wish {
    fn outcome(&self, answer: &Message<'_>) -> Option<Outcome> {
        if self.ends {
            return Some(Outcome::Unregistered { contact: Some(self.contact.clone()) });
        }
        let granted = answer.contacts().find(|contact| name(contact) == self.contact)?;
        let lasts = granted.expires.or_else(|| answer.expires())?;
        Some(Outcome::Registered { contact: self.contact.clone(), lasts: Duration::from_secs(lasts.into()) })
    }
}

/// The same for the same contact, however its URI is written.
fn name(contact: &Contact<'_>) -> String {
    let uri = &contact.uri;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let port = uri.port.unwrap_or(5060);
    let name = format!("{}@{}:{port}", text(uri.user), text(uri.host).to_ascii_lowercase());
    if name.len() > LONGEST_NAME { base64url::encode(&Sha256::digest(name)) } else { name }
}

fn key(message: &Message<'_>, phone: Link) -> Key {
    (phone, message.call_id().to_vec(), message.sequence().number)
}

#[cfg(test)]
mod tests {
    use sipward_sip::Uri;

    use super::*;

    #[test]
    fn a_contact_has_a_name_of_its_own_and_none_is_long() {
        let named = |user: &str, host: &str| {
            let uri = Uri { user: user.as_bytes(), host: host.as_bytes(), port: None };
            name(&Contact { uri, ..Contact::default() })
        };
        assert_eq!(named("201", "Phone.Example"), "201@phone.example:5060");
        let [one, other] = ["a", "b"].map(|last| named(&"x".repeat(3_000), &format!("phone{last}")));
        assert_ne!(one, other);
        assert!(one.len() <= LONGEST_NAME && one == named(&"x".repeat(3_000), "phonea"), "{one}");
    }
}
