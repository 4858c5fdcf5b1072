//! Calls: dialogs with their state, in both directions.

use std::net::SocketAddr;

use super::{
    Phone,
    draft::{Draft, Edit},
    message::Message,
    outcome::{RequestId, Timer},
    uri::{addressed, header_parameter},
};
use crate::guesser::another;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Of the phone's own call: nothing was heard but a challenge or 100.
    Trying,
    /// The callee rings: this phone, or the other one.
    Ringing,
    /// This phone has sent 200, and waits for the ACK.
    Accepted,
    Established,
    Ended,
}

#[derive(Debug)]
pub struct Call {
    pub state: State,
    /// The INVITE of the phone's own call.
    pub invite: Option<RequestId>,
    /// The requests of the other side in this call, in order, without retransmissions. The first one of a call that came in is
    /// its INVITE.
    pub requests: Vec<Message>,
    pub dialog: Dialog,
    /// The CSeq of the last request of the other side.
    pub(super) remote_sequence: u32,
    /// A final answer to an INVITE that has no ACK so far.
    pub(super) unacknowledged: Option<(Vec<u8>, SocketAddr, Timer)>,
}

/// The parts of a dialog that the phone's own requests have.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    /// The value of From, with its tag.
    pub local: String,
    /// The value of To, which has a tag once the other side has answered.
    pub remote: String,
    /// The Request-URI: the Contact of the other side.
    pub target: String,
    /// The values of Route, in the order in which they are written.
    pub routes: Vec<String>,
}

impl Call {
    /// The number of requests of that method that the other side sent.
    pub fn count(&self, method: &str) -> usize {
        self.requests.iter().filter(|request| request.method() == Some(method)).count()
    }
}

impl Phone {
    pub fn call(&self, id: CallId) -> &Call {
        &self.calls[id.0]
    }

    /// All calls, in the order in which they began.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &Call)> {
        self.calls.iter().enumerate().map(|(index, call)| (CallId(index), call))
    }

    /// The last call that came in.
    pub fn incoming(&self) -> Option<CallId> {
        self.calls().filter(|(_, call)| call.invite.is_none()).map(|(id, _)| id).last()
    }

    /// Calls an extension of its server. Polls do the rest: credentials, ACK.
    pub fn invite(&mut self, callee: &str) -> CallId {
        self.invite_with(callee, Edit::none())
    }

    /// The same with a change to each INVITE.
    pub fn invite_with(&mut self, callee: &str, edit: Edit) -> CallId {
        let domain = self.settings.domain.clone();
        let uri = format!("sip:{callee}@{domain}");
        let local = format!("<sip:{}@{domain}>;tag={:x}", self.settings.account, another());
        let (remote, call_id) = (format!("<{uri}>"), format!("{:x}", another()));
        let dialog = Dialog { call_id, local, remote, target: uri, routes: Vec::new() };
        self.prepare_request();
        let (mut draft, _) = self.draft_in_call(&dialog, "INVITE");
        if !self.settings.offers_late {
            self.add_session(&mut draft);
        }
        let invite = Some(self.begin("INVITE", draft, edit, self.settings.server));
        let call = Call {
            state: State::Trying,
            invite,
            requests: Vec::new(),
            dialog,
            remote_sequence: 0,
            unacknowledged: None,
        };
        self.calls.push(call);
        CallId(self.calls.len() - 1)
    }

    /// Gives up its own call. It ends when the INVITE is answered.
    pub fn cancel(&mut self, id: CallId) -> RequestId {
        let invite = self.calls[id.0].invite.expect("only the phone's own call can be cancelled");
        self.cancel_request(invite)
    }

    /// Sends BYE.
    pub fn hang_up(&mut self, id: CallId) -> RequestId {
        self.send_in_call(id, "BYE", Edit::none())
    }

    /// Sends INVITE once more, with the same session.
    pub fn reinvite(&mut self, id: CallId) -> RequestId {
        self.send_in_call(id, "INVITE", Edit::none())
    }

    /// Sends a request of any method within the call, by its route set. INVITE and UPDATE have a body.
    pub fn send_in_call(&mut self, id: CallId, method: &str, edit: Edit) -> RequestId {
        self.prepare_request();
        let (mut draft, next) = self.draft_in_call(&self.calls[id.0].dialog, method);
        let to = self.resolve(&next);
        if matches!(method, "INVITE" | "UPDATE") {
            self.add_session(&mut draft);
        }
        self.begin(method, draft, edit, to)
    }

    /// The request, and the URI that it goes to.
    fn draft_in_call(&self, dialog: &Dialog, method: &str) -> (Draft, String) {
        let Dialog { call_id, local, remote, target, routes } = dialog;
        let mut draft = self.request_draft(method, target, local, remote, call_id);
        for route in routes {
            draft.add("Route", &route[..]);
        }
        (draft, routes.first().map_or(&target[..], |route| addressed(route)).to_owned())
    }

    /// A body of SDP, as an offer and as an answer to one.
    pub(super) fn add_session(&self, draft: &mut Draft) {
        let ip = self.local().ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        draft.add("Content-Type", "application/sdp");
        // Nothing listens at that port: the tests are about calls, and not about their media.
        draft.body = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
        );
    }

    /// The consequences of an answer for the call of its request, if it has one.
    pub(super) fn on_answer_in_call(&mut self, id: RequestId, answer: &Message) {
        let method = self.outcome(id).method.clone();
        let found = self.calls.iter().position(|call| call.dialog.call_id == answer.call_id());
        let Some(call) = found.map(CallId) else { return };
        let (status, is_first) = (answer.status().unwrap_or_default(), self.calls[call.0].invite == Some(id));
        match &method[..] {
            "INVITE" if is_first && status < 300 => self.on_progress(call, id, answer, status),
            "INVITE" if is_first => self.calls[call.0].state = State::Ended,
            "INVITE" if (200..300).contains(&status) => {
                self.refresh_target(call, answer);
                self.acknowledge(call, id, answer);
            }
            "BYE" if status >= 200 => self.calls[call.0].state = State::Ended,
            _ => {}
        }
    }

    /// A provisional answer makes an early dialog, 200 one that counts.
    fn on_progress(&mut self, call: CallId, id: RequestId, answer: &Message, status: u16) {
        let Call { state, dialog, .. } = &mut self.calls[call.0];
        if status > 100 && matches!(state, State::Trying | State::Ringing) {
            *state = State::Ringing;
            answer.header("To").unwrap_or_default().clone_into(&mut dialog.remote);
            dialog.routes = answer.list("Record-Route").into_iter().rev().map(str::to_owned).collect();
            self.refresh_target(call, answer);
        }
        if status >= 200 {
            let state = &mut self.calls[call.0].state;
            if *state == State::Ringing {
                *state = State::Established;
            }
            self.acknowledge(call, id, answer);
            self.check_dialog(call, answer);
        }
    }

    /// The phone does not know how to end a second dialog of the same INVITE, and a proxy with one PBX makes none.
    fn check_dialog(&mut self, call: CallId, answer: &Message) {
        if header_parameter(&self.calls[call.0].dialog.remote, "tag") != answer.tag("To") {
            self.complain(format!("200 of another dialog: {answer:?}"));
        }
    }

    pub(super) fn refresh_target(&mut self, call: CallId, message: &Message) {
        if let Some(contact) = message.contact() {
            self.calls[call.0].dialog.target = contact.to_owned();
        }
    }

    /// Sends the ACK of a 2xx, which is a transaction of its own; for a repeated 2xx the same bytes.
    fn acknowledge(&mut self, call: CallId, id: RequestId, answer: &Message) {
        if self.outcome(id).ack.is_none() {
            let (mut ack, next) = self.draft_in_call(&self.calls[call.0].dialog, "ACK");
            let to = self.resolve(&next);
            if self.settings.offers_late {
                self.add_session(&mut ack);
            }
            let outcome = &mut self.outcomes[id.0];
            let (number, _) = answer.cseq().unwrap_or_default();
            ack.set("CSeq", format!("{number} ACK"));
            ack.remove("Contact");
            if let Some(invite) = outcome.written.last() {
                let credentials = invite.headers.iter().filter(|(name, _)| name.ends_with("Authorization"));
                ack.headers.extend(credentials.cloned());
            }
            outcome.ack = Some((ack.write(), to));
        }
        if let Some((bytes, to)) = self.outcome(id).ack.clone() {
            self.send_bytes(&bytes, to);
        }
    }
}
