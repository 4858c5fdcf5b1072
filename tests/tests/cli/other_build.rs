//! A filter of a build whose maps have another layout is in force, and no daemon runs.

use sipward_tests::command::{Done, Sipward};
use xdp_prog::abi::VERSION;

use crate::{host, nothing_is_left, program, refused};

const REMEDIES: [&str; 2] = ["`systemctl start sipward`", "`sipward detach`"];

/// By the other build: an older and a newer one.
fn run(sipward: &Sipward<'_>, layout: u32, line: &str) -> Done {
    Done::of(sipward.command(line).env("SIPWARD_PIN_VERSION", layout.to_string()))
}

#[test]
fn a_filter_of_another_build_is_seen_and_can_be_removed() {
    for layout in [VERSION - 1, VERSION + 1] {
        let lan = host();
        let [pbx] = lan.hosts();
        let sipward = Sipward::new(pbx);
        sipward.ok("attach --iface eth0 --enforce");
        sipward.ok("ban add 192.0.2.1");
        for line in ["status", "ban list", "ban del 192.0.2.1", "mode monitor", "explain 192.0.2.1", "events"]
        {
            let done = run(&sipward, layout, line);
            refused(&done, 1, &["on eth0", "another build"]);
            refused(&done, 1, &REMEDIES);
        }
        let doctor = run(&sipward, layout, "doctor");
        for said in ["another build of sipward is in force on eth0", "runs the filter of another build"] {
            assert!(doctor.stdout.contains(said), "{said:?} is missing\n{doctor}");
        }
        refused(&run(&sipward, layout, "detach --iface eth7"), 1, &["not attached to eth7"]);
        assert!(program(pbx, "eth0").is_some());
        let detached = run(&sipward, layout, "detach");
        assert_eq!(detached.code, Some(0), "{detached}");
        assert!(detached.stdout.contains("eth0: no longer protected"), "{detached}");
        assert_eq!(program(pbx, "eth0"), None);
        nothing_is_left(&sipward);
    }
}

#[test]
fn an_attach_takes_over_from_a_filter_of_another_build() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0 --enforce");
    sipward.ok("ban add 192.0.2.1");
    let attached = run(&sipward, VERSION + 1, "attach --iface eth0 --enforce");
    assert_eq!(attached.code, Some(0), "{attached}");
    let list = run(&sipward, VERSION + 1, "ban list");
    assert!(list.stdout.contains("192.0.2.1"), "{list}");
    refused(&sipward.run("status"), 1, &["on eth0", "another build"]);
    sipward.ok("detach");
    nothing_is_left(&sipward);
}
