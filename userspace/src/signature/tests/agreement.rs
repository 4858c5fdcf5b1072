//! Any message, any set: the tables find a signature exactly where the plain reading does.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select, string::string_regex};

use super::{Both, generated, word};

static ONE: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(1)));
static SOME: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(64)));
static MANY: LazyLock<Both> = LazyLock::new(|| Both::of(&generated(512)));

/// Short patterns over few letters, so that random text matches often.
static DENSE: LazyLock<Both> = LazyLock::new(|| {
    Both::parse(
        r#"
        signature = [
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
            { name = "all", in = "message", contains = "bbccaab" },
            { name = "all-start", in = "message", starts = "ccc bbbaaa" },
            { name = "classes", in = "User-Agent", regex = "[ab]c{2}a+b?[^c]aabbca" },
            { name = "any", in = "Via", regex = "abcabca.*cbacbac" },
            { name = "upper", in = "Via", regex = "(?-i)ABCABCA" },
            { name = "count", in = "l", regex = "^424299" },
        ]"#,
    )
});

/// What messages are made of, to be strung together.
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_dense_set_agrees_with_the_plain_reading(message in message()) {
        DENSE.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn one_signature_agrees_with_the_plain_reading(message in message()) {
        ONE.agrees(message.as_bytes()).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

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
