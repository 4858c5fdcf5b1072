use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;
use sipward_api::item::Listed;
use sipward_types::{
    address::{canonical, holds_v4_unsaid, show},
    list_entry::Origin,
    printable::is_hidden,
};

fn entry(source: &str, until: Option<u64>, note: Option<&str>) -> Imported {
    Imported { source: parse(source).unwrap(), until, note: note.map(str::to_owned) }
}

fn read_plainly(text: &str) -> Result<Vec<Imported>, String> {
    read(text.as_bytes(), "bad.txt", &Defaults::default()).map_err(|error| error.to_string())
}

#[test]
fn text_is_one_source_a_line_and_what_is_known_of_it() {
    let text = "\u{feff}# a list from somewhere\r\n\
                \r\n\
                192.0.2.1\r\n\
                \t192.0.2.2/32   # seen twice # on Monday \n\
                ::ffff:192.0.2.3 until 2026-11-20T18:00:00Z\n\
                198.51.100.0/24#no blank\n\
                2001:DB8::/32  until\t1970-01-01T00:00:01Z  #  \n\
                   # 192.0.2.9\n\
                2001:db8::1";
    let expected = [
        entry("192.0.2.1", None, None),
        entry("192.0.2.2", None, Some("seen twice # on Monday")),
        entry("192.0.2.3", Some(1_795_197_600), None),
        entry("198.51.100.0/24", None, Some("no blank")),
        entry("2001:db8::/32", Some(1), None),
        entry("2001:db8::1", None, None),
    ];
    assert_eq!(read_plainly(text).unwrap(), expected);
}

#[test]
fn json_is_an_object_of_a_list_a_line() {
    let text = r#"
        {"source":"192.0.2.1"}

        {"source":"2001:db8::/32","until":1795197600,"note":"a\nb"}
        {"source":"192.0.2.2","expires_in":null,"until":null,"since":7,"origin":"hand","shadowed_for":null,"note":null,"evidence":"x"}
    "#;
    let expected = [
        entry("192.0.2.1", None, None),
        entry("2001:db8::/32", Some(1_795_197_600), Some("a\nb")),
        entry("192.0.2.2", None, None),
    ];
    assert_eq!(read_plainly(text).unwrap(), expected);
}

#[test]
fn what_lines_do_not_say_is_said_for_them() {
    let defaults = Defaults { until: Some(9), note: Some("from the net".to_owned()) };
    let entries = |text: &str| read(text.as_bytes(), "x", &defaults).unwrap();
    let said = Some("from the net");
    assert_eq!(
        entries("192.0.2.1\n192.0.2.2 until 1970-01-01T00:00:01Z\n192.0.2.3 # its own\n"),
        [
            entry("192.0.2.1", Some(9), said),
            entry("192.0.2.2", Some(1), said),
            entry("192.0.2.3", Some(9), Some("its own"))
        ]
    );
    let json = "{\"source\":\"192.0.2.1\"}\n{\"source\":\"192.0.2.2\",\"until\":null,\"note\":\"its own\"}\n";
    assert_eq!(
        entries(json),
        [entry("192.0.2.1", Some(9), said), entry("192.0.2.2", None, Some("its own"))],
        "a null says that it never ends"
    );
}

#[test]
fn nothing_is_a_list_of_nobody() {
    for text in ["", "\n \r\n", "# nobody"] {
        assert_eq!(read_plainly(text), Ok(vec![]), "{text:?}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let long = format!("192.0.2.1 # {}", "x".repeat(LONGEST_NOTE + 1));
    for (text, said) in [
        ("192.0.2.1\n\nexample.org\n", "bad.txt:3: \"example.org\": it is no address or prefix"),
        ("192.0.2.1/24", "bad.txt:1: \"192.0.2.1/24\": it has bits beyond its length"),
        ("192.0.2.1-192.0.2.9", "no address or prefix"),
        ("::/0", "every IPv4 address"),
        ("192.0.2.1 192.0.2.2", "bad.txt:1: \"192.0.2.1 192.0.2.2\": after the address or prefix comes"),
        ("192.0.2.1 until", "comes nothing, a time such as"),
        ("192.0.2.1 until tomorrow", "\"tomorrow\": it is no time: write for example 2026-"),
        ("192.0.2.1 until 2026-02-30T00:00:00Z", "it is no time"),
        ("192.0.2.1 until 2026-11-20 18:00:00", "comes nothing, a time such as"),
        ("192.0.2.1 until 2026-11-20T18:00:00Z or so", "comes nothing"),
        ("<!DOCTYPE html>", "\"<!DOCTYPE\": it is no address"),
        ("\x1b[2J", "\"\\u{1b}[2J\""),
        ("192.0.2.1\n{\"source\":\"192.0.2.2\"}", "bad.txt:2: \"{\"source"),
        ("{\"source\":\"192.0.2.1\"}\n192.0.2.2", "bad.txt:2: column "),
        ("{\"source\":\"192.0.2.1/24\"}", "bad.txt:1: \"192.0.2.1/24\": it has bits beyond"),
        ("{\"source\":\"192.0.2.1\",\"untill\":1}", "unknown field `untill`"),
        ("{\"source\":\"192.0.2.1\",\"until\":-1}", "bad.txt:1: column 32: invalid value: integer `-1`"),
        ("{\"until\":1}", "missing field `source`"),
        ("{\"source\":\"192.0.2.1\"", "EOF"),
        (&long, "the note is longer than"),
    ] {
        let error = read_plainly(text).unwrap_err();
        assert!(error.contains(said) && error.starts_with("bad.txt:"), "{text:?}: {error}");
        assert!(error.len() < 250 && !error.contains(['\x1b', '\n']), "{text:?}: {error}");
    }
    let error = read_plainly(&"é".repeat(100)).unwrap_err();
    assert!(error.contains("ééé\"…: it is no address"), "{error}");
}

#[test]
fn comments_may_be_of_any_encoding() {
    let entries = read(b"# caf\xe9\n192.0.2.1\n", "x", &Defaults::default());
    assert_eq!(entries, Ok(vec![entry("192.0.2.1", None, None)]));
}

fn net() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32_u8)
        .prop_map(|(bits, length)| Ipv4Net::new(bits.into(), length).unwrap().into());
    let v6 = (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Ipv6Net::new(bits.into(), length).unwrap().into());
    prop_oneof![v4, v6].prop_map(canonical).prop_filter("holds IPv4 unsaid", |net| !holds_v4_unsaid(*net))
}

fn listed(note: impl Strategy<Value = Option<String>>) -> impl Strategy<Value = Listed> {
    (net(), prop::option::of(0..100_000_000_000_u64), note).prop_map(|(net, until, note)| Listed {
        source: show(net),
        expires_in: until,
        until,
        since: 7,
        origin: Origin::Hand,
        shadowed_for: until.map(Some),
        note,
        evidence: None,
    })
}

fn expected(listed: &[Listed]) -> Vec<Imported> {
    listed.iter().map(|listed| entry(&listed.source, listed.until, listed.note.as_deref())).collect()
}

proptest! {
    #[test]
    fn what_is_written_as_text_reads_back(
        lists in prop::collection::vec(listed(prop::option::of("[!-~éü€](.*[!-~éü€])?".prop_map(|note| {
            note.chars().filter(|c| !is_hidden(*c)).collect()
        }))), 0..20),
    ) {
        let text: String = lists.iter().map(|listed| text_line(listed) + "\n").collect();
        prop_assert_eq!(read_plainly(&text).unwrap(), expected(&lists));
    }

    #[test]
    fn any_note_makes_one_line_that_reads_back_as_the_same_source(listed in listed(any::<Option<String>>())) {
        let line = text_line(&listed);
        let read = read_plainly(&line).unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(show(read[0].source), listed.source);
        prop_assert_eq!(read[0].until, listed.until);
    }

    #[test]
    fn what_is_written_as_json_reads_back(lists in prop::collection::vec(listed(any::<Option<String>>()), 0..20)) {
        let text: String = lists.iter().map(|listed| serde_json::to_string(listed).unwrap() + "\n").collect();
        prop_assert_eq!(read_plainly(&text).unwrap(), expected(&lists));
    }

    #[test]
    fn any_file_is_read_or_refused(bytes: Vec<u8>) {
        let _ = read(&bytes, "x", &Defaults::default());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-f:./# {}\"until,source\n-]{0,60}") {
        let _ = read_plainly(&text);
    }
}
