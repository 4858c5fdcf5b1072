//! Where jobs for the office are handed in.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::{control::protocol::Refusal, office::Office};

type Job = Box<dyn FnOnce(&mut Office) + Send>;

/// Jobs that wait; more have to wait to wait.
const QUEUE: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Desk(mpsc::Sender<Message>);

enum Message {
    Do(Job),
    Close(oneshot::Sender<()>),
}

impl Desk {
    /// Gives the office a thread of its own.
    pub(super) fn open(mut office: Office) -> Result<Self, Refusal> {
        let (sender, mut jobs) = mpsc::channel(QUEUE);
        let work = move || {
            while let Some(message) = jobs.blocking_recv() {
                match message {
                    Message::Do(job) => job(&mut office),
                    Message::Close(closed) => {
                        drop(office);
                        // Whoever asked may have gone.
                        let _ = closed.send(());
                        return;
                    }
                }
            }
        };
        thread::Builder::new()
            .name("office".to_owned())
            .spawn(work)
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        Ok(Self(sender))
    }

    /// Has something done, after what was handed in before. It is done even if nobody waits for it any more.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Office) -> T + Send + 'static,
    ) -> T {
        let (done, result) = oneshot::channel();
        let job = move |office: &mut Office| {
            // Whoever asked may have gone.
            let _ = done.send(work(office));
        };
        if self.0.send(Message::Do(Box::new(job))).await.is_err() {
            // The office is closed, and the daemon about to end.
            return std::future::pending().await;
        }
        match result.await {
            Ok(result) => result,
            Err(_) => std::future::pending().await,
        }
    }

    /// Has something done, unless there is no room for more jobs: then it is not, and whoever asks does not wait.
    pub(super) fn try_hand_in(&self, job: impl FnOnce(&mut Office) + Send + 'static) -> bool {
        self.0.try_send(Message::Do(Box::new(job))).is_ok()
    }

    /// Has everything finished that was handed in before.
    pub(super) async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.0.send(Message::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}
