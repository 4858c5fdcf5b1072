//! The table of open connections.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use sipward_edge::link::{Link, Side};
use sipward_types::{address::line, flow::Transport};
use tokio::sync::{Notify, mpsc};

/// Connections of phones, all together and of one source (IPv6: of one /64). An office behind one address has as many as
/// it has phones.
const CONNECTIONS: usize = 8_192;
const OF_A_SOURCE: usize = 512;
/// Bytes that wait until the other end reads: of a stranger a few answers, of others a burst of calls.
const STRANGER_UNSENT: usize = 32 << 10;
const UNSENT: usize = 1 << 20;

/// Messages on their way into a connection.
pub(super) type Unsent = mpsc::UnboundedReceiver<Vec<u8>>;

#[derive(Debug)]
pub(super) struct Table {
    last: u64,
    open: HashMap<u64, Open>,
    /// The connections of each source, in the order in which they came.
    sources: HashMap<(Side, IpAddr), BTreeSet<u64>>,
    /// Those of strangers, in that order: they give way.
    strangers: BTreeSet<u64>,
    phones: usize,
}

#[derive(Debug)]
struct Open {
    link: Link,
    unsent: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// The facts of a connection that its task and the table share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Bytes that were not written yet.
    pub(super) waiting: AtomicUsize,
    /// The PBX, or somebody who had the right password.
    pub(super) is_admitted: AtomicBool,
    /// The connection has to end.
    pub(super) closed: Notify,
}

/// The place of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::edge) struct Place {
    pub(in crate::edge) side: Side,
    pub(in crate::edge) listener: u8,
    pub(in crate::edge) peer: SocketAddr,
}

impl Default for Table {
    /// Numbers begin elsewhere in each run: tokens outlive a restart, and one of before must not lead to another phone.
    fn default() -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self {
            last: random >> 24,
            open: HashMap::new(),
            sources: HashMap::new(),
            strangers: BTreeSet::new(),
            phones: 0,
        }
    }
}

impl Table {
    /// If there is no room, the oldest stranger gives way: of the same source, if that has too many. `None`: there is
    /// no stranger.
    pub(super) fn add(&mut self, place: Place) -> Option<(Link, Arc<Shared>, Unsent)> {
        let source = source(place.side, place.peer);
        let is_outer = place.side == Side::Outer;
        if is_outer && self.sources.get(&source).is_some_and(|own| own.len() >= OF_A_SOURCE) {
            let oldest = self.sources[&source].intersection(&self.strangers).next().copied()?;
            self.close(oldest);
        }
        if is_outer && self.phones >= CONNECTIONS {
            let oldest = self.strangers.first().copied()?;
            self.close(oldest);
        }
        self.last += 1;
        let Place { side, listener, peer } = place;
        let link = Link { side, listener, transport: Transport::Tcp, peer, connection: self.last };
        let (unsent, messages) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        self.open.insert(self.last, Open { link, unsent, shared: Arc::clone(&shared) });
        self.sources.entry(source).or_default().insert(self.last);
        if side == Side::Outer {
            self.phones += 1;
            self.strangers.insert(self.last);
        } else {
            shared.is_admitted.store(true, Ordering::Relaxed);
        }
        Some((link, shared, messages))
    }

    fn close(&mut self, connection: u64) {
        if let Some(shared) = self.remove(connection) {
            shared.closed.notify_one();
        }
    }

    /// Does nothing where it was removed before.
    pub(super) fn remove(&mut self, connection: u64) -> Option<Arc<Shared>> {
        let open = self.open.remove(&connection)?;
        let source = source(open.link.side, open.link.peer);
        if let Some(own) = self.sources.get_mut(&source) {
            own.remove(&connection);
            if own.is_empty() {
                self.sources.remove(&source);
            }
        }
        self.strangers.remove(&connection);
        self.phones -= usize::from(open.link.side == Side::Outer);
        Some(open.shared)
    }

    pub(super) fn send(&self, connection: u64, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        let Some(open) = self.open.get(&connection) else { return Err(bytes) };
        let most = if open.shared.is_admitted.load(Ordering::Relaxed) { UNSENT } else { STRANGER_UNSENT };
        let waiting = open.shared.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes.len() > most {
            open.shared.closed.notify_one();
            return Err(bytes);
        }
        open.shared.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        open.unsent.send(bytes).map_err(|unsent| unsent.0)
    }

    pub(super) fn admit(&mut self, connection: u64) {
        if let Some(open) = self.open.get(&connection) {
            open.shared.is_admitted.store(true, Ordering::Relaxed);
            self.strangers.remove(&connection);
        }
    }

    pub(super) fn inner(&self, peer: SocketAddr) -> Option<u64> {
        let own = self.sources.get(&source(Side::Inner, peer))?;
        own.iter().copied().find(|connection| self.open[connection].link.peer == peer)
    }
}

fn source(side: Side, peer: SocketAddr) -> (Side, IpAddr) {
    (side, line(peer.ip().to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(side: Side, peer: &str) -> Place {
        Place { side, listener: 0, peer: peer.parse().unwrap() }
    }

    fn phone(source: u32) -> Place {
        let address = IpAddr::from(std::net::Ipv4Addr::from(0xc633_6400 + source));
        Place { peer: SocketAddr::new(address, 5060), ..place(Side::Outer, "[::1]:1") }
    }

    #[test]
    fn a_source_that_has_too_many_loses_its_oldest_stranger_and_its_neighbour_none() {
        let mut table = Table::default();
        let (neighbour, ..) = table.add(phone(1)).unwrap();
        let (own, ..) = table.add(phone(2)).unwrap();
        table.admit(own.connection);
        let links: Vec<_> = (1..OF_A_SOURCE).map(|_| table.add(phone(2)).unwrap().0).collect();
        assert!(table.add(phone(2)).is_some());
        assert!(!table.open.contains_key(&links[0].connection));
        for kept in [neighbour, own, links[1]] {
            assert!(table.open.contains_key(&kept.connection), "{kept:?}");
        }
        assert_eq!(table.sources[&source(Side::Outer, phone(2).peer)].len(), OF_A_SOURCE);
        let all: Vec<_> = table.open.keys().copied().collect();
        all.iter().for_each(|connection| table.admit(*connection));
        assert!(table.add(phone(2)).is_none(), "nobody who was let in gives way");
        assert!(table.add(phone(3)).is_some());
    }

    #[test]
    fn where_all_places_are_taken_the_oldest_stranger_gives_way_and_the_pbx_has_places_of_its_own() {
        let mut table = Table::default();
        let (own, ..) = table.add(phone(0)).unwrap();
        table.admit(own.connection);
        for count in 1..=CONNECTIONS as u32 {
            assert!(table.add(phone(1 + count / 256)).is_some());
        }
        assert_eq!((table.phones, table.open.len()), (CONNECTIONS, CONNECTIONS));
        assert!(table.open.contains_key(&own.connection));
        let pbx = place(Side::Inner, "127.0.0.1:5080");
        let (link, ..) = table.add(pbx).unwrap();
        assert_eq!(table.inner(pbx.peer), Some(link.connection));
        let all: Vec<_> = table.open.keys().copied().collect();
        for connection in all {
            table.remove(connection);
        }
        assert!(table.sources.is_empty() && table.strangers.is_empty() && table.phones == 0);
    }

    #[test]
    fn a_stranger_that_does_not_read_is_closed_and_others_have_room_for_a_burst() {
        let mut table = Table::default();
        let (link, shared, _unsent) = table.add(phone(0)).unwrap();
        let message = || vec![0; 1_000];
        let took =
            |table: &Table| (0..2_000).take_while(|_| table.send(link.connection, message()).is_ok()).count();
        assert_eq!(took(&table), STRANGER_UNSENT / 1_000);
        table.admit(link.connection);
        assert_eq!(took(&table), UNSENT / 1_000 - STRANGER_UNSENT / 1_000);
        shared.waiting.store(0, Ordering::Relaxed);
        assert!(
            table.send(link.connection, vec![0; 2 * UNSENT]).is_ok(),
            "a message is never too long alone"
        );
    }
}
