//! The attacks of the default run.

use std::{env, fmt};

use sipward_tests::{
    attack::{Accounts, Attack, Form, Nonce, PLAIN, Transport},
    auth_pbx::PbxKind,
};

/// An attack, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) attack: Attack,
    /// From an address behind which a phone has registered before, or from a stranger's.
    pub(crate) is_behind_nat: bool,
}

const INFO: Attack = Attack { method: "INFO", ..PLAIN };
const INVITE: Attack = Attack { method: "INVITE", ..PLAIN };
const MESSAGE: Attack = Attack { method: "MESSAGE", ..PLAIN };

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attack, is_behind_nat } = self;
        write!(f, "{attack}{}", if *is_behind_nat { ", behind NAT" } else { "" })
    }
}

/// All of them, or those that have the text of `SIPWARD_ATTACKS` in their name.
pub(crate) fn rows(make: PbxKind) -> Vec<Row> {
    let strangers = attacks(make);
    // Behind the address of a phone that works, the attack must not become easier, and must not affect the phone.
    let known = strangers.clone().into_iter();
    let row = |attack, is_behind_nat| Row { attack, is_behind_nat };
    let known: Vec<_> = known.map(|attack| row(attack, true)).collect();
    let wanted = env::var("SIPWARD_ATTACKS").unwrap_or_default();
    let all = strangers.into_iter().map(|attack| row(attack, false)).chain(known);
    all.filter(|row| row.to_string().contains(&wanted)).collect()
}

/// All combinations, in parts that run side by side.
pub(crate) fn product() -> Vec<Vec<Row>> {
    const PART: usize = 180;
    let nonces = [Nonce::Right, Nonce::MadeUp, Nonce::Old, Nonce::Foreign, Nonce::Shared];
    let transports = [
        Transport::Udp,
        Transport::UdpPorts,
        Transport::UdpV6,
        Transport::UdpV6Networks,
        Transport::UdpV6Fragments,
        Transport::Tcp,
        Transport::TcpCut(11),
        Transport::TcpCut(300),
        Transport::TcpPipelined(10),
        Transport::TcpSecond,
    ];
    let accounts = [Accounts::One, Accounts::Many(20)];
    let forms = [Form::Plain, Form::Decoys, Form::EarlyDecoys, Form::LateName];
    let wanted = env::var("SIPWARD_ATTACKS").unwrap_or_default();
    let mut rows = Vec::new();
    for method in ["REGISTER", "INVITE", "INFO", "MESSAGE"] {
        for (nonce, transport) in nonces.iter().flat_map(|nonce| transports.map(|way| (*nonce, way))) {
            for (accounts, form) in accounts.iter().flat_map(|accounts| forms.map(|form| (*accounts, form))) {
                let attack = Attack { method, nonce, transport, accounts, form, ..PLAIN };
                rows.push(Row { attack, is_behind_nat: form == Form::Plain && accounts != Accounts::One });
            }
        }
    }
    rows.retain(|row| row.to_string().contains(&wanted));
    rows.chunks(PART).map(<[Row]>::to_vec).collect()
}

fn attacks(make: PbxKind) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for nonce in [Nonce::Right, Nonce::MadeUp, Nonce::Old, Nonce::Foreign, Nonce::Shared] {
        attacks.push(Attack { nonce, ..PLAIN });
    }
    for method in [INFO, INVITE, MESSAGE] {
        attacks.extend([method, Attack { nonce: Nonce::MadeUp, ..method }]);
    }
    for transport in [
        Transport::UdpPorts,
        Transport::Tcp,
        Transport::TcpCut(11),
        Transport::TcpCut(300),
        Transport::TcpPipelined(10),
        Transport::TcpSecond,
    ] {
        attacks.push(Attack { transport, ..PLAIN });
    }
    for transport in [Transport::Tcp, Transport::TcpCut(11)] {
        attacks.push(Attack { transport, nonce: Nonce::MadeUp, ..INFO });
    }
    attacks.push(Attack { accounts: Accounts::Many(20), ..PLAIN });
    attacks.push(Attack { accounts: Accounts::Many(20), nonce: Nonce::MadeUp, ..INFO });
    for form in [
        Form::BareCr,
        Form::SpacedVersion,
        Form::FoldedStart,
        Form::BlankLine,
        Form::Decoys,
        Form::EarlyDecoys,
        Form::LateName,
        Form::Twin,
    ] {
        attacks.push(Attack { form, ..PLAIN });
    }
    attacks.push(Attack { form: Form::EarlyDecoys, nonce: Nonce::MadeUp, ..INFO });
    if matches!(make, PbxKind::AnonymousAsterisk | PbxKind::DebianKamailio | PbxKind::EdgedAsterisk) {
        for transport in [Transport::UdpV6, Transport::UdpV6Networks, Transport::UdpV6Fragments] {
            attacks.push(Attack { transport, ..PLAIN });
        }
    }
    attacks
}
