//! Crowds of legitimate phones that register at the same time.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use super::{
    Channel, Form, Guess, Request, Subscriber, Transport, challenge, message::call_id, run::another,
};
use crate::{auth_pbx::password, caller::PHONE, message::status};

/// A phone tries again after this.
const PAUSE: Duration = Duration::from_secs(1);
/// A thread of a phone needs little.
const STACK: usize = 256 << 10;

/// Phones that begin at any time within `spread`, each with a request of that method.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub phones: Vec<(IpAddr, u32)>,
    pub method: &'static str,
    pub transport: Transport,
    pub spread: Duration,
    pub within: Duration,
}

impl Crowd {
    /// In the namespace of this thread: how many were served in time.
    pub fn run(&self, pbx: SocketAddr) -> usize {
        let begun = Instant::now();
        let count = self.phones.len().max(1) as u32;
        let phones = self.phones.iter().zip(0u32..);
        let run = |(from, account): (IpAddr, u32), index: u32| {
            // Spread, and in no order of the addresses.
            thread::sleep(self.spread * (index * 37 % count) / count);
            self.is_served(from, account, pbx, begun + self.within)
        };
        thread::scope(|scope| {
            let running: Vec<_> = phones
                .map(|(phone, index)| {
                    let builder = thread::Builder::new().stack_size(STACK);
                    builder.spawn_scoped(scope, move || run(*phone, index)).expect("a thread")
                })
                .collect();
            running.into_iter().map(|phone| usize::from(phone.join().expect("a phone"))).sum()
        })
    }

    fn is_served(&self, from: IpAddr, account: u32, pbx: SocketAddr, end: Instant) -> bool {
        while let Some(left) = left(end) {
            let phone = Subscriber::new(self.transport, from, pbx, account).ok();
            if phone.and_then(|mut phone| phone.try_out(self.method, "", left)).is_some() {
                return true;
            }
            thread::sleep(PAUSE.min(left));
        }
        false
    }
}

fn left(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Phones behind one address register at once, some with a forgotten password, and again towards the end of a minute: how
/// many of the others are in then.
pub fn office(from: IpAddr, pbx: SocketAddr, accounts: std::ops::Range<u32>, wrong: usize) -> usize {
    const AGAIN: Duration = Duration::from_secs(40);
    const MINUTE: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    let stubborn = |account| {
        let Ok(mut phone) = Subscriber::new(Transport::Udp, from, pbx, account) else { return };
        phone.forget_password();
        while begun.elapsed() < MINUTE {
            let _ = phone.register(PAUSE);
            thread::sleep(5 * PAUSE);
        }
    };
    let right = |account| {
        let Ok(mut phone) = Subscriber::new(Transport::Udp, from, pbx, account) else { return false };
        let _ = phone.register(AGAIN);
        thread::sleep(AGAIN.saturating_sub(begun.elapsed()));
        phone.register(MINUTE.saturating_sub(begun.elapsed())).is_some()
    };
    thread::scope(|scope| {
        let mut accounts = accounts;
        for account in accounts.by_ref().take(wrong) {
            scope.spawn(move || stubborn(account));
        }
        let running: Vec<_> = accounts.map(|account| scope.spawn(move || right(account))).collect();
        running.into_iter().map(|phone| usize::from(phone.join().expect("a phone"))).sum()
    })
}

/// A phone with so many lamps subscribes to all of them as it starts, fifty a second, from one port: how many of these are
/// answered for good.
pub fn busy_lamps(from: IpAddr, pbx: SocketAddr, account: u32, lamps: u32) -> usize {
    const BETWEEN: Duration = Duration::from_millis(20);
    const LAST: Duration = Duration::from_secs(20);
    let Ok(mut channel) = Channel::open(Transport::Udp, (from, 0).into(), pbx) else { return 0 };
    let mut lamp =
        Lamps { account: account.to_string(), password: password(account), pbx, open: HashMap::new() };
    let (begun, mut begun_lamps, mut answered) = (Instant::now(), 0, 0);
    let end = begun + BETWEEN * lamps + LAST;
    while Instant::now() < end && answered < lamps as usize {
        while begun_lamps < lamps && begun.elapsed() >= BETWEEN * begun_lamps {
            lamp.send(&mut channel, None);
            begun_lamps += 1;
        }
        lamp.send_again(&mut channel);
        let Ok(Some(said)) = channel.receive(BETWEEN / 2) else { continue };
        let is_open = call_id(&said).is_some_and(|number| lamp.open.remove(&number).is_some());
        if is_open && status(&said) >= Some(200) {
            match challenge(&said) {
                Some(_) => lamp.send(&mut channel, Some(&said)),
                None => answered += 1,
            }
        }
    }
    answered
}

struct Lamps {
    account: String,
    password: String,
    pbx: SocketAddr,
    /// Requests without an answer so far: the message, the time of its last transmission, and the time until the next.
    open: HashMap<u64, (Vec<u8>, Instant, Duration)>,
}

impl Lamps {
    fn send(&mut self, channel: &mut Channel, said: Option<&str>) {
        let (number, asked) = (another(), said.and_then(challenge));
        let guess = asked.as_ref().map(|challenge| Guess { password: &self.password, challenge, count: 1 });
        let request = Request {
            method: "SUBSCRIBE",
            account: &self.account,
            agent: PHONE,
            form: Form::Plain,
            from: channel.local(),
            to: self.pbx,
            is_tcp: false,
            number,
            sequence: 1,
            guess,
            more: "Event: dialog\r\nExpires: 600\r\nAccept: application/dialog-info+xml\r\n",
        };
        let bytes = request.write().into_bytes();
        let _ = channel.send(&bytes);
        self.open.insert(number, (bytes, Instant::now(), Duration::from_millis(500)));
    }

    fn send_again(&mut self, channel: &mut Channel) {
        for (bytes, sent, wait) in self.open.values_mut() {
            if sent.elapsed() >= *wait {
                let _ = channel.send(bytes);
                (*sent, *wait) = (Instant::now(), (2 * *wait).min(Duration::from_secs(4)));
            }
        }
    }
}
