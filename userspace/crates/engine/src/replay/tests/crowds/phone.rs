//! A phone that registers, as phones do it: what is not answered is sent again after half a second, then after twice as
//! long each time up to four seconds, for 32 s; then it waits for half a minute to a minute and starts anew.

use std::net::SocketAddr;

use sipward_testkit::message::Request;

use super::chance::Chance;

const MILLISECOND: u64 = 1_000_000;
const T1: u64 = 500 * MILLISECOND;
const T2: u64 = 4_000 * MILLISECOND;
const TIMEOUT: u64 = 64 * T1;

#[derive(Debug)]
pub(super) struct Phone {
    pub(super) address: SocketAddr,
    account: u64,
    password: &'static str,
    /// Transactions so far: an event that belongs to an earlier one is none.
    pub(super) transaction: u64,
    began: u64,
    wait: u64,
    nonce: Option<String>,
    pub(super) registered: Option<u64>,
}

impl Phone {
    pub(super) const fn new(address: SocketAddr, account: u64, password: &'static str) -> Self {
        Self { address, account, password, transaction: 0, began: 0, wait: 0, nonce: None, registered: None }
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self, now: u64, nonce: Option<String>) {
        self.transaction += 1;
        (self.began, self.wait, self.nonce) = (now, T1, nonce);
    }

    /// The message of its transaction.
    pub(super) fn message(&self) -> Vec<u8> {
        let credentials = self.nonce.as_deref().map(|nonce| (nonce, self.password));
        let from = self.address.to_string();
        register(&from, self.account, self.transaction, self.transaction as u32, "Phone 1.0", credentials)
    }

    /// When it looks again whether there was an answer.
    pub(super) fn next(&mut self, now: u64) -> u64 {
        let wait = self.wait;
        self.wait = (2 * wait).min(T2);
        now + wait
    }

    /// Its transaction has credentials.
    pub(super) const fn has_tried(&self) -> bool {
        self.nonce.is_some()
    }

    pub(super) const fn has_given_up(&self, now: u64) -> bool {
        now >= self.began + TIMEOUT
    }

    /// When it starts anew.
    pub(super) fn later(now: u64, chance: &mut Chance) -> u64 {
        now + (30_000 + chance.below(30_000)) * MILLISECOND
    }
}

/// `credentials`: a nonce, and what answers it.
pub(super) fn register(
    from: &str,
    account: u64,
    branch: u64,
    sequence: u32,
    agent: &str,
    credentials: Option<(&str, &str)>,
) -> Vec<u8> {
    let authorization = credentials.map_or_else(String::new, |(nonce, response)| {
        format!(
            "Authorization: Digest username=\"{account}\", realm=\"pbx\", nonce=\"{nonce}\", uri=\"sip:pbx.example\", \
             response=\"{response}\"\r\n"
        )
    });
    let request = Request {
        uri: "sip:pbx.example",
        sent_by: from,
        branch: &format!("z9hG4bK{account}x{branch}"),
        from: &format!("<sip:{account}@pbx.example>"),
        tag: &account.to_string(),
        to: &format!("<sip:{account}@pbx.example>"),
        call_id: &format!("{account}@phone.example"),
        sequence,
        contact: Some(&format!("<sip:{account}@{from}>;expires=600")),
        headers: &format!("{authorization}User-Agent: {agent}\r\n"),
        ..Request::default()
    };
    request.write().into_bytes()
}
