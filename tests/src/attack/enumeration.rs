//! An attacker that sends requests without credentials for one account after another, to find those that exist.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use super::{Channel, Form, Request, Transport, run::another};
use crate::{caller::PHONE, message::status};

/// So many requests at that rate, each for the next account: how many are answered.
pub fn enumerate(
    from: IpAddr,
    pbx: SocketAddr,
    method: &str,
    accounts: std::ops::Range<u32>,
    rate: u32,
) -> usize {
    const LAST: Duration = Duration::from_secs(2);
    let Ok(mut channel) = Channel::open(Transport::Udp, (from, 0).into(), pbx) else { return 0 };
    let (begun, mut answered) = (Instant::now(), 0);
    let mut hear = |channel: &mut Channel, patience| {
        while let Ok(Some(said)) = channel.receive(patience) {
            answered += usize::from(status(&said) >= Some(200));
        }
    };
    for (account, turn) in accounts.zip(0..) {
        let account = account.to_string();
        let request = Request {
            method,
            account: &account,
            agent: PHONE,
            form: Form::Plain,
            from: channel.local(),
            to: pbx,
            is_tcp: false,
            number: another(),
            sequence: 1,
            guess: None,
            more: "",
        };
        let _ = channel.send(request.write().as_bytes());
        hear(&mut channel, Duration::from_millis(1));
        thread::sleep((Duration::from_secs(1) / rate * turn).saturating_sub(begun.elapsed()));
    }
    hear(&mut channel, LAST);
    answered
}
