//! Signed tokens: what the edge has to know again when the next message of a call or of a binding comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sipward_types::{flow::Transport, time::WallSeconds};

use crate::{
    base64url,
    keys::{Keys, Purpose},
    link::{Link, Side},
};

/// In letters: with a Contact URI of 256 bytes. Nothing longer is worth a look.
const TOKEN_MAX: usize = 420;
/// Every branch of RFC 3261 begins so.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// Of the first byte of a link.
const INNER: u8 = 1;
const TCP: u8 = 2;
const IPV6: u8 = 4;
const KNOWN_FLAGS: u8 = INNER | TCP | IPV6;

/// Bytes of a signature. Whoever forges that of a branch could do no more than answer for a phone.
const SIGNATURE: usize = 12;
const BRANCH_SIGNATURE: usize = 7;

/// Stands for an account within what is signed: the other end of a call reads tokens, too, and should not read that.
pub type AccountMark = [u8; 3];
/// The same for the names of both ends of a dialog.
pub type NamesMark = [u8; 4];

/// A phone, as it was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phone {
    pub link: Link,
    /// Of the account that its credentials were right for.
    pub account: AccountMark,
}

/// The facts of a dialog that its route carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub phone: Phone,
    /// As the phone has to say them.
    pub names: NamesMark,
    pub begun: Hour,
}

/// An hour, so that the copies of a request that is sent again are alike. The count begins anew after seven years, which
/// no key lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour(u16);

impl Hour {
    pub const fn of(time: WallSeconds) -> Self {
        Self((time.get() / 3_600) as u16)
    }

    /// In hours, to whichever side.
    pub fn distance(self, other: Self) -> u16 {
        self.0.wrapping_sub(other.0).min(other.0.wrapping_sub(self.0))
    }
}

/// `dialog`: what the first request of the dialog says of it, and each later one.
pub fn route(keys: &Keys, route: &Route, dialog: &[&[u8]]) -> String {
    let rest = [&route.phone.account[..], &route.names, &route.begun.0.to_be_bytes()].concat();
    seal::<SIGNATURE>(keys, Purpose::Route, route.phone.link, &rest, dialog)
}

pub fn read_route(keys: &Keys, token: &[u8], dialog: &[&[u8]]) -> Option<Route> {
    let (link, rest) = open::<SIGNATURE>(keys, Purpose::Route, token, dialog)?;
    let (account, rest) = rest.split_first_chunk()?;
    let (names, rest) = rest.split_first_chunk()?;
    let begun = Hour(u16::from_be_bytes(rest.try_into().ok()?));
    Some(Route { phone: Phone { link, account: *account }, names: *names, begun })
}

/// A phone that has registered, with its own Contact URI where the token stands in the place of it.
pub fn binding(keys: &Keys, phone: Phone, contact: &[u8]) -> String {
    seal::<SIGNATURE>(keys, Purpose::Binding, phone.link, &[&phone.account, contact].concat(), &[])
}

/// The Contact URI is empty where the token has none.
pub fn read_binding(keys: &Keys, token: &[u8]) -> Option<(Phone, Vec<u8>)> {
    let (link, rest) = open::<SIGNATURE>(keys, Purpose::Binding, token, &[])?;
    let (account, contact) = rest.split_first_chunk()?;
    Some((Phone { link, account: *account }, contact.to_vec()))
}

/// The branch of a request that is sent on: the place that its answers go to. `transaction` is what the request, its
/// CANCEL, the ACK to its refusal, and its answers have in common.
pub fn branch(keys: &Keys, link: Link, transaction: &[&[u8]]) -> String {
    MAGIC_COOKIE.to_owned() + &seal::<BRANCH_SIGNATURE>(keys, Purpose::Branch, link, &[], transaction)
}

pub fn read_branch(keys: &Keys, branch: &[u8], transaction: &[&[u8]]) -> Option<Link> {
    let token = branch.strip_prefix(MAGIC_COOKIE.as_bytes())?;
    let (link, rest) = open::<BRANCH_SIGNATURE>(keys, Purpose::Branch, token, transaction)?;
    rest.is_empty().then_some(link)
}

fn seal<const SIGNED: usize>(
    keys: &Keys,
    purpose: Purpose,
    link: Link,
    rest: &[u8],
    about: &[&[u8]],
) -> String {
    let mut bytes = write_link(link);
    bytes.extend_from_slice(rest);
    let signature = with_parts(&bytes, about, |parts| keys.sign::<SIGNED>(purpose, parts));
    bytes.extend_from_slice(&signature);
    base64url::encode(&bytes)
}

fn open<const SIGNED: usize>(
    keys: &Keys,
    purpose: Purpose,
    token: &[u8],
    about: &[&[u8]],
) -> Option<(Link, Vec<u8>)> {
    let bytes = Some(token).filter(|token| token.len() <= TOKEN_MAX).and_then(base64url::decode)?;
    let (signed, signature) = bytes.split_last_chunk::<SIGNED>()?;
    let is_ours = with_parts(signed, about, |parts| keys.has_signed(purpose, parts, signature));
    let (link, rest) = read_link(signed).filter(|_| is_ours)?;
    Some((link, rest.to_vec()))
}

fn with_parts<T>(signed: &[u8], about: &[&[u8]], then: impl FnOnce(&[&[u8]]) -> T) -> T {
    let parts: Vec<&[u8]> = std::iter::once(signed).chain(about.iter().copied()).collect();
    then(&parts)
}

/// Flags, listener, connection (seven bits a byte, the lowest first), port, address.
fn write_link(link: Link) -> Vec<u8> {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(link.side == Side::Inner, INNER)
        | flag(link.transport == Transport::Tcp, TCP)
        | flag(link.peer.is_ipv6(), IPV6);
    let mut bytes = vec![flags, link.listener];
    if link.transport == Transport::Tcp {
        let mut connection = link.connection;
        while connection > 0x7f {
            bytes.push(connection as u8 | 0x80);
            connection >>= 7;
        }
        bytes.push(connection as u8);
    }
    bytes.extend_from_slice(&link.peer.port().to_be_bytes());
    match link.peer.ip() {
        IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
    }
    bytes
}

/// With the bytes behind it.
fn read_link(bytes: &[u8]) -> Option<(Link, &[u8])> {
    let (&[flags, listener], bytes) = bytes.split_first_chunk::<2>()?;
    if flags & !KNOWN_FLAGS != 0 {
        return None;
    }
    let side = if flags & INNER != 0 { Side::Inner } else { Side::Outer };
    let (transport, connection, bytes) = match flags & TCP {
        0 => (Transport::Udp, 0, bytes),
        _ => {
            let (connection, bytes) = read_connection(bytes)?;
            (Transport::Tcp, connection, bytes)
        }
    };
    let (port, bytes) = bytes.split_first_chunk::<2>()?;
    let (address, bytes) = match flags & IPV6 {
        0 => bytes.split_first_chunk::<4>().map(|(address, rest)| (Ipv4Addr::from(*address).into(), rest))?,
        _ => {
            bytes.split_first_chunk::<16>().map(|(address, rest)| (Ipv6Addr::from(*address).into(), rest))?
        }
    };
    let peer = SocketAddr::new(address, u16::from_be_bytes(*port));
    Some((Link { side, listener, transport, peer, connection }, bytes))
}

fn read_connection(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, rest) = bytes.split_at(length);
    let connection = digits.iter().rev().fold(0, |sum: u64, digit| sum << 7 | u64::from(digit & 0x7f));
    Some((connection, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::new([7; 32], None)
    }

    fn link() -> impl Strategy<Value = Link> {
        let side = prop::sample::select(vec![Side::Outer, Side::Inner]);
        let connection = prop_oneof![Just(None), any::<u64>().prop_map(Some), (0..300_u64).prop_map(Some)];
        (side, any::<u8>(), connection, any::<SocketAddr>()).prop_map(|(side, listener, connection, peer)| {
            let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
            // The zone of an address is the listener's.
            let peer = SocketAddr::new(peer.ip(), peer.port());
            Link { side, listener, transport, peer, connection: connection.unwrap_or(0) }
        })
    }

    fn phone(link: Link) -> Phone {
        Phone { link, account: [1; 3] }
    }

    fn route_of(link: Link) -> Route {
        Route { phone: phone(link), names: [2; 4], begun: Hour(1) }
    }

    /// With one bit changed, of the bytes or of the letters.
    fn damaged(token: &str, at: usize) -> Vec<u8> {
        let mut damaged = token.as_bytes().to_vec();
        let bit = at % (8 * damaged.len());
        damaged[bit / 8] ^= 1 << (bit % 8);
        damaged
    }

    #[test]
    fn a_token_of_an_ipv4_phone_is_short() {
        let peer = ([203, 0, 113, 7], 40_000).into();
        let link = Link { side: Side::Outer, listener: 0, transport: Transport::Udp, peer, connection: 0 };
        assert_eq!(route(&keys(), &route_of(link), &[b"c"]).len(), 39);
        let over_tcp = Link { transport: Transport::Tcp, connection: 77, ..link };
        assert_eq!(route(&keys(), &route_of(over_tcp), &[b"c"]).len(), 40);
    }

    #[test]
    fn a_token_is_good_for_its_purpose_only() {
        let peer = ([203, 0, 113, 7], 40_000).into();
        let link = Link { side: Side::Outer, listener: 0, transport: Transport::Udp, peer, connection: 0 };
        let token = route(&keys(), &route_of(link), &[b"c"]);
        assert_eq!(read_route(&keys(), token.as_bytes(), &[b"c"]), Some(route_of(link)));
        assert_eq!(read_binding(&keys(), token.as_bytes()), None);
        assert_eq!(read_branch(&keys(), format!("z9hG4bK{token}").as_bytes(), &[b"c"]), None);
        let of_others = Keys::new([8; 32], None);
        assert_eq!(read_route(&of_others, token.as_bytes(), &[b"c"]), None);
        let rotated = Keys::new([8; 32], Some([7; 32]));
        assert_eq!(read_route(&rotated, token.as_bytes(), &[b"c"]), Some(route_of(link)));
    }

    #[test]
    fn hours_are_counted_to_either_side_and_around() {
        let hour = |seconds| Hour::of(WallSeconds::new(seconds));
        assert_eq!(hour(7_200), hour(10_799));
        assert_eq!((hour(7_200).distance(hour(10_800)), hour(10_800).distance(hour(7_200))), (1, 1));
        let years = 65_536 * 3_600;
        assert_eq!(hour(years - 1).distance(hour(years)), 1);
        assert_eq!(hour(0).distance(hour(90_000)), 25);
    }

    proptest! {
        #[test]
        fn tokens_come_back_as_they_were_and_nothing_else_does(
            link in link(),
            call_id: Vec<u8>,
            other: Vec<u8>,
            contact in prop::collection::vec(any::<u8>(), 0..200),
            at: usize,
        ) {
            let keys = keys();
            let token = route(&keys, &route_of(link), &[&call_id]);
            prop_assert_eq!(read_route(&keys, token.as_bytes(), &[&call_id]), Some(route_of(link)));
            prop_assert_eq!(read_route(&keys, &damaged(&token, at), &[&call_id]), None);
            prop_assert!(other == call_id || read_route(&keys, token.as_bytes(), &[&other]).is_none());

            let token = binding(&keys, phone(link), &contact);
            prop_assert_eq!(read_binding(&keys, token.as_bytes()), Some((phone(link), contact)));
            prop_assert_eq!(read_binding(&keys, &damaged(&token, at)), None);

            let token = branch(&keys, link, &[&call_id, b"x"]);
            prop_assert_eq!(read_branch(&keys, token.as_bytes(), &[&call_id, b"x"]), Some(link));
            prop_assert_eq!(read_branch(&keys, &damaged(&token, at), &[&call_id, b"x"]), None);
            prop_assert_eq!(read_branch(&keys, token.as_bytes(), &[&call_id, b"y"]), None);
        }

        #[test]
        fn any_bytes_are_no_token(bytes: Vec<u8>, letters in "[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(read_binding(&keys(), &bytes), None);
            prop_assert_eq!(read_binding(&keys(), letters.as_bytes()), None);
            read_link(&bytes);
        }
    }
}
