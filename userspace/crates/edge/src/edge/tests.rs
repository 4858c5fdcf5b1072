mod clock;
mod dialogs;
mod hostile;
mod in_dialog;
mod refusals;
mod registrations;
mod torture;

use std::{net::SocketAddr, time::Duration};

use super::*;
use crate::{
    account::{AccountName, AccountStatus, Password, Secret},
    digest::{DigestHasher, DigestInput, Ha1, HashFunction, Realm},
    forward::Reach,
    settings::Listen,
};

const PHONE: &str = "198.51.100.7:5060";
const OTHER: &str = "198.51.100.8:5060";
const PBX: &str = "127.0.0.1:5080";
const PASSWORD: &str = "correct horse";
const REALM: &str = "pbx";

fn settings() -> Settings {
    let listen = |transport| Listen {
        transport,
        address: "192.0.2.1:5060".parse().unwrap(),
        advertised: "192.0.2.1".to_owned(),
    };
    Settings {
        listen: vec![listen(Transport::Udp), listen(Transport::Tcp)],
        inner: "127.0.0.1:5070".parse().unwrap(),
        pbx: PBX.parse().unwrap(),
        realm: Realm::new(REALM).unwrap(),
        challenge: Challenge::default(),
        is_silent: false,
        algorithms: vec![HashFunction::Md5],
        nonce_lifetime: Duration::from_secs(300),
        reach: Reach::Contact,
        accounts: None,
    }
}

fn account(name: &str) -> crate::account::Account {
    let secret = Secret::Password(Password::new(PASSWORD).unwrap());
    crate::account::Account::new(AccountName::new(name).unwrap(), secret)
}

fn accounts() -> Vec<crate::account::Account> {
    let mut accounts: Vec<_> =
        ["201", "202", "locked", "disabled", "expired", "elsewhere"].map(account).into();
    accounts[2].status = AccountStatus::Locked;
    accounts[3].status = AccountStatus::Disabled;
    accounts[4].expires = Some(WallSeconds::new(1));
    accounts[5].allowed = vec!["203.0.113.0/24".parse().unwrap()];
    accounts
}

/// The edge, and the time.
struct TestEdge {
    edge: Edge,
    seconds: u64,
}

impl TestEdge {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        let accounts = Accounts::new(accounts(), &settings.realm, &settings.algorithms).unwrap();
        Self { edge: Edge::new(settings, Keys::new([7; 32], None), Arc::new(accounts), 1), seconds: 1_000 }
    }

    fn now(&self) -> Now {
        Now {
            kernel: KernelTime::from_nanos(self.seconds * 1_000_000_000),
            wall: WallSeconds::new(self.seconds),
        }
    }

    fn receive(&mut self, from: Link, message: &str) -> Received {
        let carrier = if from.transport == Transport::Udp { Carrier::Datagram } else { Carrier::Stream };
        self.edge.receive(from, carrier, message.as_bytes(), self.now())
    }

    /// The status and text of the one answer to what a phone sends.
    fn ask(&mut self, from: &str, message: &str) -> (u16, String) {
        let received = self.receive(udp(from), message);
        let [sent] = &received.sends[..] else { panic!("{received:?}") };
        assert_eq!(sent.to.side, Side::Outer, "{received:?}");
        let text = String::from_utf8(sent.bytes.clone()).unwrap();
        (text[8..11].parse().unwrap(), text)
    }

    /// Answers the challenge to a request with these credentials.
    fn try_password(&mut self, from: &str, request: &Request<'_>, password: &str) -> Received {
        let (status, challenge) = self.ask(from, &request.text(""));
        assert_eq!(status, 401, "{challenge}");
        let credentials = request.credentials(&challenge, password);
        self.receive(udp(from), &request.text(&credentials))
    }
}

fn udp(peer: &str) -> Link {
    Link {
        side: Side::Outer,
        listener: 0,
        transport: Transport::Udp,
        peer: peer.parse().unwrap(),
        connection: 0,
    }
}

fn pbx() -> Link {
    Link { side: Side::Inner, peer: PBX.parse::<SocketAddr>().unwrap(), ..udp(PHONE) }
}

#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    account: &'a str,
    number: u32,
}

impl Request<'_> {
    fn register(account: &str) -> Request<'_> {
        Request { method: "REGISTER", account, number: 1 }
    }

    fn text(&self, more: &str) -> String {
        let Self { method, account, number } = self;
        let to = if *method == "REGISTER" { account } else { "600" };
        format!(
            "{method} sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK{number}{};rport\r\n\
             From: <sip:{account}@192.0.2.1>;tag=f\r\nTo: <sip:{to}@192.0.2.1>\r\nCall-ID: {account}-{number}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:{account}@10.0.0.7:5060>\r\nExpires: 600\r\n{more}\
             Content-Length: 0\r\n\r\n",
            more.len()
        )
    }

    fn credentials(&self, challenge: &str, password: &str) -> String {
        let nonce = parameter(challenge, "nonce");
        let ha1 = Ha1::of_password(
            HashFunction::Md5,
            self.account.as_bytes(),
            &Realm::new(REALM).unwrap(),
            password.as_bytes(),
        );
        let input = DigestInput {
            method: self.method.as_bytes(),
            uri: b"sip:192.0.2.1",
            nonce: nonce.as_bytes(),
            cnonce: b"c",
            count: Some(b"00000001"),
        };
        let response =
            DigestHasher::default().response(Algorithm::new(HashFunction::Md5, false), &ha1, &input);
        let account = self.account;
        let header = if challenge.contains("\r\nWWW-") { "Authorization" } else { "Proxy-Authorization" };
        format!(
            "{header}: Digest username=\"{account}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:192.0.2.1\", \
             response=\"{}\", algorithm=MD5, cnonce=\"c\", nc=00000001, qop=auth\r\n",
            String::from_utf8_lossy(response.as_bytes())
        )
    }
}

fn parameter<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {text}"));
    rest.split_once('"').unwrap().0
}

fn status(received: &Received) -> u16 {
    let [sent] = &received.sends[..] else { panic!("{received:?}") };
    String::from_utf8_lossy(&sent.bytes)[8..11].parse().unwrap()
}

fn is_sent_on(received: &Received) -> bool {
    received.sends.iter().any(|sent| sent.to.side == Side::Inner)
}

#[test]
fn a_phone_registers_and_the_answer_of_the_pbx_says_for_how_long() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let received = edge.try_password(PHONE, &request, PASSWORD);
    let [sent] = &received.sends[..] else { panic!("{received:?}") };
    let text = String::from_utf8(sent.bytes.clone()).unwrap();
    assert_eq!((sent.to.side, sent.to.peer), (Side::Inner, PBX.parse().unwrap()));
    assert!(text.contains("X-Sipward-Source: 198.51.100.7:5060;udp;201\r\n"), "{text}");
    assert!(!text.contains("Authorization"), "{text}");
    assert_eq!(received.evidence.len(), 1);
    assert_eq!(received.evidence[0].outcome, Outcome::Succeeded);

    let head = text.split_once("\r\n").unwrap().1;
    let answer = format!("SIP/2.0 200 OK\r\n{}", head.replace("Expires: 600", "Expires: 120"));
    let received = edge.receive(pbx(), &answer);
    let [sent] = &received.sends[..] else { panic!("{received:?}") };
    assert_eq!(sent.to, udp(PHONE));
    let text = String::from_utf8(sent.bytes.clone()).unwrap();
    assert!(text.contains("Contact: <sip:201@10.0.0.7:5060>"), "{text}");
    let outcome = &received.evidence[0].outcome;
    let contact = "201@10.0.0.7:5060".to_owned();
    assert_eq!(*outcome, Outcome::Registered { contact, lasts: Duration::from_secs(120) });
    // Only once, whatever else comes.
    assert_eq!(edge.receive(pbx(), &answer).evidence, []);
}

#[test]
fn a_wrong_password_is_a_proven_failure_and_a_suspension_costs_no_digest() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    for number in 1..=6 {
        let received = edge.try_password(PHONE, &Request { number, ..request }, "wrong");
        assert_eq!((status(&received), received.cause), (401, Some(Cause::WrongPassword)));
        let Outcome::Failed { attempt } = &received.evidence[0].outcome else { panic!("{received:?}") };
        assert!(received.evidence[0].outcome.is_proven() && !attempt.is_empty());
    }
    let name = Account::new(b"201").unwrap();
    let until = KernelTime::from_nanos((edge.seconds + 180) * 1_000_000_000);
    edge.edge.in_force().suspend(name.clone(), PHONE.parse::<SocketAddr>().unwrap().ip(), until);
    let runs = edge.edge.digest_runs();
    for text in [request.text(""), request.text(&request.credentials("nonce=\"x\"", PASSWORD))] {
        let received = edge.receive(udp(PHONE), &text);
        assert_eq!((status(&received), received.cause), (403, Some(Cause::Suspended)));
    }
    assert_eq!((edge.edge.digest_runs(), edge.edge.counters().of(Cause::Suspended)), (runs, 2));
    // Its own phone elsewhere goes on meanwhile, and so does its neighbour.
    assert!(is_sent_on(&edge.try_password(OTHER, &request, PASSWORD)));
    assert!(is_sent_on(&edge.try_password(PHONE, &Request::register("202"), PASSWORD)));
    edge.seconds += 180;
    assert!(is_sent_on(&edge.try_password(PHONE, &Request { number: 9, ..request }, PASSWORD)));
}

#[test]
fn names_without_an_account_are_suspended_answered_and_hashed_like_others() {
    let mut edge = TestEdge::new();
    let mut seen = Vec::new();
    for account in ["202", "299"] {
        let before = edge.edge.digest_runs();
        let received = edge.try_password(PHONE, &Request::register(account), "wrong");
        let text = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        let nonce = parameter(&text, "nonce").to_owned();
        let answer = text.replace(account, "NAME").replace(&nonce, "NONCE");
        let tag = answer.split_once(";tag=f\r\nTo").unwrap().1.split_once(";tag=").unwrap().1;
        let tag = tag.split_once("\r\n").unwrap().0.to_owned();
        seen.push((answer.replace(&tag, "TAG"), edge.edge.digest_runs() - before, received.cause));
    }
    assert_eq!(seen[0], seen[1]);
    let source = PHONE.parse::<SocketAddr>().unwrap().ip();
    for account in ["202", "299"] {
        edge.edge.in_force().suspend(Account::new(account.as_bytes()).unwrap(), source, KernelTime::FOREVER);
        assert_eq!(edge.ask(PHONE, &Request::register(account).text("")).0, 403);
    }
}

#[test]
fn the_operator_refuses_with_its_reason_only_whoever_has_the_password() {
    for (account, cause) in [
        ("locked", Cause::Locked),
        ("disabled", Cause::Disabled),
        ("expired", Cause::Expired),
        ("elsewhere", Cause::AddressNotAllowed),
    ] {
        let mut edge = TestEdge::new();
        let request = Request::register(account);
        assert_eq!(status(&edge.try_password(PHONE, &request, "wrong")), 401, "{account}");
        let received = edge.try_password(PHONE, &Request { number: 2, ..request }, PASSWORD);
        assert_eq!((status(&received), received.cause), (403, Some(cause)));
        let text = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        assert!(text.contains(&format!("Warning: 399 pbx \"{}\"", cause::warning(cause).unwrap())), "{text}");
        assert_eq!(received.evidence, [], "it is no failure of whoever knows the password");
    }
    let received =
        TestEdge::new().try_password("203.0.113.9:5060", &Request::register("elsewhere"), PASSWORD);
    assert!(is_sent_on(&received));
}

#[test]
fn an_account_speaks_for_itself_only() {
    let mut edge = TestEdge::new();
    for method in ["REGISTER", "INVITE"] {
        let own = Request { method, account: "201", number: 1 };
        let (_, challenge) = edge.ask(PHONE, &own.text(""));
        let credentials = own.credentials(&challenge, PASSWORD);
        let for_other = Request { account: "202", ..own };
        let received = edge.receive(udp(PHONE), &for_other.text(&credentials));
        assert_eq!((status(&received), received.cause), (403, Some(Cause::OtherAccount)), "{method}");
    }
}

#[test]
fn somebody_who_hides_the_name_calls_by_the_right_password_and_does_not_register() {
    for (method, expected) in [("INVITE", true), ("REGISTER", false)] {
        let mut edge = TestEdge::new();
        let request = Request { method, account: "201", number: 1 };
        let hidden = |text: String| {
            text.replace("From: <sip:201@192.0.2.1>", "From: <sip:anonymous@anonymous.invalid>")
        };
        let (_, challenge) = edge.ask(PHONE, &hidden(request.text("")));
        let received =
            edge.receive(udp(PHONE), &hidden(request.text(&request.credentials(&challenge, PASSWORD))));
        assert_eq!(is_sent_on(&received), expected, "{method}");
        let sent = String::from_utf8_lossy(&received.sends[0].bytes).into_owned();
        assert_eq!(sent.contains("X-Sipward-Source: 198.51.100.7:5060;udp;201\r\n"), expected, "{sent}");
    }
}

#[test]
fn the_challenge_is_as_the_operator_wants_it() {
    for (challenge, method, status, headers) in [
        (Challenge::Unauthorized, "INVITE", 401, [true, false]),
        (Challenge::Unauthorized, "REGISTER", 401, [true, false]),
        (Challenge::ProxyAuthentication, "REGISTER", 407, [false, true]),
        (Challenge::Both, "REGISTER", 401, [true, true]),
        (Challenge::Both, "INVITE", 407, [true, true]),
    ] {
        let mut edge = TestEdge::with(Settings { challenge, ..settings() });
        let request = Request { method, account: "201", number: 1 };
        let (found, text) = edge.ask(PHONE, &request.text(""));
        let has = ["\r\nWWW-Authenticate: ", "\r\nProxy-Authenticate: "].map(|header| text.contains(header));
        assert_eq!((found, has), (status, headers), "{challenge:?} {method}");
        let credentials = request.credentials(&text, PASSWORD);
        // In the list of what breaks it is the fourth: the header that answers is as good as the other.
        let swapped = match credentials.strip_prefix("Proxy-") {
            Some(rest) => rest.to_owned(),
            None => format!("Proxy-{credentials}"),
        };
        assert!(is_sent_on(&edge.receive(udp(PHONE), &request.text(&swapped))), "{challenge:?} {method}");
    }
}

#[test]
fn breaks_05_all_challenge_lines_are_there_with_md5_first() {
    let algorithms = vec![HashFunction::Md5, HashFunction::Sha256];
    let mut edge = TestEdge::with(Settings { algorithms, ..settings() });
    let (_, text) = edge.ask(PHONE, &Request::register("201").text(""));
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("WWW-Authenticate")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("algorithm=MD5,") && lines[1].contains("algorithm=SHA-256,"), "{text}");
}

#[test]
fn breaks_01_an_invite_that_is_sent_again_is_sent_on_again() {
    let mut edge = TestEdge::new();
    let request = Request { method: "INVITE", account: "201", number: 1 };
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    let text = request.text(&request.credentials(&challenge, PASSWORD));
    let first = edge.receive(udp(PHONE), &text);
    let again = edge.receive(udp(PHONE), &text);
    assert!(is_sent_on(&first));
    assert_eq!(first.sends, again.sends);
    // The same credentials in another request are asked for again, and that is no failure.
    let replayed = Request { number: 2, ..request }.text(&request.credentials(&challenge, PASSWORD));
    let received = edge.receive(udp(PHONE), &replayed);
    assert_eq!((status(&received), received.cause), (401, Some(Cause::StaleNonces)));
}

/// Both in one request: the old one is no reason to ask again.
#[test]
fn breaks_04_of_credentials_in_both_headers_the_fresh_ones_count() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let (_, old) = edge.ask(OTHER, &request.text(""));
    let (_, fresh) = edge.ask(PHONE, &request.text(""));
    let old = request.credentials(&old, PASSWORD);
    let fresh = format!("Proxy-{}", request.credentials(&fresh, PASSWORD));
    assert!(is_sent_on(&edge.receive(udp(PHONE), &request.text(&(old.clone() + &fresh)))));
    let other = fresh.replace("username=\"201\"", "username=\"202\"");
    let received = edge.receive(udp(PHONE), &request.text(&(old + &other)));
    assert_eq!(
        (status(&received), received.cause),
        (400, Some(Cause::Credentials)),
        "of two names none is right"
    );
}

#[test]
fn the_operator_learns_more_about_a_refusal_than_its_sender() {
    let request = Request::register("201");
    for (change, password, cause, detail) in [
        ("", "wrong", Cause::WrongPassword, "response"),
        ("To: <sip:201@x>\r\n", PASSWORD, Cause::Unclear, "repeated-header"),
        ("Authorization: Digest realm=pbx\r\n", PASSWORD, Cause::Credentials, "the credentials lack"),
    ] {
        let mut edge = TestEdge::new();
        let (_, challenge) = edge.ask(PHONE, &request.text(""));
        let credentials = if change.starts_with("Auth") {
            String::new()
        } else {
            request.credentials(&challenge, password)
        };
        let received = edge.receive(udp(PHONE), &request.text(&(credentials + change)));
        let text = String::from_utf8_lossy(&received.sends[0].bytes);
        assert_eq!(received.cause, Some(cause), "{text}");
        assert!(received.detail.as_ref().is_some_and(|said| said.starts_with(detail)), "{received:?}");
        assert!(!text.contains(detail), "{text}");
    }
    let mut edge = TestEdge::new();
    let (_, challenge) = edge.ask(OTHER, &request.text(""));
    let received = edge.receive(udp(PHONE), &request.text(&request.credentials(&challenge, PASSWORD)));
    assert_eq!(received.detail.as_deref(), Some("nonce-foreign"));
}

/// Of each of six challenge lines, which have one nonce together.
#[test]
fn breaks_04_a_phone_may_answer_each_header_by_each_algorithm() {
    let mut edge = TestEdge::with(Settings {
        challenge: Challenge::Both,
        algorithms: vec![HashFunction::Md5, HashFunction::Sha256, HashFunction::Sha512_256],
        ..settings()
    });
    let request = Request::register("201");
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    assert_eq!(challenge.matches("-Authenticate: ").count(), 6, "{challenge}");
    let right = request.credentials(&challenge, PASSWORD);
    let others = format!("Proxy-{right}{right}Proxy-{right}{right}Proxy-{right}");
    let all = right.clone() + &others;
    let received = edge.receive(udp(PHONE), &request.text(&all));
    assert!(is_sent_on(&received), "{received:?}");
    let sent = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    assert!(!sent.contains("Authorization"), "{sent}");
    let received = edge.receive(udp(PHONE), &request.text(&(all + &right)));
    assert_eq!((status(&received), received.cause), (400, Some(Cause::Credentials)), "seven");
}

#[test]
fn breaks_02_a_wrong_digest_with_a_huge_count_locks_no_phone_out() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    let right = request.credentials(&challenge, PASSWORD);
    let wrong = request.credentials(&challenge, "wrong").replace("nc=00000001", "nc=fffffff0");
    assert_eq!(status(&edge.receive(udp(PHONE), &request.text(&wrong))), 401);
    assert!(is_sent_on(&edge.receive(udp(PHONE), &request.text(&right))));
}

#[test]
fn a_nonce_of_another_address_or_server_is_stale_and_no_failure() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    for challenge in [challenge.as_str(), "nonce=\"6ba7b810\"\r\nWWW-"] {
        let text = request.text(&request.credentials(challenge, PASSWORD));
        let received = edge.receive(udp(OTHER), &text);
        assert_eq!((status(&received), received.cause), (401, Some(Cause::StaleNonces)));
        assert_eq!(received.evidence[0].outcome, Outcome::Stale);
        let text = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
        assert!(text.contains("stale=true"), "{text}");
    }
}

#[test]
fn breaks_06_a_tag_is_no_dialog_and_an_ack_to_the_edges_own_answer_ends_there() {
    let mut edge = TestEdge::new();
    let request = Request { method: "INVITE", account: "201", number: 1 };
    let invented = request.text("").replace("<sip:600@192.0.2.1>", "<sip:600@192.0.2.1>;tag=invented");
    let received = edge.receive(udp(PHONE), &invented);
    assert_eq!((status(&received), received.cause), (481, Some(Cause::NoDialog)));
    let (_, challenge) = edge.ask(PHONE, &request.text(""));
    let tag =
        challenge.split_once("\r\nTo: <sip:600@192.0.2.1>;tag=").unwrap().1.split_once("\r\n").unwrap().0;
    let ack = request
        .text("")
        .replace("INVITE", "ACK")
        .replace("600@192.0.2.1>", &format!("600@192.0.2.1>;tag={tag}"));
    let received = edge.receive(udp(PHONE), &ack);
    assert!(received.sends.is_empty() && received.evidence.is_empty(), "{received:?}");
}

/// For PJSIP it is a REGISTER, so it would be of whoever To says.
#[test]
fn a_method_in_other_letters_is_unclear() {
    let mut edge = TestEdge::new();
    for method in ["register", "Invite", "bye"] {
        let received = edge.receive(udp(PHONE), &Request { method, account: "201", number: 1 }.text(""));
        assert_eq!((status(&received), received.cause), (400, Some(Cause::Unclear)), "{method}");
    }
    let own = Request { method: "Vendor-Ping", account: "201", number: 1 };
    assert_eq!(edge.ask(PHONE, &own.text("")).0, 401, "one that nobody knows is what it is");
}

#[test]
fn with_silence_refusals_are_not_answered_and_challenges_are() {
    let mut edge = TestEdge::with(Settings { is_silent: true, ..settings() });
    let request = Request::register("locked");
    let received = edge.try_password(PHONE, &request, PASSWORD);
    assert!(received.sends.is_empty(), "{received:?}");
    assert_eq!(received.cause, Some(Cause::Locked));
}

#[test]
fn breaks_28_on_the_inner_side_nobody_is_heard_but_the_pbx() {
    let mut edge = TestEdge::new();
    let stranger = Link { peer: "127.0.0.2:5080".parse().unwrap(), ..pbx() };
    let received = edge.receive(stranger, &Request { method: "INVITE", account: "201", number: 1 }.text(""));
    assert!(received.sends.is_empty());
    assert_eq!(received.cause, Some(Cause::NotThePbx));
}

#[test]
fn whoever_called_is_told_that_the_phones_connection_is_gone() {
    let mut edge = TestEdge::new();
    let tcp = Link { listener: 1, transport: Transport::Tcp, connection: 5, ..udp(PHONE) };
    let request = Request::register("201");
    let text = |more: &str| request.text(more).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let asked = edge.receive(tcp, &text(""));
    let challenge = String::from_utf8(asked.sends[0].bytes.clone()).unwrap();
    let received = edge.receive(tcp, &text(&request.credentials(&challenge, PASSWORD)));
    let register = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    let contact = register.split_once("\r\nContact: <").unwrap().1.split_once('>').unwrap().0;

    let inner = Link { listener: 1, transport: Transport::Tcp, connection: 9, ..pbx() };
    let invite = Request { method: "INVITE", account: "202", number: 3 }
        .text("")
        .replace("sip:192.0.2.1 SIP", &format!("{contact} SIP"))
        .replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let received = edge.receive(inner, &invite);
    let [sent] = &received.sends[..] else { panic!("{received:?}") };
    assert_eq!(sent.to, tcp);
    let told = edge.edge.gone(&sent.bytes, sent.to);
    let [answer] = &told.sends[..] else { panic!("{told:?}") };
    assert_eq!((answer.to.side, status(&told)), (Side::Inner, 480));
    // Of a PBX that cannot be reached, the phone is told to come back.
    let sent = &edge.receive(tcp, &text(&request.credentials(&challenge, PASSWORD))).sends[0];
    let told = edge.edge.gone(&sent.bytes, sent.to);
    let answer = String::from_utf8(told.sends[0].bytes.clone()).unwrap();
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
}
