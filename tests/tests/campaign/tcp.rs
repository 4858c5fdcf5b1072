//! Requests over TCP, each on a connection of its own, in pieces that are sent apart.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use sipward_tests::namespace::{Namespace, v4};

use crate::wire::{Exchanged, final_answer};

/// Connections at the same time.
const WORKERS: usize = 24;
/// Between two pieces, so that each is a segment.
const APART: Duration = Duration::from_millis(2);

/// The pieces of a stream, which depend on the port of the connection. `mark` identifies the answer that counts.
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) pieces: Box<dyn FnOnce(u16) -> Vec<Vec<u8>> + Send>,
    pub(crate) mark: String,
    pub(crate) done: Sender<(usize, Exchanged)>,
}

#[derive(Debug)]
pub(crate) struct Connections {
    jobs: Sender<Job>,
}

impl Connections {
    /// From that host.
    pub(crate) fn new(host: &Namespace, patience: Duration) -> Self {
        let (jobs, taken) = channel();
        let taken = Arc::new(Mutex::new(taken));
        // Threads are in the namespace of the one that starts them.
        host.enter(|| {
            for _ in 0..WORKERS {
                let taken = Arc::clone(&taken);
                thread::spawn(move || work(&taken, patience));
            }
        });
        Self { jobs }
    }

    pub(crate) fn send(&self, job: Job) {
        self.jobs.send(job).expect("workers that wait for jobs");
    }
}

/// Until there are no jobs any more.
fn work(jobs: &Mutex<Receiver<Job>>, patience: Duration) {
    loop {
        let job = jobs.lock().expect("nobody panics with it").recv();
        let Ok(Job { number, pieces, mark, done }) = job else { return };
        // The receiver may have given up.
        let _ = done.send((number, exchange(pieces, &mark, patience)));
    }
}

fn exchange(pieces: impl FnOnce(u16) -> Vec<Vec<u8>>, mark: &str, patience: Duration) -> Exchanged {
    let mut stream = TcpStream::connect((v4(1).as_str(), 5060)).expect("a PBX that takes connections");
    stream.set_nodelay(true).expect("a socket");
    let port = stream.local_addr().expect("a connected socket").port();
    let pieces = pieces(port);
    let mut exchanged =
        Exchanged { request: pieces.concat(), pieces: Vec::new(), port, answer: None, replies: Vec::new() };
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            thread::sleep(APART);
        }
        // A PBX that has understood enough may have closed it.
        if stream.write_all(piece).is_err() {
            break;
        }
        exchanged.pieces.push(piece.len());
    }
    let until = Instant::now() + patience;
    let mut bytes = [0; 16_384];
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).expect("a timeout that is not zero");
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(length) => exchanged.replies.extend(&bytes[..length]),
        }
        exchanged.answer = final_answer(&exchanged.replies, mark);
        if exchanged.answer.is_some() {
            break;
        }
    }
    exchanged
}
