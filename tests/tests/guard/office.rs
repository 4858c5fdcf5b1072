//! Forty phones behind one address, which register anew after the PBX was away: three of them with a wrong password,
//! again and again.

use std::{ops::RangeInclusive, thread};

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    caller::{Login, Tally},
    namespace::v4,
};

use crate::site::{Guarded, OFFICE, SOON, Site, login, plan};

const PHONES: RangeInclusive<u32> = 201..=240;
const RIGHT: u32 = 37;
/// Of the wrong ones, all together, three a second.
const ATTEMPTS: u32 = 30;
/// Six of each, and what is on its way meanwhile.
const REFUSED: RangeInclusive<u32> = 18..=24;

#[test]
fn an_office_with_three_wrong_phones_works_after_an_outage_of_a_kamailio() {
    office(PbxKind::Kamailio);
}

#[test]
fn an_office_with_three_wrong_phones_works_after_an_outage_of_an_asterisk() {
    office(PbxKind::Asterisk);
}

fn office(make: PbxKind) {
    let site = Site::new();
    let Some(auth_pbx) = AuthPbx::start(make, site.pbx()) else { return };
    // With all limits and signatures that there are by default.
    let guarded = Guarded::start(&site, "");
    let (caller, address) = (site.caller(OFFICE), v4(OFFICE));
    let all: Vec<_> = PHONES.map(login).collect();
    assert_eq!(caller.run(&plan("login", 40, 4, &all)), Tally::all(40), "they come one after the other");
    guarded.wait_for("an office", SOON, |guarded| (guarded.guard("phones") == 40).then_some(true.into()));

    drop(auth_pbx);
    let auth_pbx = AuthPbx::start(make, site.pbx()).expect("it was there before");
    let (right, wrong) = all.split_at(RIGHT as usize);
    let mistyped = |login: &Login| Login { password: "wrong".to_owned(), ..login.clone() };
    let wrong: Vec<_> = wrong.iter().map(mistyped).collect();
    thread::scope(|scope| {
        let right = scope.spawn(|| caller.run(&plan("login", RIGHT, RIGHT / 2, right)));
        let wrong = scope.spawn(|| caller.run(&plan("guess", ATTEMPTS, 3, &wrong)));
        assert_eq!(right.join().unwrap(), Tally::all(RIGHT));
        let Tally { successful: refused, failed: unanswered } = wrong.join().unwrap();
        println!("{make:?}: of {ATTEMPTS} wrong registrations {refused} were refused, {unanswered} dropped");
        assert!(REFUSED.contains(&refused), "{refused}\n{}", guarded.state());
    });
    assert_eq!(guarded.ban(&address), None);
    let closed: Vec<u32> = PHONES.filter(|account| guarded.closed(*account, &address).is_some()).collect();
    assert_eq!(closed, [238, 239, 240], "{}", guarded.state());
    assert_eq!(caller.run(&plan("line", RIGHT, 10, right)), Tally::all(RIGHT));
    assert!(auth_pbx.heard(&address) >= 4 * RIGHT as usize);
}
