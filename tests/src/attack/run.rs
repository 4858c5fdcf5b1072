//! One attacker, which guesses until it has found the password or its time is over.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use super::{
    Accounts, Attack, Challenge, Channel, Form, Guess, Nonce, Request, Transport, challenge,
    message::{call_id, ends},
};
pub(super) use crate::guesser::another;
use crate::{auth_pbx::password, message::status};

/// For an answer. What comes later still counts.
const PATIENCE: Duration = Duration::from_millis(400);
/// For those that are late at the end.
const LAST: Duration = Duration::from_secs(1);
/// The bound of the first guesses is for this time.
const SOON: Duration = Duration::from_secs(600);
/// After so many guesses without an answer, the attacker requests another nonce, from another port.
const SILENT: u32 = 3;

/// An attacker and its target.
#[derive(Clone, Debug)]
pub struct Attacker {
    pub attack: Attack,
    /// The attacker's addresses: one, or the first of each of its networks.
    pub from: Vec<IpAddr>,
    /// An accomplice's address, which can be challenged in the attacker's place.
    pub accomplice: IpAddr,
    pub pbx: SocketAddr,
    /// The account under attack. Of many, the first.
    pub account: u32,
    /// Wrong guesses before the right one.
    pub wrong: u32,
    pub lasts: Duration,
    /// Stops as soon as the password is found.
    pub stops: bool,
}

/// The results of an attack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests with credentials.
    pub sent: u32,
    /// Those of them that the PBX refused.
    pub answered: u32,
    /// Those in the first ten minutes.
    pub soon: u32,
    /// The time at which the PBX accepted the right password.
    pub found: Option<Duration>,
    /// When the PBX last answered a guess.
    pub last: Duration,
    /// Statuses other than refusals, with how often they came.
    pub others: HashMap<u16, u32>,
}

struct Work<'a> {
    attacker: &'a Attacker,
    begun: Instant,
    channel: Option<Channel>,
    challenge: Option<Challenge>,
    /// The number of uses of the current nonce.
    count: u32,
    opened: usize,
    silent: u32,
    /// Requests that were sent, by Call-ID, with the number of the guess, if the request was one.
    pending: HashMap<u64, Option<u32>>,
    /// The next guess. A guess without an answer is repeated.
    next: u32,
    figures: Figures,
}

impl Attacker {
    /// In the namespace of this thread.
    pub fn run(&self) -> Figures {
        let mut work = Work {
            attacker: self,
            begun: Instant::now(),
            channel: None,
            challenge: None,
            count: 0,
            opened: 0,
            silent: 0,
            pending: HashMap::new(),
            next: 0,
            figures: Figures::default(),
        };
        let between =
            Duration::from_secs(1) / self.attack.rate.max(1) * self.attack.transport.at_once() as u32;
        while work.begun.elapsed() < self.lasts && !(self.stops && work.figures.found.is_some()) {
            let begun = Instant::now();
            if work.turn().is_err() {
                // The connection is over, or none comes about.
                work.channel = None;
                thread::sleep(PATIENCE);
            }
            thread::sleep(between.saturating_sub(begun.elapsed()));
        }
        // Whatever comes now comes late.
        let _ = work.listen(LAST, usize::MAX);
        work.figures
    }

    /// A challenge that is not the attacker's own, and the realm.
    fn accomplice_challenge(&self) -> Option<Challenge> {
        let attack = Attack { transport: Transport::Udp, form: Form::Plain, ..self.attack };
        let accomplice = Self { attack, from: vec![self.accomplice], ..self.clone() };
        let mut channel = Channel::open(attack.transport, (self.accomplice, 0).into(), self.pbx).ok()?;
        let (number, account) = (another(), accomplice.account_of(0).to_string());
        let request = accomplice.request(&channel, &account, number, None);
        channel.send(request.write().as_bytes()).ok()?;
        loop {
            let said = channel.receive(PATIENCE).ok()??;
            for message in ends(&said, self.pbx) {
                channel.send(message.as_bytes()).ok()?;
            }
            if status(&said) >= Some(200) {
                return challenge(&said);
            }
        }
    }

    fn request<'a>(
        &self,
        channel: &Channel,
        account: &'a str,
        number: u64,
        guess: Option<Guess<'a>>,
    ) -> Request<'a> {
        let Attack { method, agent, form, transport, .. } = self.attack;
        Request {
            method,
            account,
            agent,
            form,
            from: channel.local(),
            to: self.pbx,
            is_tcp: transport.is_tcp(),
            number,
            sequence: if guess.is_some() { 2 } else { 1 },
            guess,
            more: "",
        }
    }

    /// That this guess is for.
    const fn account_of(&self, guess: u32) -> u32 {
        match self.attack.accounts {
            Accounts::One => self.account,
            Accounts::Many(accounts) => self.account + guess % accounts,
        }
    }

    fn password_of(&self, guess: u32) -> String {
        let account = self.account_of(guess);
        if guess == self.wrong { password(account) } else { format!("guess-{guess}") }
    }
}

/// The time limit for the answer to a twin.
const TWIN_PATIENCE: Duration = Duration::from_millis(30);

/// The same request of another transaction, with no hops left.
fn twin(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let text = text.replace("Max-Forwards: 70", "Max-Forwards: 0").replace("Call-ID: ", "Call-ID: twin-");
    text.replace("branch=z9hG4bK", "branch=z9hG4bKtwin").into_bytes()
}

impl Work<'_> {
    /// One guess, or as many as go at once, and what is answered.
    fn turn(&mut self) -> io::Result<()> {
        let Attack { transport, nonce, .. } = self.attacker.attack;
        let renews = matches!(transport, Transport::UdpPorts | Transport::UdpV6Networks);
        if self.channel.is_none() || renews || self.silent >= SILENT {
            self.open()?;
        }
        if self.challenge.is_none() || nonce == Nonce::Shared {
            self.learn_nonce()?;
        }
        let Some(challenge) = self.challenge.clone() else {
            self.silent += 1;
            return Ok(());
        };
        let (mut bytes, mut answers) = (Vec::new(), transport.at_once());
        if transport == Transport::TcpSecond {
            bytes.extend(self.write(None, None)?);
            answers += 1;
        }
        for guess in self.next..self.next + transport.at_once() as u32 {
            bytes.extend(self.write(Some(&challenge), Some(guess))?);
            self.figures.sent += 1;
        }
        let before = self.figures.answered;
        if self.attacker.attack.form == Form::Twin {
            self.send(&twin(&bytes))?;
            // It counts as no guess, so that the attacker does not wait for its answer.
            self.listen(TWIN_PATIENCE, 1)?;
        }
        self.send(&bytes)?;
        self.listen(PATIENCE, answers)?;
        self.silent = if self.figures.answered > before { 0 } else { self.silent + 1 };
        Ok(())
    }

    /// From the next port, and the next network if there are several.
    fn open(&mut self) -> io::Result<()> {
        let Attacker { attack, from, pbx, .. } = self.attacker;
        let address = from[self.opened % from.len()];
        self.opened += 1;
        self.silent = 0;
        self.channel = Some(Channel::open(attack.transport, (address, 0).into(), *pbx)?);
        if attack.nonce == Nonce::Right {
            self.challenge = None;
        }
        Ok(())
    }

    fn learn_nonce(&mut self) -> io::Result<()> {
        let attacker = self.attacker;
        self.count = 0;
        match attacker.attack.nonce {
            Nonce::Right | Nonce::Old => self.ask()?,
            Nonce::Shared => {
                let _ = attacker.accomplice_challenge();
                self.challenge = None;
                self.ask()?;
            }
            Nonce::Foreign => self.challenge = attacker.accomplice_challenge(),
            Nonce::MadeUp => {
                let nonce = "bWFkZSB1cA/made/up".to_owned();
                let learnt = attacker.accomplice_challenge();
                self.challenge = learnt.map(|challenge| Challenge { nonce, ..challenge });
            }
        }
        Ok(())
    }

    /// Without credentials.
    fn ask(&mut self) -> io::Result<()> {
        let bytes = self.write(None, None)?;
        self.send(&bytes)?;
        self.listen(PATIENCE, 1)
    }

    fn write(&mut self, challenge: Option<&Challenge>, guess: Option<u32>) -> io::Result<Vec<u8>> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let number = another();
        self.pending.insert(number, guess);
        self.count += u32::from(guess.is_some());
        let index = guess.unwrap_or(self.next);
        let (account, password) =
            (self.attacker.account_of(index).to_string(), self.attacker.password_of(index));
        let guess = challenge.map(|challenge| Guess { password: &password, challenge, count: self.count });
        Ok(self.attacker.request(channel, &account, number, guess).write().into_bytes())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.channel.as_mut().ok_or(io::ErrorKind::NotConnected)?.send(bytes)
    }

    /// Until so many final answers are there or the time is over.
    fn listen(&mut self, patience: Duration, answers: usize) -> io::Result<()> {
        let end = Instant::now() + patience;
        let mut heard = 0;
        while heard < answers {
            let Some(channel) = &mut self.channel else { return Ok(()) };
            let left = end.saturating_duration_since(Instant::now());
            let Some(said) = channel.receive(left)? else { return Ok(()) };
            let is_awaited = self.hear(&said);
            heard += usize::from(is_awaited);
            for message in ends(&said, self.attacker.pbx) {
                self.send(message.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Returns true if this is the final answer to a pending request.
    fn hear(&mut self, said: &str) -> bool {
        let (Some(status @ 200..), Some(number)) = (status(said), call_id(said)) else { return false };
        let Some(guess) = self.pending.remove(&number) else { return false };
        let asked = challenge(said);
        if let Some(guess) = guess {
            self.count_answer(guess, status, asked.as_ref());
        }
        let renews = match self.attacker.attack.nonce {
            Nonce::Right | Nonce::Shared => true,
            Nonce::Old => self.challenge.is_none(),
            Nonce::MadeUp | Nonce::Foreign => false,
        };
        if renews && asked.is_some() {
            // Where the PBX gives the same once more, its uses count on.
            let is_new =
                self.challenge.as_ref().map(|old| &old.nonce) != asked.as_ref().map(|new| &new.nonce);
            self.count = if is_new { 0 } else { self.count };
            self.challenge = asked;
        }
        true
    }

    fn count_answer(&mut self, guess: u32, status: u16, asked: Option<&Challenge>) {
        let at = self.begun.elapsed();
        self.figures.last = at;
        self.next = self.next.max(guess + 1);
        let is_refused = matches!(status, 401 | 403 | 407);
        if is_refused {
            self.figures.answered += 1;
            self.figures.soon += u32::from(at < SOON);
        }
        // An answer that wrong guesses got, too, tells nothing, such as a 400 for the way the message is written.
        let mut is_told = false;
        if !is_refused {
            let times = self.figures.others.entry(status).or_default();
            *times += 1;
            is_told = *times == 1;
        }
        // A PBX that calls a nonce stale only where the password is right gives it away.
        is_told |= asked.is_some_and(|asked| asked.is_stale);
        if guess == self.attacker.wrong && is_told && self.figures.found.is_none() {
            self.figures.found = Some(at);
        }
    }
}
