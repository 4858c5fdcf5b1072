//! The outcome of a request: all that was sent for it, and all answers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    credentials::Challenge,
    draft::{Draft, Edit},
    message::Message,
    uri::header_parameter,
};

/// RFC 3261's T1 and T2.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);

/// One of the phone's requests. It stays the same when the request is sent again with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub(super) usize);

#[derive(Clone, Debug)]
pub struct Outcome {
    pub method: String,
    /// The request, and the same with credentials, in order. Retransmissions are not among them.
    pub sent: Vec<Vec<u8>>,
    /// Retransmissions.
    pub repeated: usize,
    /// All of them, in order: those to the requests without credentials, the provisional, the repeated ones.
    pub answers: Vec<Message>,
    /// The phone waits for nothing more.
    pub is_over: bool,
    /// As it was before the edit.
    pub(super) draft: Draft,
    pub(super) edit: Edit,
    /// The drafts of what was sent.
    pub(super) written: Vec<Draft>,
    pub(super) to: SocketAddr,
    /// Those that the credentials of the next request answer.
    pub(super) challenges: Vec<Challenge>,
    /// Those of them that answers to this request brought.
    pub(super) answered: Vec<Challenge>,
    pub(super) timer: Option<Timer>,
    /// The ACK to a 2xx, which each repeated 2xx makes the phone send again.
    pub(super) ack: Option<(Vec<u8>, SocketAddr)>,
}

impl Outcome {
    pub(super) fn new(method: &str, draft: Draft, edit: Edit, to: SocketAddr) -> Self {
        Self {
            method: method.to_owned(),
            sent: Vec::new(),
            repeated: 0,
            answers: Vec::new(),
            is_over: false,
            draft,
            edit,
            written: Vec::new(),
            to,
            challenges: Vec::new(),
            answered: Vec::new(),
            timer: None,
            ack: None,
        }
    }

    /// The status of the final answer to the last request. `None`: there was none, even if an earlier one was challenged.
    pub fn status(&self) -> Option<u16> {
        self.final_answer().and_then(Message::status)
    }

    /// The statuses of the answers, in order. Each request that was sent has each status once: on a slow machine both requests
    /// and answers come again, and that says nothing.
    pub fn statuses(&self) -> Vec<u16> {
        let mut different: Vec<(Option<&str>, u16)> = Vec::new();
        for answer in &self.answers {
            let one = (answer.branch(), answer.status().unwrap_or_default());
            if !different.contains(&one) {
                different.push(one);
            }
        }
        different.into_iter().map(|(_, status)| status).collect()
    }

    /// The final answer to the last request.
    pub fn final_answer(&self) -> Option<&Message> {
        let branch = branch_of(self.written.last()?);
        let is_final = |answer: &&Message| answer.branch() == branch && answer.status() >= Some(200);
        self.answers.iter().rev().find(is_final)
    }

    /// The first answer with this status.
    pub fn answer(&self, status: u16) -> Option<&Message> {
        self.answers.iter().find(|answer| answer.status() == Some(status))
    }

    /// The last request as it was sent.
    pub fn last_sent(&self) -> &[u8] {
        self.sent.last().map_or(&[], |bytes| &bytes[..])
    }

    /// The last request that was sent with this branch.
    pub(super) fn with_branch(&self, branch: &str) -> Option<usize> {
        self.written.iter().rposition(|draft| branch_of(draft) == Some(branch))
    }
}

fn branch_of(draft: &Draft) -> Option<&str> {
    header_parameter(draft.header("Via")?, "branch")
}

/// The time of the next retransmission, and the time from there to the one after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) at: Instant,
    wait: Duration,
}

impl Timer {
    pub(super) fn start() -> Self {
        Self { at: Instant::now() + FIRST, wait: FIRST }
    }

    /// The intervals double: up to T2, but for an INVITE of which nothing was heard.
    pub(super) fn advance(&mut self, is_invite: bool) {
        self.wait *= 2;
        if !is_invite {
            self.wait = self.wait.min(LONGEST);
        }
        self.at = Instant::now() + self.wait;
    }

    /// From a provisional answer on, a request other than INVITE is repeated seldom.
    pub(super) fn slow_down(&mut self) {
        self.wait = LONGEST;
        self.at = Instant::now() + LONGEST;
    }
}
