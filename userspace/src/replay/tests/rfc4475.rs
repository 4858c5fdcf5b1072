//! The torture tests' valid messages pass. The corpus is not part of this project: set `SIPWARD_RFC4475` to a
//! directory with its messages as `<name>.dat`.

use std::path::PathBuf;

use super::{filter, frames::*};
use xdp_prog::reason::Action;

/// RFC 4475 §3.1.1.
const VALID: [&str; 13] = [
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
];

#[test]
fn valid_messages_pass() {
    let Some(directory) = std::env::var_os("SIPWARD_RFC4475").map(PathBuf::from) else {
        println!("skipped: SIPWARD_RFC4475 is not set to a directory with the messages of RFC 4475");
        return;
    };
    for name in VALID {
        let message = std::fs::read(directory.join(format!("{name}.dat"))).unwrap();
        // One of them is OPTIONS, which strangers may not send by default.
        let memory = filter("options = \"pass\"");
        for packet in [
            datagram(PHONE, PBX, &message),
            datagram(PHONE6, PBX6, &message),
            segment(PHONE, PBX, ACK, &message),
        ] {
            let (verdict, _) = memory.judge(&ethernet(&packet));
            assert_eq!(verdict.action(), Action::Pass, "{name}: {}", verdict.reason.name());
        }
    }
}
