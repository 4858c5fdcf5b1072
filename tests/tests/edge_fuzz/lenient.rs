//! A second reading of a request, as a PBX might do it that takes everything: any line end, any blanks and control bytes
//! in names of headers, all of several headers, and of two ways to read an address both.

use crate::test_edge::{OTHER, OWN, REALM};

/// The name of a header in small letters, and its value.
type Line = (Vec<u8>, Vec<u8>);

fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut unfolded: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &rest[..end];
        rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(&rest[end + 1..]);
        match (line.first(), unfolded.last_mut()) {
            (None, Some(_)) => break,
            (None, None) => {}
            (Some(b' ' | b'\t'), Some(before)) => before.extend(line),
            _ => unfolded.push(line.to_vec()),
        }
    }
    let header = |line: Vec<u8>| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = line[..colon].iter().filter(|byte| byte.is_ascii_graphic());
        Some((name.map(u8::to_ascii_lowercase).collect(), line[colon + 1..].trim_ascii().to_vec()))
    };
    unfolded.into_iter().skip(1).filter_map(header).collect()
}

/// The users of all addresses that a value can be read as.
fn users(value: &[u8]) -> Vec<Vec<u8>> {
    let rest = behind_quotes(value);
    let inside = |open: usize| {
        let uri = &rest[open + 1..];
        uri[..uri.iter().position(|byte| *byte == b'>').unwrap_or(uri.len())].to_vec()
    };
    let opens = [rest.iter().position(|byte| *byte == b'<'), rest.iter().rposition(|byte| *byte == b'<')];
    let mut uris: Vec<_> = opens.into_iter().flatten().map(inside).collect();
    if uris.is_empty() {
        uris.push(rest.to_vec());
    }
    uris.iter().flat_map(|uri| users_of(uri)).collect()
}

fn behind_quotes(value: &[u8]) -> &[u8] {
    let Some(quoted) = value.strip_prefix(b"\"") else { return value };
    let mut at = 0;
    while at < quoted.len() && quoted[at] != b'"' {
        at += if quoted[at] == b'\\' { 2 } else { 1 };
    }
    quoted.get(at + 1..).unwrap_or_default()
}

/// Up to the first `@`, and up to the last one.
fn users_of(uri: &[u8]) -> Vec<Vec<u8>> {
    let scheme = uri.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    let rest = &uri[scheme..];
    let is_at = |byte: &u8| *byte == b'@';
    let ends = [rest.iter().position(is_at), rest.iter().rposition(is_at)];
    let user = |end: usize| {
        let user = &rest[..end];
        let end = user.iter().position(|byte| matches!(byte, b':' | b';')).unwrap_or(user.len());
        unescaped(&user[..end])
    };
    ends.into_iter().flatten().map(user).collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                plain.push(escaped);
                at += 3;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain.trim_ascii().to_vec()
}

/// Why a request that was sent on should not have been.
pub(crate) fn finding(bytes: &[u8]) -> Option<String> {
    let lines = lines(bytes);
    let of = |names: &'static [&'static str]| {
        let is_one = move |(found, _): &&Line| names.iter().any(|name| name.as_bytes() == found);
        lines.iter().filter(is_one).map(|(_, value)| value)
    };
    let text = String::from_utf8_lossy(bytes).into_owned();
    if bytes.starts_with(b"SIP/2.0 ") {
        return None;
    }
    let sources: Vec<_> = of(&["x-sipward-source"]).collect();
    let [source] = sources[..] else { return Some(format!("{} sources of the edge\n{text}", sources.len())) };
    if of(&["p-asserted-identity", "p-preferred-identity", "remote-party-id"]).next().is_some() {
        return Some(format!("an identity that the phone claims\n{text}"));
    }
    // Of another scheme they are of no use to anybody who knows Digest.
    let is_own_realm = |value: &&Vec<u8>| {
        let scheme = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let is_digest = scheme.eq_ignore_ascii_case(b"Digest");
        is_digest && String::from_utf8_lossy(value).contains(&format!("realm=\"{REALM}\""))
    };
    if of(&["authorization", "proxy-authorization"]).any(|value| is_own_realm(&value)) {
        return Some(format!("credentials for the edge\n{text}"));
    }
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    let mut names: Vec<_> = of(&["from", "f"]).flat_map(|value| users(value)).collect();
    if method == b"REGISTER" {
        names.extend(of(&["to", "t"]).flat_map(|value| users(value)));
    }
    // ACK and CANCEL follow another request, and the PBX knows which; nobody is asked who sends them.
    let follows = matches!(method, b"ACK" | b"CANCEL");
    let other = names.iter().find(|name| match source.ends_with(OWN.as_bytes()) {
        true => *name != OWN.as_bytes() && *name != b"anonymous",
        false => !follows && *name == OTHER.as_bytes(),
    });
    other.map(|name| format!("{} to a lenient reader\n{text}", name.escape_ascii()))
}

#[test]
fn a_lenient_reader_finds_what_a_strict_one_does_not() {
    let request = |more: &str| {
        format!(
            "REGISTER sip:x SIP/2.0\r\nFrom: <sip:{OWN}@x>;tag=a\r\nTo: <sip:{OWN}@x>\r\n\
             X-Sipward-Source: 198.51.100.7:5060;udp;{OWN}\r\n{more}\r\n\r\n"
        )
    };
    for clear in ["Subject: a", "Subject: a\r\n From: <sip:240@x>", "Contact: <sip:240@x>"] {
        assert_eq!(finding(request(clear).as_bytes()), None, "{clear}");
    }
    let quoted = request("Subject: a").replace("To: <", "To: \"a <sip:240@x>\" <");
    assert_eq!(finding(quoted.as_bytes()), None);
    for unclear in [
        "f: <sip:240@x>",
        "Subject: a\rFrom: <sip:240@x>",
        "Subject: a\nFrom : <sip:240@x>",
        "To\u{1}: <sip:240@x>",
        "T\tO: sip:%3240@x;a",
        "From: a <sip:201@x>, <sip:240@x>",
        "From: <sip:201@240@x>",
        "P-asserted-identity : <sip:240@x>",
        "X-Sipward-Source: 198.51.100.8:5060;udp;240",
        "Authorization: Digest username=\"201\", realm=\"pbx\"",
    ] {
        assert!(finding(request(unclear).as_bytes()).is_some(), "{unclear}");
    }
}
