//! From and To: the account that a request names outside its credentials.

use sipward_tests::rng::Rng;

use super::{DECOY, pick, put, shown};
use crate::draft::{Draft, Header, Party, Value};

pub(super) fn second_party(draft: &mut Draft, rng: &mut Rng) -> String {
    let name = *rng.pick(&["From", "From", "To", "f", "t", "From ", "FROM"]);
    let tag = if rng.one_in(2) { ";tag=second" } else { "" };
    let second = Header::new(name, Value::Party(Party::new(DECOY, tag)));
    format!("second {name} {}", put(draft, second, rng))
}

pub(super) fn display_name(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn user_spelling(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn uri_shape(draft: &mut Draft, rng: &mut Rng) -> String {
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
