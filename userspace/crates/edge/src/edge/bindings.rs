//! The contacts by which the PBX knows phones, for phones that come back from another port or connection.

use std::collections::{HashMap, VecDeque};

use sipward_types::{account::Account, address::line};

use crate::{
    link::Link,
    message::{Header, Message},
};

/// Names of phones. Of more, the oldest are forgotten: their former contacts then stay at the PBX until they expire.
const NAMES: usize = 131_072;

/// With [`Reach::Contact`](crate::forward::Reach::Contact) a contact names the phone's connection, so a phone that connects
/// anew has another one. The PBX must forget the former, or it counts both, and rings a connection that is gone.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    contacts: HashMap<Phone, Vec<String>>,
    /// In the order in which they were added.
    order: VecDeque<Phone>,
}

/// A name of an account's phone. It has several, of which one is the same when it comes back: its instance and flow, where
/// it says so (RFC 5626), or its Call-ID, which stays as long as it runs; and its contact, at the address of its network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Phone {
    account: Account,
    name: Vec<u8>,
}

impl Phone {
    pub(super) fn names(request: &Message<'_>, account: &Account, from: Link) -> Vec<Self> {
        let instance = request.contacts().find_map(|contact| contact.instance);
        let device = match instance {
            Some(instance) => [instance, b" ", flow(request).unwrap_or_default()].concat(),
            None => request.call_id().to_vec(),
        };
        // With an instance, several flows may have one contact.
        let network = format!(" {}", line(from.peer.ip().to_canonical()));
        let contact = request.listed(Header::Contact).next().filter(|_| instance.is_none());
        let contact = contact.map(|contact| [contact.uri(), network.as_bytes()].concat());
        let named = |name| Self { account: account.clone(), name };
        [Some(device), contact].into_iter().flatten().map(named).collect()
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
    /// Those that are none of the new ones.
    pub(super) fn former(&self, names: &[Phone], new: &[String]) -> Vec<String> {
        let before = names.iter().filter_map(|name| self.contacts.get(name)).flatten();
        let mut former: Vec<_> = before.filter(|contact| !new.contains(contact)).cloned().collect();
        former.sort();
        former.dedup();
        former
    }

    /// The PBX has taken them.
    pub(super) fn set(&mut self, names: Vec<Phone>, contacts: &[String]) {
        for name in names {
            if self.contacts.insert(name.clone(), contacts.to_vec()).is_none() {
                self.order.push_back(name);
            }
            if self.order.len() > NAMES
                && let Some(oldest) = self.order.pop_front()
            {
                self.contacts.remove(&oldest);
            }
        }
    }
}
