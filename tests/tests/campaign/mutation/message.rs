//! All other headers, their number, order and length, and the bytes of the whole message.

use sipward_tests::rng::Rng;

use super::{any_header, name_of, pick, put, shown};
use crate::draft::{Draft, Edit, Header, Parameter, Value};

/// In what the answer is known by: Via's branch, From's tag, Call-ID and CSeq.
pub(super) fn echoed(draft: &mut Draft, rng: &mut Rng) -> String {
    struct Spelling {
        header: &'static str,
        plain: &'static str,
        odd: &'static str,
    }
    const SPELLINGS: [Spelling; 26] = [
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=z9hG4b%4B" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=%7a9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=z9hG4bK/" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=z9hG4bK:x" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "BRANCH=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch = z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=z9hG4bKfirst;branch=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=\"z9hG4bK\";x=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "x=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=;x=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch;x=z9hG4bK" },
        Spelling { header: "Via", plain: "branch=z9hG4bK", odd: "branch=z9hG4bK\u{fc}" },
        Spelling { header: "Via", plain: ";rport;", odd: ";rport;received=10.90.0.9;" },
        Spelling { header: "Via", plain: ";rport;", odd: " ;\t rport\t;" },
        Spelling { header: "Via", plain: ";rport;", odd: ";rport=1;" },
        Spelling { header: "Via", plain: "SIP/2.0/", odd: "SIP / 2.0 / " },
        Spelling { header: "Via", plain: "SIP/2.0/", odd: "sip/2.0/" },
        Spelling { header: "Call-ID", plain: "c", odd: "%63-c" },
        Spelling { header: "Call-ID", plain: "c", odd: "c c" },
        Spelling { header: "Call-ID", plain: "c", odd: "\"x\"c" },
        Spelling { header: "Call-ID", plain: "c", odd: "(x)c" },
        Spelling { header: "Call-ID", plain: "c", odd: "<x>c" },
        Spelling { header: "CSeq", plain: "", odd: "000" },
        Spelling { header: "CSeq", plain: " ", odd: "   \t " },
        Spelling { header: "CSeq", plain: " ", odd: "." },
        Spelling { header: "CSeq", plain: "", odd: "+" },
    ];
    const TAGS: [&str; 14] = [
        ";tag=%66%31",
        ";tag=\"f1\"",
        ";tag=f1;tag=f2",
        ";TAG=f1",
        "; tag = f1",
        ";tag=",
        ";tag",
        "",
        ";x=\";tag=f2\";tag=f1",
        ";tag=f1(x)",
        ";tag=f1/x",
        ";tag=f1 x",
        ";tag=<f1>",
        ";tag=[f1]",
    ];
    if rng.one_in(3) {
        let Some(party) = draft.party("From") else { return String::new() };
        party.tag = rng.pick(&TAGS).as_bytes().to_vec();
        return format!("From {}", shown(&party.tag));
    }
    let Spelling { header, plain, odd } = rng.pick(&SPELLINGS);
    let Some(Header { value: Value::Text(text), .. }) = draft.named(header) else { return String::new() };
    *text = String::from_utf8_lossy(text).replacen(plain, odd, 1).into_bytes();
    format!("{header} {plain:?} as {odd:?}")
}

pub(super) fn compact(draft: &mut Draft, rng: &mut Rng) -> String {
    const SHORT: [(&str, &str); 6] = [
        ("From", "f"),
        ("To", "t"),
        ("Via", "v"),
        ("Call-ID", "i"),
        ("Contact", "m"),
        ("Content-Length", "l"),
    ];
    let (long, short) = rng.pick(&SHORT);
    let short = if rng.one_in(2) { short.to_uppercase() } else { (*short).to_owned() };
    let Some(header) = draft.named(long) else { return String::new() };
    header.name = short.clone().into_bytes();
    format!("compact {short}")
}

pub(super) fn order(draft: &mut Draft, rng: &mut Rng) -> String {
    rng.shuffle(&mut draft.headers);
    "order of headers".into()
}

pub(super) fn second_other(draft: &mut Draft, rng: &mut Rng) -> String {
    let (name, value) = *rng.pick(&[
        ("Call-ID", "second"),
        ("CSeq", "1 INVITE"),
        ("CSeq", "77 REGISTER"),
        ("Via", "SIP/2.0/UDP 10.90.0.9:5060;branch=z9hG4bKsecond"),
        ("Content-Length", "0"),
        ("Content-Length", "400"),
        ("Contact", "<sip:x@10.90.0.9>"),
        ("Route", "<sip:10.90.0.1;lr>"),
        ("P-Asserted-Identity", "<sip:240@pbx>"),
        ("Remote-Party-ID", "<sip:240@pbx>"),
        ("X-Authorization", "Digest username=\"240\""),
    ]);
    let value = Value::Text(value.into());
    format!("second {name} {}", put(draft, Header::new(name, value), rng))
}

pub(super) fn text_in_header(draft: &mut Draft, rng: &mut Rng) -> String {
    let names: [&[u8]; 12] = [
        b"Subject: x",
        b"Subject: \"",
        b"Subject: From: <sip:240@pbx>",
        b"X-\xc3\xbc: \xc3\xbc",
        b"no colon at all",
        b": empty name",
        b"From",
        b"Fromage: <sip:240@pbx>",
        b"Authorization",
        b"X",
        b"Authorization-X: Digest username=\"240\"",
        b"From-X: <sip:240@pbx>",
    ];
    let line = pick(rng, &names).to_vec();
    let header = Header {
        name: line.clone(),
        colon: Vec::new(),
        value: Value::Text(Vec::new()),
        end: b"\r\n".to_vec(),
    };
    let at = rng.below(draft.headers.len() + 1);
    draft.headers.insert(at, header);
    format!("line {}", shown(&line))
}

pub(super) fn content_length(draft: &mut Draft, rng: &mut Rng) -> String {
    let value = *rng.pick(&[
        "",
        "1",
        "10",
        "1000",
        "99999",
        "4294967296",
        "-1",
        "0x0",
        "00000000",
        "0, 0",
        "0;x",
        "0 0",
        "abc",
        " 0 ",
        "+0",
    ]);
    let Some(Header { value: Value::Text(text), .. }) = draft.named("Content-Length") else {
        return String::new();
    };
    *text = value.into();
    if rng.one_in(3) {
        draft.body = b"v=0\r\n".to_vec();
    }
    if rng.one_in(5) {
        draft.headers.retain(|header| !header.name.eq_ignore_ascii_case(b"Content-Length"));
        return "no Content-Length".into();
    }
    format!("Content-Length {value:?}, body of {}", draft.body.len())
}

pub(super) fn long(draft: &mut Draft, rng: &mut Rng) -> String {
    let length = *rng.pick(&[100, 500, 1000, 1100, 1600, 2100, 3000, 4200]);
    let filler = b"0123456789abcdef".repeat(length / 16 + 1);
    let filler = &filler[..length];
    match rng.below(5) {
        0 => {
            let header = Header::new("X-Pad", Value::Text(filler.to_vec()));
            format!("header of {length} {}", put(draft, header, rng))
        }
        1 => {
            let Some(credentials) = draft.credentials() else { return String::new() };
            let value = format!("\"{}\"", String::from_utf8_lossy(filler));
            credentials.parameters.insert(0, Parameter::new("x", &value));
            format!("parameter of {length} before username")
        }
        2 => {
            let Some(credentials) = draft.credentials() else { return String::new() };
            credentials.gap = b" ".repeat(length);
            format!("gap of {length} in credentials")
        }
        3 => {
            let at = any_header(draft, rng);
            draft.headers[at].colon = [b":", &b" ".repeat(length)[..]].concat();
            format!("{length} blanks in {}", name_of(&draft.headers[at]))
        }
        _ => {
            let at = any_header(draft, rng);
            draft.headers[at].colon = [b":", &b"\r\n ".repeat(length / 30)[..]].concat();
            format!("{} folds in {}", length / 30, name_of(&draft.headers[at]))
        }
    }
}

pub(super) fn many(draft: &mut Draft, rng: &mut Rng) -> String {
    let count = *rng.pick(&[10, 40, 100, 120, 140, 200]);
    let line = *rng.pick(&["x:y", "a:", "Accept: x", "From-X:y"]);
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let before = !rng.one_in(3);
    for _ in 0..count {
        let mut header = Header::new(name, Value::Text(value.into()));
        header.colon = b":".to_vec();
        let at = if before { 1 } else { draft.headers.len() };
        draft.headers.insert(at, header);
    }
    format!("{count} headers {line}, before {before}")
}

pub(super) fn any_byte(draft: &mut Draft, rng: &mut Rng) -> String {
    const BYTES: [u8; 24] = *b"\0\x01\x07\x08\t\n\x0b\x0c\r\x1b \"\\<>:;,=@%\x7f\x80\xff";
    let insert = vec![if rng.one_in(6) { rng.byte() } else { *rng.pick(&BYTES) }];
    let (remove, what) = match rng.below(3) {
        0 => (1, "in place of one"),
        1 => (0, "put in"),
        _ => (1, "removed"),
    };
    let insert = if what == "removed" { Vec::new() } else { insert };
    let place = rng.below(1000);
    let label = format!("byte {} {what}", shown(&insert));
    draft.edits.push(Edit { place, remove, insert });
    label
}

/// More in the datagram than the message.
pub(super) fn behind(draft: &mut Draft, rng: &mut Rng) -> String {
    let bodies: [&[u8]; 8] = [
        b"x",
        b"\0",
        b"\r\n\r\n",
        b"From: <sip:240@pbx>\r\n\r\n",
        b"Authorization: Digest username=\"240\", realm=\"pbx\", nonce=\"x\", response=\"x\"\r\n\r\n",
        b"REGISTER sip:pbx SIP/2.0\r\nFrom: <sip:240@pbx>;tag=x\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"v=0\r\n",
    ];
    let body = pick(rng, &bodies);
    draft.body.extend(body);
    format!("behind it {}", shown(body))
}
