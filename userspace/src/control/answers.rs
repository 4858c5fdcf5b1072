//! Answers of a handler to the client.

use std::fmt;

use serde::Serialize;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use crate::refusal::Refusal;
use sipward_api::Answer;

/// The sink of the answers to one call. They end when it is dropped and the handler has returned.
#[derive(Debug)]
pub struct Answers {
    /// A bounded buffer: a client that reads slowly makes the handler wait.
    to: DuplexStream,
}

/// The client has hung up or does not read, or the answer has no form in JSON. The handler can stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// As `Answer`, borrowed and of any type.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Said<'a, T> {
    Item(&'a T),
    Notice(&'a str),
}

impl Answers {
    pub(super) const fn new(to: DuplexStream) -> Self {
        Self { to }
    }

    pub async fn item(&mut self, item: &(impl Serialize + Sync)) -> Result<(), Gone> {
        self.say(&Said::Item(item)).await
    }

    pub async fn notice(&mut self, notice: &str) -> Result<(), Gone> {
        self.say(&Said::<()>::Notice(notice)).await
    }

    async fn say<T: Serialize>(&mut self, said: &Said<'_, T>) -> Result<(), Gone> {
        let line = line(said).map_err(|_| Gone)?;
        self.to.write_all(&line).await.map_err(|_| Gone)
    }
}

/// The last line of the answers to a call.
pub(super) fn last(outcome: Result<(), Refusal>) -> Result<Vec<u8>, Gone> {
    let answer = match outcome {
        Ok(()) => Answer::Done,
        Err(refusal) => Answer::Failed(refusal.into()),
    };
    line(&answer).map_err(|_| Gone)
}

fn line(said: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    Ok(line)
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is gone")
    }
}

impl std::error::Error for Gone {}

/// Lets handlers end with `?`; no client reads this refusal.
impl From<Gone> for Refusal {
    fn from(gone: Gone) -> Self {
        Self::failed(gone.to_string())
    }
}
