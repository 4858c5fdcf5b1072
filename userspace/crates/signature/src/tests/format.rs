//! The text format and its errors.

use super::super::{Judge, Matching, Place, Risk, Signature, SignatureSet};

/// The error about a file.
fn error(text: &str) -> String {
    SignatureSet::parse(text, "my.toml").unwrap_err().to_string()
}

/// One signature with a good name.
fn table(keys: &str) -> String {
    format!("[[signature]]\nname = 'a'\n{keys}\n")
}

#[test]
fn every_key_is_read() {
    let text = "[[signature]]
        name = 'some-name-1'
        in = ['start-line', 'f', 'From', 'message', 'X-Own', 'body']
        contains = 'Evil Tool'
        on = false
        judge = 'daemon'
        risk = 'high'
        note = 'seen at home'";
    let set = SignatureSet::parse(text, "my.toml").unwrap();
    let expected = Signature {
        name: "some-name-1".into(),
        places: vec![
            Place::StartLine,
            Place::Header("From".into()),
            Place::Message,
            Place::Header("X-Own".into()),
            Place::Body,
        ],
        matching: Matching::Contains("Evil Tool".into()),
        on: false,
        judge: Judge::Daemon,
        risk: Risk::High,
        note: "seen at home".into(),
    };
    assert_eq!(set.iter().collect::<Vec<_>>(), [&expected]);
}

#[test]
fn what_is_left_out_has_a_default() {
    let set = SignatureSet::parse(&table("in = 'Via'\nequals = 'evil-tool'"), "my.toml").unwrap();
    let signature = set.get("a").unwrap();
    assert_eq!((signature.on, signature.judge, signature.risk), (true, Judge::Kernel, Risk::None));
    assert_eq!(signature.note, "");
}

#[test]
fn a_file_without_signatures_is_an_empty_set() {
    assert_eq!(SignatureSet::parse("", "my.toml").unwrap(), SignatureSet::default());
}

#[test]
fn a_refused_key_is_named_with_its_line_and_the_way_out() {
    for (keys, expected) in [
        ("in = 'Via'", "my.toml:1: signature: what to look for is missing; add one of"),
        (
            "in = 'Via'\ncontains = 'evil-tool'\nequals = 'evil-tool'",
            "my.toml:5: equals: there is `contains` already; keep one of the two",
        ),
        ("in = 'User Agent'\ncontains = 'evil-tool'", "my.toml:3: in: `User Agent`: use start-line, message"),
        ("in = []\ncontains = 'evil-tool'", "my.toml:3: in: the list is empty; name a header"),
        ("in = 1\ncontains = 'evil-tool'", "my.toml:3: expected a string or a list of strings"),
        ("in = 'Via'\ncontains = ' '", "my.toml:4: contains: the text is empty"),
        ("in = 'Via'\nequals = 'evil-tool '", "my.toml:4: equals: blanks around a value do not belong to it"),
        ("in = 'Via'\ncontains = 'sip:'", "my.toml:4: contains: too short or too common"),
        ("in = 'Via'\ncontains = 'SIP/2.0/UDP'", "my.toml:4: contains: too short or too common"),
        ("in = 'Via'\nregex = '[0-9a-f]{32}'", "my.toml:4: regex: too short or too common"),
        // Rare at both ends only, and they are too far apart.
        ("in = 'Via'\nregex = 'zqx7[a-z0-9]{20}wkj'", "my.toml:4: regex: too short or too common"),
        ("in = 'Via'\nregex = '(?=evil)'", "my.toml:4: regex: not a simple regular expression: look-around"),
        (
            "in = 'Via'\nregex = '(evil)\\1'",
            "my.toml:4: regex: not a simple regular expression: backreferences",
        ),
        ("in = 'Via'\nregex = 'evil('", "my.toml:4: regex: not a simple regular expression: unclosed group"),
        ("in = 'Via'\nregex = '\\bevil-tool'", "my.toml:4: regex: of the assertions only `^` and `$`"),
        (
            "in = 'Via'\nregex = '(evil-tool)*'",
            "my.toml:4: regex: it matches an empty text, and so everything",
        ),
        ("in = 'Via'\nregex = '(evil-tool){999}'", "my.toml:4: regex: it is longer than 1024 bytes"),
        ("in = 'Via'\nregex = 'evil\\ttool'", "my.toml:4: regex: every run of blanks is read as one space"),
        ("in = 'Via'\nregex = 'evil-tool(\\u{e9}|\\u{fc})'", "my.toml:4: regex: a class has bytes"),
        ("in = 'body'\nequals = 'evil-tool'", "my.toml:4: equals: the end of `body` cannot be seen"),
        (
            "in = ['Via', 'message']\nregex = 'evil-tool$'",
            "my.toml:4: regex: the end of `message` cannot be seen",
        ),
        ("in = 'Via'\ncontain = 'evil-tool'", "my.toml:4: unknown field `contain`, expected one of `name`"),
        (
            "in = 'Via'\ncontains = 'evil-tool'\njudge = 'me'",
            "my.toml:5: unknown variant `me`, expected `kernel`",
        ),
        ("contains = 'evil-tool'", "my.toml:1: missing field `in`"),
    ] {
        let error = error(&table(keys));
        assert!(error.starts_with(expected), "{keys}\n gives {error}\n  not {expected}");
    }
}

#[test]
fn names_are_plain_and_unique() {
    let twice = [table("in = 'Via'\ncontains = 'evil-tool'"), table("in = 'Via'\ncontains = 'worse-tool'")];
    assert!(error(&twice.concat()).starts_with("my.toml:6: name: `a` is taken by a signature above"));
    for name in ["", "Evil", "evil tool", "é", &"e".repeat(65)] {
        let text = format!("[[signature]]\nname = '{name}'\nin = 'Via'\ncontains = 'evil-tool'");
        assert!(error(&text).starts_with("my.toml:2: name: "), "{name}");
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let error = SignatureSet::load("/nowhere/at/all.toml".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/at/all.toml: cannot be read: "), "{error}");
}

#[test]
fn an_overlaid_set_replaces_by_name_and_adds() {
    let one = SignatureSet::parse(&table("in = 'Via'\ncontains = 'evil-tool'"), "one").unwrap();
    let other = table("in = 'Via'\ncontains = 'worse-tool'") + &table("in = 'To'\ncontains = 'third-tool'");
    let other =
        SignatureSet::parse(&other.replacen("'a'", "'b'", 2).replacen("'b'", "'a'", 1), "two").unwrap();
    let both = one.overlaid(&other);
    assert_eq!(both, other);
}

#[test]
fn a_set_that_does_not_fit_says_so() {
    let many = (0..513).map(|number| {
        format!("[[signature]]\nname = 's{number}'\nin = 'Via'\ncontains = 'evil-tool-{number}'\n")
    });
    let set = SignatureSet::parse(&many.collect::<String>(), "my.toml").unwrap();
    let error = set.compile().unwrap_err().to_string();
    assert!(error.starts_with("513 signatures are on, but the kernel holds 512: switch some off"), "{error}");

    // Which of the last thirty bytes were an x: two to the thirty states.
    let set = SignatureSet::parse(&table("in = 'Via'\nregex = 'x.{30}evil-tool'"), "my.toml").unwrap();
    let error = set.compile().unwrap_err().to_string();
    assert!(error.contains("states, which is what the kernel holds; `a` is the largest"), "{error}");

    let bytes: String = (0x80..0x100).map(|byte| format!("\\x{byte:x}?")).collect();
    let set =
        SignatureSet::parse(&table(&format!("in = 'Via'\nregex = 'evil-tool{bytes}'")), "my.toml").unwrap();
    let error = set.compile().unwrap_err().to_string();
    assert!(error.contains("kinds of bytes apart, but the kernel's limit is 128"), "{error}");
}
