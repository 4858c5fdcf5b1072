//! Requests of the phone, and the answers to them.

use std::net::SocketAddr;

use super::{
    ContactAddress, OnChallenge, Phone,
    credentials::Challenge,
    draft::{Draft, Edit},
    message::Message,
    outcome::{Outcome, RequestId, Timer},
    uri::{host_of, seen_address},
};
use crate::guesser::another;

/// A server that calls every nonce stale would be asked forever.
const REQUESTS_MAX: usize = 8;

impl Phone {
    /// Sends a request that belongs to no call, and waits for its outcome.
    pub fn request(&mut self, method: &str, uri: &str, edit: Edit) -> Outcome {
        let id = self.send(method, uri, edit);
        self.wait(id)
    }

    /// Sends a request that belongs to no call.
    pub fn send(&mut self, method: &str, uri: &str, edit: Edit) -> RequestId {
        self.prepare_request();
        let from = format!("<sip:{}@{}>;tag={:x}", self.settings.account, self.settings.domain, another());
        let call_id = format!("{:x}", another());
        let draft = self.request_draft(method, uri, &from, &format!("<{uri}>"), &call_id);
        self.begin(method, draft, edit, self.settings.server)
    }

    /// Waits for the final answer. Without one the outcome is over when the phone's patience is.
    pub fn wait(&mut self, id: RequestId) -> Outcome {
        self.wait_until(|phone| phone.outcome(id).is_over);
        self.give_up(id);
        self.outcome(id).clone()
    }

    /// Neither repeats the request from now on, nor sends it with credentials.
    pub fn give_up(&mut self, id: RequestId) {
        let outcome = &mut self.outcomes[id.0];
        (outcome.is_over, outcome.timer) = (true, None);
    }

    /// The outcome so far.
    pub fn outcome(&self, id: RequestId) -> &Outcome {
        &self.outcomes[id.0]
    }

    pub(super) fn contact(&self) -> String {
        let address = match self.settings.contact {
            ContactAddress::Own => self.local(),
            ContactAddress::Seen => self.seen.unwrap_or_else(|| self.local()),
        };
        let parameter = if self.settings.transport.is_reliable() {
            format!(";transport={}", self.settings.transport.name().to_ascii_lowercase())
        } else {
            String::new()
        };
        let Self { settings, .. } = self;
        format!("<sip:{}@{}:{}{parameter}>", settings.account, host_of(address.ip()), address.port())
    }

    /// A request of this CSeq, without a body.
    pub(super) fn request_draft(
        &self,
        method: &str,
        uri: &str,
        from: &str,
        to: &str,
        call_id: &str,
    ) -> Draft {
        let mut draft = Draft::new(format!("{method} {uri} SIP/2.0"));
        draft.add("Via", self.via());
        draft.add("Max-Forwards", "70");
        draft.add("From", from);
        draft.add("To", to);
        draft.add("Call-ID", call_id);
        draft.add("CSeq", format!("{} {method}", self.sequence));
        draft.add("Contact", self.contact());
        for (name, value) in &self.settings.headers {
            draft.add(name, &value[..]);
        }
        draft
    }

    /// Takes the next CSeq. A phone that has lost its connection makes another first: Via and Contact have its address.
    pub(super) fn prepare_request(&mut self) {
        self.sequence += 1;
        if let Err(error) = self.connect(self.settings.server) {
            self.complain(format!("no connection: {error}"));
        }
    }

    fn via(&self) -> String {
        let (transport, local) = (self.settings.transport.name(), self.local());
        let rport = if self.settings.sends_rport { ";rport" } else { "" };
        let (host, port) = (host_of(local.ip()), local.port());
        format!("SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{:x}{rport}", another())
    }

    pub(super) fn begin(&mut self, method: &str, draft: Draft, edit: Edit, to: SocketAddr) -> RequestId {
        let mut outcome = Outcome::new(method, draft, edit, to);
        if self.settings.keeps_challenge && method != "CANCEL" {
            outcome.challenges.clone_from(&self.kept);
        }
        self.outcomes.push(outcome);
        let id = RequestId(self.outcomes.len() - 1);
        self.transmit(id);
        id
    }

    /// Sends the request for the first time, or with other credentials.
    fn transmit(&mut self, id: RequestId) {
        let (outcome, uses) = (&mut self.outcomes[id.0], &mut self.uses);
        let mut draft = outcome.draft.clone();
        let count = |nonce: &str| {
            let uses = uses.entry(nonce.to_owned()).or_default();
            *uses += 1;
            *uses
        };
        let uri = draft.start.split(' ').nth(1).unwrap_or_default().to_owned();
        let credentials = &self.settings.credentials;
        for (name, value) in credentials.lines(&outcome.challenges, &outcome.method, &uri, count) {
            draft.add(name, value);
        }
        outcome.edit.apply(&mut draft);
        let (bytes, to) = (draft.write(), outcome.to);
        outcome.sent.push(bytes.clone());
        outcome.written.push(draft);
        outcome.timer = (!self.settings.transport.is_reliable()).then(Timer::start);
        self.send_bytes(&bytes, to);
    }

    pub(super) fn on_answer(&mut self, answer: Message) {
        let (Some(branch), Some((_, method))) = (answer.branch(), answer.cseq()) else {
            return self.complain(format!("an answer without branch or CSeq: {answer:?}"));
        };
        // CANCEL has the branch of its INVITE.
        let found = self.outcomes.iter().enumerate().rev().find_map(|(index, outcome)| {
            let written = outcome.with_branch(branch).filter(|_| outcome.method == method)?;
            Some((RequestId(index), written))
        });
        let Some((id, written)) = found else {
            if !self.has_sent_raw {
                self.complain(format!("an answer to no request: {answer:?}"));
            }
            return;
        };
        self.check_answer(&answer, id, written);
        self.seen = answer.list("Via").first().and_then(|via| seen_address(via)).or(self.seen);
        let status = answer.status().unwrap_or_default();
        let outcome = &mut self.outcomes[id.0];
        let is_invite = outcome.method == "INVITE";
        outcome.answers.push(answer.clone());
        if status < 200 {
            match &mut outcome.timer {
                timer if is_invite => *timer = None,
                Some(timer) => timer.slow_down(),
                None => {}
            }
        } else {
            if is_invite && status >= 300 {
                self.acknowledge_failure(id, written, &answer);
            }
            let outcome = &mut self.outcomes[id.0];
            // The answer to an earlier request, once more.
            if written + 1 < outcome.written.len() {
                return;
            }
            outcome.timer = None;
            if !outcome.is_over && self.answers_challenge(id, &answer) {
                return;
            }
            self.outcomes[id.0].is_over = true;
        }
        self.on_answer_in_call(id, &answer);
    }

    fn check_answer(&mut self, answer: &Message, id: RequestId, written: usize) {
        let request = &self.outcomes[id.0].written[written];
        let mut faults = Vec::new();
        let vias = answer.list("Via");
        let place = |via: &str| via.split(';').next().map(str::to_owned);
        let is_own = vias.first().and_then(|via| place(via)) == request.header("Via").and_then(place);
        if vias.len() != 1 || !is_own {
            faults.push("Via is not the phone's own");
        }
        for name in ["From", "Call-ID", "CSeq"] {
            if answer.header(name) != request.header(name) || answer.lines(name).count() != 1 {
                faults.push(name);
            }
        }
        let (sent, has_tag) = (request.header("To").unwrap_or_default(), answer.tag("To").is_some());
        if !has_tag && answer.status() > Some(100) {
            faults.push("To has no tag");
        }
        if answer.header("To").is_none_or(|to| !to.starts_with(sent)) {
            faults.push("To");
        }
        if !faults.is_empty() {
            let sent = String::from_utf8_lossy(&self.outcomes[id.0].sent[written]).into_owned();
            self.complain(format!("{faults:?} of {answer:?}\nto {sent}"));
        }
    }

    /// Sends the request with credentials, if that is what the phone does now.
    fn answers_challenge(&mut self, id: RequestId, answer: &Message) -> bool {
        if !matches!(answer.status(), Some(401 | 407)) {
            return false;
        }
        let chosen = self.settings.credentials.choose(answer);
        let outcome = &mut self.outcomes[id.0];
        let was_answered = |challenge: &Challenge| {
            !challenge.is_stale && outcome.answered.iter().any(|before| before.replaces(challenge))
        };
        let goes_on = match self.settings.on_challenge {
            OnChallenge::Ignore => false,
            OnChallenge::Repeat(requests) => outcome.sent.len() < requests,
            OnChallenge::Answer => outcome.sent.len() < REQUESTS_MAX && !chosen.iter().any(was_answered),
        };
        if chosen.is_empty() || !goes_on {
            return false;
        }
        for challenge in &chosen {
            for kept in [&mut outcome.challenges, &mut outcome.answered, &mut self.kept] {
                kept.retain(|before| !challenge.replaces(before));
                kept.push(challenge.clone());
            }
        }
        self.prepare_request();
        let (via, sequence) = (self.via(), self.sequence);
        let outcome = &mut self.outcomes[id.0];
        let method = &outcome.method;
        outcome.draft.set("CSeq", format!("{sequence} {method}"));
        outcome.draft.set("Via", via);
        self.transmit(id);
        true
    }

    /// Of the same transaction: RFC 3261 §17.1.1.3.
    fn acknowledge_failure(&mut self, id: RequestId, written: usize, answer: &Message) {
        let outcome = &self.outcomes[id.0];
        let request = &outcome.written[written];
        let mut ack = sibling(request, "ACK");
        ack.add("To", answer.header("To").unwrap_or_default());
        let to = outcome.to;
        self.send_bytes(&ack.write(), to);
    }

    /// Sends CANCEL for a request, whether or not it was answered.
    pub(super) fn cancel_request(&mut self, id: RequestId) -> RequestId {
        let outcome = &self.outcomes[id.0];
        let Some(request) = outcome.written.last() else { return id };
        let mut draft = sibling(request, "CANCEL");
        draft.add("To", request.header("To").unwrap_or_default());
        for (name, value) in &self.settings.headers {
            draft.add(name, &value[..]);
        }
        let to = outcome.to;
        self.begin("CANCEL", draft, Edit::none(), to)
    }
}

/// An ACK or a CANCEL of the same transaction, without To.
fn sibling(request: &Draft, method: &str) -> Draft {
    let uri = request.start.split(' ').nth(1).unwrap_or_default();
    let mut draft = Draft::new(format!("{method} {uri} SIP/2.0"));
    for (name, value) in &request.headers {
        match &name[..] {
            "Via" if draft.header("Via").is_none() => draft.add("Via", &value[..]),
            "Route" | "From" | "Call-ID" | "Max-Forwards" => draft.add(name, &value[..]),
            "CSeq" => draft.add("CSeq", value.replace("INVITE", method)),
            _ => {}
        }
    }
    draft
}
