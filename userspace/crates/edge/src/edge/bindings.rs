//! The contacts by which the PBX knows phones, for phones that come back from another port or connection.

use std::collections::{HashMap, VecDeque};

use sipward_types::account::Account;

use crate::message::{Header, Message};

/// Phones. Of more, the oldest are forgotten: their former contacts then stay at the PBX until they expire.
const PHONES: usize = 65_536;

/// With [`Reach::Contact`](crate::forward::Reach::Contact) a contact names the phone's connection, so a phone that connects
/// anew has another one. The PBX must forget the former, or it counts both, and rings a connection that is gone.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    contacts: HashMap<Phone, Vec<String>>,
    /// In the order in which they were added.
    order: VecDeque<Phone>,
}

/// A phone of an account: its instance and flow, where it says so (RFC 5626); otherwise its Call-ID, which stays the same for
/// all REGISTERs of a phone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Phone {
    account: Account,
    name: Vec<u8>,
}

impl Phone {
    pub(super) fn of(request: &Message<'_>, account: &Account) -> Self {
        let instance = request.contacts().find_map(|contact| contact.instance);
        let name = match instance {
            Some(instance) => [instance, b" ", flow(request).unwrap_or_default()].concat(),
            None => request.call_id().to_vec(),
        };
        Self { account: account.clone(), name }
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
    pub(super) fn former(&self, phone: &Phone, new: &[String]) -> Vec<String> {
        let before = self.contacts.get(phone).into_iter().flatten();
        before.filter(|contact| !new.contains(contact)).cloned().collect()
    }

    /// The PBX has taken them.
    pub(super) fn set(&mut self, phone: Phone, contacts: Vec<String>) {
        if self.contacts.insert(phone.clone(), contacts).is_none() {
            self.order.push_back(phone);
        }
        if self.order.len() > PHONES
            && let Some(oldest) = self.order.pop_front()
        {
            self.contacts.remove(&oldest);
        }
    }
}
