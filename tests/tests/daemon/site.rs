//! A PBX with two protected interfaces: an attacker fills the queues of one without an effect on the other.
//!
//! ```text
//!   attacker                 pbx                   phone
//!   eth0 ───────────── eth0       eth1 ───────────── eth0
//!   10.91.0.10…        10.91.0.1  10.92.0.1      10.92.0.2
//!   2001:db8:91::10…        ::1   2001:db8:92::1       ::2
//! ```

use sipward_tests::namespace::Namespace;

/// The PBX's address on a wire.
pub(crate) const PBX: u32 = 1;
pub(crate) const SIP: u16 = 5060;

/// A configuration for interfaces, such as `'eth0', 'eth1'`. Limits would hide what signatures and lists do.
pub(crate) fn config(interfaces: &str) -> String {
    format!(
        "interface = [{interfaces}]\nmode = 'enforce'\nguesses = 'off'\n[rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n\
         [flows]\nper_source = 'off'\nper_prefix = 'off'\n"
    )
}

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) pbx: Namespace,
    pub(crate) attacker: Namespace,
    pub(crate) phone: Namespace,
}

/// Addresses of both families on one of the wires.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Attacker = 91,
    Phone = 92,
}

impl Wire {
    pub(crate) fn v4(self, host: u32) -> String {
        format!("10.{}.0.{host}", self as u32)
    }

    pub(crate) fn v6(self, host: u32) -> String {
        format!("2001:db8:{}::{host}", self as u32)
    }
}

impl Site {
    /// An attacker and a phone with these host numbers.
    pub(crate) fn new(attacker: &[u32], phone: &[u32]) -> Self {
        let site = Self {
            pbx: Namespace::new("pbx"),
            attacker: Namespace::new("attacker"),
            phone: Namespace::new("phone"),
        };
        site.wire(Wire::Attacker, "eth0", &site.attacker, attacker);
        site.wire(Wire::Phone, "eth1", &site.phone, phone);
        site
    }

    pub(crate) fn wire(&self, wire: Wire, interface: &str, other: &Namespace, hosts: &[u32]) {
        let (mac, others) = (format!("02:00:00:00:{:x}:01", wire as u32), other.name());
        self.pbx.ip(&format!("link add {interface} address {mac} type veth peer name eth0 netns {others}"));
        address(&self.pbx, interface, wire, &[PBX]);
        address(other, "eth0", wire, hosts);
        // Permanent neighbour entries: packets that wait for the resolution of an address can be lost.
        for pbx in [wire.v4(PBX), wire.v6(PBX)] {
            other.ip(&format!("neighbour add {pbx} lladdr {mac} dev eth0 nud permanent"));
        }
    }
}

fn address(host: &Namespace, interface: &str, wire: Wire, numbers: &[u32]) {
    host.ip(&format!("link set {interface} up"));
    for &number in numbers {
        host.ip(&format!("address add {}/16 dev {interface}", wire.v4(number)));
        host.ip(&format!("address add {}/64 dev {interface} nodad", wire.v6(number)));
    }
}
