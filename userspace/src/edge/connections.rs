//! The edge's TCP connections: who has one, who may have another, and the way to write to it.

mod table;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use sipward_edge::{
    link::Link,
    message::{Frame, StreamFraming},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    time::{Instant, timeout, timeout_at},
};
use tracing::warn;

pub(super) use self::table::Place;
use self::table::{Shared, Table, Unsent};
use super::{Arrival, Arrivals};
use crate::locked::locked;

/// The time within which a message that has begun must be complete.
const MESSAGE: Duration = Duration::from_secs(10);
/// The time for the first message.
const FIRST: Duration = Duration::from_secs(10);
/// The longest pause of somebody who was never let in: to ask its user for a password, a phone needs no connection.
const STRANGER_IDLE: Duration = Duration::from_secs(120);
/// Phones send something every few minutes, and register every hour at least.
const IDLE: Duration = Duration::from_secs(3_900);
/// The time for the PBX to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// One read.
const CHUNK: usize = 4_096;

#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Table>>);

impl Connections {
    /// Serves a connection until it ends. `None`: there is no room for it.
    pub(super) fn open(&self, stream: TcpStream, place: Place, arrivals: &Arrivals) -> Option<()> {
        let (link, shared, unsent) = locked(&self.0).add(place)?;
        let (connections, arrivals) = (self.clone(), arrivals.clone());
        tokio::spawn(async move { connections.serve(stream, link, &shared, unsent, &arrivals).await });
        Some(())
    }

    /// Connects to the PBX. What is sent there meanwhile waits with the `first` message, so that a burst makes one
    /// connection.
    pub(super) fn connect(
        &self,
        from: SocketAddr,
        place: Place,
        first: Vec<u8>,
        arrivals: &Arrivals,
    ) -> Result<(), Vec<u8>> {
        let Some((link, shared, unsent)) = locked(&self.0).add(place) else { return Err(first) };
        self.send(link.connection, first)?;
        let (connections, arrivals) = (self.clone(), arrivals.clone());
        tokio::spawn(async move {
            match connect_from(from, link.peer).await {
                Ok(stream) => connections.serve(stream, link, &shared, unsent, &arrivals).await,
                Err(error) => {
                    warn!("the PBX at {} cannot be reached over TCP: {error}", link.peer);
                    connections.end(link, unsent, &arrivals).await;
                }
            }
        });
        Ok(())
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        link: Link,
        shared: &Shared,
        mut unsent: Unsent,
        arrivals: &Arrivals,
    ) {
        let (read, write) = stream.split();
        tokio::select! {
            () = receive(read, link, shared, arrivals) => {}
            () = write_all(write, &mut unsent, shared) => {}
            () = shared.closed.notified() => {}
        }
        drop(stream);
        self.end(link, unsent, arrivals).await;
    }

    /// The senders of requests that were not sent are told.
    async fn end(&self, link: Link, mut unsent: Unsent, arrivals: &Arrivals) {
        locked(&self.0).remove(link.connection);
        while let Some(bytes) = unsent.recv().await {
            // The core is gone only at the end of the program.
            let _ = arrivals.of(link).send(Arrival::Unsent { to: link, bytes }).await;
        }
    }

    /// Gives the bytes back if there is no such connection, or if too much waits for its other end. One that does not read
    /// is disconnected.
    pub(super) fn send(&self, connection: u64, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        locked(&self.0).send(connection, bytes)
    }

    /// Its peer was let in once: it is no stranger.
    pub(super) fn admit(&self, connection: u64) {
        locked(&self.0).admit(connection);
    }

    /// A connection to the PBX, if there is one.
    pub(super) fn inner(&self, peer: SocketAddr) -> Option<u64> {
        locked(&self.0).inner(peer)
    }
}

async fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket =
        if to.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
    // From its address, by which the PBX knows the edge; the port is any.
    socket.bind(SocketAddr::new(from.ip(), 0))?;
    timeout(CONNECT, socket.connect(to)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn write_all(mut write: WriteHalf<'_>, unsent: &mut Unsent, shared: &Shared) {
    while let Some(message) = unsent.recv().await {
        let written = write.write_all(&message).await;
        shared.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}

/// Hands over messages until the connection ends, or has to.
async fn receive(mut read: ReadHalf<'_>, link: Link, shared: &Shared, arrivals: &Arrivals) {
    let mut framing = StreamFraming::default();
    let mut chunk = [0; CHUNK];
    let mut deadline = Deadline { since: Instant::now(), is_first: true, has_begun: false };
    loop {
        let length = match timeout_at(deadline.end(shared), read.read(&mut chunk)).await {
            Ok(Ok(length)) if length > 0 => length,
            // It was let in while it was waited for.
            Err(_) if deadline.end(shared) > Instant::now() => continue,
            _ => return,
        };
        framing.push(&chunk[..length]);
        let mut has_message = false;
        loop {
            let arrival = match framing.next_frame() {
                Some(Ok(Frame::Message(bytes))) => {
                    has_message = true;
                    Arrival::Message { from: link, bytes: bytes.to_vec() }
                }
                Some(Ok(Frame::Ping)) => Arrival::Ping(link),
                None => break,
                Some(Err(error)) => {
                    // The core is gone only at the end of the program.
                    let _ = arrivals.of(link).send(Arrival::Unframed { from: link, error }).await;
                    return;
                }
            };
            if arrivals.of(link).send(arrival).await.is_err() {
                return;
            }
        }
        deadline.has_read(has_message, framing.pending() > 0);
    }
}

/// The time for which the other end is waited for.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    since: Instant,
    /// No message has come yet.
    is_first: bool,
    /// A message has begun.
    has_begun: bool,
}

impl Deadline {
    fn end(self, shared: &Shared) -> Instant {
        let is_admitted = shared.is_admitted.load(Ordering::Relaxed);
        self.since
            + match (self.has_begun, self.is_first, is_admitted) {
                (true, ..) => MESSAGE,
                (false, _, true) => IDLE,
                (false, true, false) => FIRST,
                (false, false, false) => STRANGER_IDLE,
            }
    }

    fn has_read(&mut self, has_message: bool, has_begun: bool) {
        // Bytes of a message do not renew the time that it has, and pings of a stranger not that for its first message.
        let goes_on = !has_message && (self.has_begun || (self.is_first && !has_begun));
        if !goes_on {
            self.since = Instant::now();
        }
        self.is_first &= !has_message;
        self.has_begun = has_begun;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_messages_renew_the_patience() {
        let past = Instant::now();
        let read = |is_first, has_begun, has_message, begins| {
            let mut deadline = Deadline { since: past, is_first, has_begun };
            deadline.has_read(has_message, begins);
            let until = |is_admitted: bool| {
                deadline.end(&Shared { is_admitted: is_admitted.into(), ..Shared::default() })
                    - deadline.since
            };
            (deadline.since > past, until(false), until(true))
        };
        for (what, found, expected) in [
            ("a stranger's ping", read(true, false, false, false), (false, FIRST, IDLE)),
            ("a message begins", read(true, false, false, true), (true, MESSAGE, MESSAGE)),
            ("and goes on", read(true, true, false, true), (false, MESSAGE, MESSAGE)),
            ("and ends", read(true, true, true, false), (true, STRANGER_IDLE, IDLE)),
            ("and ends, and another begins", read(false, true, true, true), (true, MESSAGE, MESSAGE)),
            ("a later ping", read(false, false, false, false), (true, STRANGER_IDLE, IDLE)),
        ] {
            assert_eq!(found, expected, "{what}");
        }
    }
}
