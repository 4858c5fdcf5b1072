//! Values that everybody cuts at the same places.

use sipward_sip::{Pieces, closing_quote, is_blank, is_token, number, parameter, position, trim};

/// Strings and brackets close, and neither is within the other.
pub(super) fn is_balanced(value: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let rest = &value[at + 1..];
        let closed = match byte {
            b'"' => closing_quote(rest),
            b'<' => position(rest, b'>').filter(|&end| is_plain(&rest[..end])),
            b'>' => None,
            _ => {
                at += 1;
                continue;
            }
        };
        let Some(end) = closed else { return false };
        at += end + 2;
    }
    true
}

/// The value of From or To, or one of Contact or Route: a URI with what belongs to it.
pub(super) struct Address<'a> {
    pub(super) uri: &'a [u8],
    pub(super) is_bracketed: bool,
    /// Begins with a semicolon where there is any.
    pub(super) parameters: &'a [u8],
}

impl<'a> Address<'a> {
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        if !is_balanced(value) {
            return None;
        }
        let address = match sipward_sip::find(value, b'<') {
            Some(open) => {
                let close = open + position(&value[open..], b'>')?;
                is_display_name(trim(&value[..open])).then_some(())?;
                Self {
                    uri: &value[open + 1..close],
                    is_bracketed: true,
                    parameters: trim(&value[close + 1..]),
                }
            }
            None => {
                let end = position(value, b';').unwrap_or(value.len());
                let uri = trim(&value[..end]);
                // It is everybody's guess if these belong to the URI.
                let is_whole = !uri.iter().any(|byte| b",?".contains(byte));
                is_whole.then_some(Self { uri, is_bracketed: false, parameters: &value[end..] })?
            }
        };
        let is_clear = is_uri(address.uri)
            && matches!(address.parameters, [] | [b';', ..])
            && address.parameters().all(|(name, value)| {
                // Without brackets it could be the URI's user that has a parameter.
                let is_of_user = !address.is_bracketed && value.is_some_and(|value| value.contains(&b'@'));
                name.iter().all(|&byte| is_token(byte)) && value.is_none_or(is_parameter_value) && !is_of_user
            });
        is_clear.then_some(address)
    }

    /// With their values as they are written, quotes included.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        raw_parameters(self.parameters).skip(1)
    }
}

/// `name=value` pairs between semicolons, values with their quotes.
pub(super) fn raw_parameters(parameters: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + use<'_> {
    Pieces::new(parameters, b';', false).map(|piece| match position(piece, b'=') {
        Some(at) => (trim(&piece[..at]), Some(trim(&piece[at + 1..]))),
        None => (piece, None),
    })
}

/// The method and the number, if both can be read in one way only.
pub(super) fn sequence(value: &[u8]) -> Option<(u32, &[u8])> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, method) = value.split_at(digits);
    let sequence = number(digits).filter(|&number| number < 1 << 31)?;
    let is_apart = method.first().is_some_and(|&byte| is_blank(byte));
    let method = trim(method);
    (is_apart && is_name(method)).then_some((sequence, method))
}

/// `SIP/2.0/UDP host:port;parameters`, with blanks where RFC 3261 allows them.
pub(super) fn is_via(value: &[u8]) -> bool {
    let mut pieces = Pieces::new(value, b';', false);
    let head = pieces.next().unwrap_or_default();
    let mut parts = head.splitn(3, |&byte| byte == b'/').map(trim);
    let is_sip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"SIP"));
    let is_version = parts.next() == Some(b"2.0");
    let last = parts.next().unwrap_or_default();
    let transport = last.iter().position(|&byte| is_blank(byte)).unwrap_or(last.len());
    let (transport, sent_by) = last.split_at(transport);
    is_sip && is_version && is_name(transport) && is_host_port(trim(sent_by)) && are_via_parameters(value)
}

fn are_via_parameters(value: &[u8]) -> bool {
    // Those that say where the answer goes. A second one leaves that open.
    const SINGLE: [&[u8]; 5] = [b"branch", b"received", b"rport", b"maddr", b"ttl"];
    let mut seen = [false; SINGLE.len()];
    raw_parameters(value).skip(1).all(|(name, value)| {
        let single = SINGLE.iter().position(|single| single.eq_ignore_ascii_case(name));
        let is_first = single.is_none_or(|at| !std::mem::replace(&mut seen[at], true));
        let is_clear = match single {
            Some(_) => value.is_none_or(|value| !value.is_empty() && is_plain(value)),
            None => value.is_none_or(is_parameter_value),
        };
        is_first && is_clear && name.iter().all(|&byte| is_token(byte))
    })
}

/// Digest credentials in which no parameter is there twice, and no string ends earlier for those who know no escapes.
/// Other schemes are nobody's business here.
pub(super) fn are_credentials(value: &[u8]) -> bool {
    let scheme = value.iter().position(|&byte| !is_token(byte)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme);
    if !scheme.eq_ignore_ascii_case(b"Digest") {
        return true;
    }
    let mut names: Vec<&[u8]> = Vec::with_capacity(12);
    rest.first().is_some_and(|&byte| is_blank(byte))
        && Pieces::new(rest, b',', false).filter(|piece| !piece.is_empty()).all(|piece| {
            let (name, Some(_)) = parameter(piece) else { return false };
            let value = position(piece, b'=').map_or(&[][..], |at| trim(&piece[at + 1..]));
            let is_new = !names.iter().any(|known| known.eq_ignore_ascii_case(name));
            names.push(name);
            is_new && names.len() <= 32 && is_name(name) && is_credentials_value(value)
        })
}

fn is_credentials_value(value: &[u8]) -> bool {
    match value {
        [b'"', string @ ..] => {
            let end = position(string, b'"');
            end == closing_quote(string) && end.is_some_and(|end| end + 1 == string.len())
        }
        _ => is_plain(value),
    }
}

/// One word of token bytes.
pub(super) fn is_name(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|&byte| is_token(byte))
}

/// A method that differs from a known one by case only: it is another for the standard, and the same for PJSIP.
pub(super) fn is_miswritten(method: &[u8]) -> bool {
    const KNOWN: [&[u8]; 14] = [
        b"REGISTER",
        b"INVITE",
        b"ACK",
        b"CANCEL",
        b"BYE",
        b"OPTIONS",
        b"PRACK",
        b"UPDATE",
        b"INFO",
        b"SUBSCRIBE",
        b"NOTIFY",
        b"REFER",
        b"MESSAGE",
        b"PUBLISH",
    ];
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(method) && *known != method)
}

/// A scheme, and no byte that ends a URI for anybody. Of those that lead to a host, the host is where all look for it.
pub(super) fn is_uri(uri: &[u8]) -> bool {
    let Some(colon) = position(uri, b':') else { return false };
    let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
    let is_sip = [&b"sip"[..], b"sips"].iter().any(|sip| sip.eq_ignore_ascii_case(scheme));
    is_name(scheme) && is_plain(rest) && (!is_sip || is_at_one_host(rest))
}

fn is_at_one_host(uri: &[u8]) -> bool {
    let mut parts = uri.splitn(2, |&byte| byte == b'@');
    let first = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or(first);
    let end = host.iter().position(|byte| b";?".contains(byte)).unwrap_or(host.len());
    is_host_port(&host[..end]) && !host.contains(&b'@')
}

fn is_display_name(name: &[u8]) -> bool {
    match name {
        [b'"', string @ ..] => closing_quote(string).is_some_and(|end| end + 1 == string.len()),
        _ => !name.iter().any(|byte| b"\",;:>".contains(byte)),
    }
}

fn is_parameter_value(value: &[u8]) -> bool {
    match value {
        [b'"', string @ ..] => closing_quote(string).is_some_and(|end| end + 1 == string.len()),
        _ => is_plain(value) && !value.contains(&b','),
    }
}

/// No blanks, quotes or brackets.
fn is_plain(word: &[u8]) -> bool {
    !word.iter().any(|&byte| is_blank(byte) || b"\"<>".contains(&byte))
}

fn is_host_port(sent_by: &[u8]) -> bool {
    let (host, rest) = match sent_by {
        [b'[', inside @ ..] => {
            let Some(end) = position(inside, b']') else { return false };
            (&inside[..end], &inside[end + 1..])
        }
        _ => sent_by.split_at(position(sent_by, b':').unwrap_or(sent_by.len())),
    };
    let in_brackets = sent_by.first() == Some(&b'[');
    let is_host = |byte: &u8| match byte {
        b':' | b'%' => in_brackets,
        _ => byte.is_ascii_alphanumeric() || b".-_".contains(byte),
    };
    let is_port = match trim(rest) {
        [] => true,
        [b':', port @ ..] => number(trim(port)).is_some_and(|port| (1..=65_535).contains(&port)),
        _ => false,
    };
    let host = trim(host);
    !host.is_empty() && host.iter().all(is_host) && is_port
}
