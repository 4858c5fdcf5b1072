//! A PBX and two hosts with phones.

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind, SIP, password},
    namespace::{Family, Lan},
    sip_phone::{Phone, Settings, Transport},
};

/// The numbers of the hosts with phones.
pub(crate) const CALLER: usize = 2;
pub(crate) const CALLEE: usize = 3;

pub(crate) struct Site {
    lan: Lan,
    _pbx: AuthPbx,
}

impl Site {
    /// `None`, with the reason printed: there is no such PBX on this machine.
    pub(crate) fn start(make: PbxKind) -> Option<Self> {
        let lan = Lan::new(["pbx", "caller", "callee"]);
        let [host, ..] = lan.hosts::<3>();
        let pbx = AuthPbx::start(make, host)?;
        Some(Self { lan, _pbx: pbx })
    }

    /// A phone with its own password on that host.
    pub(crate) fn phone(&self, number: usize, transport: Transport, family: Family, account: u32) -> Phone {
        let hosts: [_; 3] = self.lan.hosts();
        let server = family.address(1, SIP);
        let settings = Settings::new(transport, server, &account.to_string(), &password(account));
        Phone::start(hosts[number - 1], family.address(number, 0), settings)
    }
}

/// The servers did nothing to these phones that they should not have done.
pub(crate) fn assert_content(phones: &[&Phone]) {
    for phone in phones {
        assert_eq!(phone.complaints(), [] as [String; 0], "{}", phone.transcript());
    }
}
