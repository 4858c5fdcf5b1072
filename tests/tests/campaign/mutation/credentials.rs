//! Authorization and Proxy-Authorization.

use sipward_tests::rng::Rng;

use super::{DECOY, name_of, pick, put, shown};
use crate::draft::{Draft, Header, Parameter, Party, Value};

/// For another realm or the same, of somebody else or of the same account.
pub(super) fn second_credentials(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn second_username(draft: &mut Draft, rng: &mut Rng) -> String {
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
pub(super) fn shadowed_username(draft: &mut Draft, rng: &mut Rng) -> String {
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
pub(super) fn username_spelling(draft: &mut Draft, rng: &mut Rng) -> String {
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

/// A second value of a header in the same line.
pub(super) fn comma_joined(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn other_scheme(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn credentials_name(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn parameters(draft: &mut Draft, rng: &mut Rng) -> String {
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

pub(super) fn digest_word(draft: &mut Draft, rng: &mut Rng) -> String {
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
