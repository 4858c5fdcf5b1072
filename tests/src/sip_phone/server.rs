//! Requests of others, and the phone's answers.

use std::net::SocketAddr;

use super::{
    Incoming, Phone,
    call::{Call, CallId, Dialog, State},
    draft::{Draft, Edit},
    message::Message,
    outcome::Timer,
    uri::{header_parameter, host_and_port},
};
use crate::guesser::another;

/// A request that the phone knows, and its last answer, which a retransmission of the request gets once more.
#[derive(Debug)]
pub(super) struct Answered {
    branch: String,
    method: String,
    /// None: the phone does not answer it, or has not yet.
    answer: Option<(Vec<u8>, SocketAddr)>,
}

impl Phone {
    /// Answers a call that came in. 183 and 200 have a session.
    pub fn answer(&mut self, id: CallId, status: u16) {
        self.answer_with(id, status, Edit::none());
    }

    /// The same with a change to the answer.
    pub fn answer_with(&mut self, id: CallId, status: u16, edit: Edit) {
        let invite = self.calls[id.0].requests[0].clone();
        self.answer_invite(id, &invite, status, &edit);
        self.calls[id.0].state = match status {
            ..200 => State::Ringing,
            200..300 => State::Accepted,
            _ => State::Ended,
        };
    }

    pub(super) fn on_request(&mut self, request: Message) {
        self.check_request(&request);
        let (Some(method), Some(branch)) = (request.method(), request.branch()) else {
            return self.complain(format!("a request without method or branch: {request:?}"));
        };
        if method == "ACK" {
            return self.on_ack(request);
        }
        let known = self.answered.iter().find(|known| known.branch == branch && known.method == method);
        if let Some(Answered { answer, .. }) = known {
            if let Some((bytes, to)) = answer.clone() {
                self.send_bytes(&bytes, to);
            }
            return;
        }
        let (branch, method) = (branch.to_owned(), method.to_owned());
        self.answered.push(Answered { branch, method: method.clone(), answer: None });
        match &method[..] {
            "CANCEL" => self.on_cancel(&request),
            _ if request.tag("To").is_some() => self.on_request_in_call(request),
            "INVITE" => self.on_invite(request),
            _ => self.respond(&request, 200, &Edit::none()),
        }
    }

    fn check_request(&mut self, request: &Message) {
        let once = ["From", "To", "Call-ID", "CSeq", "Max-Forwards"];
        let mut faults = once.into_iter().filter(|name| request.lines(name).count() != 1).collect::<Vec<_>>();
        if request.method() == Some("INVITE") && request.contact().is_none() {
            faults.push("Contact");
        }
        if request.tag("From").is_none() {
            faults.push("the tag of From");
        }
        if !faults.is_empty() {
            self.complain(format!("{faults:?} of {request:?}"));
        }
    }

    fn on_invite(&mut self, invite: Message) {
        let text = |name| invite.header(name).unwrap_or_default().to_owned();
        let dialog = Dialog {
            call_id: text("Call-ID"),
            local: format!("{};tag={:x}", text("To"), another()),
            remote: text("From"),
            target: invite.contact().unwrap_or_default().to_owned(),
            routes: invite.list("Record-Route").into_iter().map(str::to_owned).collect(),
        };
        self.calls.push(Call {
            state: State::Trying,
            invite: None,
            dialog,
            remote_sequence: invite.cseq().unwrap_or_default().0,
            requests: vec![invite],
            unacknowledged: None,
        });
        let id = CallId(self.calls.len() - 1);
        match self.settings.incoming {
            Incoming::Ring => self.answer(id, 180),
            Incoming::Accept => self.answer(id, 200),
            Incoming::Refuse(status) => self.answer(id, status),
            Incoming::Ignore => {}
        }
    }

    /// The call whose dialog the request claims to be of.
    fn call_of(&self, request: &Message) -> Option<CallId> {
        let is_it = |(_, call): &(CallId, &Call)| {
            let Dialog { call_id, local, remote, .. } = &call.dialog;
            call_id == request.call_id()
                && header_parameter(local, "tag") == request.tag("To")
                && header_parameter(remote, "tag") == request.tag("From")
        };
        self.calls().find(is_it).map(|(id, _)| id)
    }

    fn on_ack(&mut self, ack: Message) {
        let Some(id) = self.call_of(&ack) else {
            return self.complain(format!("an ACK of no call: {ack:?}"));
        };
        let call = &mut self.calls[id.0];
        call.unacknowledged = None;
        if call.state == State::Accepted {
            call.state = State::Established;
        }
        call.requests.push(ack);
    }

    fn on_cancel(&mut self, cancel: &Message) {
        let found = self.calls().find(|(_, call)| {
            let invite = call.requests.first().filter(|_| call.invite.is_none());
            invite.is_some_and(|invite| invite.branch() == cancel.branch())
        });
        let Some(id) = found.map(|(id, _)| id) else {
            return self.respond(cancel, 481, &Edit::none());
        };
        self.respond(cancel, 200, &Edit::none());
        self.calls[id.0].requests.push(cancel.clone());
        if matches!(self.calls[id.0].state, State::Trying | State::Ringing) {
            self.answer(id, 487);
        }
    }

    fn on_request_in_call(&mut self, request: Message) {
        let call = self.call_of(&request).filter(|id| self.calls[id.0].state != State::Ended);
        let Some(id) = call else {
            return self.respond(&request, 481, &Edit::none());
        };
        let (number, method) = request.cseq().unwrap_or_default();
        let last = self.calls[id.0].remote_sequence;
        if number <= last {
            self.complain(format!("the CSeq before was {last}: {request:?}"));
            return self.respond(&request, 500, &Edit::none());
        }
        self.calls[id.0].remote_sequence = number;
        self.calls[id.0].requests.push(request.clone());
        match method {
            "INVITE" => {
                self.refresh_target(id, &request);
                self.answer_invite(id, &request, 200, &Edit::none());
            }
            "UPDATE" => {
                self.refresh_target(id, &request);
                let answer = self.with_session();
                self.respond(&request, 200, &answer);
            }
            "BYE" => {
                self.respond(&request, 200, &Edit::none());
                self.calls[id.0].state = State::Ended;
            }
            _ => self.respond(&request, 200, &Edit::none()),
        }
    }

    /// Answers a first or a later INVITE. A final answer is repeated until its ACK is there.
    fn answer_invite(&mut self, id: CallId, invite: &Message, status: u16, edit: &Edit) {
        let (local, session, change) =
            (self.calls[id.0].dialog.local.clone(), self.with_session(), edit.clone());
        let has_session = status == 183 || (200..300).contains(&status);
        let edit = Edit::new(move |draft| {
            draft.set("To", &local[..]);
            if has_session {
                session.apply(draft);
            }
            change.apply(draft);
        });
        self.respond(invite, status, &edit);
        let is_repeated = status >= 200 && (status < 300 || !self.settings.transport.is_reliable());
        if is_repeated {
            let sent = self.answered.iter().find(|known| invite.branch() == Some(&known.branch));
            let sent = sent.and_then(|known| known.answer.clone());
            self.calls[id.0].unacknowledged = sent.map(|(bytes, to)| (bytes, to, Timer::start()));
        }
    }

    fn with_session(&self) -> Edit {
        let mut session = Draft::new(String::new());
        self.add_session(&mut session);
        Edit::new(move |draft| {
            draft.headers.extend(session.headers.clone());
            draft.body.clone_from(&session.body);
        })
    }

    fn respond(&mut self, request: &Message, status: u16, edit: &Edit) {
        let mut draft = Draft::new(format!("SIP/2.0 {status} {}", reason(status)));
        for (index, via) in request.list("Via").into_iter().enumerate() {
            draft.add("Via", if index == 0 { with_source(via, request.from) } else { via.to_owned() });
        }
        for route in request.lines("Record-Route") {
            draft.add("Record-Route", route);
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            draft.add(name, request.header(name).unwrap_or_default());
        }
        if request.tag("To").is_none() {
            let to = draft.header("To").unwrap_or_default().to_owned();
            draft.set("To", format!("{to};tag={:x}", another()));
        }
        draft.add("Contact", self.contact());
        edit.apply(&mut draft);
        let (bytes, to) = (draft.write(), self.answer_address(request));
        self.send_bytes(&bytes, to);
        let is_of = |known: &&mut Answered| {
            Some(&known.branch[..]) == request.branch() && Some(&known.method[..]) == request.method()
        };
        if let Some(known) = self.answered.iter_mut().find(is_of) {
            known.answer = Some((bytes, to));
        }
    }

    /// RFC 3261 §18.2.2 and RFC 3581 §4: the source of the request, but the port is that of Via if it has no `rport`.
    fn answer_address(&self, request: &Message) -> SocketAddr {
        let vias = request.list("Via");
        let via = vias.first().copied().unwrap_or_default();
        if self.settings.transport.is_reliable() || header_parameter(via, "rport").is_some() {
            return request.from;
        }
        SocketAddr::new(request.from.ip(), sent_by(via).and_then(|(_, port)| port).unwrap_or(5060))
    }
}

/// The host and the port that Via says its sender has.
fn sent_by(via: &str) -> Option<(&str, Option<u16>)> {
    host_and_port(via.split(';').next()?.split_whitespace().last()?)
}

/// Via with `received`, where it differs from what the sender wrote, and `rport`, where the sender asks for it.
fn with_source(via: &str, source: SocketAddr) -> String {
    let asks = header_parameter(via, "rport").is_some();
    let host = sent_by(via).map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
    let is_right = host.and_then(|host| host.parse().ok()) == Some(source.ip());
    let port = format!("rport={}", source.port());
    let parts = via.split(';').map(|part| if part.trim() == "rport" { &port } else { part });
    let answered = parts.collect::<Vec<_>>().join(";");
    if asks || !is_right { format!("{answered};received={}", source.ip()) } else { answered }
}

const fn reason(status: u16) -> &'static str {
    match status {
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        _ => "Answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn via_comes_back_with_the_source_of_the_request() {
        let source = "192.0.2.7:40000".parse().unwrap();
        let cases = [
            ("SIP/2.0/UDP 192.0.2.7:5060;branch=b", "SIP/2.0/UDP 192.0.2.7:5060;branch=b"),
            ("SIP/2.0/UDP 10.0.0.1;branch=b", "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.7"),
            (
                "SIP/2.0/UDP 192.0.2.7;rport;branch=b",
                "SIP/2.0/UDP 192.0.2.7;rport=40000;branch=b;received=192.0.2.7",
            ),
            ("SIP/2.0/UDP pbx;branch=b", "SIP/2.0/UDP pbx;branch=b;received=192.0.2.7"),
        ];
        for (via, answered) in cases {
            assert_eq!(with_source(via, source), answered);
        }
        let v6 = with_source("SIP/2.0/UDP [2001:db8::9]:5060", "[2001:db8::1]:5060".parse().unwrap());
        assert_eq!(v6, "SIP/2.0/UDP [2001:db8::9]:5060;received=2001:db8::1");
    }
}
