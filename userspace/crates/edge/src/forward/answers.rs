//! Answers, on their way back.

use sipward_sip::{Via, echoed};

use super::{Forwarded, Forwarder, edits::Edits, settings::Reach};
use crate::{
    link::{Link, Side},
    message::{Header, Hop, Message, Start},
    token,
};

impl Forwarder {
    /// Of the PBX or of a phone. `None`: the edge has sent no such request, or it is nothing that the other side should see.
    pub fn answer_back(&self, answer: &Message<'_>, from: Link) -> Option<Forwarded> {
        let mut edits = Edits::new(answer);
        if from.side == Side::Inner && matches!(answer.start(), Start::Answer { status: 503 }) {
            // By a 503 a proxy says that itself is too busy, and the phone would leave it (RFC 3261 §16.7).
            edits.replace_start_line("SIP/2.0 500 Server Internal Error");
            edits.remove_where(|line| line.header == Header::RetryAfter);
        }
        self.send_back(answer, from, edits)
    }

    /// An answer that the edge gives itself, in the place of the other end.
    pub fn own_answer_back(&self, answer: &Message<'_>, from: Link) -> Option<Forwarded> {
        self.send_back(answer, from, Edits::new(answer))
    }

    fn send_back<'a>(&self, answer: &Message<'a>, from: Link, mut edits: Edits<'_, 'a>) -> Option<Forwarded> {
        let Start::Answer { status } = answer.start() else { return None };
        let via = answer.via().via;
        self.settings.side_of(via.host, via.port)?;
        let to = self.own_branch(answer).filter(|to| to.side != from.side)?;
        self.settings.listener(to)?;
        let method = answer.sequence().method;
        // Clients may give up retransmitting at a 100, which is for INVITE alone (RFC 4320 §4.1).
        if status == 100 && method != b"INVITE" {
            return None;
        }
        edits.keep_values(Header::Via, 1..answer.listed(Header::Via).count());
        if from.side == Side::Outer {
            edits.remove_where(|line| line.header == Header::Identity);
        }
        edits.remove_where(|line| line.header == Header::Sipward);
        if self.settings.reach == Reach::Contact && method == b"REGISTER" {
            self.restore_contacts(answer, &mut edits);
        }
        Some(Forwarded { to, bytes: edits.apply() })
    }

    /// The link that the topmost Via leads back to, if the edge has written it.
    pub(super) fn own_branch(&self, message: &Message<'_>) -> Option<Link> {
        let mut vias = message.listed(Header::Via).map(|via| Hop::read(via.value).via);
        let (own, below) = (vias.next()?, vias.next()?);
        with_transaction(message, &below, |parts| token::read_branch(&self.keys, own.branch, parts))
    }
}

/// Parts that are the same in a request, its CANCEL, the ACK to its refusal and all their answers. `below`: the Via of
/// whoever has sent it to the edge.
pub(super) fn with_transaction<T>(
    message: &Message<'_>,
    below: &Via<'_>,
    then: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let port = below.port.unwrap_or(0).to_le_bytes();
    let sequence = message.sequence().number.to_le_bytes();
    let (branch, from) = (echoed(below.branch), echoed(message.from().tag.unwrap_or_default()));
    then(&[below.host, &port, &branch, message.call_id(), &from, &sequence])
}
