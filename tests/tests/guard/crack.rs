//! svcrack guesses the password of one account.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind, password},
    baresip::Baresip,
    guesser::Guesser,
    namespace::v4,
    scratch::Scratch,
};

use crate::site::{ATTACKER, Guarded, PATIENT, PHONE, SOON, Site, sipvicious};

const ACCOUNT: u32 = 201;
/// The shortest there is, a minute, and a ban for who does it twice.
const SETTINGS: &str = "[guard]\nsuspend = { retries = 6, time = '1m' }\npersistent = { count = 2 }\n";
/// Of a busy phone.
const BETWEEN_CALLS: Duration = Duration::from_millis(300);
/// Many more than it takes.
const DICTIONARY: usize = 5_000;

/// The number of requests that svcrack, at two hundred a second, can send before the suspension is in the kernel.
const fn meanwhile(make: PbxKind) -> usize {
    if make.is_kamailio() {
        // The phone's calls are challenged in the same seconds with the same nonces: until svcrack is the first to be
        // challenged in one, nothing is proven.
        1_000
    } else {
        // The sixth answer is on its way.
        100
    }
}

/// Tries so many wrong passwords, then the right one. Whether it has found it.
fn crack(site: &Site, wrong: usize) -> bool {
    let directory = Scratch::new(site.host(ATTACKER));
    let wrong = (0..wrong).map(|n| format!("guess-{n}\n")).collect::<String>();
    let passwords = directory.file("passwords", &format!("{wrong}{}\n", password(ACCOUNT)));
    let options = ["-u", &ACCOUNT.to_string(), "-d", &passwords, "--maximumtime=2"];
    let said = sipvicious(site, "svcrack", &options);
    println!("{said}");
    said.contains(&password(ACCOUNT))
}

#[test]
fn who_guesses_at_a_kamailio_is_suspended_and_then_banned() {
    guesses(PbxKind::Kamailio);
}

#[test]
fn who_guesses_at_an_asterisk_is_suspended_and_then_banned() {
    guesses(PbxKind::Asterisk);
}

fn guesses(make: PbxKind) {
    let site = Site::new();
    let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
    assert!(crack(&site, 40), "without a filter");

    let guarded = Guarded::start(&site, &format!("{PATIENT}{SETTINGS}"));
    let mut phone = Baresip::start(site.host(PHONE), PHONE, ACCOUNT, &password(ACCOUNT));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) {
                phone.call();
                thread::sleep(BETWEEN_CALLS);
                calls += 1;
            }
            calls
        });
        let attack = scope.spawn(|| {
            let _over = Over(&over);
            attack(make, &site, &auth_pbx, &guarded);
        });
        attack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let calls = calls.join().unwrap();
        println!("{make:?}: {calls} calls of the phone");
        assert!(calls >= 10, "{calls}");
    });
    assert_eq!(phone.complaints(), [""; 0]);
    assert_eq!(guarded.closed(ACCOUNT, &v4(PHONE)), None);
}

fn attack(make: PbxKind, site: &Site, auth_pbx: &AuthPbx, guarded: &Guarded<'_>) {
    let attacker = v4(ATTACKER);
    let before = auth_pbx.heard(&attacker);
    assert!(!crack(site, DICTIONARY), "suspended");
    let closed = guarded.wait_for("suspended", SOON, |guarded| guarded.closed(ACCOUNT, &attacker));
    assert_eq!(
        (&closed["status"], &closed["rule"], &closed["count"]),
        (&"suspended".into(), &"suspend".into(), &6.into())
    );
    let heard = auth_pbx.heard(&attacker);
    println!("{} requests until the suspension took effect", heard - before);
    // The first is without credentials.
    assert!((7..=7 + meanwhile(make)).contains(&(heard - before)), "{}", heard - before);
    let dropped = guarded.dropped("suspended");
    assert!(!crack(site, DICTIONARY), "still suspended");
    assert_eq!(auth_pbx.heard(&attacker), heard, "nothing of a suspended account reaches the PBX");
    assert!(guarded.dropped("suspended") > dropped);

    guarded.wait_for("its time is over", Duration::from_secs(90), |guarded| {
        guarded.closed(ACCOUNT, &attacker).is_none().then_some(true.into())
    });
    // More than once, as a phone would: beside other tests the first has been seen to get no answer within its second.
    guarded.wait_for("the PBX answers again, after the suspension", SOON, |_| {
        let asked = Guesser::new(site.host(ATTACKER), &attacker).guess(&ACCOUNT.to_string());
        asked.map(|answer| answer.status.into())
    });

    assert!(!crack(site, DICTIONARY), "suspended again, and banned");
    let ban = guarded.wait_for("banned", SOON, |guarded| guarded.ban(&attacker));
    println!("{ban}");
    let (heard, dropped) = (auth_pbx.heard(&attacker), guarded.dropped("ban"));
    assert!(!crack(site, DICTIONARY), "still banned");
    assert_eq!(auth_pbx.heard(&attacker), heard, "nothing of a banned source reaches the PBX");
    assert!(guarded.dropped("ban") > dropped);

    guarded.sipward.ok(&format!("ban del {attacker}"));
    assert_eq!((guarded.ban(&attacker), guarded.closed(ACCOUNT, &attacker)), (None, None));
    assert!(!crack(site, DICTIONARY), "suspended a third time");
    guarded.wait_for("suspended", SOON, |guarded| guarded.closed(ACCOUNT, &attacker));
    guarded.sipward.ok(&format!("account unlock {ACCOUNT}"));
    assert_eq!((guarded.ban(&attacker), guarded.closed(ACCOUNT, &attacker)), (None, None));
    assert!(crack(site, 3), "as it was without a filter");
}

/// Says so however it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
