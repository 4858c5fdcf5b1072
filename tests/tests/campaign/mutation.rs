//! Changes to a request: each says what it did, and does the same again for the same seed.

use sipward_tests::rng::Rng;

use crate::draft::{Credentials, Draft, Edit, Header, Parameter, Party, Value};

/// A name that is in the message beside the account's own. The PBX has it.
const DECOY: &str = "240";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mutation {
    kind: usize,
    seed: u64,
}

/// Answers in words what was changed; empty: there was nothing to change.
type Change = fn(&mut Draft, &mut Rng) -> String;

impl Mutation {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        Self { kind: rng.below(KINDS.len()), seed: rng.seed() }
    }

    pub(crate) fn apply(self, draft: &mut Draft) -> String {
        KINDS[self.kind](draft, &mut Rng::seeded(self.seed))
    }
}

const KINDS: [Change; 50] = [
    all_line_ends,
    one_line_end,
    one_line_end,
    colon,
    colon,
    echoed,
    echoed,
    fold,
    fold,
    fold,
    header_case,
    compact,
    order,
    second_party,
    second_party,
    second_other,
    second_credentials,
    second_credentials,
    second_username,
    second_username,
    shadowed_username,
    shadowed_username,
    username_spelling,
    username_spelling,
    username_spelling,
    display_name,
    display_name,
    display_name,
    user_spelling,
    user_spelling,
    uri_shape,
    uri_shape,
    comment,
    comma_joined,
    version,
    method,
    leading,
    text_in_header,
    content_length,
    long,
    many,
    other_scheme,
    credentials_name,
    parameters,
    parameters,
    digest_word,
    blank_line,
    start_line,
    any_byte,
    behind,
];

fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() > 48 { format!("{}… ({} bytes)", &text[..40], bytes.len()) } else { text }
}

fn pick<'a>(rng: &mut Rng, of: &[&'a [u8]]) -> &'a [u8] {
    rng.pick::<&[u8]>(of)
}

/// A header that says who it is, rather than another.
fn any_header(draft: &Draft, rng: &mut Rng) -> usize {
    let names = |value: &Value| !matches!(value, Value::Text(_));
    let naming: Vec<usize> = (0..draft.headers.len()).filter(|&at| names(&draft.headers[at].value)).collect();
    if rng.one_in(3) || naming.is_empty() { rng.below(draft.headers.len()) } else { *rng.pick(&naming) }
}

fn name_of(header: &Header) -> String {
    header.name.escape_ascii().to_string()
}

fn all_line_ends(draft: &mut Draft, rng: &mut Rng) -> String {
    let end = pick(rng, &[b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\t\n", b"\0\r\n", b"\x0b\r\n"]);
    draft.start_end = end.to_vec();
    draft.blank = end.to_vec();
    draft.headers.iter_mut().for_each(|header| header.end = end.to_vec());
    format!("all line ends {}", shown(end))
}

fn one_line_end(draft: &mut Draft, rng: &mut Rng) -> String {
    let ends: [&[u8]; 14] = [
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\n\r",
        b"\r\n\t\r\n",
        b"\r\n \r\n",
        b" \r\n",
        b"\0\r\n",
        b"\r\n\r",
        b"\r\n\x0b",
        b"\x0c\r\n",
        b"\r\nx\r\n",
        b"\r\n:\r\n",
        b"\r\n\0\r\n",
    ];
    let end = pick(rng, &ends);
    let at = any_header(draft, rng);
    let before = if rng.one_in(2) { at } else { at.saturating_sub(1) };
    draft.headers[before].end = end.to_vec();
    format!("line end {} after {}", shown(end), name_of(&draft.headers[before]))
}

fn colon(draft: &mut Draft, rng: &mut Rng) -> String {
    let colons: [&[u8]; 22] = [
        b":",
        b" : ",
        b"\t:\t",
        b"     :",
        b"                    : ",
        b":\r\n ",
        b":\n\t",
        b":\r ",
        b"\r\n : ",
        b" \r\n\t: ",
        b"::",
        b": : ",
        b"\0: ",
        b":\0",
        b":\x0b",
        b"\x0b: ",
        b" ",
        b"=",
        b":                                                                                 ",
        b"\r: ",
        b": \r\n \r\n ",
        b"\xc2\xa0: ",
    ];
    let colon = pick(rng, &colons);
    let at = any_header(draft, rng);
    draft.headers[at].colon = colon.to_vec();
    format!("colon {} in {}", shown(colon), name_of(&draft.headers[at]))
}

/// Of a header that has pieces, these stay apart: the response is computed from them.
fn fold(draft: &mut Draft, rng: &mut Rng) -> String {
    let folds: [&[u8]; 13] = [
        b"\r\n ",
        b"\n ",
        b"\r\n\t",
        b"\n\t\t",
        b"\r ",
        b" \r\n \r\n ",
        b"\t",
        b"  ",
        b" ",
        b"\x0b",
        b"\0",
        b"\r\n\x0c",
        b"\r",
    ];
    let fold = pick(rng, &folds);
    let at = any_header(draft, rng);
    let header = &mut draft.headers[at];
    let place = match &mut header.value {
        Value::Text(text) => {
            let place = rng.below(text.len() + 1);
            text.splice(place..place, fold.iter().copied());
            "text"
        }
        Value::Party(party) => in_party(party, fold, rng),
        Value::Credentials(credentials) => in_credentials(credentials, fold, rng),
    };
    format!("{} at {place} of {}", shown(fold), name_of(header))
}

fn in_party(party: &mut Party, text: &[u8], rng: &mut Rng) -> &'static str {
    let (part, name) = match rng.below(7) {
        0 => (&mut party.display, "display"),
        1 => (&mut party.open, "open"),
        2 => (&mut party.scheme, "scheme"),
        3 => (&mut party.user, "user"),
        4 => (&mut party.host, "host"),
        5 => (&mut party.close, "close"),
        _ => (&mut party.tag, "tag"),
    };
    insert(part, text, rng);
    name
}

fn in_credentials(credentials: &mut Credentials, text: &[u8], rng: &mut Rng) -> &'static str {
    if rng.one_in(3) {
        let (part, name) = match rng.below(4) {
            0 => (&mut credentials.before, "before"),
            1 => (&mut credentials.gap, "gap"),
            2 => (&mut credentials.separator, "separator"),
            _ => (&mut credentials.after, "after"),
        };
        insert(part, text, rng);
        return name;
    }
    let at = if rng.one_in(2) { 0 } else { rng.below(credentials.parameters.len()) };
    let parameter = &mut credentials.parameters[at];
    let (part, name) = match rng.below(3) {
        0 => (&mut parameter.name, "name"),
        1 => (&mut parameter.equals, "equals"),
        _ => (&mut parameter.value, "value"),
    };
    insert(part, text, rng);
    name
}

/// In what the answer is known by: Via's branch, From's tag, Call-ID and CSeq.
fn echoed(draft: &mut Draft, rng: &mut Rng) -> String {
    type Spelling = (&'static str, &'static str, &'static str);
    const SPELLINGS: [Spelling; 26] = [
        ("Via", "branch=z9hG4bK", "branch=z9hG4b%4B"),
        ("Via", "branch=z9hG4bK", "branch=%7a9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch=z9hG4bK/"),
        ("Via", "branch=z9hG4bK", "branch=z9hG4bK:x"),
        ("Via", "branch=z9hG4bK", "BRANCH=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch = z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch=z9hG4bKfirst;branch=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch=\"z9hG4bK\";x=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "x=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch=;x=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch;x=z9hG4bK"),
        ("Via", "branch=z9hG4bK", "branch=z9hG4bK\u{fc}"),
        ("Via", ";rport;", ";rport;received=10.90.0.9;"),
        ("Via", ";rport;", " ;\t rport\t;"),
        ("Via", ";rport;", ";rport=1;"),
        ("Via", "SIP/2.0/", "SIP / 2.0 / "),
        ("Via", "SIP/2.0/", "sip/2.0/"),
        ("Call-ID", "c", "%63-c"),
        ("Call-ID", "c", "c c"),
        ("Call-ID", "c", "\"x\"c"),
        ("Call-ID", "c", "(x)c"),
        ("Call-ID", "c", "<x>c"),
        ("CSeq", "", "000"),
        ("CSeq", " ", "   \t "),
        ("CSeq", " ", "."),
        ("CSeq", "", "+"),
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
    let (name, from, to) = *rng.pick(&SPELLINGS);
    let Some(Header { value: Value::Text(text), .. }) = draft.named(name) else { return String::new() };
    *text = String::from_utf8_lossy(text).replacen(from, to, 1).into_bytes();
    format!("{name} {from:?} as {to:?}")
}

/// At the beginning, at the end or inside.
fn insert(part: &mut Vec<u8>, text: &[u8], rng: &mut Rng) {
    let place = match rng.below(3) {
        0 => 0,
        1 => part.len(),
        _ => rng.below(part.len() + 1),
    };
    part.splice(place..place, text.iter().copied());
}

fn header_case(draft: &mut Draft, rng: &mut Rng) -> String {
    let at = any_header(draft, rng);
    let upper = rng.one_in(2);
    let header = &mut draft.headers[at];
    if upper {
        header.name.make_ascii_uppercase()
    } else {
        header.name.make_ascii_lowercase()
    }
    format!("case of {}", name_of(header))
}

fn compact(draft: &mut Draft, rng: &mut Rng) -> String {
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

fn order(draft: &mut Draft, rng: &mut Rng) -> String {
    rng.shuffle(&mut draft.headers);
    "order of headers".into()
}

fn put(draft: &mut Draft, header: Header, rng: &mut Rng) -> &'static str {
    if rng.one_in(2) {
        draft.headers.insert(0, header);
        "before"
    } else {
        draft.headers.push(header);
        "behind"
    }
}

fn second_party(draft: &mut Draft, rng: &mut Rng) -> String {
    let name = *rng.pick(&["From", "From", "To", "f", "t", "From ", "FROM"]);
    let tag = if rng.one_in(2) { ";tag=second" } else { "" };
    let second = Header::new(name, Value::Party(Party::new(DECOY, tag)));
    format!("second {name} {}", put(draft, second, rng))
}

fn second_other(draft: &mut Draft, rng: &mut Rng) -> String {
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

/// For another realm or the same, of somebody else or of the same account.
fn second_credentials(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(header) = draft.headers.iter().find(|header| matches!(header.value, Value::Credentials(_)))
    else {
        return String::new();
    };
    let mut second = header.clone();
    let Value::Credentials(credentials) = &mut second.value else { return String::new() };
    let other_realm = rng.one_in(2);
    let other_user = !rng.one_in(3);
    let other_name = rng.one_in(3);
    for parameter in &mut credentials.parameters {
        if other_realm && parameter.is("realm") {
            parameter.value = b"\"elsewhere\"".to_vec();
        }
        if other_user && parameter.is("username") {
            parameter.value = format!("\"{DECOY}\"").into_bytes();
        }
    }
    if other_name {
        second.name = other_header(&second.name);
    }
    let name = name_of(&second);
    let place = put(draft, second, rng);
    format!("second {name} {place}, other realm {other_realm}, other user {other_user}")
}

fn other_header(name: &[u8]) -> Vec<u8> {
    let proxy = name.eq_ignore_ascii_case(b"Proxy-Authorization");
    if proxy { b"Authorization".to_vec() } else { b"Proxy-Authorization".to_vec() }
}

fn second_username(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(credentials) = draft.credentials() else { return String::new() };
    let name =
        *rng.pick(&["username", "Username", "USERNAME", "user", "username*", "x-username", "username2"]);
    let value = *rng.pick(&["\"240\"", "240", "\"\"", "\"24\\0\"", "UTF-8''240"]);
    let times = *rng.pick(&[1, 1, 1, 2, 9]);
    let place = if rng.one_in(2) { 0 } else { credentials.parameters.len() };
    for _ in 0..times {
        credentials.parameters.insert(place, Parameter::new(name, value));
    }
    format!("{times} second {name}={value} {}", if place == 0 { "before" } else { "behind" })
}

/// A decoy in front, and the account's own name where some reader of quotes sees a part of another parameter.
fn shadowed_username(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(credentials) = draft.credentials() else { return String::new() };
    let Some(at) = credentials.parameters.iter().position(|parameter| parameter.is("username")) else {
        return String::new();
    };
    let own = credentials.parameters.remove(at);
    let own = [&own.name[..], &own.equals, &own.value].concat();
    let shadows: [(&[u8], &[u8]); 10] = [
        (b"\"\\\", ", b", y=\"\\\""),
        (b"\"\\\", ", b""),
        (b"a\"b, ", b", z=\""),
        (b"a\"b, ", b""),
        (b"\"a\"\", ", b", z=\""),
        (b"'\", ", b", z='\""),
        (b"<\", ", b", z=>\""),
        (b"[\", ", b", z=]\""),
        (b"\"a\" \"b, ", b", z=\"c\""),
        (b"a;", b""),
    ];
    let (before, behind) = *rng.pick(&shadows);
    let decoy = Parameter::new("username", &format!("\"{DECOY}\""));
    let value = [before, &own, behind].concat();
    let shadow = Parameter { name: b"x".to_vec(), equals: b"=".to_vec(), value };
    let first = rng.one_in(2);
    let place = if rng.one_in(2) { 0 } else { credentials.parameters.len() };
    credentials.parameters.insert(place, shadow);
    credentials.parameters.insert(if first { 0 } else { credentials.parameters.len() }, decoy);
    format!("shadowed username x={}…{}, decoy first {first}", shown(before), shown(behind))
}

/// The account's name in its credentials, in another way.
fn username_spelling(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(credentials) = draft.credentials() else { return String::new() };
    let Some(parameter) = credentials.parameters.iter_mut().find(|parameter| parameter.is("username")) else {
        return String::new();
    };
    let name = String::from_utf8_lossy(&parameter.value).trim_matches('"').to_owned();
    if name.len() < 2 || !name.is_ascii() {
        return String::new();
    }
    let (head, tail) = name.split_at(1);
    let spellings = [
        name.clone(),
        format!("\"{head}\\{tail}\""),
        format!("\"\\{name}\""),
        format!("'{name}'"),
        format!("\" {name}\""),
        format!("\"{name} \""),
        format!("\"{name}@pbx\""),
        format!("\"{name}@asterisk\""),
        format!("\"sip:{name}@pbx\""),
        format!("\"%3{head}{tail}\""),
        format!("%3{head}{tail}"),
        format!("\"{name}"),
        format!("{name}\""),
        format!("\"{name}\"x"),
        format!("\"{name}\" x"),
        format!("\"\"{name}\""),
        format!("\"{name}\\\""),
        format!("\"{name}\0\""),
        format!("\"{name}\r\n \""),
        format!("<{name}>"),
        format!("\"{head}\r\n {tail}\""),
        format!("\"{head}\"{tail}\""),
        format!("{name};x"),
        format!("\"{name}\";x=y"),
        format!("[{name}]"),
        format!("\"x:{name}@pbx\""),
        format!("\"x:{name}\""),
        format!("\"{name}@\""),
        format!("\"@{name}\""),
        format!("{name}@pbx"),
        format!("\"{name}:x@pbx\""),
        format!("\"{name}\"\""),
        format!("\"{name}\"=x"),
        format!("\"{name}\" \"x\""),
    ];
    let spelling = rng.pick(&spellings).clone();
    parameter.value = spelling.clone().into_bytes();
    format!("username={}", spelling.replace(&name, "NAME").escape_debug())
}

fn display_name(draft: &mut Draft, rng: &mut Rng) -> String {
    let displays: [&[u8]; 24] = [
        b"\"Ann\" ",
        b"Ann ",
        b"Ann O Neill ",
        b"\"<sip:240@pbx>\" ",
        b"\"a\\\"<sip:240@pbx>\" ",
        b"\"a\\\\\" ",
        b"\"unterminated ",
        b"\" ",
        b"\"\" ",
        b"\"a\" \"b\" ",
        b"\xc3\xbcber ",
        b"\"\xff\xfe\" ",
        b"\"\0\" ",
        b"\"a\r\n b\" ",
        b"a\r\n\tb ",
        b"Ann, ",
        b"Ann; ",
        b"sip:240@pbx ",
        b"'<sip:240@pbx>' ",
        b"<sip:240@pbx> ",
        b"\"a\"\"b\"",
        b"\"a\"b",
        b"\\\"",
        b"=?UTF-8?Q?x?= ",
    ];
    let display = if rng.one_in(10) { long_display(rng) } else { pick(rng, &displays).to_vec() };
    let name = *rng.pick(&["From", "From", "From", "To"]);
    let Some(party) = draft.party(name) else { return String::new() };
    party.display = display.clone();
    format!("display {} in {name}", shown(&display))
}

fn long_display(rng: &mut Rng) -> Vec<u8> {
    format!("\"{}\" ", "x".repeat(*rng.pick(&[100, 400, 505, 520, 700, 1500]))).into_bytes()
}

fn user_spelling(draft: &mut Draft, rng: &mut Rng) -> String {
    let name = *rng.pick(&["From", "From", "From", "To"]);
    let Some(party) = draft.party(name) else { return String::new() };
    let user = String::from_utf8_lossy(&party.user).into_owned();
    if user.len() < 2 || !user.is_ascii() {
        return String::new();
    }
    let (head, tail) = user.split_at(1);
    let spellings = [
        format!("%3{head}{tail}"),
        format!("{head}%30{}", &tail[1..]),
        format!("{user};x=y"),
        format!("{user};phone-context=pbx"),
        format!("{user}:secret"),
        format!("{user}:"),
        format!("{user}%00"),
        format!(" {user}"),
        format!("{user} "),
        format!("{user}?x"),
        format!("{user}/x"),
        format!("{user}#x"),
        format!("+{user}"),
        format!("{head}-{tail}"),
        format!("{user}@240"),
        format!("240@{user}"),
        format!("{user}\0"),
        format!("\"{user}\""),
        format!("{head}\\{tail}"),
        format!("{user},x"),
        format!("{user}&x"),
        format!("{user}%"),
        format!("{user}\u{fc}"),
        format!("{user}<"),
        format!("{user}>"),
        format!("{user}.{}", "x".repeat(300)),
        format!("{user};{}", "x".repeat(300)),
        format!("{user}:{}", "x".repeat(300)),
    ];
    let spelling = rng.pick(&spellings).clone();
    party.user = spelling.clone().into_bytes();
    format!("user {} in {name}", shown(spelling.replace(&user, "NAME").as_bytes()))
}

fn uri_shape(draft: &mut Draft, rng: &mut Rng) -> String {
    type Shape<'a> = (&'a [u8], &'a [u8], &'a [u8], &'a [u8]);
    const SHAPES: [Shape<'_>; 30] = [
        (b"", b"sip:", b"@pbx", b""),
        (b"<", b"sips:", b"@pbx", b">"),
        (b"<", b"SIP:", b"@pbx", b">"),
        (b"<", b"Sips:", b"@pbx", b">"),
        (b"<", b"tel:", b"", b">"),
        (b"", b"tel:", b"", b""),
        (b"<", b"TEL:", b";phone-context=pbx", b">"),
        (b"<", b"", b"@pbx", b">"),
        (b"<", b"urn:", b"@pbx", b">"),
        (b"<", b"http://", b"@pbx", b">"),
        (b"<", b"pres:", b"@pbx", b">"),
        (b"<", b"im:", b"@pbx", b">"),
        (b"<", b" sip:", b"@pbx", b">"),
        (b"< ", b"sip:", b"@pbx", b" >"),
        (b"<", b"sip: ", b"@pbx", b">"),
        (b"<", b"sip :", b"@pbx", b">"),
        (b"<", b"sip://", b"@pbx", b">"),
        (b"<<", b"sip:", b"@pbx", b">>"),
        (b"<", b"sip:", b"@pbx;user=phone;transport=udp", b">"),
        (b"<", b"sip:", b"@pbx:5060", b">"),
        (b"<", b"sip:", b"@pbx?x=<sip:240@pbx>", b">"),
        (b"<", b"sip:", b"@pbx;x=@240", b">"),
        (b"<", b"sip:", b" @pbx", b">"),
        (b"<", b"sip:", b"@ pbx", b">"),
        (b"<", b"sip:", b"@pbx\r\n ", b">"),
        (b"<", b"sip:", b"@pbx", b""),
        (b"", b"sip:", b"@pbx", b">"),
        (b"<", b"sip:", b"@[::1]", b">"),
        (b"<", b"sip:", b"@pbx", b"> ;x=\"<sip:240@pbx>\""),
        (b"<", b"sip:sip:", b"@pbx", b">"),
    ];
    let (open, scheme, host, close) = *rng.pick(&SHAPES);
    let name = *rng.pick(&["From", "From", "From", "To"]);
    let Some(party) = draft.party(name) else { return String::new() };
    party.open = open.to_vec();
    party.scheme = scheme.to_vec();
    party.host = host.to_vec();
    party.close = close.to_vec();
    format!("{name} {}", shown(&[open, scheme, b"USER", host, close].concat()))
}

fn comment(draft: &mut Draft, rng: &mut Rng) -> String {
    let text = pick(rng, &[b"(comment)", b" (a) ", b"(<sip:240@pbx>)", b"(username=\"240\")", b"(\")"]);
    let at = any_header(draft, rng);
    let header = &mut draft.headers[at];
    let place = match &mut header.value {
        Value::Text(value) => {
            insert(value, text, rng);
            "text"
        }
        Value::Party(party) => in_party(party, text, rng),
        Value::Credentials(credentials) => in_credentials(credentials, text, rng),
    };
    format!("comment {} at {place} of {}", shown(text), name_of(header))
}

/// A second value of a header in the same line.
fn comma_joined(draft: &mut Draft, rng: &mut Rng) -> String {
    let first = rng.one_in(2);
    if rng.one_in(2) {
        let other = Party::new(DECOY, ";tag=second");
        let Some(party) = draft.party("From") else { return String::new() };
        let other = Value::Party(other).write();
        if first {
            party.display = [&other[..], b", ", &party.display].concat();
        } else {
            party.tag.extend([b", ", &other[..]].concat());
        }
        return format!("joined From, decoy first {first}");
    }
    let own_realm = rng.one_in(2);
    let Some(credentials) = draft.credentials() else { return String::new() };
    let mut other = credentials.clone();
    for parameter in &mut other.parameters {
        if parameter.is("username") {
            parameter.value = format!("\"{DECOY}\"").into_bytes();
        }
        if !own_realm && parameter.is("realm") {
            parameter.value = b"\"elsewhere\"".to_vec();
        }
    }
    let other = Value::Credentials(other).write();
    if first {
        credentials.before = [&other[..], b", "].concat();
    } else {
        credentials.after = [b", ", &other[..]].concat();
    }
    format!("joined credentials, decoy first {first}, own realm {own_realm}")
}

fn version(draft: &mut Draft, rng: &mut Rng) -> String {
    let versions: [&[u8]; 22] = [
        b"sip/2.0",
        b"SIP / 2.0",
        b"SIP/ 2.0",
        b"SIP /2.0",
        b"SIP/2.00",
        b"SIP/2.0x",
        b"SIP/2.0 x",
        b"SIP/3.0",
        b"SIP/2",
        b"SIP/2.0 ",
        b"SIP/2.0\t",
        b"SIP/2.0\0",
        b"SIP/2.0;x",
        b"",
        b"HTTP/1.1",
        b"SIP/2. 0",
        b"SIP/02.0",
        b"\"SIP/2.0\"",
        b"SIP/2.0 SIP/2.0",
        b"SIP\\2.0",
        b"SIP/2.0\r",
        b"SIP/2.0\x0b",
    ];
    draft.version = pick(rng, &versions).to_vec();
    format!("version {}", shown(&draft.version))
}

fn method(draft: &mut Draft, rng: &mut Rng) -> String {
    let own = draft.method.clone();
    let methods: [Vec<u8>; 12] = [
        own.to_ascii_lowercase(),
        b"FOO".to_vec(),
        b"SIP/X".to_vec(),
        b"SIP/2.0x".to_vec(),
        b"SIP".to_vec(),
        b"!interesting-Method0123456789_*+`.%indeed'~".to_vec(),
        [&own[..], b"X"].concat(),
        [b"\0", &own[..]].concat(),
        [&own[..], b"\0"].concat(),
        b"\"REGISTER\"".to_vec(),
        b"M".repeat(100),
        b"\xc3\xbc".to_vec(),
    ];
    let method = rng.pick(&methods).clone();
    let sequence_too = !rng.one_in(3);
    if sequence_too && let Some(Header { value: Value::Text(text), .. }) = draft.named("CSeq") {
        let digits = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
        *text = [&text[..digits], b" ", &method].concat();
    }
    draft.method = method.clone();
    format!("method {}, in CSeq too {sequence_too}", shown(&method))
}

fn leading(draft: &mut Draft, rng: &mut Rng) -> String {
    let leads: [&[u8]; 18] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b" \r\n",
        b"\0",
        b"\0\0\0\0",
        b"\x0b",
        b"\xef\xbb\xbf",
        b"\xff",
        b"x\r\n",
        b"\r\n \r\n",
        b":\r\n",
        b"X: y\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"\x01",
    ];
    draft.leading =
        if rng.one_in(8) { b"\r\n".repeat(*rng.pick(&[40, 200, 300])) } else { pick(rng, &leads).to_vec() };
    format!("leading {}", shown(&draft.leading))
}

fn text_in_header(draft: &mut Draft, rng: &mut Rng) -> String {
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

fn content_length(draft: &mut Draft, rng: &mut Rng) -> String {
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

fn long(draft: &mut Draft, rng: &mut Rng) -> String {
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

fn many(draft: &mut Draft, rng: &mut Rng) -> String {
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

fn other_scheme(draft: &mut Draft, rng: &mut Rng) -> String {
    if draft.credentials().is_none() {
        return String::new();
    }
    let value = *rng.pick(&[
        "Basic MjQwOnNlY3JldA==",
        "Negotiate YII=",
        "NTLM TlRMTVNTUAAB",
        "Bearer eyJ0",
        "Digest",
        "Digest ",
        "",
        "Basic username=\"240\"",
        "Digest username=\"240\"",
        "Digest realm=\"x\"",
    ]);
    if rng.one_in(2) {
        let Some(credentials) = draft.credentials() else { return String::new() };
        credentials.before = format!("{value}, ").into_bytes();
        return format!("{value:?} in front in the same header");
    }
    let name = *rng.pick(&["Authorization", "Proxy-Authorization"]);
    let header = Header::new(name, Value::Text(value.into()));
    format!("{name}: {value:?} {}", put(draft, header, rng))
}

fn credentials_name(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(header) = draft.headers.iter_mut().find(|header| matches!(header.value, Value::Credentials(_)))
    else {
        return String::new();
    };
    header.name = match rng.below(6) {
        0 => header.name.to_ascii_lowercase(),
        1 => header.name.to_ascii_uppercase(),
        2 => other_header(&header.name),
        3 => b"Authorisation".to_vec(),
        4 => [&header.name[..], b" "].concat(),
        _ => [b"\0", &header.name[..]].concat(),
    };
    format!("credentials in {}", shown(&header.name))
}

fn parameters(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(credentials) = draft.credentials() else { return String::new() };
    match rng.below(7) {
        0 => {
            rng.shuffle(&mut credentials.parameters);
            "order of parameters".into()
        }
        1 => {
            let separators: [&[u8]; 14] = [
                b",", b" ,", b",,", b", ,", b";", b" ", b",\r\n ", b"\r\n ,", b",\n\t", b"\t", b",\0",
                b",\r", b"&", b",\x0b",
            ];
            credentials.separator = pick(rng, &separators).to_vec();
            format!("separator {}", shown(&credentials.separator))
        }
        2 => {
            let (name, value) = *rng.pick(&[
                ("x", "\"username=240\""),
                ("x", "\", username=\"240\", y=\""),
                ("opaque", "\"\\\", username=\\\"240\""),
                ("x", "\"unterminated"),
                ("x", ""),
                ("x", "a b"),
                ("x y", "z"),
                ("\"x\"", "y"),
                ("auth-param", "'\"'"),
                ("x", "\\\""),
                ("realm", "\"elsewhere\""),
                ("nonce", "\"elsewhere\""),
                ("response", "\"0123456789abcdef0123456789abcdef\""),
                ("uri", "\"sip:username=\""),
            ]);
            let at = if rng.one_in(2) { 0 } else { rng.below(credentials.parameters.len() + 1) };
            credentials.parameters.insert(at, Parameter::new(name, value));
            format!("parameter {name}={value} at {at}")
        }
        3 => {
            let equals = pick(
                rng,
                &[
                    b" =", b"= ", b" = ", b"\r\n =", b"=\r\n ", b"==", b"\t=\t", b"=\n ", b":", b"", b"\0=",
                    b"=\x0b",
                ],
            );
            let at = if rng.one_in(2) { 0 } else { rng.below(credentials.parameters.len()) };
            credentials.parameters[at].equals = equals.to_vec();
            format!("equals {} of {}", shown(equals), shown(&credentials.parameters[at].name))
        }
        4 => {
            let at = rng.below(credentials.parameters.len());
            let parameter = &mut credentials.parameters[at];
            parameter.name.make_ascii_uppercase();
            format!("case of {}", shown(&parameter.name))
        }
        5 => {
            let text = pick(rng, &[b", ", b",", b" ", b"x, ", b"\r\n ", b"username, ", b"username "]);
            credentials.gap.extend(text);
            format!("{} before the parameters", shown(text))
        }
        _ => {
            let text = pick(rng, &[b",", b" ,", b";", b", x", b"\"", b"\\", b", username", b", username="]);
            credentials.after = text.to_vec();
            format!("{} behind the parameters", shown(text))
        }
    }
}

fn digest_word(draft: &mut Draft, rng: &mut Rng) -> String {
    let Some(credentials) = draft.credentials() else { return String::new() };
    let words: [(&[u8], &[u8]); 19] = [
        (b"digest", b" "),
        (b"DIGEST", b" "),
        (b"Digest", b"\t"),
        (b"Digest", b"\r\n "),
        (b"Digest", b"\n\t"),
        (b"Digest", b""),
        (b"Digest", b"   "),
        (b"Digest,", b" "),
        (b"Digest:", b" "),
        (b"\"Digest\"", b" "),
        (b"Digestx", b" "),
        (b"xDigest", b" "),
        (b"", b""),
        (b", Digest", b" "),
        (b"Digest", b"\0"),
        (b"Digest", b"\r"),
        (b"Digest Digest", b" "),
        (b"Digest", b"\x0b"),
        (b"Basic", b" "),
    ];
    let (word, gap) = *rng.pick(&words);
    credentials.scheme = word.to_vec();
    credentials.gap = gap.to_vec();
    format!("scheme {}", shown(&[word, gap].concat()))
}

fn blank_line(draft: &mut Draft, rng: &mut Rng) -> String {
    let blanks: [&[u8]; 9] =
        [b"\n", b"\r", b" \r\n", b"\t\n", b"\0\r\n", b"", b"\r\n\r\n", b"\x0b\r\n", b"\r\r\n"];
    let blank = pick(rng, &blanks);
    if rng.one_in(2) {
        draft.blank = blank.to_vec();
        return format!("blank line {}", shown(blank));
    }
    let at = rng.below(draft.headers.len());
    if at == 0 || rng.one_in(3) {
        draft.start_end.extend(blank);
        return format!("blank line {} behind the start line", shown(blank));
    }
    draft.headers[at - 1].end.extend(blank);
    format!("blank line {} in front of {}", shown(blank), name_of(&draft.headers[at]))
}

fn start_line(draft: &mut Draft, rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => {
            let gaps: [&[u8]; 11] = [
                b"  ",
                b"\t",
                b" \t ",
                b"\r\n ",
                b"\n ",
                b"\r",
                b"\0",
                b"\x0b",
                b"",
                b"\n",
                b"                ",
            ];
            let gap = pick(rng, &gaps);
            let at = rng.below(2);
            draft.gaps[at] = gap.to_vec();
            format!("gap {at} of the start line {}", shown(gap))
        }
        1 => {
            let uris: [&[u8]; 14] = [
                b"sips:pbx",
                b"SIP:pbx",
                b"<sip:pbx>",
                b"\"sip:pbx\"",
                b"tel:999",
                b"sip:999@pbx;x=y?a=b",
                b"sip: 999@pbx",
                b"sip:999 @pbx",
                b"sip:99 9@pbx",
                b"*",
                b"sip:%39@pbx",
                b"pbx",
                b"sip:999@pbx\0",
                b"sip:\xc3\xbc@pbx",
            ];
            draft.uri = pick(rng, &uris).to_vec();
            format!("URI {}", shown(&draft.uri))
        }
        2 => {
            let end = pick(
                rng,
                &[
                    b"\n", b"\r", b" \r\n", b"\t\r\n", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n:",
                    b"\0\r\n",
                ],
            );
            draft.start_end = end.to_vec();
            format!("start line ends {}", shown(end))
        }
        _ => {
            draft.uri = format!("sip:{}@pbx", "9".repeat(*rng.pick(&[100, 250, 500, 1000]))).into_bytes();
            format!("URI of {}", draft.uri.len())
        }
    }
}

fn any_byte(draft: &mut Draft, rng: &mut Rng) -> String {
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
fn behind(draft: &mut Draft, rng: &mut Rng) -> String {
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
