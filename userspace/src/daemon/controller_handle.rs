//! Hands jobs to the controller's thread.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::{controller::Controller, refusal::Refusal};

type Job = Box<dyn FnOnce(&mut Controller) + Send>;

/// Capacity of the job queue; more callers wait.
const QUEUE: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct ControllerHandle(mpsc::Sender<Message>);

enum Message {
    Do(Job),
    Close(oneshot::Sender<()>),
}

impl ControllerHandle {
    /// Gives the controller a thread of its own.
    pub(super) fn open(mut controller: Controller) -> Result<Self, Refusal> {
        let (sender, mut jobs) = mpsc::channel(QUEUE);
        let work = move || {
            while let Some(message) = jobs.blocking_recv() {
                match message {
                    Message::Do(job) => job(&mut controller),
                    Message::Close(closed) => {
                        drop(controller);
                        // The caller may be gone.
                        let _ = closed.send(());
                        return;
                    }
                }
            }
        };
        thread::Builder::new()
            .name("controller".to_owned())
            .spawn(work)
            .map_err(|error| Refusal::failed(format!("could not start a thread: {error}")))?;
        Ok(Self(sender))
    }

    /// Runs a job after those handed in before. It runs even if the caller stops waiting.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Controller) -> T + Send + 'static,
    ) -> T {
        let (done, result) = oneshot::channel();
        let job = move |controller: &mut Controller| {
            // The caller may be gone.
            let _ = done.send(work(controller));
        };
        if self.0.send(Message::Do(Box::new(job))).await.is_err() {
            // The controller is closed, and the daemon about to end.
            return std::future::pending().await;
        }
        match result.await {
            Ok(result) => result,
            Err(_) => std::future::pending().await,
        }
    }

    /// Hands in a job without waiting. False if the queue is full.
    pub(super) fn try_hand_in(&self, job: impl FnOnce(&mut Controller) + Send + 'static) -> bool {
        self.0.try_send(Message::Do(Box::new(job))).is_ok()
    }

    /// Waits until the jobs handed in before are finished.
    pub(super) async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.0.send(Message::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}
