//! The commands with a real kernel: their effects, their output, and the state that they leave.

mod accounts;
mod attach;
mod edge_accounts;
mod lists;
mod other_build;
mod private;
mod reachability;
mod refusals;
mod signatures;
mod watching;

use sipward_tests::{
    command::{Done, Sipward},
    namespace::{Lan, Namespace},
};

/// A host with an interface on which a filter can run natively.
fn host() -> Lan {
    Lan::new(["pbx"])
}

fn refused(done: &Done, code: i32, said: &[&str]) {
    assert_eq!(done.code, Some(code), "{done}");
    for said in said {
        assert!(done.stderr.contains(said), "{said:?} is missing\n{done}");
    }
    // One sentence, and no trace of the inside.
    assert_eq!(done.stderr.lines().count(), 1, "{done}");
    assert!(done.stdout.is_empty(), "{done}");
}

fn nothing_is_left(sipward: &Sipward<'_>) {
    assert!(!sipward.pins().exists(), "{} is still there", sipward.pins().display());
}

/// The id of the XDP program on an interface.
fn program(namespace: &Namespace, interface: &str) -> Option<u64> {
    let done = Done::of(namespace.command("ip").args(["-j", "link", "show", "dev", interface]));
    let links: serde_json::Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"));
    links[0]["xdp"]["prog"]["id"].as_u64()
}
