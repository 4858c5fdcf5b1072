//! The edge's TCP connections: who has one, who may have another, and the way to write to it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sipward_edge::{
    link::{Link, Side},
    message::{Frame, StreamFraming},
};
use sipward_types::{address::line, flow::Transport};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, timeout_at},
};

use super::{Arrival, Arrivals};

/// Connections of phones, all together and of one source (IPv6: of one /64). An office behind one address has as many as
/// it has phones.
const CONNECTIONS: usize = 8_192;
const OF_A_SOURCE: usize = 512;
/// Messages that wait until the other end reads. One that reads none is disconnected.
const UNSENT: usize = 64;
/// The time within which a message that has begun must be complete.
const MESSAGE: Duration = Duration::from_secs(10);
/// The time for the first message.
const FIRST: Duration = Duration::from_secs(10);
/// Phones send something every few minutes, and register every hour at least.
const IDLE: Duration = Duration::from_secs(3_900);
/// One read.
const CHUNK: usize = 4_096;

#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    link: Link,
    unsent: mpsc::Sender<Vec<u8>>,
}

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change of the table is one call; a panic leaves none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection until it ends. `None`: there is no room for it.
    pub(super) fn open(&self, stream: TcpStream, place: Place, arrivals: &Arrivals) -> Option<Link> {
        let (unsent, messages) = mpsc::channel(UNSENT);
        let link = self.table().add(place, unsent)?;
        let (read, write) = stream.into_split();
        let (connections, arrivals) = (self.clone(), arrivals.clone());
        tokio::spawn(async move {
            let writes = tokio::spawn(write_all(write, messages));
            receive(read, link, &arrivals).await;
            connections.table().open.remove(&link.connection);
            writes.abort();
        });
        Some(link)
    }

    /// Gives the bytes back if there is no such connection, or if it takes nothing more.
    pub(super) fn send(&self, connection: u64, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        let mut table = self.table();
        let Some(open) = table.open.get(&connection) else { return Err(bytes) };
        let result = open.unsent.try_send(bytes).map_err(TrySendError::into_inner);
        if result.is_err() {
            table.open.remove(&connection);
        }
        result
    }

    /// A connection to the PBX, if there is one.
    pub(super) fn inner(&self, peer: SocketAddr) -> Option<u64> {
        let table = self.table();
        let is_to = |open: &&Open| open.link.side == Side::Inner && open.link.peer == peer;
        table.open.values().find(is_to).map(|open| open.link.connection)
    }
}

/// Where a connection is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) side: Side,
    pub(super) listener: u8,
    pub(super) peer: SocketAddr,
}

impl Table {
    fn add(&mut self, place: Place, unsent: mpsc::Sender<Vec<u8>>) -> Option<Link> {
        let of_side = || self.open.values().filter(|open| open.link.side == place.side);
        let source = line(place.peer.ip().to_canonical());
        let of_source = of_side().filter(|open| line(open.link.peer.ip().to_canonical()) == source).count();
        if of_side().count() >= CONNECTIONS || of_source >= OF_A_SOURCE {
            return None;
        }
        self.last += 1;
        let Place { side, listener, peer } = place;
        let link = Link { side, listener, transport: Transport::Tcp, peer, connection: self.last };
        self.open.insert(self.last, Open { link, unsent });
        Some(link)
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut messages: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if write.write_all(&message).await.is_err() {
            return;
        }
    }
    // The table has let go of the connection.
    let _ = write.shutdown().await;
}

/// Hands over messages until the connection ends, or has to.
async fn receive(mut read: OwnedReadHalf, link: Link, arrivals: &Arrivals) {
    let mut framing = StreamFraming::default();
    let mut chunk = [0; CHUNK];
    let mut until = Instant::now() + FIRST;
    loop {
        let length = match timeout_at(until, read.read(&mut chunk)).await {
            Ok(Ok(length)) if length > 0 => length,
            _ => return,
        };
        let had_begun = framing.pending() > 0;
        framing.push(&chunk[..length]);
        loop {
            let arrival = match framing.next_frame() {
                Some(Ok(Frame::Message(bytes))) => Arrival::Message { from: link, bytes: bytes.to_vec() },
                Some(Ok(Frame::Ping)) => Arrival::Ping(link),
                None => break,
                Some(Err(error)) => {
                    // The core is gone only at the end of the program.
                    let _ = arrivals.send(Arrival::Unframed { from: link, error }).await;
                    return;
                }
            };
            if arrivals.send(arrival).await.is_err() {
                return;
            }
        }
        until = match (had_begun, framing.pending() > 0) {
            // However slowly its bytes come.
            (true, true) => until,
            (false, true) => Instant::now() + MESSAGE,
            (_, false) => Instant::now() + IDLE,
        };
    }
}
