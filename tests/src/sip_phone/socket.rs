//! The sockets of a phone: one for UDP, or a connection to each place that it sends to.

use std::{
    fmt::Debug,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use crate::tcp::connect;

/// Until a connection is there, or is given up.
const CONNECT: Duration = Duration::from_secs(3);
/// One look at a connection. The phone may have several, and looks at them in turn.
const GLANCE: Duration = Duration::from_millis(2);
/// More than any datagram has.
const BUFFER: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// As Via has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// True: the phone sends no request twice, because the transport does that.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

/// A connection that carries a stream of messages.
trait Stream: Read + Write + Debug + Send {
    /// The longest that a read waits.
    fn set_patience(&self, patience: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

#[derive(Debug)]
struct Connection {
    stream: Box<dyn Stream>,
    peer: SocketAddr,
    /// Bytes of messages that are not complete.
    begun: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Sockets {
    local: SocketAddr,
    /// `None`: it uses connections.
    udp: Option<UdpSocket>,
    connections: Vec<Connection>,
}

impl Sockets {
    /// In the namespace of this thread. A phone of TCP connects to its server at once.
    pub(super) fn open(transport: Transport, local: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let mut sockets = Self { local, udp: None, connections: Vec::new() };
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(local)?;
                sockets.local = socket.local_addr()?;
                sockets.udp = Some(socket);
            }
            Transport::Tcp => {
                let stream = connect(local, server, CONNECT)?;
                sockets.local = stream.local_addr()?;
                sockets.keep(stream, server)?;
            }
        }
        Ok(sockets)
    }

    fn keep(&mut self, stream: impl Stream + 'static, peer: SocketAddr) -> io::Result<()> {
        stream.set_patience(GLANCE)?;
        self.connections.push(Connection { stream: Box::new(stream), peer, begun: Vec::new() });
        Ok(())
    }

    /// The address from which the phone reaches its server.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// False: it would have to connect before it could send there.
    pub(super) fn reaches(&self, to: SocketAddr) -> bool {
        self.udp.is_some() || self.connections.iter().any(|connection| connection.peer == to)
    }

    /// Connects to one more place, in the namespace of this thread.
    pub(super) fn connect(&mut self, to: SocketAddr) -> io::Result<()> {
        let stream = connect((self.local.ip(), 0).into(), to, CONNECT)?;
        if self.connections.is_empty() {
            self.local = stream.local_addr()?;
        }
        self.keep(stream, to)
    }

    pub(super) fn send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        if let Some(socket) = &self.udp {
            return socket.send_to(bytes, to).map(drop);
        }
        let connection = self.connections.iter_mut().find(|connection| connection.peer == to);
        let connection = connection.ok_or(io::ErrorKind::NotConnected)?;
        connection.stream.write_all(bytes)
    }

    /// The next message until then, and its sender.
    pub(super) fn receive(&mut self, end: Instant) -> Option<(Vec<u8>, SocketAddr)> {
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let received = match &self.udp {
                Some(socket) => receive_datagram(socket, left),
                None => self.look_at_connections(),
            };
            if received.is_some() || Instant::now() >= end {
                return received;
            }
        }
    }

    /// Takes a message from one of them. A connection that has ended is forgotten.
    fn look_at_connections(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        if self.connections.is_empty() {
            thread::sleep(GLANCE);
        }
        let mut received = None;
        self.connections.retain_mut(|connection| {
            if received.is_some() {
                return true;
            }
            let is_open = connection.read();
            received = next_message(&mut connection.begun).map(|message| (message, connection.peer));
            is_open || received.is_some()
        });
        received
    }
}

impl Connection {
    /// False: the peer has ended it.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.begun.extend(&buffer[..length]);
                true
            }
            Err(error) => is_silence(&error),
        }
    }
}

fn receive_datagram(socket: &UdpSocket, patience: Duration) -> Option<(Vec<u8>, SocketAddr)> {
    socket.set_read_timeout(Some(patience)).expect("a timeout that is not zero");
    let mut buffer = vec![0; BUFFER];
    match socket.recv_from(&mut buffer) {
        Ok((length, from)) => {
            buffer.truncate(length);
            Some((buffer, from))
        }
        Err(error) if is_silence(&error) => None,
        Err(error) => panic!("{socket:?}: {error}"),
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Takes the first whole message of a stream. Line ends before it are keepalives.
fn next_message(begun: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blank = begun.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    begun.drain(..blank);
    let head = begun.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&begun[..head]);
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = ["Content-Length", "l"].iter().any(|one| name.trim().eq_ignore_ascii_case(one));
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + length.unwrap_or(0);
    (begun.len() >= end).then(|| begun.drain(..end).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages_and_keepalives_are_left_out() {
        let mut begun = b"\r\n\r\nSIP/2.0 401 x\r\nl: 2\r\n\r\nab\r\nSIP/2.0 200 OK\r\n\r".to_vec();
        assert_eq!(next_message(&mut begun).unwrap(), b"SIP/2.0 401 x\r\nl: 2\r\n\r\nab");
        assert_eq!(next_message(&mut begun), None);
        begun.push(b'\n');
        assert_eq!(next_message(&mut begun).unwrap(), b"SIP/2.0 200 OK\r\n\r\n");
        assert_eq!(begun, b"");
    }
}
