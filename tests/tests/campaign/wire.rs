//! Requests to a PBX, many at a time, each from a port of its own, which receives the answer.

use std::{
    net::UdpSocket,
    os::fd::AsRawFd as _,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use sipward_tests::namespace::{Namespace, v4};

use crate::tcp::{Connections, Job};

const PBX_PORT: u16 = 5060;
/// Ports that ask at the same time.
const PORTS: usize = 128;
/// Where answers go that are not sent to where the request came from.
const DEFAULT_PORT: u16 = 5060;

/// One request of one number, written for the port that it leaves by.
pub(crate) trait Written: Clone + Send + 'static {
    fn id(&self) -> u64;
    /// Over TCP: not in one datagram.
    fn is_stream(&self) -> bool;
    /// The datagram, or the pieces of a stream.
    fn write(&self, port: u16) -> Vec<Vec<u8>>;
}

/// A request with its source and its final answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchanged {
    pub(crate) request: Vec<u8>,
    /// The lengths of the pieces of a stream. A datagram has none.
    pub(crate) pieces: Vec<usize>,
    pub(crate) port: u16,
    pub(crate) answer: Option<Vec<u8>>,
    /// All that came on the stream.
    pub(crate) replies: Vec<u8>,
}

impl Exchanged {
    pub(crate) fn status(&self) -> Option<u16> {
        self.answer.as_deref().and_then(status)
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    sockets: Vec<UdpSocket>,
    connections: Connections,
    patience: Duration,
}

struct InFlight {
    case: usize,
    mark: String,
    until: Instant,
    exchanged: Exchanged,
}

impl Wire {
    /// From the second host of a LAN to the first. `patience` is the time limit for answers.
    pub(crate) fn new(host: &Namespace, patience: Duration) -> Self {
        let socket = |port: u16| {
            let socket = host.roomy_udp(&format!("{}:{port}", v4(2)));
            socket.connect((v4(1).as_str(), PBX_PORT)).expect("an address on this wire");
            socket.set_nonblocking(true).expect("a socket");
            socket
        };
        let ports = (0..PORTS).map(|_| 0);
        let sockets = ports.chain([DEFAULT_PORT]).map(socket).collect();
        Self { sockets, connections: Connections::new(host, patience), patience }
    }

    /// Sends all of them, and answers in their order.
    pub(crate) fn exchange(&self, cases: &[impl Written]) -> Vec<Exchanged> {
        let mut done: Vec<Option<Exchanged>> = cases.iter().map(|_| None).collect();
        let (sender, over) = channel();
        let (streams, datagrams): (Vec<_>, Vec<_>) =
            cases.iter().enumerate().partition(|(_, case)| case.is_stream());
        for (number, case) in streams {
            let mark = mark(case.id());
            let case = case.clone();
            let pieces = Box::new(move |port| case.write(port));
            self.connections.send(Job { number, pieces, mark, done: sender.clone() });
        }
        drop(sender);
        self.datagrams(&datagrams, &mut done);
        over.into_iter().for_each(|(number, exchanged)| done[number] = Some(exchanged));
        done.into_iter().flatten().collect()
    }

    fn datagrams(&self, cases: &[(usize, &impl Written)], done: &mut [Option<Exchanged>]) {
        let mut waiting: Vec<Option<InFlight>> = (0..PORTS).map(|_| None).collect();
        let mut next = cases.iter();
        let mut left = cases.len();
        while left > 0 {
            for (slot, place) in waiting.iter_mut().enumerate() {
                if let Some(over) = place.take_if(|it| it.until < Instant::now()) {
                    done[over.case] = Some(over.exchanged);
                    left -= 1;
                }
                if place.is_none()
                    && let Some((number, case)) = next.next()
                {
                    *place = Some(self.send(slot, *number, *case));
                }
            }
            self.wait();
            for slot in 0..self.sockets.len() {
                while let Some(bytes) = self.receive(slot) {
                    if let Some(over) = self.take(&mut waiting, &bytes) {
                        done[over.case] = Some(over.exchanged);
                        left -= 1;
                    }
                }
            }
        }
    }

    fn send(&self, slot: usize, case: usize, written: &impl Written) -> InFlight {
        let socket = &self.sockets[slot];
        let port = socket.local_addr().expect("a bound socket").port();
        let request = written.write(port).concat();
        // Refused where the PBX was gone for a moment: that is no answer, and noticed by its number.
        let _ = socket.send(&request);
        InFlight {
            case,
            mark: mark(written.id()),
            until: Instant::now() + self.patience,
            exchanged: Exchanged { request, pieces: Vec::new(), port, answer: None, replies: Vec::new() },
        }
    }

    /// The request that a final answer is for. An INVITE's is acknowledged, or it would come again and again.
    fn take(&self, waiting: &mut [Option<InFlight>], bytes: &[u8]) -> Option<InFlight> {
        if status(bytes)? < 200 {
            return None;
        }
        let is_for = |it: &InFlight| contains(bytes, it.mark.as_bytes());
        let (slot, place) = waiting.iter_mut().enumerate().find(|(_, it)| it.as_ref().is_some_and(is_for))?;
        if let Some(ack) = acknowledgement(bytes) {
            let _ = self.sockets[slot].send(&ack);
        }
        let mut over = place.take()?;
        over.exchanged.answer = Some(bytes.to_vec());
        Some(over)
    }

    fn receive(&self, slot: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 65_536];
        let length = self.sockets[slot].recv(&mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }

    fn wait(&self) {
        let mut polled: Vec<libc::pollfd> = self
            .sockets
            .iter()
            .map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        // SAFETY: the array is there while the call runs, and its length is its own.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 5) };
    }
}

/// It is in the Call-ID, so also in the answer.
pub(crate) fn mark(id: u64) -> String {
    format!("c{id}x@")
}

/// The first final answer with that mark among answers that follow each other.
pub(crate) fn final_answer(stream: &[u8], mark: &str) -> Option<Vec<u8>> {
    let begin = b"SIP/2.0 ";
    let starts: Vec<usize> = (0..stream.len()).filter(|&at| stream[at..].starts_with(begin)).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let mut answers = starts.iter().zip(ends).map(|(&start, end)| &stream[start..end]);
    let is_final = |answer: &&[u8]| {
        status(answer).is_some_and(|status| status >= 200)
            && contains(answer, mark.as_bytes())
            && contains(answer, b"\r\n\r\n")
    };
    answers.find(is_final).map(<[u8]>::to_vec)
}

pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The value of the first header of that name.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn acknowledgement(answer: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(answer);
    let sequence = header(&text, "CSeq")?;
    let number = sequence.strip_suffix("INVITE")?;
    let line = |name: &str| header(&text, name).map(|value| format!("{name}: {value}\r\n"));
    let headers = [line("Via")?, line("From")?, line("To")?, line("Call-ID")?].concat();
    let ack = format!("ACK sip:999@pbx SIP/2.0\r\n{headers}CSeq: {number}ACK\r\nContent-Length: 0\r\n\r\n");
    Some(ack.into_bytes())
}
