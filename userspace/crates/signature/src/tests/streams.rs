//! However a stream of messages is cut into segments: what is found is what an uncut reading finds.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::{collection::vec, prelude::*, sample::select};
use xdp_prog::{
    abi::{Carried, Signatures, StreamState, phase},
    bytes::Bytes,
    reason::Class,
    segments::{self, Place},
    sip::{self, Kind},
    stream::Begin,
};

use super::super::SignatureSet;

static SHIPPED: LazyLock<Box<Signatures>> =
    LazyLock::new(|| SignatureSet::shipped().compile().unwrap().tables);
/// Signatures that are found in bodies, and some that look at whole messages.
static EVERYWHERE: LazyLock<Box<Signatures>> = LazyLock::new(|| {
    let text = r#"signature = [
        { name = "agent", in = "User-Agent", contains = "friendly-scanner" },
        { name = "body", in = "body", contains = "needle-in-body" },
        { name = "any", in = "message", contains = "needle-anywhere" },
    ]"#;
    SignatureSet::parse(text, "test").unwrap().compile().unwrap().tables
});

/// The contents of the segments of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// By class; unknown methods count as the last.
    requests: BTreeMap<u8, u32>,
    credentials: u32,
    signature: bool,
    tangled: bool,
    /// Segments of which nobody knew what went before.
    unread: u32,
}

/// A connection, as the filter follows it.
struct Connection<'a> {
    tables: &'a Signatures,
    stream: StreamState,
    found: Found,
}

fn kind_alone(payload: Bytes<'_>, length: u32) -> Kind {
    let shape = |start: u32| sip::shape(payload.skip(start as usize));
    sip::classify(payload, length, || sip::blanks(payload), shape)
}

impl<'a> Connection<'a> {
    fn new(tables: &'a Signatures, sequence: u32) -> Self {
        Self { tables, stream: StreamState::new(sequence), found: Found::default() }
    }

    fn see(&mut self, sequence: u32, segment: &[u8]) {
        let (payload, length) = (Bytes::of(segment), segment.len() as u32);
        let generation = self.tables.head.generation;
        let mut carried = Carried::LOST;
        let place = self.stream.find(sequence, length, segment[0], generation, &mut carried);
        let kind = segments::kind(place, payload, length, || kind_alone(payload, length));
        self.begins(kind, 1);
        let begin = segments::begin(place, kind);
        if begin != Begin::Nowhere {
            self.found.unread += u32::from(begin == Begin::Anywhere);
            let (stream, after) = self.tables.walk_stream(payload, length, begin, true, carried);
            carried = after;
            for class in Class::ALL.into_iter().filter(|class| *class as u8 <= Class::Other as u8) {
                self.begins(Kind::Request(class), stream.later(class));
            }
            self.begins(Kind::UnknownMethod, stream.later_unknown());
            self.found.credentials += stream.credentials() + stream.own_credentials();
            self.found.signature |= stream.signature().is_some();
            self.found.tangled |= stream.is_tangled();
        }
        self.stream.keep(sequence, length, &carried);
    }

    fn begins(&mut self, kind: Kind, count: u32) {
        let class = match kind {
            Kind::Request(class) => class as u8,
            Kind::UnknownMethod => u8::MAX,
            _ => return,
        };
        if count > 0 {
            *self.found.requests.entry(class).or_default() += count;
        }
    }
}

fn in_segments<'a>(tables: &'a Signatures, stream: &[u8], cuts: &[usize]) -> Connection<'a> {
    let mut connection = Connection::new(tables, FIRST);
    for (start, end) in pieces(stream.len(), cuts) {
        connection.see(at(start), &stream[start..end]);
    }
    connection
}

const fn at(offset: usize) -> u32 {
    FIRST.wrapping_add(offset as u32)
}

/// Close to where numbers wrap around.
const FIRST: u32 = u32::MAX - 300;

/// The pieces that cuts make of so many bytes.
fn pieces(length: usize, cuts: &[usize]) -> Vec<(usize, usize)> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % length.max(1)).filter(|cut| *cut > 0).collect();
    ends.push(length);
    ends.sort_unstable();
    ends.dedup();
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).collect()
}

/// A message, and what is in it.
#[derive(Clone, Debug)]
struct Sent {
    text: Vec<u8>,
    /// As [`Found::requests`] counts; `None`: a response.
    class: Option<u8>,
    credentials: u32,
    /// It is a request with a signature.
    marked: bool,
}

fn message() -> impl Strategy<Value = Sent> {
    let starts = [
        ("REGISTER sip:pbx.example SIP/2.0", Some(Class::Register as u8)),
        ("INVITE sip:100@pbx.example SIP/2.0", Some(Class::Invite as u8)),
        ("OPTIONS sip:pbx.example SIP/2.0", Some(Class::Options as u8)),
        ("ACK sip:a SIP/2.0", Some(Class::Dialog as u8)),
        ("SUBSCRIBE sip:100@pbx.example SIP/2.0", Some(Class::Other as u8)),
        ("PING sip:pbx.example SIP/2.0", Some(u8::MAX)),
        ("SIP/2.0 200 OK", None),
        ("SIP/2.0 401 Unauthorized", None),
    ];
    let lines = vec(
        prop_oneof![
            4 => "[A-Z][a-z]{1,12}: [a-zA-Z0-9<>:;@= ]{0,60}(\r\n [a-z]{1,9})?",
            2 => select(vec![
                "Authorization: Digest username=\"201\", nonce=\"x\"",
                "proxy-authorization : Digest username=\"201\"",
                "PROXY-AUTHORIZATION:\r\n Digest username=\"201\"",
                "Authorization:",
            ])
            .prop_map(str::to_owned),
            1 => Just("User-Agent: friendly-scanner".to_owned()),
            1 => Just("CSeq: 1 REGISTER".to_owned()),
        ],
        0..8,
    );
    let body = prop_oneof![
        3 => Just(String::new()),
        2 => "v=0\r\n(a=[a-z0-9: ]{0,40}\r\n){0,8}",
        // Looks like headers, and is none.
        1 => Just("Authorization: Digest\r\nUser-Agent: friendly-scanner\r\n\r\nl: 5\r\n".to_owned()),
    ];
    let length = select(vec!["l", "Content-Length", "content-length ", "CONTENT-LENGTH"]);
    let end = select(vec!["\r\n", "\n"]);
    (select(starts.to_vec()), lines, body, length, end, 0..3_usize).prop_map(
        |((start, class), mut lines, body, length, end, place)| {
            let credentials = lines.iter().filter(|line| line.to_lowercase().contains("authorization"));
            let credentials = credentials.count() as u32;
            let marked = class.is_some() && lines.iter().any(|line| line.contains("friendly-scanner"));
            lines.insert(lines.len().min(place), format!("{length}: {}", body.len()));
            let text = format!("{start}{end}{}{end}{end}{body}", lines.join(end));
            Sent { text: text.into_bytes(), class, credentials, marked }
        },
    )
}

/// Messages, and what keeps a connection open between them.
fn stream() -> impl Strategy<Value = (Vec<Sent>, Vec<u8>)> {
    vec((message(), select(vec!["", "", "\r\n\r\n", "\r\n"])), 1..5).prop_map(|messages| {
        let bytes = messages.iter().flat_map(|(sent, after)| [&sent.text[..], after.as_bytes()].concat());
        (messages.iter().map(|(sent, _)| sent.clone()).collect(), bytes.collect())
    })
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![3 => vec(0..2_000_usize, 0..8), 1 => Just((1..2_000).collect())]
}

/// The finds of an uncut reading, up to the first signature.
fn read(messages: &[Sent]) -> Found {
    let mut found = Found::default();
    for sent in messages {
        if let Some(class) = sent.class {
            *found.requests.entry(class).or_default() += 1;
        }
        found.credentials += sent.credentials;
        found.signature |= sent.marked;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_way_a_stream_is_cut_the_same_is_found((messages, bytes) in stream(), cuts in cuts()) {
        let expected = read(&messages);
        let connection = in_segments(&SHIPPED, &bytes, &cuts);
        prop_assert_eq!(connection.found.signature, expected.signature);
        if !expected.signature {
            prop_assert_eq!(connection.found, expected);
            prop_assert_eq!(connection.stream.now.phase, phase::START);
        }
    }

    #[test]
    fn segments_that_come_again_change_nothing(
        (messages, bytes) in stream(),
        cuts in cuts(),
        again in vec(0..3_u8, 1..40),
    ) {
        let expected = read(&messages);
        let pieces = pieces(bytes.len(), &cuts);
        let mut connection = Connection::new(&SHIPPED, FIRST);
        let mut signature = false;
        for (number, (start, end)) in pieces.iter().enumerate() {
            connection.see(at(*start), &bytes[*start..*end]);
            signature |= connection.found.signature;
            if signature {
                break;
            }
            let next = pieces.get(number + 1).map_or(*end, |(_, end)| *end);
            // The same once more, or with what is new behind it, or only what it begins with.
            match again[number % again.len()] {
                1 => connection.see(at(*start), &bytes[*start..*end]),
                2 => connection.see(at(*start), &bytes[*start..next]),
                _ => {}
            }
            if again[number % again.len()] == 2 {
                break;
            }
        }
        signature |= connection.found.signature;
        prop_assert!(signature || !connection.found.tangled);
        prop_assert!(!signature || expected.signature);
        prop_assert!(signature || connection.found.unread == 0, "all of it was carried on");
    }

    #[test]
    fn a_signature_is_found_in_every_place_however_it_is_cut(
        place in 0..3_usize,
        cuts in vec(0..400_usize, 1..6),
        before in message(),
    ) {
        let marked = [
            "INVITE sip:a SIP/2.0\r\nl: 24\r\n\r\nxx needle-in-body yy ...",
            "INVITE sip:a SIP/2.0\r\nSubject: needle-anywhere\r\nl: 0\r\n\r\n",
            "INVITE sip:a SIP/2.0\r\nUser-Agent: my friendly-scanner\r\nl: 0\r\n\r\n",
        ];
        let bytes = [&before.text[..], marked[place].as_bytes()].concat();
        prop_assert!(in_segments(&EVERYWHERE, &bytes, &cuts).found.signature);
    }

    #[test]
    fn nothing_is_followed_for_ever(bytes in vec(any::<u8>(), 1..600), cuts in cuts()) {
        in_segments(&SHIPPED, &bytes, &cuts);
    }
}

fn whole(tables: &Signatures, text: &[u8], size: usize) -> Found {
    let cuts: Vec<usize> = (1..text.len()).filter(|cut| cut.is_multiple_of(size)).collect();
    let connection = in_segments(tables, text, &cuts);
    assert_eq!(connection.stream.now.phase, phase::START, "it ends with its last message");
    connection.found
}

/// Messages as phones, trunks and gateways write them.
#[test]
fn streams_of_those_who_mean_well_pass() {
    let body = |length: usize| "m".repeat(length);
    let message = |length: usize| {
        format!(
            "MESSAGE sip:a SIP/2.0\r\nFrom: <sip:b@c>\r\nContent-Length: {length}\r\n\r\n{}",
            body(length)
        )
    };
    let invite =
        "INVITE sip:a SIP/2.0\r\nFrom: <sip:b@c>\r\nAuthorization: Digest username=\"b\"\r\nl:2\r\n\r\nv=";
    for length in [0, 1, 1_459, 1_460, 3_000, 65_535] {
        for size in [1_460, 536, 2_048] {
            let text = format!("{}\r\n\r\n{invite}", message(length));
            let found = whole(&SHIPPED, text.as_bytes(), size);
            assert_eq!(
                (found.tangled, found.credentials, found.signature),
                (false, 1, false),
                "{length} by {size}"
            );
            let requests = [(Class::Invite as u8, 1), (Class::Other as u8, 1)];
            assert_eq!(found.requests, requests.into(), "{length} by {size}");
        }
    }
    // Line by line, and each line with its end by itself.
    let mut connection = Connection::new(&SHIPPED, FIRST);
    let mut sent = 0;
    for line in invite.repeat(3).split_inclusive('\n') {
        let (text, end) = line.split_at(line.trim_end().len());
        for part in [text, end].into_iter().filter(|part| !part.is_empty()) {
            connection.see(at(sent), part.as_bytes());
            sent += part.len();
        }
    }
    assert_eq!((connection.found.credentials, connection.found.unread), (3, 0));
    assert_eq!(connection.found.requests, [(Class::Invite as u8, 3)].into());
    // A trunk that answers: nothing in it is a request.
    let answers = "SIP/2.0 200 OK\r\nServer: friendly-scanner\r\nContent-Length: 5\r\n\r\nv=0\r\n".repeat(50);
    assert_eq!(whole(&SHIPPED, answers.as_bytes(), 700), Found::default());
}

/// A connection that cannot be followed is not taken for something else.
#[test]
fn what_hides_where_messages_end_is_tangled() {
    let tangled = |text: &str, cuts: &[usize]| in_segments(&SHIPPED, text.as_bytes(), cuts).found.tangled;
    let next = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";
    for text in [
        format!("INVITE sip:a SIP/2.0\r\nl: 5\r\nContent-Length: 50\r\n\r\n{next}"),
        format!("INVITE sip:a SIP/2.0\r\nl: 4294967296\r\n\r\n{next}"),
        format!("INVITE sip:a SIP/2.0\r\nl: 70000\r\n\r\n{next}"),
        format!("INVITE sip:a SIP/2.0\r\nl: 0\r\n\r\n{}{next}", "\r\n".repeat(40)),
    ] {
        for cut in 1..28 {
            assert!(tangled(&text, &[cut]), "{text:?} cut at {cut}");
        }
    }
}

#[test]
fn rows_of_other_signatures_are_not_gone_on_from() {
    let request = b"REGISTER sip:a SIP/2.0\r\nUser-Agent: friendly-scanner\r\nl: 0\r\n\r\n";
    let mut connection = Connection::new(&SHIPPED, FIRST);
    connection.see(at(0), &request[..30]);
    connection.tables = &EVERYWHERE;
    connection.see(at(30), &request[30..]);
    assert_eq!((connection.found.unread, connection.found.tangled), (1, false));
    let generation = EVERYWHERE.head.generation;
    let place = connection.stream.find(at(request.len()), 1, b'x', generation, &mut Carried::LOST.clone());
    assert_eq!(place, Place::Start, "and then they are");
}

/// A datagram in pieces has no second message, whatever its length says.
#[test]
fn a_datagram_goes_on_to_its_end() {
    let text = b"INVITE sip:a SIP/2.0\r\nl: 0\r\nAuthorization: Digest\r\n\r\nv=0\r\n\r\nINVITE sip:b SIP/2.0\r\n needle-in-body";
    for cut in 1..text.len() {
        let (first, carried) =
            EVERYWHERE.walk_stream(Bytes::of(text), cut as u32, Begin::Datagram, true, Carried::LOST);
        let rest = Bytes::of(&text[cut..]);
        let (second, after) =
            EVERYWHERE.walk_stream(rest, (text.len() - cut) as u32, Begin::Carried, true, carried);
        assert_eq!((first.signature(), second.signature().is_some()), (None, true), "cut at {cut}");
        assert_eq!(first.own_credentials() + second.credentials(), 1, "cut at {cut}");
        assert!(!second.is_tangled() && second.later(Class::Invite) == 0, "cut at {cut}");
        assert_eq!(after, Carried { generation: EVERYWHERE.head.generation, ..after });
    }
}
