//! Any message, any set: the tables find a signature exactly where the plain reading does.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select, string::string_regex};
use xdp_prog::{bytes::Bytes, matcher::scan};

use super::{super::sample::Sample, Both, generated, word};

static ONE: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(1)));
static SOME: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(64)));
static MANY: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(512)));

/// Short patterns over few letters, so that random text matches often.
static DENSE: LazyLock<Both> = LazyLock::new(|| {
    let message = r#"
            { name = "all", in = "message", contains = "bbccaab" },
            { name = "all-start", in = "message", starts = "ccc bbbaaa" },
    "#;
    Both::parse(&format!("signature = [{IN_PARTS} {message}]"))
});

/// The same without those that look at the whole message, so that walks begin at lines.
pub(super) static IN_LINES: LazyLock<Both> =
    LazyLock::new(|| Both::parse(&format!("signature = [{IN_PARTS}]")));

const IN_PARTS: &str = r#"
            { name = "words", in = "User-Agent", contains = "abcabc cbacba" },
            { name = "equal", in = ["f", "Call-ID"], equals = "abca" },
            { name = "equal-words", in = "From", equals = "aabbaa bb" },
            { name = "start", in = "User-Agent", starts = "abcaa" },
            { name = "end", in = "User-Agent", regex = "aabb(cc|bca)$" },
            { name = "either", in = "Subject", regex = "(^| )abcab(c|$)" },
            { name = "line", in = "start-line", contains = "abcbca" },
            { name = "line-start", in = "start-line", starts = "aaa bccaaab" },
            { name = "body-start", in = "body", starts = "bcaab" },
            { name = "body", in = "body", contains = "ccabca" },
            { name = "classes", in = "User-Agent", regex = "[ab]c{2}a+b?[^c]aabbca" },
            { name = "space", in = "f", regex = "bacbac( |x)" },
            { name = "any", in = "Via", regex = "abcabca.*cbacbac" },
            { name = "upper", in = "Via", regex = "(?-i)ABCABCA" },
            { name = "count", in = "l", regex = "^424299" },
"#;

/// Parts of messages, to be strung together.
fn piece() -> impl Strategy<Value = String> {
    let frame = [
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "\r\n ",
        "\n\t",
        "\r\n\r\n",
        "\n\n",
        ":",
        ": ",
        "\0",
        "é",
        "User-Agent: ",
        "USER-AGENT:",
        "\r\nuser-agent \t:\r\n ",
        "\nUser-Agent\r\n:",
        "\r\nUser-Agentx: ",
        "\r\nFrom: ",
        "\r\nf:",
        "\nT : ",
        "\r\nVia: SIP/2.0/UDP ",
        "\r\nv:",
        "\r\nCall-ID: ",
        "\r\ni: ",
        "\r\nSubject:",
        "\r\ns: ",
        "\r\nContent-Length: 12",
        "\r\nl:424299",
        "\r\nl:\r\n 0",
        "REGISTER sip:x SIP/2.0\r\n",
        "\r\n\r\nINVITE sip:y SIP/2.0\r\n",
    ];
    prop_oneof![
        3 => select(frame.to_vec()).prop_map(str::to_owned),
        2 => (0..512_usize).prop_map(word),
        1 => (0..512_usize).prop_map(|number| format!("{} v{number}", word(number))),
        1 => (0..512_usize, 0..9_usize).prop_map(|(number, cut)| {
            let word = word(number).to_uppercase();
            word[..word.len().saturating_sub(cut)].to_owned()
        }),
        3 => select(DENSE_WORDS.to_vec()).prop_map(str::to_owned),
        2 => string_regex("[abcABC ]{1,12}").unwrap(),
        1 => string_regex("[ -~]{0,40}").unwrap(),
    ]
}

const DENSE_WORDS: [&str; 16] = [
    "abcabc cbacba",
    "abcabc\r\n\t cbacba",
    "abca",
    "aabbaa bb",
    "abcaa",
    "aabbcc",
    "aabbbca",
    "abcab",
    "abcbca",
    "bcaab",
    "ccabca",
    "bbccaab",
    "bccaabaabbca",
    "abcabca",
    "cbacbac",
    "ABCABCA",
];

pub(super) fn message() -> impl Strategy<Value = String> {
    vec(piece(), 1..40).prop_map(|pieces| pieces.concat())
}

/// Few words, and much that goes on between them.
pub(super) fn tight_message() -> impl Strategy<Value = String> {
    let tokens = [
        "\r",
        "\n",
        "\r\n",
        "\r\n",
        " ",
        "\t",
        ":",
        "x",
        "f:",
        "f:",
        "\nf:",
        "\r\nf :",
        "\ni:",
        "\ns:",
        "\nv:",
        "\nuser-agent:",
        "abca",
        "abca",
        "aabbaa bb",
        "bacbac",
        "bacbac",
        "abcaa",
        "aabbcc",
        "abcab",
        "abcbca",
        "bcaab",
        "ccabca",
    ];
    let pad = prop_oneof![Just(0), 0..60_usize];
    (pad, vec(select(tokens.to_vec()), 1..14))
        .prop_map(|(pad, tokens)| format!("A b\r\np:{}\r\n{}", "p".repeat(pad), tokens.concat()))
}

#[test]
fn values_begin_and_end_where_a_sip_stack_says() {
    let both = Both::parse("signature = [{ name = 'a', in = 'From', equals = 'ab cdefg' }]");
    for (lines, carries) in [
        ("From: ab cdefg\r\n\r\n", true),
        ("From: ab cdefg\n\n", true),
        ("fRoM:ab cdefg\r\nTo: x", true),
        ("f \t: \t AB\t  cdefg \t\r\nTo: x", true),
        ("f:\r\n ab\r\n\tcdefg\r\n \r\n\r\n", true),
        ("f:ab cdefg\r\n\rTo: x", true),
        // Cut off: more may follow.
        ("f:ab cdefg", false),
        ("f:ab cdefg\r\n", false),
        ("f:ab cdefg\r\n x", false),
        ("f:ab cdefg x\r\n\r\n", false),
        ("f:abcdefg\r\n\r\n", false),
        ("f:ab\r\ncdefg\r\n\r\n", false),
        // Another header, or none.
        ("ff:ab cdefg\r\n\r\n", false),
        ("t:ab cdefg\r\n\r\n", false),
        (" f:ab cdefg\r\n\r\n", false),
        ("f\r\n :ab cdefg\r\n\r\n", false),
        ("f x:ab cdefg\r\n\r\n", false),
        ("\rf:ab cdefg\r\n\r\n", false),
        ("To: x\n f:ab cdefg\r\n\r\n", false),
        // The body.
        ("\r\nf:ab cdefg\r\n\r\n", false),
        ("To: x\n\nf:ab cdefg\r\n\r\n", false),
    ] {
        let message = format!("\r\n\0 BYE sip:x@example.com SIP/2.0\r\n{lines}");
        assert_eq!(both.judge(message.as_bytes()).is_some(), carries, "{lines:?}");
        both.agrees(message.as_bytes()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn line_ends_folds_and_blanks_agree_with_the_plain_reading(message in tight_message()) {
        DENSE.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
        IN_LINES.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_dense_set_agrees_with_the_plain_reading(message in message()) {
        DENSE.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
        IN_LINES.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn one_signature_agrees_with_the_plain_reading(message in message()) {
        ONE.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sets_of_64_and_512_agree_with_the_plain_reading(message in message()) {
        SOME.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
        MANY.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }

    /// Long messages, so that words lie at every place of the grid and across its seams.
    #[test]
    fn messages_of_any_length_agree(
        pad in 0..4200_usize,
        number in 0..512_usize,
        rest in 0..60_usize,
        header in select(vec!["User-Agent: ", "From:", "v: ", "\r\n", "x: ", "i:\t"]),
    ) {
        let word = word(number);
        let message = format!(
            "REGISTER sip:x SIP/2.0\r\nP: {}\r\n{header}{word} v{number}{}",
            "p".repeat(pad),
            "\r\n".repeat(rest),
        );
        MANY.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }
}

/// Every place on the grid, every distance from the message's end, and every byte that may stand around.
#[test]
fn no_place_hides_a_signature_from_the_prefilter() {
    let both = Both::parse(
        r#"
        signature = [
            { name = "short", in = "From", equals = "smap" },
            { name = "six", in = "From", contains = "pplsip" },
            { name = "start", in = "From", starts = "sivus" },
            { name = "far-apart", in = "From", contains = "zq_7wkSIP/2.0/UDP;branch=z9hG4bKqj7_vx" },
            { name = "far", in = "From", contains = "jq_7sip:SIP/2.0/UDP_q7" },
            { name = "words", in = "From", contains = "blorp 77q" },
            { name = "two-ends", in = "From", regex = "zqx7[a-z0-9]{8}wkj" },
            { name = "body", in = "body", starts = "wexq_" },
        ]"#,
    );
    let before = [":", ": ", ":\t", ":\r\n ", ":\n\t", ": \r\t"];
    let after = ["\r\n", "\n", " \r\n", "\t\n", "\r \n"];
    let texts = [
        "smap",
        "pplsip",
        "sivus",
        "zq_7wkSIP/2.0/UDP;branch=z9hG4bKqj7_vx",
        "jq_7sip:SIP/2.0/UDP_q7",
        "blorp\r\n \t77q",
        "zqx7a1b2c3d4wkj",
    ];
    for (text, before, after) in texts
        .iter()
        .flat_map(|text| before.iter().map(move |before| (text, before)))
        .flat_map(|(text, before)| after.iter().map(move |after| (text, before, after)))
    {
        for (pad, rest) in (0..26).flat_map(|pad| (0..52).map(move |rest| (pad, rest))) {
            let (pad, rest) = ("p".repeat(pad), "r".repeat(rest));
            let message = format!("BYE sip:x SIP/2.0\r\nP: {pad}\r\nf{before}{text}{after}R:{rest}\r\n\r\n");
            assert!(both.judge(message.as_bytes()).is_some(), "{message:?}");
        }
    }
    for (pad, rest) in (0..26).flat_map(|pad| (0..52).map(move |rest| (pad, rest))) {
        let message = format!("BYE sip:x SIP/2.0\r\nP: {}\n\nWexq_{}", "p".repeat(pad), "r".repeat(rest));
        assert!(both.judge(message.as_bytes()).is_some(), "{message:?}");
    }
}

#[test]
fn ordinary_messages_are_seldom_candidates() {
    let tables = &MANY.compiled.tables;
    let digits = |message: &str, turn: u8| -> Vec<u8> {
        let turned = |(at, byte): (usize, u8)| match byte {
            b'0'..=b'9' => b'0' + (byte - b'0' + turn.wrapping_mul(at as u8) % 10) % 10,
            _ => byte,
        };
        message.bytes().enumerate().map(turned).collect()
    };
    let messages: Vec<_> =
        Sample::messages().flat_map(|message| (0..50).map(move |turn| digits(&message, turn))).collect();
    let candidates = messages
        .iter()
        .filter(|message| {
            scan(Bytes::of(message), message.len() as u32, &tables.prefilter).candidate().is_some()
        })
        .count();
    assert!(candidates * 50 < messages.len(), "{candidates} of {}", messages.len());
}
