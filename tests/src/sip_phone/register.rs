//! Registrations.

use super::{
    Phone,
    draft::Edit,
    outcome::Outcome,
    uri::{addressed, header_parameter},
};
use crate::guesser::another;

/// The same from the phone's start on.
#[derive(Debug)]
pub(super) struct Registration {
    call_id: String,
    tag: String,
    /// By the last answer to a REGISTER.
    is_there: bool,
}

impl Registration {
    pub(super) fn new() -> Self {
        Self { call_id: format!("{:x}", another()), tag: format!("{:x}", another()), is_there: false }
    }
}

impl Phone {
    /// Registers for so many seconds, or registers again.
    pub fn register(&mut self, expires: u32) -> Outcome {
        self.register_with(expires, Edit::none())
    }

    pub fn register_with(&mut self, expires: u32, edit: Edit) -> Outcome {
        let contact = self.contact();
        self.send_register(&contact, expires, edit)
    }

    pub fn unregister(&mut self) -> Outcome {
        self.register(0)
    }

    /// Removes all contacts of the account, whoever registered them.
    pub fn unregister_all(&mut self) -> Outcome {
        self.send_register("*", 0, Edit::none())
    }

    /// True: its last REGISTER was accepted, and the answer has its own contact, as some phones demand.
    pub const fn is_registered(&self) -> bool {
        self.registration.is_there
    }

    fn send_register(&mut self, contact: &str, expires: u32, edit: Edit) -> Outcome {
        let domain = self.settings.domain.clone();
        let own = format!("<sip:{}@{domain}>", self.settings.account);
        let Registration { call_id, tag, .. } = &self.registration;
        let (call_id, from) = (call_id.clone(), format!("{own};tag={tag}"));
        self.prepare_request();
        let mut draft = self.request_draft("REGISTER", &format!("sip:{domain}"), &from, &own, &call_id);
        draft.set("Contact", contact);
        draft.add("Expires", expires.to_string());
        let id = self.begin("REGISTER", draft, edit, self.settings.server);
        let outcome = self.wait(id);
        self.registration.is_there =
            outcome.status() == Some(200) && has_contact(&outcome, addressed(contact));
        outcome
    }
}

/// True: the answer has this contact, and it has not expired.
fn has_contact(outcome: &Outcome, uri: &str) -> bool {
    let contacts = outcome.final_answer().map(|answer| answer.list("Contact")).unwrap_or_default();
    contacts.iter().any(|contact| {
        addressed(contact).eq_ignore_ascii_case(uri) && header_parameter(contact, "expires") != Some("0")
    })
}
