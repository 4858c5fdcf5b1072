//! Features that the host offers to the network card of a virtual machine.

use std::fs;

/// Numbers of features, from the virtio specification.
const GUEST_CSUM: usize = 1;
const CTRL_GUEST_OFFLOADS: usize = 2;
const GUEST_TSO4: usize = 7;
const GUEST_TSO6: usize = 8;
const GUEST_ECN: usize = 9;
const GUEST_UFO: usize = 10;
const GUEST_USO4: usize = 54;
const GUEST_USO6: usize = 55;

/// The offloads that the guest cannot switch off and that its driver refuses XDP for, as QEMU calls them. Empty:
/// it can switch them off, and does so by itself, or there are none.
pub(super) fn stuck_offloads(interface: &str) -> Vec<&'static str> {
    let features = fs::read_to_string(format!("/sys/class/net/{interface}/device/features"));
    features.map(|features| stuck(&features)).unwrap_or_default()
}

/// `features`: a digit for each, beginning with number 0.
fn stuck(features: &str) -> Vec<&'static str> {
    let has = |number: usize| features.as_bytes().get(number) == Some(&b'1');
    if has(CTRL_GUEST_OFFLOADS) {
        return Vec::new();
    }
    [
        (GUEST_CSUM, "guest_csum"),
        (GUEST_TSO4, "guest_tso4"),
        (GUEST_TSO6, "guest_tso6"),
        (GUEST_ECN, "guest_ecn"),
        (GUEST_UFO, "guest_ufo"),
        (GUEST_USO4, "guest_uso4"),
        (GUEST_USO6, "guest_uso6"),
    ]
    .into_iter()
    .filter_map(|(number, name)| has(number).then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offloads_are_stuck_where_the_guest_has_no_say() {
        for (features, names) in [
            (
                "110001011011101100000000000001001",
                &["guest_csum", "guest_tso4", "guest_tso6", "guest_ufo"][..],
            ),
            ("111001011011101100000000000001001", &[]),
            ("100001000000000000000000000000001", &[]),
            ("", &[]),
        ] {
            assert_eq!(stuck(features), names, "{features}");
        }
    }
}
