//! A legitimate phone: it registers, and repeats requests without an answer at the times of RFC 3261.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use super::{
    Challenge, Channel, Form, Guess, Request, Transport, challenge,
    message::{call_id, ends},
    run::another,
};
use crate::{auth_pbx::password, caller::PHONE, message::status};

/// RFC 3261's T1 and T2.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub struct Subscriber {
    channel: Channel,
    pbx: SocketAddr,
    transport: Transport,
    account: u32,
    password: String,
    sequence: u32,
}

/// One registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    pub took: Duration,
    /// Requests that were sent more than once.
    pub repeated: u32,
}

impl Subscriber {
    /// In the namespace of this thread, from any port.
    pub fn new(transport: Transport, from: IpAddr, pbx: SocketAddr, account: u32) -> io::Result<Self> {
        Self::at(transport, (from, 0).into(), pbx, account)
    }

    /// From that port.
    pub fn at(transport: Transport, from: SocketAddr, pbx: SocketAddr, account: u32) -> io::Result<Self> {
        let channel = Channel::open(transport, from, pbx)?;
        Ok(Self { channel, pbx, transport, account, password: password(account), sequence: 0 })
    }

    pub fn forget_password(&mut self) {
        self.password = "forgotten".to_owned();
    }

    pub const fn account(&self) -> u32 {
        self.account
    }

    pub const fn local(&self) -> SocketAddr {
        self.channel.local()
    }

    /// With the right password. `None`: it was not let in within that time.
    pub fn register(&mut self, patience: Duration) -> Option<Registration> {
        self.try_out("REGISTER", "Expires: 120\r\n", patience)
    }

    /// A request of any method, with credentials once it is challenged; anything but another challenge is success.
    pub fn try_out(&mut self, method: &str, more: &str, patience: Duration) -> Option<Registration> {
        let begun = Instant::now();
        let end = begun + patience;
        let mut repeated = 0;
        let mut asked = None;
        // A nonce may be too old at once. No phone sends a fourth request.
        for _ in 0..3 {
            let (said, more_often) = self.transact(method, more, asked.as_ref(), end)?;
            repeated += more_often;
            asked = challenge(&said);
            if asked.is_none() {
                let is_in = status(&said).is_some_and(|status| status != 403);
                return is_in.then(|| Registration { took: begun.elapsed(), repeated });
            }
        }
        None
    }

    fn transact(
        &mut self,
        method: &str,
        more: &str,
        asked: Option<&Challenge>,
        end: Instant,
    ) -> Option<(String, u32)> {
        let (number, account) = (another(), self.account.to_string());
        self.sequence += 1;
        let guess = asked.map(|challenge| Guess { password: &self.password, challenge, count: 1 });
        let request = Request {
            method,
            account: &account,
            agent: PHONE,
            form: Form::Plain,
            from: self.channel.local(),
            to: self.pbx,
            is_tcp: self.transport.is_tcp(),
            number,
            sequence: self.sequence,
            guess,
            more,
        };
        let bytes = request.write().into_bytes();
        let (mut wait, mut sent) = (FIRST, 0);
        while Instant::now() < end {
            if sent == 0 || !self.transport.is_tcp() {
                self.channel.send(&bytes).ok()?;
            }
            sent += 1;
            if let Some(said) = self.hear(number, (Instant::now() + wait).min(end)) {
                return Some((said, sent - 1));
            }
            wait = (2 * wait).min(LONGEST);
        }
        None
    }

    /// The final answer to that request.
    fn hear(&mut self, number: u64, end: Instant) -> Option<String> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let said = self.channel.receive(left).ok()??;
            if status(&said) < Some(200) {
                continue;
            }
            for message in ends(&said, self.pbx) {
                self.channel.send(message.as_bytes()).ok()?;
            }
            if call_id(&said) == Some(number) {
                return Some(said);
            }
        }
    }
}
