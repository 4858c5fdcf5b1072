use proptest::prelude::*;

use super::*;
use crate::account::Weakness;
use crate::digest::HashFunction;

/// Of Mufasa in testrealm@host.com (RFC 2617 §3.5).
const MD5: &str = "939e7578ed9e3c518a452acee763bce9";
const SHA_256: &str = "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232";

fn read(text: &str) -> Vec<Account> {
    parse(text, "accounts.txt").unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    parse(text, "accounts.txt").expect_err(text).to_string()
}

fn password(account: &Account) -> &str {
    match &account.secret {
        Secret::Password(password) => password.as_str(),
        Secret::Ha1s(_) => panic!("{} has HA1s", account.name),
    }
}

#[test]
fn a_line_is_a_name_a_password_and_options() {
    let accounts = read(
        "\u{feff}# the accounts of an office\r\n\
         \r\n\
         201 s3cret\r\n\
         \t 202\t\ts3cret#2   # with a comment \n\
         203 s3cret status=disabled expires=2027-01-31 from=192.0.2.0/24 from=::ffff:198.51.100.1\n\
         204 s3cret expires=2027-01-31T18:00:00Z status=normal",
    );
    let told: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), password(account))).collect();
    assert_eq!(told, [("201", "s3cret"), ("202", "s3cret#2"), ("203", "s3cret"), ("204", "s3cret")]);
    let [first, _, third, fourth] = accounts.as_slice() else { panic!("{accounts:?}") };
    assert_eq!((first.status, first.expires, first.allowed.len()), (AccountStatus::Normal, None, 0));
    assert_eq!(third.status, AccountStatus::Disabled);
    assert_eq!(third.expires, Some(WallSeconds::new(1_801_353_600)), "the beginning of the day");
    let from: Vec<_> = third.allowed.iter().map(|net| address::show(*net)).collect();
    assert_eq!(from, ["192.0.2.0/24", "198.51.100.1"]);
    assert_eq!(fourth.expires, Some(WallSeconds::new(1_801_353_600 + 18 * 3_600)));
}

#[test]
fn what_would_mean_something_else_stands_in_quotes() {
    for (word, expected) in [
        (r#""correct horse battery""#, "correct horse battery"),
        (r##""#1""##, "#1"),
        (r#""{MD5}x""#, "{MD5}x"),
        (r#""a\"b\\c""#, r#"a"b\c"#),
        (r#""realm=x""#, "realm=x"),
        (r#"a"b"#, r#"a"b"#),
        (r"a\b", r"a\b"),
        ("from=anywhere", "from=anywhere"),
        ("é€", "é€"),
    ] {
        let accounts = read(&format!("201 {word} status=locked # comment"));
        assert_eq!((password(&accounts[0]), accounts[0].status), (expected, AccountStatus::Locked), "{word}");
    }
}

#[test]
fn hashes_stand_in_the_place_of_the_password() {
    let accounts = read(&format!(
        "Mufasa {{md5}}{} {{SHA-256}}{SHA_256} realm=testrealm@host.com\n\
         202 {{SHA-512-256}}{SHA_256} status=locked realm=\"a realm with blanks\"\n\
         203 {{MD5}}{MD5} \"realm=another one\"",
        MD5.to_uppercase(),
    ));
    let ha1s: Vec<_> = accounts
        .iter()
        .map(|account| match &account.secret {
            Secret::Ha1s(ha1s) => ha1s,
            Secret::Password(_) => panic!("{} has a password", account.name),
        })
        .collect();
    let realms: Vec<_> = ha1s.iter().map(|ha1s| ha1s.realm.as_str()).collect();
    assert_eq!(realms, ["testrealm@host.com", "a realm with blanks", "another one"]);
    assert_eq!(ha1s[0].get(HashFunction::Md5).unwrap().as_hex(), MD5);
    assert_eq!(ha1s[0].get(HashFunction::Sha256).unwrap().as_hex(), SHA_256);
    assert_eq!(ha1s[0].get(HashFunction::Sha512_256), None);
    assert_eq!(accounts[1].status, AccountStatus::Locked);
}

#[test]
fn a_mistake_is_named_with_its_place_and_the_next_step_and_no_password() {
    let long = format!("201 {}", "s3cret".repeat(30));
    for (line, expected) in [
        ("s3cret", "accounts.txt:1: a name and a password, with a blank between them"),
        ("201 #s3cret", "A password that begins with # stands in quotes"),
        ("201:s3cret from=192.0.2.1", "accounts.txt:1: name: a name has 1 to 64 bytes"),
        ("\"\" s3cret", "accounts.txt:1: name: "),
        ("201 s3cret s3cret2", "accounts.txt:1: behind the password come realm="),
        ("201 s3cret stat=locked", "A password with a blank stands in quotes"),
        ("201 s3cret \"status=locked\"", "accounts.txt:1: behind the password"),
        ("201 s3cret status=looked", "accounts.txt:1: status: \"looked\" is no status"),
        ("201 s3cret expires=31.1.2027", "accounts.txt:1: expires: it is no day or time in UTC: write"),
        ("201 s3cret expires=2027-01-31 expires=2028-01-31", "accounts.txt:1: expires: it is there twice"),
        ("201 s3cret from=192.0.2.1/24", "accounts.txt:1: from: it has bits beyond its length"),
        ("201 s3cret realm=x", "accounts.txt:1: realm: a password holds for every realm"),
        ("201 \"\"", "accounts.txt:1: password: the password is empty"),
        (&long, "accounts.txt:1: password: the password is longer"),
        ("201 \"s3cret", "accounts.txt:1: a quote begins a word and none ends it"),
        ("201 \"s3cret\"x", "accounts.txt:1: behind the quote that ends a word comes a blank"),
        (r#"201 "s3cret\n""#, "accounts.txt:1: in quotes, a backslash"),
        ("201 {s3cret realm=x", "accounts.txt:1: HA1: an HA1 is {MD5}"),
        ("201 {MD5-sess}s3cret realm=x", "accounts.txt:1: HA1: an HA1 is {MD5}"),
        ("201 {MD5}s3cret realm=x", "accounts.txt:1: HA1: an HA1 of MD5 has 32 hexadecimal digits"),
        (&format!("201 {{MD5}}{MD5}"), "accounts.txt:1: realm: an HA1 holds for one realm: write realm="),
        (&format!("201 {{MD5}}{MD5} {{MD5}}{MD5} realm=x"), "accounts.txt:1: HA1: MD5 is there twice"),
        (&format!("201 {{MD5}}{MD5} realm="), "accounts.txt:1: realm: a realm needs a name"),
        (&format!("201 {{MD5}}{MD5} s3cret realm=x"), "accounts.txt:1: behind the password"),
    ] {
        let error = refused(line);
        assert!(error.contains(expected), "{line}: {error}");
        assert!(!error.contains("s3cret") && !error.contains(MD5), "{line}: {error}");
        assert_eq!(error.lines().count(), 1, "{line}: {error}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let error = refused("201 a\n\n202 b status=x from=y\n201 c\n203 {MD5}");
    let places: Vec<_> = error.lines().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>()).collect();
    let place = |line, key| vec!["accounts.txt", line, key];
    let expected = [
        place("3", " status"),
        place("3", " from"),
        place("4", " name"),
        place("5", " HA1"),
        place("5", " realm"),
    ];
    assert_eq!(places, expected, "{error}");
    assert!(error.contains("line 1 has that name already"), "{error}");
    let error = refused(&"one-word\n".repeat(SHOWN + 3));
    assert_eq!(error.lines().count(), SHOWN + 1);
    assert!(error.ends_with("\nand 3 more"), "{error}");
}

#[test]
fn nothing_is_a_file_of_no_accounts() {
    for text in ["", "\n \r\n", "# nobody", "\u{feff}"] {
        assert_eq!(read(text), [], "{text:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let accounts = read(&format!("201 s3cret-pass\n202 {{MD5}}{MD5} realm=x"));
    let shown = format!("{accounts:?} {accounts:#?}");
    assert!(shown.contains("201") && !shown.contains("s3cret") && !shown.contains(MD5), "{shown}");
    assert!(accounts[0].weaknesses().contains(&Weakness::Short));
}

/// A password in quotes, as a person would write it.
fn in_quotes(password: &str) -> String {
    format!("\"{}\"", password.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn every_password_can_be_written(text in "[ -~é€#{]{1,60}") {
        let accounts = read(&format!("201 {} status=locked", in_quotes(&text)));
        prop_assert_eq!(password(&accounts[0]), text);
    }

    #[test]
    fn any_file_is_read_or_refused_with_its_lines(text in "([a-z0-9={}\"\\\\#. \n-]|MD5|realm=|from=|expires=){0,80}") {
        if let Err(AccountsFileError { errors, .. }) = parse(&text, "x") {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| (1..=text.lines().count()).contains(&error.line)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = parse(&text, "x");
    }
}
