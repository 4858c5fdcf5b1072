//! The interface between the server and the handler of calls.

use std::time::Duration;

use crate::{
    caller::Who,
    control::{answers::Answers, request},
    refusal::Refusal,
};
use sipward_api::Call;

/// Does what is asked.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Sends answers to the client; the outcome follows them. The future is dropped at any `await` when the client has
    /// hung up or does not read.
    fn call(
        &self,
        call: Call,
        who: Who,
        answers: Answers,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// Limits for clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once.
    pub clients: usize,
    /// Connections of one process at once, so that one that does not close them leaves room for others.
    pub of_a_process: usize,
    /// Connections of one user at once, however many processes it starts.
    pub of_a_user: usize,
    /// Bytes of a request.
    pub line: usize,
    /// The time without a complete request after which a client is disconnected.
    pub idle: Duration,
    /// The time that answers may stay unread.
    pub stall: Duration,
    /// The timeout for looking up the name of a client.
    pub naming: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            of_a_process: 16,
            of_a_user: 32,
            line: request::LONGEST,
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(10),
            naming: Duration::from_secs(2),
        }
    }
}
