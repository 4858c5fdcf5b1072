//! Evidence that proves an address, and evidence that does not, at a real Asterisk: a challenge that others have seen,
//! and a call that needs no credentials.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    caller::PHONE as ORDINARY,
    forge::{Forged, Forger},
    guesser::{Answer, Attempt, Guesser, another},
    namespace::v4,
};

use crate::site::{
    ATTACKER, Guarded, OFFICE, PATIENT, PHONE, SOON, Site, login, next_second, phone_works, plan,
};

/// More than any rule needs.
const GUESSES: usize = 60;
/// Of the phone's, in whose name the attacker sends. Nothing listens there.
const PORTS: [u16; 2] = [6_001, 6_002];

/// Spellings of a Via that directs the answer to another address.
const SPELLINGS: [&str; 5] = [
    ";maddr=ADDRESS",
    ";MADDR=ADDRESS",
    "; maddr = ADDRESS",
    ";maddr\r\n =ADDRESS",
    ";maddr=ADDRESS\rX-Y: z",
];

/// The receivers of the answers: sources whose packets the filter might not tap.
struct Accomplice {
    name: &'static str,
    /// Makes the address what it is; empty for a stranger.
    command: &'static str,
}

const ACCOMPLICES: [Accomplice; 3] = [
    Accomplice { name: "a stranger", command: "" },
    Accomplice { name: "a banned source", command: "ban add ADDRESS" },
    Accomplice { name: "a trusted source", command: "trust add ADDRESS" },
];

/// The attacker, which can forge any source and listens at an address of its own.
struct Attacker {
    forger: Forger,
    ear: UdpSocket,
    address: String,
}

impl Attacker {
    fn new(site: &Site, address: &str) -> Self {
        let host = site.host(ATTACKER);
        let ear = host.udp(&format!("{address}:{}", PORTS[0]));
        ear.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout that is not zero");
        Self { forger: Forger::new(host), ear, address: address.to_owned() }
    }

    /// In the phone's name, from one of its ports.
    fn forge(&self, attempt: &Attempt<'_>, port: u16, spelling: &str) {
        let ip = |number| v4(number).parse::<Ipv4Addr>().expect("an address");
        let source = SocketAddrV4::new(ip(PHONE), port);
        let via = spelling.replace("ADDRESS", &self.address);
        let text = attempt.write(&source.to_string(), another());
        let text = text.replacen(";rport\r\n", &format!(";rport{via}\r\n"), 1);
        let destination = SocketAddrV4::new(ip(1), 5060);
        assert_eq!(self.forger.send(&[Forged { source, destination, payload: text.into_bytes() }]), 1);
    }

    /// A challenge that the phone was sent, if the attacker was sent it too.
    fn steal(&self, spelling: &str) -> Option<Answer> {
        let attempt = Attempt { method: "REGISTER", account: "999", agent: ORDINARY, challenge: None };
        self.forge(&attempt, PORTS[0], "");
        self.forge(&attempt, PORTS[0], spelling);
        let mut buffer = [0; 4096];
        let length = self.ear.recv(&mut buffer).ok()?;
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let quoted = |name: &str| {
            let (_, rest) = answer.split_once(&format!("{name}=\""))?;
            Some(rest.split('"').next()?.to_owned())
        };
        Some(Answer { status: 401, realm: quoted("realm")?, nonce: quoted("nonce")? })
    }
}

#[test]
fn a_challenge_that_somebody_else_was_told_proves_nothing() {
    let site = Site::new();
    let Some(auth_pbx) = AuthPbx::start(PbxKind::Asterisk, site.pbx()) else { return };
    let addresses = site.attackers(ACCOMPLICES.len());
    let guarded = Guarded::start(&site, PATIENT);
    phone_works(&site);
    assert_eq!(site.caller(OFFICE).run(&plan("login", 1, 1, &[login(205)])).failed, 0);
    guarded
        .wait_for("the phone is known", SOON, |guarded| guarded.is_known(&v4(PHONE)).then_some(true.into()));
    let mut stolen = 0;
    for (Accomplice { name, command }, address) in ACCOMPLICES.iter().zip(&addresses) {
        if !command.is_empty() {
            guarded.sipward.run(&command.replace("ADDRESS", address));
        }
        let attacker = Attacker::new(&site, address);
        for spelling in SPELLINGS {
            next_second();
            let Some(challenge) = attacker.steal(spelling) else { continue };
            stolen += 1;
            let heard = auth_pbx.heard(&v4(PHONE));
            for n in 0..GUESSES {
                let account = format!("acc{n}x");
                let challenge = Some(&challenge);
                let attempt = Attempt { method: "MESSAGE", account: &account, agent: ORDINARY, challenge };
                attacker.forge(&attempt, PORTS[n % 2], "");
            }
            println!("{name}, {spelling:?}: {} guesses reached the PBX", auth_pbx.heard(&v4(PHONE)) - heard);
        }
    }
    println!("the attacker received {stolen} of {} challenges", SPELLINGS.len() * ACCOMPLICES.len());
    std::thread::sleep(Duration::from_secs(2));
    for decided in ["suspended", "locked", "banned"] {
        assert_eq!(guarded.decided(decided), [""; 0], "{decided}\n{}", guarded.state());
    }
    assert!(guarded.is_known(&v4(PHONE)));
    phone_works(&site);
}

#[test]
fn a_call_that_anybody_may_make_is_nobodys_success() {
    let site = Site::new();
    let Some(_auth_pbx) = AuthPbx::start(PbxKind::AnonymousAsterisk, site.pbx()) else { return };
    let guarded = Guarded::start(&site, PATIENT);
    let address = v4(ATTACKER);
    let guesser = Guesser::new(site.host(ATTACKER), &address);
    let mut challenge = guesser.ask("REGISTER", "201").expect("a challenge");
    let guess = |method, challenge: &Answer| {
        let attempt = Attempt { method, account: "201", agent: ORDINARY, challenge: Some(challenge) };
        if method == "INVITE" {
            guesser.send_as("nobody@anon.invalid", &attempt)
        } else {
            guesser.send(&attempt)
        }
    };
    for _ in 0..5 {
        challenge = guess("REGISTER", &challenge).expect("a refusal");
        assert_eq!(challenge.status, 401);
    }
    guarded.wait_for("the failures are seen", SOON, |guarded| {
        (guarded.guard("evidence") >= 6).then_some(true.into())
    });
    assert_eq!(
        guess("INVITE", &challenge).expect("an answer").status,
        200,
        "it is let in without any look at them"
    );
    guarded.wait_for("the call is seen", SOON, |guarded| {
        (guarded.guard("evidence") >= 7).then_some(true.into())
    });
    assert!(!guarded.is_known(&address));
    // The sixth failure in a row.
    assert_eq!(guess("REGISTER", &challenge).expect("a refusal").status, 401);
    guarded.wait_for("it is suspended", SOON, |guarded| guarded.closed(201, &address));
}
