//! The memory that used nonces take, in a process that does nothing else.

use std::{net::IpAddr, time::Duration};

use sipward_edge::{
    account::{Account, AccountName, Accounts, Password, Secret},
    authenticator::{Authenticator, AuthenticatorSettings, DigestCredentials, DigestRequest, DigestVerdict},
    digest::{Algorithm, DigestHasher, DigestInput, Ha1, HashFunction, Realm},
    keys::Keys,
};
use sipward_types::time::KernelTime;

const MD5: Algorithm = Algorithm::new(HashFunction::Md5, false);
const PASSWORD: &str = "wonderland-12";

/// In KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn nonces_without_end_take_a_bounded_table_when_used_and_nothing_when_not() {
    let realm = Realm::new("example.org").unwrap();
    let settings = AuthenticatorSettings {
        realm: realm.clone(),
        algorithms: vec![MD5],
        nonce_lifetime: Duration::from_secs(300),
    };
    let mut authenticator = Authenticator::new(settings, Keys::new([1; 32], None), 7);
    let secret = Secret::Password(Password::new(PASSWORD).unwrap());
    let account = Account::new(AccountName::new("alice").unwrap(), secret);
    let accounts = Accounts::new([account], &realm, &[MD5.function]).unwrap();
    let ha1 = Ha1::of_password(MD5.function, b"alice", &realm, PASSWORD.as_bytes());
    let source = IpAddr::from([192, 0, 2, 1]);
    let now = KernelTime::from_nanos(1 << 40);
    let mut use_nonce = |is_used: bool| {
        let challenge = authenticator.challenges(source, false, now).remove(0);
        if !is_used {
            return;
        }
        let nonce = challenge.split('"').nth(3).unwrap();
        let input = DigestInput {
            method: b"REGISTER",
            uri: b"sip:example.org",
            nonce: nonce.as_bytes(),
            cnonce: b"c",
            count: Some(b"00000001"),
        };
        let response = DigestHasher::default().response(MD5, &ha1, &input);
        let response = std::str::from_utf8(response.as_bytes()).unwrap();
        let value = format!(
            "Digest username=\"alice\", realm=\"example.org\", nonce=\"{nonce}\", uri=\"sip:example.org\", \
             response=\"{response}\", cnonce=\"c\", qop=auth, nc=00000001"
        );
        let credentials = DigestCredentials::parse(value.as_bytes()).unwrap();
        let request =
            DigestRequest { method: b"REGISTER", uri: b"sip:example.org", source, transaction: &[b"branch"] };
        let verdict = authenticator.judge(&request, &credentials, accounts.get(b"alice"), now);
        assert_eq!(verdict, DigestVerdict::Right { again: false });
    };
    let before = resident();
    (0..20_000).for_each(|_| use_nonce(false));
    let unused = resident() - before;
    (0..70_000).for_each(|_| use_nonce(true));
    let used = resident() - before - unused;
    println!("20,000 unused nonces take {unused} KiB, the full table of used ones takes {used} KiB");
    assert!(unused < 512, "{unused} KiB");
    assert!(used < 16 << 10, "{used} KiB");
}
