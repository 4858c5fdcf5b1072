use super::*;
use crate::digest::{Ha1, HashFunction, Realm};

const PASSWORD: &str = "wonderland-12";
const MD5: &str = "6e9b1516653d52af65853e7ef631360f";
const SHA_256: &str = "4b24cb949e860558677363847e0fe5e9ed396bb599ef28b35c5509ca183c22ff";

fn realm() -> Realm {
    Realm::new("example.org").unwrap()
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn with_password(account: &str, password: &str) -> Account {
    Account::new(name(account), Secret::Password(Password::new(password).unwrap()))
}

fn with_ha1s(account: &str, ha1s: &[(HashFunction, &str)]) -> Account {
    let ha1s = ha1s.iter().map(|(function, text)| Ha1::from_hex(*function, text).unwrap());
    Account::new(name(account), Secret::Ha1s(Ha1s::new(realm(), ha1s)))
}

#[test]
fn a_name_is_one_word_that_needs_no_escapes() {
    let longest = "n".repeat(64);
    for text in ["1001", "alice", "Jos\u{e9}", "+49.30-1_2", "a;b", "$%&/()=", &longest] {
        assert_eq!(AccountName::new(text).unwrap().as_str(), text);
    }
    let too_long = "n".repeat(65);
    for (text, said) in [
        ("", "needs a name"),
        (&*too_long, "65 bytes"),
        ("al ice", "' '"),
        ("al\u{a0}ice", "'\\u{a0}'"),
        ("al\tice", "'\\t'"),
        ("al\0ice", "'\\0'"),
        ("al\u{200b}ice", "'\\u{200b}'"),
        ("al\"ice", "'\"'"),
        ("al\\ice", "'\\\\'"),
        ("alice@example.org", "'@'"),
        ("sip:alice", "':'"),
    ] {
        let error = AccountName::new(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

#[test]
fn a_password_is_text_without_control_characters() {
    let longest = "p".repeat(128);
    for text in ["p", "correct horse battery", "\u{e9}\"\\:@", &longest] {
        assert_eq!(Password::new(text).unwrap().as_str(), text);
    }
    for text in ["", &*"p".repeat(129), "secret\nword", "secret\0word"] {
        let error = Password::new(text).unwrap_err().to_string();
        assert!(!error.contains("word:") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn statuses_are_read_as_they_are_written() {
    for status in AccountStatus::ALL {
        assert_eq!(status.to_string().parse(), Ok(status));
    }
    let error = "Locked".parse::<AccountStatus>().unwrap_err().to_string();
    assert!(error.contains("\"Locked\"") && error.contains("normal, locked or disabled"), "{error}");
}

#[test]
fn the_operator_decides_whether_an_account_may_be_used_there_and_then() {
    use AccountStatus as Status;
    let office = &["192.0.2.0/24", "2001:db8:1::/48"][..];
    for (status, expires, allowed, source, expected) in [
        (Status::Normal, None, &[][..], "198.51.100.1", Admission::Admitted),
        (Status::Normal, Some(101), &[], "198.51.100.1", Admission::Admitted),
        (Status::Normal, Some(100), &[], "198.51.100.1", Admission::Expired),
        (Status::Normal, Some(0), office, "192.0.2.1", Admission::Expired),
        (Status::Normal, None, office, "192.0.2.1", Admission::Admitted),
        (Status::Normal, None, office, "::ffff:192.0.2.1", Admission::Admitted),
        (Status::Normal, None, office, "2001:db8:1:2::3", Admission::Admitted),
        (Status::Normal, None, office, "192.0.3.1", Admission::AddressNotAllowed),
        (Status::Normal, None, office, "2001:db8:2::3", Admission::AddressNotAllowed),
        (Status::Normal, None, &["::ffff:192.0.2.0/120"], "192.0.2.1", Admission::Admitted),
        (Status::Normal, None, &["::/0"], "192.0.2.1", Admission::AddressNotAllowed),
        // The status that the operator gave is told before anything that follows by itself.
        (Status::Locked, Some(0), office, "192.0.3.1", Admission::Locked),
        (Status::Disabled, Some(0), office, "192.0.3.1", Admission::Disabled),
        (Status::Locked, None, &[], "192.0.2.1", Admission::Locked),
        (Status::Disabled, None, &[], "192.0.2.1", Admission::Disabled),
    ] {
        let account = Account {
            status,
            expires: expires.map(WallSeconds::new),
            allowed: allowed.iter().map(|net| net.parse().unwrap()).collect(),
            ..with_password("alice", PASSWORD)
        };
        let admission = account.admission(source.parse().unwrap(), WallSeconds::new(100));
        assert_eq!(admission, expected, "{status} {expires:?} {allowed:?} {source}");
    }
}

#[test]
fn breaks_29_ha1s_can_do_their_own_algorithms_and_realm_and_say_which_they_cannot() {
    use HashFunction::{Md5, Sha256, Sha512_256};
    let other = Realm::new("example.net").unwrap();
    let both = with_ha1s("alice", &[(Md5, MD5), (Sha256, SHA_256)]).secret;
    let md5 = with_ha1s("alice", &[(Md5, MD5)]).secret;
    let password = with_password("alice", PASSWORD).secret;
    for (secret, realm, functions, expected) in [
        (&password, &realm(), &HashFunction::ALL[..], None),
        (&password, &other, &HashFunction::ALL, None),
        (&both, &realm(), &[Md5, Sha256], None),
        (&md5, &realm(), &[Md5], None),
        (&md5, &realm(), &[Md5, Sha256], Some("it has no HA1 of SHA-256")),
        (&md5, &realm(), &[Sha256, Sha512_256], Some("it has no HA1 of SHA-256 and SHA-512-256")),
        (&both, &other, &[Md5], Some("its HA1s are of the realm example.org")),
    ] {
        let said = secret.shortfall(realm, functions).map(|shortfall| shortfall.to_string());
        assert_eq!(said.as_deref(), expected);
        let can_all = functions.iter().all(|function| secret.ha1(&name("alice"), realm, *function).is_some());
        assert_eq!(can_all, expected.is_none());
    }
    for (function, expected) in [(Md5, MD5), (Sha256, SHA_256)] {
        assert_eq!(both.ha1(&name("alice"), &realm(), function).unwrap().as_hex(), expected);
        assert_eq!(password.ha1(&name("alice"), &realm(), function).unwrap().as_hex(), expected);
    }
}

#[test]
fn accounts_are_found_by_the_bytes_of_their_names() {
    let accounts = [with_password("alice", PASSWORD), with_ha1s("bob", &[(HashFunction::Md5, MD5)])];
    let table = Accounts::new(accounts.clone(), &realm(), &[HashFunction::Md5]).unwrap();
    assert_eq!((table.len(), table.is_empty(), table.iter().count()), (2, false, 2));
    let alice = table.get(b"alice").unwrap();
    assert_eq!(alice.account(), &accounts[0]);
    assert_eq!(alice.ha1(HashFunction::Md5).unwrap().as_hex(), MD5);
    assert_eq!(alice.ha1(HashFunction::Sha256), None, "nobody asked for it");
    for unknown in [&b""[..], b"Alice", b"alice ", b"alice\0", b"alice@example.org", b"\xff"] {
        assert!(table.get(unknown).is_none(), "{}", unknown.escape_ascii());
    }
    let twice = [with_password("alice", PASSWORD), with_password("alice", "another-password-1")];
    let error = Accounts::new(twice, &realm(), &[]).unwrap_err();
    assert_eq!(error, DuplicateName(name("alice")));
}

#[test]
fn secrets_never_show() {
    let accounts = [
        with_password("alice", PASSWORD),
        with_ha1s("bob", &[(HashFunction::Md5, MD5), (HashFunction::Sha256, SHA_256)]),
    ];
    let shown = format!("{accounts:?} {:#?}", Accounts::new(accounts.clone(), &realm(), &HashFunction::ALL));
    assert!(shown.contains("alice") && shown.contains("bob"), "{shown}");
    for secret in [PASSWORD, &MD5[..8], &SHA_256[..8], "0x6e", "110"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn weak_passwords_are_named_with_their_reasons() {
    for (account, password, reasons) in [
        ("alice", PASSWORD, ""),
        ("alice", "correct horse battery", ""),
        ("alice", "8264-9173-5520", ""),
        ("alice", "\u{e9}tagere bleue", ""),
        ("alice", "wonderland-1", ""),
        ("alice", "wonderlan-1", "short"),
        ("alice", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}-1", "short"),
        ("alice", "WonderlandPark", "no-mix"),
        ("alice", "826491735520", "no-mix"),
        ("alice", "!!!!!!!!!!!!", "no-mix"),
        ("alice", "alice", "short no-mix account-name"),
        ("alice", "my-Alice-2024", "account-name"),
        ("1001", "1001", "short no-mix account-name"),
        ("1001", "x1001x1001x1001", "account-name"),
        ("7", "7", "short no-mix account-name"),
        ("7", "wonderland-7", ""),
        ("alice", "Password2024!", "common"),
        ("alice", "asterisk-12345", "common"),
        ("alice", "1qaz2wsx3edc", "common"),
        ("alice", "123456789012", "no-mix common"),
        ("alice", "p@ssw0rd", "short common"),
    ] {
        let found: Vec<_> = with_password(account, password).weaknesses();
        let found: Vec<_> = found.into_iter().map(Weakness::as_str).collect();
        assert_eq!(found.join(" "), reasons, "{account} {password}");
    }
}

#[test]
fn the_passwords_that_everybody_tries_are_found_behind_ha1s() {
    for (password, expected) in
        [("alice", &[Weakness::AccountName][..]), ("changeme", &[Weakness::Common]), (PASSWORD, &[])]
    {
        for function in HashFunction::ALL {
            let ha1 = Ha1::of_password(function, b"alice", &realm(), password.as_bytes());
            let account = with_ha1s("alice", &[(function, ha1.as_hex())]);
            assert_eq!(account.weaknesses(), expected, "{password} {function}");
        }
    }
    assert_eq!(with_ha1s("alice", &[]).weaknesses(), []);
}
