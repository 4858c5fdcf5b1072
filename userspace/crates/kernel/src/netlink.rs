//! One question to the kernel's network configuration: which XDP program runs on an interface, and how.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// The mode in which the kernel runs an XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the network driver.
    Native,
    /// In the network stack, after the socket buffer is allocated.
    Generic,
    /// In the network card.
    Offloaded,
}

impl XdpMode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
        }
    }
}

/// The XDP program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) mode: XdpMode,
    pub(super) program: u32,
}

const HEADER: usize = size_of::<libc::nlmsghdr>();
/// `struct ifinfomsg`, which libc does not have.
const INTERFACE_INFO: usize = 16;
/// Attributes of an XDP description.
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
/// The flag in an attribute's type that says it holds others.
const NESTED: u16 = 1 << 15;

/// The XDP program on the interface with this index, if there is one.
pub(super) fn running(interface: u32) -> io::Result<Option<Running>> {
    let answer = ask(interface)?;
    let message = message(&answer).ok_or_else(|| io::Error::other("netlink gave a short answer"))?;
    if let Message::Error(code) = message {
        return Err(io::Error::from_raw_os_error(-code));
    }
    let Message::Link(attributes) = message else { return Ok(None) };
    Ok(parse(attributes))
}

fn parse(attributes: &[u8]) -> Option<Running> {
    let xdp = find(attributes, libc::IFLA_XDP)?;
    let mode = match find(xdp, IFLA_XDP_ATTACHED)?.first()? {
        1 => XdpMode::Native,
        2 => XdpMode::Generic,
        3 => XdpMode::Offloaded,
        _ => return None,
    };
    let program = u32::from_ne_bytes(*find(xdp, IFLA_XDP_PROG_ID)?.first_chunk()?);
    Some(Running { mode, program })
}

fn ask(interface: u32) -> io::Result<Vec<u8>> {
    let mut request = [0u8; HEADER + INTERFACE_INFO];
    request[..4].copy_from_slice(&((HEADER + INTERFACE_INFO) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request[HEADER + 4..][..4].copy_from_slice(&interface.to_ne_bytes());

    // SAFETY: no pointers.
    let socket =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the buffer is as long as said.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    // The kernel never answers this with more than it would put into one page or two.
    let mut answer = vec![0; 32 * 1024];
    // SAFETY: as above.
    let received = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    answer.truncate(usize::try_from(received).map_err(|_| io::Error::last_os_error())?);
    Ok(answer)
}

enum Message<'a> {
    /// The attributes of an interface.
    Link(&'a [u8]),
    /// A negative `errno`.
    Error(i32),
    Other,
}

fn message(answer: &[u8]) -> Option<Message<'_>> {
    let length = u32::from_ne_bytes(*answer.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    let body = answer.get(HEADER..length)?;
    Some(match kind {
        libc::RTM_NEWLINK => Message::Link(body.get(INTERFACE_INFO..)?),
        _ if i32::from(kind) == libc::NLMSG_ERROR => Message::Error(i32::from_ne_bytes(*body.first_chunk()?)),
        _ => Message::Other,
    })
}

/// The value of the attribute of type `wanted` in a row of attributes.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?) & !NESTED;
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn xdp(attached: u8, program: u32) -> Vec<u8> {
        let inner =
            [attribute(IFLA_XDP_ATTACHED, &[attached]), attribute(IFLA_XDP_PROG_ID, &program.to_ne_bytes())];
        [attribute(libc::IFLA_IFNAME, b"eth0\0"), attribute(libc::IFLA_XDP | NESTED, &inner.concat())]
            .concat()
    }

    #[test]
    fn an_interface_says_how_it_runs_which_program() {
        for (attached, mode) in [(1, XdpMode::Native), (2, XdpMode::Generic), (3, XdpMode::Offloaded)] {
            assert_eq!(parse(&xdp(attached, 77)), Some(Running { mode, program: 77 }));
        }
        assert_eq!(parse(&xdp(0, 0)), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn a_cut_answer_is_no_program() {
        let whole = xdp(1, 77);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn the_loopback_runs_none() {
        assert_eq!(running(1).unwrap(), None);
        assert!(running(u32::MAX >> 1).is_err());
    }
}
