//! What a server needs from the one who does what is asked.

use std::time::Duration;

use crate::{
    caller::Who,
    control::{answers::Answers, request},
    refusal::Refusal,
};
use sipward_api::Call;

/// Does what is asked.
pub trait Handler: Clone + Send + Sync + 'static {
    /// What `answers` is told goes to the client, and then the outcome. Is dropped at any `await` when the client has
    /// hung up or does not read.
    fn call(
        &self,
        call: Call,
        who: Who,
        answers: Answers,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// What a client may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once.
    pub clients: usize,
    /// Connections of one process at once, so that one that does not close them leaves room for others.
    pub of_a_process: usize,
    /// Bytes of a request.
    pub line: usize,
    /// How long a client may stay without a request, or with a part of one.
    pub idle: Duration,
    /// How long a client may leave its answers unread.
    pub stall: Duration,
    /// How long it may take to find a client's name.
    pub naming: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            of_a_process: 16,
            line: request::LONGEST,
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(10),
            naming: Duration::from_secs(2),
        }
    }
}
