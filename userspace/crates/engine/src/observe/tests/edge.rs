//! The sockets of sipward's own SIP front, which hands in itself what it knows.

use std::sync::Arc;

use super::{
    script::{PBX, at_second, packets, run},
    transcripts::register,
};
use crate::observe::{Diagnosis, EdgeSocket, Observer, Settings, Subject};
use sipward_types::{account::Account, cause::Cause, evidence::Proof, flow::Transport};

/// One whose edge answers at that address over UDP.
fn observer(edge: &str) -> Observer {
    let mut observer = Observer::new(Settings::default());
    let socket = EdgeSocket { transport: Transport::Udp, address: edge.parse().unwrap() };
    observer.set_edge(Arc::from([socket]));
    observer
}

fn causes(observer: &Observer) -> Vec<(Cause, u32)> {
    let lines = observer.diagnose(Subject::Account("100"), at_second(300.0));
    lines.iter().map(|line| (line.cause, line.count)).collect()
}

fn refused(cause: Cause, count: u32, second: f64) -> Diagnosis {
    Diagnosis {
        cause,
        account: Account::new(b"100"),
        source: "192.0.2.7".parse().unwrap(),
        count,
        since: at_second(second),
        last: at_second(second),
        status: Some(403),
        proof: Proof::Proven,
    }
}

/// A wrong password again and again, a refusal, a PBX that cannot be reached, and nothing after a challenge.
fn script() -> String {
    let round = |n: u32| {
        register(1.0 + f64::from(n), n + 2, &format!("nonce-00{n}"), &format!("401 nonce-00{}", n + 1))
    };
    [
        register(1.0, 1, "", "401 nonce-000"),
        round(0),
        round(1),
        round(2),
        register(20.0, 11, "", "403"),
        register(30.0, 12, "", "503"),
        register(40.0, 13, "", "401 nonce-100"),
    ]
    .concat()
}

#[test]
fn the_edges_own_refusals_are_neither_evidence_nor_diagnosed_twice() {
    let mut at_edge = observer(PBX);
    assert_eq!(run(&mut at_edge, &packets(&script())), []);
    assert_eq!(causes(&at_edge), [(Cause::ChallengeIgnored, 1), (Cause::AuthLoop, 1)]);
}

#[test]
fn another_address_with_the_port_of_the_edge_is_observed() {
    let mut beside = observer("198.51.100.6:5060");
    assert!(run(&mut beside, &packets(&script())).len() > 5);
    assert!(causes(&beside).contains(&(Cause::WrongPassword, 3)), "{:?}", causes(&beside));
}

#[test]
fn refusals_that_are_handed_in_add_up_until_the_account_works() {
    let mut observer = observer(PBX);
    observer.add_refusals(&[refused(Cause::Disabled, 2, 10.0), refused(Cause::Expired, 1, 11.0)]);
    observer.add_refusals(&[refused(Cause::Disabled, 3, 12.0)]);
    assert_eq!(causes(&observer), [(Cause::Disabled, 5), (Cause::Expired, 1)]);
    let line = observer.diagnose(Subject::Source("192.0.2.7".parse().unwrap()), at_second(13.0)).remove(0);
    assert_eq!((line.since, line.last), (at_second(10.0), at_second(12.0)));
    // A success that is handed in late leaves refusals that came after it.
    let (account, source) = (Account::new(b"100").unwrap(), "192.0.2.7".parse().unwrap());
    observer.worked(&account, source, at_second(11.5));
    assert_eq!(causes(&observer), [(Cause::Disabled, 5)]);
    observer.worked(&account, source, at_second(12.0));
    assert_eq!(causes(&observer), []);
}
