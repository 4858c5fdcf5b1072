//! REGISTER and its answer: how the PBX will reach the phone.

use sipward_sip::Contact;

use super::{
    Forwarder,
    edits::Edits,
    settings::{Listener, Reach},
};
use crate::{
    link::Link,
    message::{Header, Listed, Message},
    token::{self, Phone},
};

/// A contact of a REGISTER, where the edge writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PbxContact {
    /// By which the PBX will know the phone.
    pub uri: String,
    /// The phone takes it back.
    pub ends: bool,
}

impl Forwarder {
    /// Of a phone's REGISTER.
    pub(super) fn add_binding<'a>(
        &self,
        request: &Message<'a>,
        inner: &Listener,
        phone: Phone,
        edits: &mut Edits<'_, 'a>,
    ) {
        let supports_path = request.supports("path");
        match self.settings.reach {
            Reach::Contact => {
                edits.remove_where(|line| line.header == Header::Path);
                for contact in request.listed(Header::Contact).filter(is_sip) {
                    replace_uri(&contact, self.binding(&contact, inner, phone).as_bytes(), edits);
                }
            }
            Reach::Path if !supports_path => {}
            Reach::Path | Reach::PathAlways => {
                let token = token::binding(&self.keys, phone, b"");
                edits.add_line(&format!("Path: <sip:{token}@{};lr>", inner.uri_host()));
                if !supports_path {
                    edits.add_line("Supported: path");
                }
            }
        }
    }

    fn binding(&self, contact: &Listed<'_, '_>, inner: &Listener, phone: Phone) -> String {
        let token = token::binding(&self.keys, phone, contact.uri());
        format!("sip:{token}@{}", inner.uri_host())
    }

    /// The contacts by which the PBX will know the phone of a REGISTER, where the edge writes them.
    pub fn contacts(&self, request: &Message<'_>, from: Link, account: &str) -> Vec<PbxContact> {
        let inner = self.settings.pbx_link(from.transport);
        let Some(inner) = inner.and_then(|link| self.settings.listener(link)) else { return Vec::new() };
        if self.settings.reach != Reach::Contact {
            return Vec::new();
        }
        let phone = Phone { link: request.reply_to(from), account: self.account_mark(Some(account)) };
        let at_pbx = |contact: Listed<'_, '_>| {
            let expires = Contact::parse(contact.value).expires.or_else(|| request.expires());
            PbxContact { uri: self.binding(&contact, inner, phone), ends: expires == Some(0) }
        };
        request.listed(Header::Contact).filter(is_sip).map(at_pbx).collect()
    }

    /// Of the PBX's answer: a phone looks for its own Contact, and may look at all the others.
    pub(super) fn restore_contacts<'a>(&self, answer: &Message<'a>, edits: &mut Edits<'_, 'a>) {
        for contact in answer.listed(Header::Contact) {
            if let Some((_, uri)) = self.read_contact(contact.uri()) {
                replace_uri(&contact, &uri, edits);
            }
        }
    }

    /// The phone that a Contact of the edge's stands for, and the phone's own Contact.
    pub fn read_contact(&self, uri: &[u8]) -> Option<(Phone, Vec<u8>)> {
        let uri = sipward_sip::Uri::parse(uri);
        self.settings.side_of_uri(&uri)?;
        token::read_binding(&self.keys, uri.user).filter(|(_, contact)| !contact.is_empty())
    }
}

fn is_sip(contact: &Listed<'_, '_>) -> bool {
    let uri = contact.uri();
    [&b"sip:"[..], b"sips:"]
        .iter()
        .any(|scheme| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// A URI without brackets gets some: with a semicolon in it, it needs them.
fn replace_uri<'a>(contact: &Listed<'_, 'a>, by: &[u8], edits: &mut Edits<'_, 'a>) {
    let is_bracketed = sipward_sip::find(contact.value, b'<').is_some();
    edits.replace(contact.uri(), if is_bracketed { by.to_vec() } else { [b"<", by, b">"].concat() });
}
