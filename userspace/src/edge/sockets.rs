//! The edge's sockets.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use sipward_edge::link::{Link, Side};
use sipward_types::flow::Transport;
use tokio::{
    net::{TcpListener, UdpSocket},
    time::{Duration, sleep},
};
use tracing::{debug, warn};

use super::{
    Arrival, Arrivals,
    connections::{Connections, Place},
};
use crate::refusal::Refusal;

/// The largest datagram.
const DATAGRAM: usize = 65_536;
/// The usual cause of a failed accept is too many open files.
const RETRY: Duration = Duration::from_millis(500);

/// One of each kind that is configured. A link names it by its side and its place there.
#[derive(Debug)]
pub(super) struct Sockets {
    outer: Vec<Option<Arc<UdpSocket>>>,
    inner: Arc<UdpSocket>,
    inner_address: SocketAddr,
    pbx: SocketAddr,
    connections: Connections,
    arrivals: Arrivals,
}

/// The places of the inner sockets.
const INNER_UDP: u8 = 0;
const INNER_TCP: u8 = 1;

impl Sockets {
    /// Binds all of them, and begins to receive.
    pub(super) async fn open(
        outer: &[(Transport, SocketAddr)],
        inner_address: SocketAddr,
        pbx: SocketAddr,
        arrivals: &Arrivals,
    ) -> Result<Self, Refusal> {
        let connections = Connections::default();
        let inner = Arc::new(bind_udp(inner_address).await?);
        let from_pbx = |listener| Entrance { side: Side::Inner, listener, only: Some(pbx.ip()) };
        receive(Arc::clone(&inner), from_pbx(INNER_UDP), arrivals.clone());
        let listener = bind_tcp(inner_address).await?;
        accept(listener, from_pbx(INNER_TCP), connections.clone(), arrivals.clone());
        let mut sockets = Vec::new();
        for (listener, (transport, address)) in (0..).zip(outer) {
            let entrance = Entrance { side: Side::Outer, listener, only: None };
            sockets.push(match transport {
                Transport::Udp => {
                    let socket = Arc::new(bind_udp(*address).await?);
                    receive(Arc::clone(&socket), entrance, arrivals.clone());
                    Some(socket)
                }
                Transport::Tcp => {
                    let listener = bind_tcp(*address).await?;
                    accept(listener, entrance, connections.clone(), arrivals.clone());
                    None
                }
            });
        }
        let arrivals = arrivals.clone();
        Ok(Self { outer: sockets, inner, inner_address, pbx, connections, arrivals })
    }

    /// Sends, or begins to. Gives the bytes back if the link is gone.
    pub(super) fn send(&self, to: Link, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        match (to.transport, to.side) {
            (Transport::Udp, Side::Inner) => send_datagram(&self.inner, to.peer, &bytes),
            (Transport::Udp, Side::Outer) => match self.outer.get(usize::from(to.listener)) {
                Some(Some(socket)) => send_datagram(socket, to.peer, &bytes),
                _ => return Err(bytes),
            },
            (Transport::Tcp, Side::Outer) => return self.connections.send(to.connection, bytes),
            (Transport::Tcp, Side::Inner) => match self.connections.inner(to.peer) {
                Some(connection) => return self.connections.send(connection, bytes),
                None => {
                    let place = Place { side: Side::Inner, listener: INNER_TCP, peer: self.pbx };
                    return self.connections.connect(self.inner_address, place, bytes, &self.arrivals);
                }
            },
        }
        Ok(())
    }

    /// Whoever this came from had the right password.
    pub(super) fn admit(&self, from: Link) {
        if from.transport == Transport::Tcp {
            self.connections.admit(from.connection);
        }
    }
}

/// A datagram that finds no room is lost, as on any network: its sender sends it again.
fn send_datagram(socket: &UdpSocket, peer: SocketAddr, bytes: &[u8]) {
    let _ = socket.try_send_to(bytes, peer);
}

/// A socket that messages come in by.
#[derive(Clone, Copy, Debug)]
struct Entrance {
    side: Side,
    listener: u8,
    /// Nobody else is heard, so nobody else takes up room.
    only: Option<IpAddr>,
}

impl Entrance {
    fn admits(self, peer: SocketAddr) -> bool {
        self.only.is_none_or(|only| only == peer.ip())
    }
}

fn receive(socket: Arc<UdpSocket>, entrance: Entrance, arrivals: Arrivals) {
    let Entrance { side, listener, .. } = entrance;
    tokio::spawn(async move {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            // An error is an ICMP message about an earlier datagram.
            let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
            if !entrance.admits(peer) {
                continue;
            }
            let link = Link { side, listener, transport: Transport::Udp, peer, connection: 0 };
            let bytes = buffer[..length].to_vec();
            if arrivals.of(link).send(Arrival::Datagram { from: link, bytes }).await.is_err() {
                return;
            }
        }
    });
}

fn accept(listener: TcpListener, entrance: Entrance, connections: Connections, arrivals: Arrivals) {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                // The connection is closed at once.
                Ok((_, peer)) if !entrance.admits(peer) => {}
                Ok((stream, peer)) => {
                    let place = Place { side: entrance.side, listener: entrance.listener, peer };
                    if connections.open(stream, place, &arrivals).is_none() {
                        debug!("{peer}: closed, because there are too many connections");
                    }
                }
                Err(error) => {
                    warn!("new connections cannot be accepted: {error}");
                    sleep(RETRY).await;
                }
            }
        }
    });
}

async fn bind_udp(address: SocketAddr) -> Result<UdpSocket, Refusal> {
    UdpSocket::bind(address).await.map_err(|error| cannot_listen("UDP", address, &error))
}

async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, Refusal> {
    TcpListener::bind(address).await.map_err(|error| cannot_listen("TCP", address, &error))
}

/// An address may be there later, with its interface, and a port may become free: only the rest is a wrong configuration.
fn cannot_listen(transport: &str, address: SocketAddr, error: &io::Error) -> Refusal {
    let refusal = |refusal: fn(String) -> Refusal, advice: &str| {
        refusal(format!("the edge cannot listen on {address} over {transport}: {advice}"))
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let port = address.port();
            let advice = format!(
                "another program has it: see `ss -lnp sport = :{port}`, and give the PBX another port"
            );
            refusal(Refusal::failed, &advice)
        }
        io::ErrorKind::AddrNotAvailable => {
            refusal(Refusal::failed, "this host does not have it: see `ip address`")
        }
        io::ErrorKind::PermissionDenied => {
            refusal(Refusal::wrong, "ports below 1024 need a right that the edge should not have")
        }
        _ => refusal(Refusal::failed, &error.to_string()),
    }
}
