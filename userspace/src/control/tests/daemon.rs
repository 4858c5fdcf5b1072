//! A test daemon that answers on a socket of its own and does nothing.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    caller::Who,
    control::{
        Access, Admission, Answers, Client, ClientError, ControlSocket, DaemonLock, Handler, Limits,
        Received, serve,
    },
    refusal::Refusal,
};
use sipward_api::{Answer, Call};
use sipward_engine::policy::Roles;
use sipward_testkit::scratch::Scratch;

/// Longer than any of this takes on a busy machine.
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn socket_in(scratch: &Scratch) -> PathBuf {
    scratch.path().join("control.sock")
}

#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) scratch: Scratch,
    pub(super) handler: Pretender,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    pub(super) fn start(limits: Limits) -> Self {
        // Not the default, which may admit a user of this host.
        let roles = Roles { grants: Vec::new(), says_feed: true };
        Self::start_for(&Access { group: None, roles }, limits)
    }

    pub(super) fn start_for(access: &Access, limits: Limits) -> Self {
        let scratch = Scratch::new("control");
        let handler = Pretender::default();
        let (stop, stopped) = oneshot::channel();
        let (open, opened) = std::sync::mpsc::channel();
        let thread = thread::spawn({
            let (directory, socket) = (scratch.path().to_owned(), socket_in(&scratch));
            let ((admission, _), handler) = (Admission::of(access), handler.clone());
            move || {
                runtime().block_on(async {
                    let lock = DaemonLock::take(&directory).unwrap();
                    let control_socket = ControlSocket::open(&socket, admission, &lock).unwrap();
                    open.send(()).unwrap();
                    tokio::select! {
                        () = serve(control_socket, handler, limits) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        opened.recv().expect("the door opens");
        Self { scratch, handler, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn client(&self) -> Client {
        Client::connect(&socket_in(&self.scratch)).unwrap().expect("somebody listens")
    }

    pub(super) fn raw(&self) -> Raw {
        Raw::connect(&socket_in(&self.scratch))
    }

    /// The number of calls in progress.
    pub(super) fn busy(&self) -> usize {
        self.handler.busy.load(Ordering::SeqCst)
    }

    /// Fails if another client is not served at once.
    pub(super) fn assert_serves(&self) {
        let items = ask(&mut self.client(), &Call::Status).unwrap().unwrap();
        assert_eq!(items.len(), 1);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already if it panicked.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the daemon panicked");
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The items of an answer.
pub(super) fn ask(
    client: &mut Client,
    call: &Call,
) -> Result<Result<Vec<serde_json::Value>, Refusal>, ClientError> {
    let mut items = Vec::new();
    let outcome = client.ask::<ClientError>(call, |received| {
        if let Received::Item(item) = received {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(outcome.map(|()| items))
}

/// Does nothing: says who asks (`status`), counts (`audit`), talks without end (`top`), waits for ever (`events`) and
/// refuses (`confirm`).
#[derive(Clone, Debug, Default)]
pub(super) struct Pretender {
    busy: Arc<AtomicUsize>,
}

/// One call that is being handled.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn with(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Pretender {
    async fn call(&self, call: Call, who: Who, mut answers: Answers) -> Result<(), Refusal> {
        let _busy = Busy::with(&self.busy);
        match call {
            Call::Status => {
                answers.item(&json!({ "uid": who.uid, "pid": who.pid, "name": who.name })).await?
            }
            Call::Audit(audit) => {
                for number in 0..audit.limit {
                    answers.item(&json!({ "number": number, "padding": "." })).await?;
                }
            }
            Call::Top => loop {
                answers.item(&"again and again and again").await?;
            },
            Call::Events(_) => {
                answers.notice("it begins").await?;
                std::future::pending::<()>().await;
            }
            Call::Confirm => return Err(Refusal::no("there is nothing to confirm")),
            _ => {}
        }
        Ok(())
    }
}

/// A client that sends whatever a test wants.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Raw {
    pub(super) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// None if the daemon has closed the connection.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            // Unread data turns the end of a connection into an error.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    pub(super) fn failure(&mut self) -> Refusal {
        match self.answer() {
            Some(Answer::Failed(refusal)) => refusal.into(),
            other => panic!("{other:?}"),
        }
    }
}
