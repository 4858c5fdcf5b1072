//! Any bytes as a payload: what it is, and which signatures are in it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sipward_signature::{Compiled, Reference, SignatureSet};
use xdp_prog::{
    abi::Carried,
    bytes::Bytes,
    matcher,
    stream::{self, Begin},
    sip::{blanks, classify, classify_plain, shape},
};

/// A set in both forms.
struct Set {
    compiled: Compiled,
    references: Vec<Reference>,
}

/// In every place.
static ALL: LazyLock<Set> = LazyLock::new(|| {
    set("signature = [
        { name = 'agent', in = 'User-Agent', contains = 'friendly-scanner' },
        { name = 'exact', in = 'User-Agent', equals = 'smap' },
        { name = 'start', in = ['From', 'To'], starts = 'e5f4a' },
        { name = 'end', in = 'Via', regex = 'sipcli([^e]|$)' },
        { name = 'words', in = 'Call-ID', contains = 'voip scan_7' },
        { name = 'line', in = 'start-line', contains = 'pplsip' },
        { name = 'body', in = 'body', contains = '16264 18299' },
        { name = 'anywhere', in = 'message', contains = 'sundayddr' },
    ]")
});

/// Only before the body: where a datagram and a stream are read alike.
static HEADERS: LazyLock<Set> = LazyLock::new(|| {
    set("signature = [
        { name = 'agent', in = 'User-Agent', contains = 'friendly-scanner' },
        { name = 'exact', in = 'From', equals = 'sivus' },
    ]")
});

fn set(text: &str) -> Set {
    let set = SignatureSet::parse(text, "the fixture").expect("valid");
    let references = set.iter().map(|signature| Reference::new(signature).expect("valid")).collect();
    Set { compiled: set.compile().expect("few signatures fit"), references }
}

impl Set {
    fn find(&self, message: &[u8]) -> Option<u16> {
        self.compiled.tables.find(Bytes::of(message), message.len() as u32)
    }
}

fuzz_target!(|data: &[u8]| {
    let (payload, length) = (Bytes::of(data), data.len() as u32);
    let kind = classify(payload, length, || blanks(payload), |start| shape(payload.skip(start as usize)));
    assert!(classify_plain(payload, length).is_none_or(|plain| plain == kind));

    let found = ALL.find(data);
    assert_eq!(found, ALL.compiled.tables.find_from(payload, length, 0), "in short and in full");
    let seen = &data[..data.len().min(matcher::SCAN_MAX as usize)];
    match found {
        Some(id) => assert!(ALL.references[usize::from(id)].matches(seen), "{id} is not there"),
        None => assert!(!ALL.references.iter().any(|reference| reference.matches(seen)), "not found"),
    }

    for begin in [Begin::Request, Begin::Response, Begin::Datagram, Begin::Anywhere] {
        ALL.compiled.tables.find_in_stream(payload, length, begin, true, Carried::LOST);
    }
    let segment = &data[..data.len().min(stream::SCAN_MAX as usize)];
    let (bytes, length) = (Bytes::of(segment), segment.len() as u32);
    let tables = &HEADERS.compiled.tables;
    let (stream, _) = tables.find_in_stream(bytes, length, Begin::Request, true, Carried::LOST);
    assert!(
        HEADERS.find(segment).is_none() || stream.signature().is_some() || stream.is_tangled(),
        "a stream hides it"
    );
});
