//! The contacts by which the PBX may know phones, for phones that come back from another port or connection.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    time::Duration,
};

use sipward_types::{account::Account, address::line, time::WallSeconds};

use crate::{
    forward::PbxContact,
    link::Link,
    message::{Header, Message},
};

/// Phones of one account, and of all. Of more, the account's own one whose contacts end first is forgotten, so that
/// nobody makes the edge forget the phones of others: their former contacts stay at the PBX until they expire.
const OF_AN_ACCOUNT: usize = 32;
const PHONES: usize = 65_536;
/// Contacts of one phone. More are of a phone that moves faster than the PBX answers, and would not fit into a datagram.
const CONTACTS: usize = 4;

/// With [`Reach::Contact`](crate::forward::Reach::Contact) a contact names the phone's connection, so a phone that connects
/// anew has another one. The PBX must forget the former, or it counts both, and rings a connection that is gone.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    accounts: HashMap<Account, Vec<Binding>>,
    count: usize,
    /// The latest number.
    last: u64,
    changes: BindingChanges,
}

/// Changes since they were last asked for, by the numbers of the bindings. `None`: it has ended.
pub type BindingChanges = BTreeMap<u64, Option<Binding>>;

/// A phone, and the contacts that the PBX may have of it. It outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub number: u64,
    pub account: Account,
    pub phone: PhoneName,
    /// The latest is the last.
    pub contacts: Vec<String>,
    /// By then the PBX has forgotten them by itself.
    pub until: WallSeconds,
}

/// The names of an account's phone, of which one is the same when it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneName {
    /// Its instance and flow, where it says so (RFC 5626), or its Call-ID, which stays as long as it runs.
    pub device: Vec<u8>,
    /// Its contact, at the address of its network.
    pub contact: Option<Vec<u8>>,
}

/// A REGISTER, as far as contacts are concerned.
#[derive(Clone, Debug)]
pub(super) struct Rebinding {
    pub(super) account: Account,
    pub(super) phone: PhoneName,
    pub(super) contacts: Vec<String>,
    /// Contacts that it has no more, and does not name itself.
    pub(super) former: Vec<String>,
    /// All that the PBX will have forgotten.
    ended: Vec<String>,
}

impl PhoneName {
    pub(super) fn of(request: &Message<'_>, from: Link) -> Self {
        let instance = request.contacts().find_map(|contact| contact.instance);
        let device = match instance {
            Some(instance) => [instance, b" ", flow(request).unwrap_or_default()].concat(),
            None => request.call_id().to_vec(),
        };
        // With an instance, several flows may have one contact.
        let network = format!(" {}", line(from.peer.ip().to_canonical()));
        let contact = request.listed(Header::Contact).next().filter(|_| instance.is_none());
        Self { device, contact: contact.map(|contact| [contact.uri(), network.as_bytes()].concat()) }
    }

    fn is(&self, other: &Self) -> bool {
        self.device == other.device || self.contact.is_some() && self.contact == other.contact
    }
}

/// Of a phone with several flows, each is a binding of its own.
fn flow<'a>(request: &Message<'a>) -> Option<&'a [u8]> {
    const NAME: &[u8] = b"reg-id=";
    let value = request.listed(Header::Contact).next()?.value;
    let at = value.windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME))? + NAME.len();
    let digits = value[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(&value[at..at + digits])
}

impl Bindings {
    /// `asked`: the contacts of the request. One that names none asks only, and `*` ends all by itself.
    pub(super) fn rebinding(&self, account: &Account, phone: PhoneName, asked: Vec<PbxContact>) -> Rebinding {
        let is_asked = |uri: &String| asked.iter().any(|contact| contact.uri == *uri);
        let before = self.accounts.get(account).into_iter().flatten().filter(|own| own.phone.is(&phone));
        let before = before.flat_map(|own| &own.contacts).filter(|uri| !asked.is_empty() && !is_asked(uri));
        let former: Vec<_> = before.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let (ends, kept): (Vec<_>, Vec<_>) = asked.into_iter().partition(|contact| contact.ends);
        let uris = |contacts: Vec<PbxContact>| contacts.into_iter().map(|contact| contact.uri);
        let ended = uris(ends).chain(former.iter().cloned()).collect();
        Rebinding { account: account.clone(), phone, contacts: uris(kept).collect(), former, ended }
    }

    /// The REGISTER is on its way: from now on the PBX may have these contacts, whatever becomes of the answer. So of two
    /// that are on their way at once, the later ends the contact of the earlier.
    pub(super) fn sent(&mut self, rebinding: &Rebinding, lasts: Duration, now: WallSeconds) {
        self.update(rebinding, &[], lasts, now);
    }

    /// The PBX has taken the REGISTER. What it has taken of others meanwhile stays, for the next one to end.
    pub(super) fn taken(&mut self, rebinding: &Rebinding, lasts: Duration, now: WallSeconds) {
        self.update(rebinding, &rebinding.ended, lasts, now);
    }

    fn update(&mut self, rebinding: &Rebinding, gone: &[String], lasts: Duration, now: WallSeconds) {
        let Rebinding { account, phone, contacts: new, .. } = rebinding;
        if new.is_empty() && gone.is_empty() {
            return;
        }
        let own = self.accounts.remove(account).unwrap_or_default();
        let (known, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|own| own.phone.is(phone));
        self.count -= known.len();
        if !others.is_empty() {
            self.accounts.insert(account.clone(), others);
        }
        let before = known.iter().flat_map(|own| &own.contacts);
        let mut contacts: Vec<_> =
            before.filter(|uri| !gone.contains(uri) && !new.contains(uri)).chain(new).cloned().collect();
        contacts.drain(..contacts.len().saturating_sub(CONTACTS.max(new.len())));
        // Twice as long as it has to be, so that not every refresh has to be written down.
        let after = |time: Duration| (now.time() + time).seconds();
        let until = known.iter().map(|own| own.until).max().filter(|until| *until >= after(lasts));
        let next = Binding {
            number: known.first().map_or(self.last + 1, |own| own.number),
            account: account.clone(),
            phone: phone.clone(),
            contacts,
            until: until.unwrap_or_else(|| after(lasts.saturating_mul(2))),
        };
        let is_same = known.len() == 1 && known[0] == next;
        if !is_same {
            self.changes.extend(known.iter().map(|own| (own.number, None)));
        }
        if next.contacts.is_empty() {
            return;
        }
        if !is_same {
            self.changes.insert(next.number, Some(next.clone()));
        }
        self.insert(next);
    }

    fn insert(&mut self, binding: Binding) {
        self.last = self.last.max(binding.number);
        let own = self.accounts.entry(binding.account.clone()).or_default();
        if own.len() >= OF_AN_ACCOUNT || self.count >= PHONES {
            let soonest = (0..own.len()).min_by_key(|at| own[*at].until);
            if let Some(forgotten) = soonest.map(|at| own.swap_remove(at)) {
                self.changes.insert(forgotten.number, None);
                self.count -= 1;
            }
        }
        if self.count < PHONES {
            own.push(binding);
            self.count += 1;
        } else {
            self.changes.insert(binding.number, None);
            self.accounts.remove(&binding.account);
        }
    }

    /// Those of an earlier run.
    pub(super) fn restore(&mut self, bindings: impl IntoIterator<Item = Binding>, now: WallSeconds) {
        for binding in bindings {
            self.last = self.last.max(binding.number);
            let is_clear = || binding.contacts.iter().all(|uri| may_be_written(uri));
            if binding.until > now && !binding.contacts.is_empty() && is_clear() {
                self.insert(binding);
            } else {
                self.changes.insert(binding.number, None);
            }
        }
    }

    pub(super) fn forget_ended(&mut self, now: WallSeconds) {
        for own in self.accounts.values_mut() {
            let ended = own.extract_if(.., |binding| binding.until <= now);
            for binding in ended {
                self.changes.insert(binding.number, None);
                self.count -= 1;
            }
        }
        self.accounts.retain(|_, own| !own.is_empty());
    }

    pub(super) fn take_changes(&mut self) -> BindingChanges {
        mem::take(&mut self.changes)
    }
}

/// The contacts of an earlier run are written into messages: none of them must be able to be more than a URI there.
fn may_be_written(uri: &str) -> bool {
    uri.starts_with("sip:") && uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\",".contains(&byte))
}
