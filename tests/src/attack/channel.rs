//! The transport between an attacker or a phone and the PBX: UDP or TCP, whole messages or pieces.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use super::{Transport, fragments::Fragments};
use crate::{message::header, tcp::connect};

/// Until a connection is there, or is given up.
const CONNECT: Duration = Duration::from_secs(1);
/// Between two segments: they are to be two.
const GAP: Duration = Duration::from_millis(4);

/// From one port to the PBX. It belongs to the namespace of the thread that made it.
#[derive(Debug)]
pub struct Channel {
    way: Way,
    from: SocketAddr,
    to: SocketAddr,
}

#[derive(Debug)]
enum Way {
    Udp(UdpSocket),
    Fragments(UdpSocket, Fragments),
    Tcp { stream: TcpStream, cut: Option<Cut>, heard: Vec<u8> },
}

/// The place at which the next message is cut, and how much further on the one after it is.
#[derive(Debug)]
struct Cut {
    at: usize,
    further: usize,
}

impl Channel {
    pub fn open(transport: Transport, from: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let way = if transport.is_tcp() {
            let cut = match transport {
                Transport::TcpCut(at) => Some(Cut { at, further: 0 }),
                Transport::TcpCutOnward(further) => Some(Cut { at: 1, further }),
                _ => None,
            };
            Way::Tcp { stream: connect(from, to, CONNECT)?, cut, heard: Vec::new() }
        } else {
            let socket = UdpSocket::bind(from)?;
            match transport {
                // Not connected: an ICMP error, as for a closed port, is none of its business.
                Transport::UdpV6Fragments => Way::Fragments(socket, Fragments::new()?),
                _ => Way::Udp(socket),
            }
        };
        let from = match &way {
            Way::Udp(socket) | Way::Fragments(socket, _) => socket.local_addr()?,
            Way::Tcp { stream, .. } => stream.local_addr()?,
        };
        Ok(Self { way, from, to })
    }

    pub const fn local(&self) -> SocketAddr {
        self.from
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket) => socket.send_to(bytes, self.to).map(|_| ()),
            Way::Fragments(_, fragments) => match (self.from, self.to) {
                (SocketAddr::V6(from), SocketAddr::V6(to)) => fragments.send(from, to, bytes),
                _ => Err(io::Error::other("fragments are of IPv6")),
            },
            Way::Tcp { stream, cut: None, .. } => stream.write_all(bytes),
            Way::Tcp { stream, cut: Some(cut), .. } => {
                let (first, rest) = bytes.split_at(cut.at % bytes.len());
                cut.at += cut.further;
                stream.write_all(first)?;
                thread::sleep(GAP);
                stream.write_all(rest)
            }
        }
    }

    /// The next message within that time. An error: the connection is over.
    pub fn receive(&mut self, patience: Duration) -> io::Result<Option<String>> {
        let end = Instant::now() + patience;
        match &mut self.way {
            Way::Udp(socket) | Way::Fragments(socket, _) => receive_datagram(socket, end),
            Way::Tcp { stream, heard, .. } => loop {
                if let Some(message) = next_message(heard) {
                    return Ok(Some(message));
                }
                let Some(left) = left(end) else { return Ok(None) };
                stream.set_read_timeout(Some(left))?;
                let mut buffer = [0; 8192];
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::ConnectionReset.into()),
                    Ok(length) => heard.extend(&buffer[..length]),
                    Err(error) if is_silence(&error) => return Ok(None),
                    Err(error) => return Err(error),
                }
            },
        }
    }
}

fn receive_datagram(socket: &UdpSocket, end: Instant) -> io::Result<Option<String>> {
    let Some(left) = left(end) else { return Ok(None) };
    socket.set_read_timeout(Some(left))?;
    let mut buffer = [0; 8192];
    match socket.recv(&mut buffer) {
        Ok(length) => Ok(Some(String::from_utf8_lossy(&buffer[..length]).into_owned())),
        Err(error) if is_silence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn left(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Takes the first whole message of a stream.
fn next_message(heard: &mut Vec<u8>) -> Option<String> {
    let head = heard.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&heard[..head]).into_owned();
    let body = header(&text, "Content-Length").and_then(|length| length.parse::<usize>().ok());
    let end = head + body.unwrap_or(0);
    if heard.len() < end {
        return None;
    }
    let rest = heard.split_off(end);
    let message = std::mem::replace(heard, rest);
    Some(String::from_utf8_lossy(&message).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages() {
        let mut heard = b"SIP/2.0 401 x\r\nContent-Length: 2\r\n\r\nab".to_vec();
        heard.extend(b"SIP/2.0 200 OK\r\n\r");
        assert!(next_message(&mut heard).unwrap().ends_with("\r\n\r\nab"));
        assert_eq!(next_message(&mut heard), None);
        heard.push(b'\n');
        assert_eq!(next_message(&mut heard).as_deref(), Some("SIP/2.0 200 OK\r\n\r\n"));
        assert_eq!(heard, b"");
    }
}
