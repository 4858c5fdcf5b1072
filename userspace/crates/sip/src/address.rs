//! The addresses in a message: From, To, Contact, Via.

use super::{
    lines::{is_blank, position, trim},
    pieces::{Pieces, find, number, parameter},
};

/// Of From or To.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party<'a> {
    pub uri: Uri<'a>,
    pub tag: Option<&'a [u8]>,
}

/// The parts of a URI that matter. An absent part is empty; nothing is unescaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uri<'a> {
    pub user: &'a [u8],
    pub host: &'a [u8],
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contact<'a> {
    pub uri: Uri<'a>,
    /// `+sip.instance` (RFC 5626): the device, whatever its address.
    pub instance: Option<&'a [u8]>,
    pub expires: Option<u32>,
}

/// The topmost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Via<'a> {
    pub host: &'a [u8],
    pub port: Option<u16>,
    pub branch: &'a [u8],
    pub received: Option<&'a [u8]>,
    /// With a value. One without asks for it.
    pub rport: Option<u32>,
}

impl<'a> Party<'a> {
    pub fn parse(value: &'a [u8]) -> Self {
        let (uri, parameters) = name_addr(value);
        let mut party = Self { uri: Uri::parse(uri), tag: None };
        // PJSIP answers with a tag within the brackets where there were none.
        for piece in Pieces::new(uri, b';', false).skip(1).chain(parameters) {
            if let (name, Some(tag)) = parameter(piece)
                && name.eq_ignore_ascii_case(b"tag")
            {
                party.tag = Some(tag);
            }
        }
        party
    }
}

impl<'a> Contact<'a> {
    pub fn parse(value: &'a [u8]) -> Self {
        let (uri, parameters) = name_addr(value);
        let mut contact = Self { uri: Uri::parse(uri), ..Self::default() };
        for piece in parameters {
            match parameter(piece) {
                (name, Some(value)) if name.eq_ignore_ascii_case(b"expires") => {
                    contact.expires = number(value)
                }
                (name, Some(value)) if name.eq_ignore_ascii_case(b"+sip.instance") => {
                    contact.instance = Some(value);
                }
                _ => {}
            }
        }
        contact
    }
}

impl<'a> Uri<'a> {
    /// sip, sips and tel; others have no user.
    pub fn parse(uri: &'a [u8]) -> Self {
        let uri = trim(uri);
        let Some(colon) = position(uri, b':') else {
            return Self::default();
        };
        let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
        if scheme.eq_ignore_ascii_case(b"tel") {
            return Self { user: until(rest, b";"), ..Self::default() };
        }
        // For Kamailio the last has users, too.
        if ![&b"sip"[..], b"sips", b"urn"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Self::default();
        }
        let (user, rest) = match position(rest, b'@') {
            Some(at) => (until(&rest[..at], b":"), &rest[at + 1..]),
            None => (&rest[..0], rest),
        };
        let (host, port) = host_port(until(rest, b";?>"));
        Self { user, host, port }
    }
}

impl<'a> Via<'a> {
    /// Of the topmost value: `SIP/2.0/UDP host:port;branch=…`, with blanks wherever RFC 3261 allows them.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let first = Pieces::new(value, b',', false).next()?;
        let mut pieces = Pieces::new(first, b';', false);
        let mut head = pieces.next()?;
        for _ in 0..2 {
            head = trim(&head[position(head, b'/')? + 1..]);
        }
        let sent_by = head.iter().position(|&byte| is_blank(byte)).map_or(&head[..0], |at| trim(&head[at..]));
        let (host, port) = host_port(sent_by);
        let mut via = Self { host, port, ..Self::default() };
        for piece in pieces {
            match parameter(piece) {
                (name, Some(value)) if name.eq_ignore_ascii_case(b"branch") => via.branch = value,
                (name, Some(value)) if name.eq_ignore_ascii_case(b"received") => via.received = Some(value),
                (name, Some(value)) if name.eq_ignore_ascii_case(b"rport") => via.rport = number(value),
                _ => {}
            }
        }
        Some(via)
    }
}

/// The URI and the parameters behind it, of `"name" <uri>;parameters` or `uri;parameters`.
fn name_addr(value: &[u8]) -> (&[u8], Pieces<'_>) {
    let (uri, rest) = match find(value, b'<') {
        Some(open) => {
            let inside = &value[open + 1..];
            let close = position(inside, b'>').unwrap_or(inside.len());
            (&inside[..close], inside.get(close + 1..).unwrap_or_default())
        }
        None => {
            // PJSIP takes a name in front of a URI without brackets.
            let uri = match trim(value) {
                [b'"', name @ ..] => position(name, b'"').map_or(value, |end| &name[end + 1..]),
                _ => value,
            };
            uri.split_at(position(uri, b';').unwrap_or(uri.len()))
        }
    };
    (uri, Pieces::new(rest, b';', false))
}

fn host_port(value: &[u8]) -> (&[u8], Option<u16>) {
    let host_end = match value {
        [b'[', ..] => position(value, b']').map_or(value.len(), |at| at + 1),
        _ => position(value, b':').unwrap_or(value.len()),
    };
    let (host, rest) = value.split_at(host_end);
    let port = match trim(rest) {
        [b':', port @ ..] => number(trim(port)).and_then(|port| u16::try_from(port).ok()),
        _ => None,
    };
    (trim(host), port)
}

fn until<'a>(bytes: &'a [u8], ends: &[u8]) -> &'a [u8] {
    &bytes[..bytes.iter().position(|byte| ends.contains(byte)).unwrap_or(bytes.len())]
}
