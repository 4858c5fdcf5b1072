//! Sets of 1, 64 and 512 signatures on random payloads: the kernel's tables against [`Reference`], which reads
//! one signature after the other.

use sipward_engine::policy::Config;
use sipward_kernel::{Filter, LoadOptions};
use sipward_signature::{Reference, SignatureSet};
use sipward_tests::{filter_pair::lift_limits, frame::udp, rng::Rng};

const XDP_DROP: u32 = 1;

#[test]
fn the_kernel_finds_what_a_plain_reading_finds() {
    let mut rng = Rng::from_clock();
    let mut filter = Filter::load(&LoadOptions::default()).unwrap();
    // Nothing but a signature drops a packet here.
    let mut policy = Config::parse("options = \"pass\"", "the test").unwrap().resolve().unwrap().policy;
    lift_limits(&mut policy);
    policy.forms = 0;
    filter.set_policy(&policy).unwrap();
    for count in [1, 64, 512] {
        let set = SignatureSet::parse(&signatures(count), "the test").unwrap();
        filter.set_signatures(&set.compile().unwrap().tables).unwrap();
        let references: Vec<_> = set.iter().map(|signature| Reference::new(signature).unwrap()).collect();
        let mut hits = filter.signature_hits().unwrap();
        let mut found = 0;
        for _ in 0..1500 {
            let message = message(&mut rng, count);
            let carries = |id: usize| references[id].matches(message.as_bytes());
            let (action, _) = filter.test_run(&udp().carrying(&message).build(), 1).unwrap();
            if action == XDP_DROP {
                let before = std::mem::replace(&mut hits, filter.signature_hits().unwrap());
                let hit = (0..hits.len()).find(|id| hits[*id] != before[*id]);
                assert!(hit.is_some_and(carries), "{count}: found {hit:?} in {message:?}");
                found += 1;
            } else {
                let missed = (0..count).find(|id| carries(*id));
                assert_eq!(missed, None, "{count}: not found in {message:?}");
            }
        }
        assert!((100..1400).contains(&found), "{found} of 1500 messages have one of {count} signatures");
    }
}

/// A name that no other number has.
fn word(number: usize) -> String {
    const FIRST: [&str; 8] = ["scan", "Probe", "dial-", "voip", "brute", "x-War", "hunter", "sweep"];
    const SECOND: [&str; 8] = ["ner", "bot_", "TOOL", "kit", "er/", "monkey", "zilla", "force"];
    format!("{}{}{:03}", FIRST[number % 8], SECOND[number / 8 % 8], number * 7 % 1000)
}

/// In every place and of every kind.
fn signatures(count: usize) -> String {
    let signature = |number: usize| {
        let word = word(number);
        let (place, way) = match number % 8 {
            0 => ("'User-Agent'", format!("contains = '{word}'")),
            1 => ("'User-Agent'", format!("equals = '{word}'")),
            2 => ("['From', 'To']", format!("starts = '{word}'")),
            3 => ("'Via'", format!("regex = '^{word}[0-9]+[.]x|{word}$'")),
            4 => ("'body'", format!("contains = '{word}'")),
            5 => ("'start-line'", format!("contains = '{word}'")),
            6 => ("'message'", format!("contains = '{word}'")),
            _ => ("'Call-ID'", format!("contains = '{word} v{number}'")),
        };
        format!("[[signature]]\nname = 's{number}'\nin = {place}\n{way}\n")
    };
    (0..count).map(signature).collect()
}

/// A request in which words stand where they matter, where they do not, and not quite.
fn message(rng: &mut Rng, count: usize) -> String {
    let mut message = format!("REGISTER sip:{} SIP/2.0\r\n", piece(rng, count));
    let names = ["User-Agent", "user-agent ", "From", "t", "Via", "v", "Call-ID", "i", "Subject", "X-From"];
    for _ in 0..rng.below(6) {
        let end = rng.pick(&["\r\n", "\r\n", "\n", "\r\n "]);
        message += &format!("{}:{}{end}", rng.pick(&names), piece(rng, count));
    }
    let body = if rng.one_in(3) { piece(rng, count) } else { String::new() };
    message + "\r\n\r\n" + &body
}

fn piece(rng: &mut Rng, count: usize) -> String {
    let number = rng.below(count);
    let word = word(number);
    match rng.below(12) {
        0 => word,
        1 => format!(" {} ", word.to_uppercase()),
        2 => format!("\r\n {word}\r\n\tv{number}"),
        3 => format!(" {word}{}.x", rng.below(100)),
        4 => word[..word.len() - 1].to_owned(),
        5 => "f".repeat(rng.below(300)) + &word,
        _ => "f".repeat(rng.below(40)),
    }
}
