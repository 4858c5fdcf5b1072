//! More suspensions than one answer holds.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use sipward::{
    clock::Clock,
    store::{Store, Suspended, Suspension},
};
use sipward_engine::guard::{Rule, Trigger};
use sipward_tests::{
    command::Sipward,
    daemon::Daemon,
    namespace::{Lan, Namespace},
    scratch::Scratch,
};
use sipward_types::account::Account;
use sipward_types::time::{KernelTime, WallTime};

/// Two pages and a half.
const COUNT: u32 = 2_500;
/// At the last of the sources.
const LONG: &str = "somebody-whose-name-is-so-long-that-tables-would-be-this-wide";

fn suspension(number: u32) -> Suspension {
    let name = if number == COUNT - 1 { LONG.to_owned() } else { (100 + number % 7).to_string() };
    Suspension {
        what: Suspended::Account(Account::new(name.as_bytes()).expect("a name")),
        source: Some(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number))),
        until: KernelTime::FOREVER,
        since: WallTime::from_millis(0),
        who: "guard".to_owned(),
        trigger: Trigger { rule: Rule::Suspend, count: 6, seconds: 2 },
        strict: false,
    }
}

fn suspend_all(sipward: &Sipward<'_>) {
    let mut store = Store::open(&sipward.state().join("sipward.db")).expect("a store");
    let (mut change, clock) = (store.begin().expect("a change"), Clock::read());
    for number in 0..COUNT {
        change.suspend(&suspension(number), &clock).expect("room");
    }
    change.commit().expect("on disk");
}

#[test]
fn all_of_them_are_listed_whoever_is_asked() {
    let lan = Lan::new(["pbx"]);
    let [pbx]: [&Namespace; 1] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    suspend_all(&sipward);
    each_is_there_once(&sipward);
    let scratch = Scratch::new(pbx);
    let daemon = Daemon::start(&sipward, &scratch.file("sipward.toml", "interface = \"eth0\"\n"));
    each_is_there_once(&sipward);
    daemon.terminate();
}

fn each_is_there_once(sipward: &Sipward<'_>) {
    let source = |closed: &Value| closed["source"].as_str().expect("a source").to_owned();
    let expected: Vec<_> =
        (0..COUNT).map(|number| Ipv4Addr::from_bits(0x0a00_0000 + number).to_string()).collect();
    let listed: Vec<_> = sipward.json("account list").iter().map(source).collect();
    assert_eq!(listed, expected);
    let some: Vec<_> = sipward.json("account list --name 103").iter().map(source).collect();
    let every_seventh: Vec<_> = expected.iter().skip(3).step_by(7).cloned().collect();
    assert_eq!(some, every_seventh);
    let text = sipward.ok("account list");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + COUNT as usize);
    assert!(lines.last().is_some_and(|line| line.starts_with(LONG)), "{:?}", lines.last());
    assert!(lines[0].len() < LONG.len(), "shown while it is read: {}", lines[0]);
}
