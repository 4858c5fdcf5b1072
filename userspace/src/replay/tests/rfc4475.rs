//! The torture tests' valid messages pass.

use super::{filter, frames::*};
use crate::torture::valid_messages;
use xdp_prog::reason::Action;

#[test]
fn valid_messages_pass() {
    for (name, message) in valid_messages() {
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
