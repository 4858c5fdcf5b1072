use std::iter::repeat_n;

use proptest::prelude::*;

use super::*;
use crate::account::{Account, AccountName, Accounts, Ha1s, Password, Secret};

const PASSWORD: &str = "wonderland-12";
const OFFICE: &str = "192.0.2.1";
const LIFETIME: Duration = Duration::from_secs(300);

/// One server with its accounts: alice has a password, bob an HA1 of MD5 and nobody else has anything.
struct Server {
    authenticator: Authenticator,
    accounts: Accounts,
}

/// A request of a phone. Each of its parts can be set to something else.
#[derive(Clone, Copy)]
struct Phone<'a> {
    name: &'a str,
    password: &'a str,
    realm: &'a str,
    algorithm: &'a str,
    nonce: &'a str,
    /// `None`: without qop.
    count: Option<&'a str>,
    method: &'a str,
    uri: &'a str,
    digest_uri: &'a str,
    source: &'a str,
    branch: &'a str,
    at: u64,
}

impl Server {
    fn new(algorithms: &[&str]) -> Self {
        let realm = realm("example.org");
        let algorithms: Vec<_> = algorithms.iter().copied().map(algorithm).collect();
        let settings = AuthenticatorSettings { realm: realm.clone(), algorithms, nonce_lifetime: LIFETIME };
        let account = |name: &str, secret| Account::new(AccountName::new(name).unwrap(), secret);
        let ha1 = Ha1::of_password(HashFunction::Md5, b"bob", &realm, PASSWORD.as_bytes());
        let accounts = [
            account("alice", Secret::Password(Password::new(PASSWORD).unwrap())),
            account("bob", Secret::Ha1s(Ha1s::new(realm.clone(), [ha1]))),
        ];
        Self {
            authenticator: Authenticator::new(settings, Keys::new([1; 32], None), 7),
            accounts: Accounts::new(accounts, &realm, &HashFunction::ALL).unwrap(),
        }
    }

    fn nonce(&mut self, source: &str, at: u64) -> String {
        let challenge = self.authenticator.challenges(address(source), false, time(at)).remove(0);
        challenge.split('"').nth(3).unwrap().to_owned()
    }

    fn judge(&mut self, phone: Phone<'_>) -> DigestVerdict {
        self.judge_credentials(phone, &phone.credentials())
    }

    fn judge_credentials(&mut self, phone: Phone<'_>, value: &str) -> DigestVerdict {
        let credentials = DigestCredentials::parse(value.as_bytes()).unwrap();
        let request = DigestRequest {
            method: phone.method.as_bytes(),
            uri: phone.uri.as_bytes(),
            source: address(phone.source),
            transaction: &[phone.branch.as_bytes(), b"call-id"],
        };
        let account = self.accounts.get(&credentials.username);
        self.authenticator.judge(&request, &credentials, account, time(phone.at))
    }

    /// With the number of hashes that it cost.
    fn judge_and_count(&mut self, phone: Phone<'_>) -> (DigestVerdict, u64) {
        let before = self.authenticator.digest_runs();
        let verdict = self.judge(phone);
        (verdict, self.authenticator.digest_runs() - before)
    }
}

impl<'a> Phone<'a> {
    fn alice(nonce: &'a str) -> Self {
        Self {
            name: "alice",
            password: PASSWORD,
            realm: "example.org",
            algorithm: "MD5",
            nonce,
            count: Some("00000001"),
            method: "REGISTER",
            uri: "sip:example.org",
            digest_uri: "sip:example.org",
            source: OFFICE,
            branch: "z9hG4bK-1",
            at: 1_001,
        }
    }

    fn credentials(&self) -> String {
        let algorithm = algorithm(self.algorithm);
        let realm = realm(self.realm);
        let ha1 =
            Ha1::of_password(algorithm.function, self.name.as_bytes(), &realm, self.password.as_bytes());
        let input = DigestInput {
            method: self.method.as_bytes(),
            uri: self.digest_uri.as_bytes(),
            nonce: self.nonce.as_bytes(),
            cnonce: b"c0ffee",
            count: self.count.map(str::as_bytes),
        };
        let response = DigestHasher::default().response(algorithm, &ha1, &input);
        let response = std::str::from_utf8(response.as_bytes()).unwrap();
        let Self { name, nonce, digest_uri, .. } = self;
        let qop = self.count.map(|count| format!(", qop=auth, nc={count}")).unwrap_or_default();
        format!(
            "Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{digest_uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"c0ffee\"{qop}"
        )
    }
}

const RIGHT: DigestVerdict = DigestVerdict::Right { again: false };
const AGAIN: DigestVerdict = DigestVerdict::Right { again: true };
const WRONG: DigestVerdict = DigestVerdict::Wrong(WrongDigest::Response);

fn realm(text: &str) -> Realm {
    Realm::new(text).unwrap()
}

fn algorithm(name: &str) -> Algorithm {
    Algorithm::from_name(name.as_bytes()).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn time(seconds: u64) -> KernelTime {
    KernelTime::START + Duration::from_secs(seconds)
}

fn stale(why: Staleness) -> DigestVerdict {
    DigestVerdict::Stale(why)
}

#[test]
fn breaks_05_there_is_a_challenge_line_for_each_algorithm_in_the_order_of_the_operator() {
    for (algorithms, is_stale, stale) in
        [(&["MD5", "SHA-256"][..], false, ""), (&["SHA-512-256", "MD5-sess", "MD5"], true, ", stale=true")]
    {
        let mut server = Server::new(algorithms);
        let challenges = server.authenticator.challenges(address(OFFICE), is_stale, time(1_000));
        let nonce = challenges[0].split('"').nth(3).unwrap();
        let expected = algorithms.iter().map(|algorithm| {
            format!(
                "Digest realm=\"example.org\", nonce=\"{nonce}\"{stale}, algorithm={algorithm}, qop=\"auth\""
            )
        });
        assert_eq!(challenges, expected.collect::<Vec<_>>());
    }
}

#[test]
fn every_algorithm_works_with_qop_and_without() {
    let names = Algorithm::ALL.map(Algorithm::name);
    let mut server = Server::new(&names);
    for algorithm in names {
        for count in [Some("00000001"), None] {
            let nonce = server.nonce(OFFICE, 1_000);
            let phone = Phone { algorithm, count, ..Phone::alice(&nonce) };
            assert_eq!(server.judge(phone), RIGHT, "{algorithm} {count:?}");
            let nonce = server.nonce(OFFICE, 1_000);
            let phone = Phone { algorithm, count, password: "another", ..Phone::alice(&nonce) };
            assert_eq!(server.judge(phone), WRONG, "{algorithm} {count:?}");
        }
    }
}

#[test]
fn the_response_covers_method_uri_nonce_and_count() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let other = server.nonce(OFFICE, 1_000);
    let phone = Phone::alice(&nonce);
    let right = phone.credentials();
    for (part, altered) in [
        ("uri=\"sip:example.org\"", "uri=\"sip:example.net\""),
        (&*format!("nonce=\"{nonce}\""), &*format!("nonce=\"{other}\"")),
        ("nc=00000001", "nc=00000002"),
        ("nc=00000001", "nc=1"),
        ("cnonce=\"c0ffee\"", "cnonce=\"c0ffef\""),
        (", qop=auth, nc=00000001", ""),
    ] {
        let credentials = right.replace(part, altered);
        assert_ne!(credentials, right);
        assert_eq!(server.judge_credentials(phone, &credentials), WRONG, "{altered}");
    }
    let invite = Phone { method: "INVITE", ..phone };
    assert_eq!(server.judge_credentials(invite, &right), WRONG);
    assert_eq!(server.judge_credentials(phone, &right), RIGHT);
}

#[test]
fn breaks_01_a_retransmission_passes_and_a_copy_with_other_parts_does_not() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let phone = Phone { method: "INVITE", uri: "sip:bob@example.org", ..Phone::alice(&nonce) };
    let phone = Phone { digest_uri: phone.uri, ..phone };
    assert_eq!(server.judge(phone), RIGHT);
    assert_eq!(server.judge(phone), AGAIN);
    let stranger = Phone { source: "198.51.100.1", ..phone };
    assert_eq!(server.judge(stranger), stale(Staleness::Foreign));
    let credentials = phone.credentials();
    for copy in [
        Phone { branch: "z9hG4bK-2", ..phone },
        Phone { uri: "sip:+88213@example.org", ..phone },
        Phone { at: 1_034, ..phone },
    ] {
        assert_eq!(server.judge_credentials(copy, &credentials), stale(Staleness::CountReused));
    }
    assert_eq!(server.judge(phone), AGAIN);
}

#[test]
fn breaks_02_a_wrong_digest_with_a_huge_count_locks_nobody_out() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    assert_eq!(server.judge(Phone::alice(&nonce)), RIGHT);
    let rude = Phone { count: Some("ffffffff"), password: "guess", ..Phone::alice(&nonce) };
    assert_eq!(server.judge(rude), WRONG);
    assert_eq!(server.judge(Phone { count: Some("00000002"), ..Phone::alice(&nonce) }), RIGHT);
}

#[test]
fn breaks_03_a_phone_that_never_counts_is_challenged_anew_and_never_failed() {
    let mut server = Server::new(&["MD5"]);
    for count in [Some("00000001"), None] {
        let mut nonce = server.nonce(OFFICE, 1_000);
        for (request, method) in ["REGISTER", "INVITE", "REGISTER"].into_iter().enumerate() {
            let branch = format!("z9hG4bK-{request}");
            let with = |nonce| Phone { method, branch: &branch, count, ..Phone::alice(nonce) };
            if request > 0 {
                assert_eq!(server.judge(with(&nonce)), stale(Staleness::CountReused), "{count:?}");
            }
            let fresh = server.nonce(OFFICE, 1_000);
            assert_eq!(server.judge(with(&fresh)), RIGHT, "{count:?}");
            nonce = fresh;
        }
    }
}

#[test]
fn breaks_03_count_and_qop_may_be_in_quotes() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let phone = Phone::alice(&nonce);
    let quoted = phone.credentials().replace("qop=auth, nc=00000001", "qop=\"auth\", nc=\"00000001\"");
    let quoted = quoted.replace("algorithm=MD5", "algorithm=\"MD5\"");
    assert_eq!(server.judge_credentials(phone, &quoted), RIGHT);
}

#[test]
fn nonces_that_are_not_current_here_cost_no_digest() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let phone = Phone::alice(&nonce);
    let altered = format!("{}A", &nonce[..35]);
    for (phone, why) in [
        (Phone { at: 1_301, ..phone }, Staleness::Old),
        (Phone { at: 999, ..phone }, Staleness::OtherRun),
        (Phone { source: "192.0.2.2", ..phone }, Staleness::Foreign),
        (Phone { nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", ..phone }, Staleness::Foreign),
        (Phone { nonce: &altered, ..phone }, Staleness::Foreign),
        (Phone { name: "nobody", at: 1_301, ..phone }, Staleness::Old),
        (Phone { password: "guess", at: 1_301, ..phone }, Staleness::Old),
    ] {
        assert_eq!(server.judge_and_count(phone), (stale(why), 0), "{why:?}");
    }
    let settings = AuthenticatorSettings {
        realm: realm("example.org"),
        algorithms: vec![algorithm("MD5")],
        nonce_lifetime: LIFETIME,
    };
    server.authenticator = Authenticator::new(settings, Keys::new([1; 32], None), 8);
    assert_eq!(server.judge_and_count(phone), (stale(Staleness::OtherRun), 0));
}

#[test]
fn breaks_04_credentials_for_another_realm_are_not_judged() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    for realm in ["example.net", "Example.org", "example.org "] {
        let phone = Phone { realm, ..Phone::alice(&nonce) };
        assert_eq!(server.judge_and_count(phone), (DigestVerdict::OtherRealm, 0), "{realm}");
    }
}

#[test]
fn credentials_that_nobody_asked_for_are_refused_without_a_digest_unless_they_are_for_others() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let phone = Phone::alice(&nonce);
    let others = Phone { realm: "example.net", ..phone };
    for (part, altered, error) in [
        ("qop=auth", "qop=auth-int", CredentialsError::Qop),
        ("nc=00000001", "nc=1x", CredentialsError::NonceCount),
        (" nc=00000001", " x=1", CredentialsError::Missing("nc")),
        ("username=", "username*=", CredentialsError::ExtendedUsername),
        ("username=", "userhash=true, username=", CredentialsError::Userhash),
    ] {
        let (own, other) = (phone.credentials(), others.credentials());
        let verdict = server.judge_credentials(phone, &own.replace(part, altered));
        assert_eq!(verdict, DigestVerdict::Malformed(error), "{altered}");
        let verdict = server.judge_credentials(others, &other.replace(part, altered));
        assert_eq!(verdict, DigestVerdict::OtherRealm, "{altered}");
    }
    assert_eq!(server.authenticator.digest_runs(), 0);
}

#[test]
fn algorithms_that_no_line_had_are_not_judged() {
    let mut server = Server::new(&["SHA-256"]);
    let nonce = server.nonce(OFFICE, 1_000);
    for algorithm in ["MD5", "MD5-sess", "SHA-256-sess", "SHA-512-256"] {
        let phone = Phone { algorithm, ..Phone::alice(&nonce) };
        assert_eq!(server.judge_and_count(phone), (DigestVerdict::AlgorithmNotOffered, 0), "{algorithm}");
    }
    let md5 = Phone::alice(&nonce);
    let unsaid = md5.credentials().replace(", algorithm=MD5", "");
    assert_eq!(server.judge_credentials(md5, &unsaid), DigestVerdict::AlgorithmNotOffered);
    let sha = Phone { algorithm: "SHA-256", ..md5 };
    let unknown = sha.credentials().replace("=SHA-256", "=SHA-1024");
    assert_eq!(server.judge_credentials(sha, &unknown), DigestVerdict::AlgorithmNotOffered);
    assert_eq!(server.judge(sha), RIGHT);
}

#[test]
fn breaks_29_an_account_without_that_ha1_is_wrong_and_costs_the_same() {
    let mut server = Server::new(&["MD5", "SHA-256"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let bob = Phone { name: "bob", ..Phone::alice(&nonce) };
    let no_ha1 = DigestVerdict::Wrong(WrongDigest::NoHa1);
    assert_eq!(server.judge_and_count(Phone { algorithm: "SHA-256", ..bob }), (no_ha1, 2));
    assert_eq!(server.judge_and_count(bob), (RIGHT, 2));
}

#[test]
fn names_without_an_account_cost_and_get_the_same() {
    let names = Algorithm::ALL.map(Algorithm::name);
    let mut server = Server::new(&names);
    for algorithm in names {
        let runs = if algorithm.ends_with("-sess") { 3 } else { 2 };
        for count in [Some("00000001"), None] {
            let nonce = server.nonce(OFFICE, 1_000);
            for name in ["alice", "nobody", "", "alice2", "alic\u{e9}"] {
                let phone =
                    Phone { name, algorithm, count, password: "a-wrong-guess", ..Phone::alice(&nonce) };
                assert_eq!(server.judge_and_count(phone), (WRONG, runs), "{name} {algorithm} {count:?}");
            }
        }
    }
}

#[test]
fn nobody_authenticates_without_an_account() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    let ha1 = server.authenticator.dummy_ha1s[HashFunction::Md5 as usize];
    let phone = Phone { name: "nobody", ..Phone::alice(&nonce) };
    let input = DigestInput {
        method: phone.method.as_bytes(),
        uri: phone.digest_uri.as_bytes(),
        nonce: nonce.as_bytes(),
        cnonce: b"c0ffee",
        count: phone.count.map(str::as_bytes),
    };
    let response = DigestHasher::default().response(algorithm("MD5"), &ha1, &input);
    let response = std::str::from_utf8(response.as_bytes()).unwrap();
    let wrong = phone.credentials();
    let credentials = wrong.replace(&wrong[wrong.find("response=").unwrap()..][10..42], response);
    assert_eq!(server.judge_credentials(phone, &credentials), WRONG);
}

/// Clients leave out and change whatever they like there.
#[test]
fn a_digest_uri_that_differs_from_the_requests_is_hashed_as_it_is() {
    let mut server = Server::new(&["MD5"]);
    for (uri, digest_uri) in [
        ("sip:100@example.org", "sip:100@EXAMPLE.ORG:5060;transport=udp"),
        ("tel:+4930", "tel:+4930;phone-context=x"),
        // sipp leaves out the user.
        ("sip:100@example.org", "sip:example.org:5060"),
        ("sip:100@example.org", "sip:101@example.org"),
        ("sip:100@example.org", ""),
    ] {
        let nonce = server.nonce(OFFICE, 1_000);
        let phone = Phone { uri, digest_uri, ..Phone::alice(&nonce) };
        assert_eq!(server.judge(phone), RIGHT, "{uri} {digest_uri}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut server = Server::new(&["MD5"]);
    let nonce = server.nonce(OFFICE, 1_000);
    server.judge(Phone::alice(&nonce));
    let shown = format!("{:?} {:?}", server.authenticator, server.accounts);
    let ha1s = [
        server.accounts.get(b"alice").unwrap().ha1(HashFunction::Md5).unwrap(),
        &server.authenticator.dummy_ha1s[0],
    ];
    for secret in ha1s.map(Ha1::as_hex).iter().chain(&[PASSWORD]) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// The phone asks for a nonce, and begins to count anew.
    Challenge,
    Request {
        wrong: bool,
        again: bool,
    },
    Wait(u64),
    /// Somebody without the password sends anything with that nonce.
    Attack {
        count: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Challenge),
        6 => (prop::bool::weighted(0.2), prop::bool::weighted(0.3))
            .prop_map(|(wrong, again)| Step::Request { wrong, again }),
        1 => (0..200_u64).prop_map(Step::Wait),
        2 => any::<u32>().prop_map(|count| Step::Attack { count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_phone_that_counts_is_right_for_as_long_as_its_nonce_lasts_whatever_others_send(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut server = Server::new(&["MD5"]);
        let mut now = 1_000;
        let (mut nonce, mut issued, mut count) = (server.nonce(OFFICE, now), now, 0_u32);
        let mut latest = None;
        for step in steps {
            match step {
                Step::Challenge => {
                    (nonce, issued, count) = (server.nonce(OFFICE, now), now, 0);
                    latest = None;
                }
                Step::Wait(seconds) => now += seconds,
                Step::Attack { count } => {
                    let digits = format!("{count:08x}");
                    let phone =
                        Phone { count: Some(&digits), password: "guess", at: now, ..Phone::alice(&nonce) };
                    prop_assert_ne!(server.judge(phone), RIGHT);
                }
                Step::Request { wrong, again } => {
                    let is_again = again && !wrong && latest.is_some_and(|at| at + 32 >= now);
                    count += u32::from(!is_again);
                    let (digits, branch) = (format!("{count:08x}"), format!("z9hG4bK-{count}"));
                    let password = if wrong { "guess" } else { PASSWORD };
                    let phone = Phone {
                        count: Some(&digits), branch: &branch, password, at: now, ..Phone::alice(&nonce)
                    };
                    let expected = match (now > issued + 300, wrong, is_again) {
                        (true, ..) => stale(Staleness::Old),
                        (_, true, _) => WRONG,
                        (.., true) => AGAIN,
                        _ => RIGHT,
                    };
                    prop_assert_eq!(server.judge(phone), expected);
                    if expected == RIGHT {
                        latest = Some(now);
                    } else if wrong {
                        latest = None;
                    }
                }
            }
        }
    }

    #[test]
    fn known_and_unknown_names_get_the_same_whatever_is_sent(
        uri in "[ -!#-\\[\\]-~]{0,30}", cnonce in "[ -!#-\\[\\]-~]{0,30}", response in "[0-9a-f]{32}",
        count in prop::option::of("[0-9a-f]{1,8}"), at in 900..1_400_u64,
    ) {
        let mut server = Server::new(&["MD5"]);
        let nonce = server.nonce(OFFICE, 1_000);
        let qop = count.map(|count| format!(", qop=auth, nc={count}")).unwrap_or_default();
        let phone = Phone { at, ..Phone::alice(&nonce) };
        let outcomes = ["alice", "bob", "nobody"].map(|name| {
            let before = server.authenticator.digest_runs();
            let value = format!(
                "Digest username=\"{name}\", realm=\"example.org\", nonce=\"{nonce}\", uri=\"{uri}\", \
                 response={response}, cnonce=\"{cnonce}\"{qop}"
            );
            let verdict = server.judge_credentials(phone, &value);
            (verdict, server.authenticator.digest_runs() - before)
        });
        prop_assert_eq!(outcomes[0], outcomes[2]);
        prop_assert_eq!(outcomes[1], outcomes[2]);
    }
}

#[test]
fn a_flood_of_used_nonces_never_shuts_a_phone_out() {
    let mut server = Server::new(&["MD5"]);
    server.authenticator.counts = NonceCounts::new(16);
    let first = server.nonce(OFFICE, 1_000);
    assert_eq!(server.judge(Phone::alice(&first)), RIGHT);
    for source in repeat_n("198.51.100.1", 64) {
        let nonce = server.nonce(source, 1_000);
        assert_eq!(server.judge(Phone { source, ..Phone::alice(&nonce) }), RIGHT);
    }
    let next = Phone { count: Some("00000002"), ..Phone::alice(&first) };
    assert_eq!(server.judge(next), stale(Staleness::TableFull));
    let second = server.nonce(OFFICE, 1_001);
    assert_eq!(server.judge(Phone::alice(&second)), RIGHT);
    assert_eq!(server.judge(Phone { count: Some("00000002"), ..Phone::alice(&second) }), RIGHT);
}
