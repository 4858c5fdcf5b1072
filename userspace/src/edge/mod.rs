//! `sipward edge`: the SIP front, in a process that owns nothing of the kernel.
//!
//! One task has the core, and decides; the others receive. Whatever arrives goes through bounded queues, of which the
//! core serves each as often as the others: a flood over TCP leaves UDP its share, and answers of the PBX theirs. Where
//! a queue is full, datagrams wait in their sockets, and are lost there, as in any busy server; connections wait in
//! turn.

mod accounts;
mod binding_store;
mod binding_writer;
mod connections;
mod feeder;
mod in_force;
mod key_file;
mod open_files;
mod reporter;
mod sockets;
mod threads;

use std::{
    collections::BTreeMap,
    mem,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sipward_api::in_force::InForce;
use sipward_edge::{
    edge::{Cause, Counters, Edge, Now, Outcome, Received},
    link::{Link, Side},
    message::{Carrier, FramingError, is_keepalive},
    refusals::Times,
    settings::Settings,
};
use sipward_engine::policy::{Config, DEFAULT_PATH};
use sipward_types::flow::Transport;
use tokio::{sync::mpsc, task::yield_now, time::interval};
use tracing::{info, warn};

use self::{
    accounts::AccountSource, binding_writer::BindingWriter, feeder::Feeder, in_force::Feed,
    reporter::Reporter, sockets::Sockets,
};
use crate::{
    clock::Clock,
    log::{self, Log},
    paths,
    refusal::Refusal,
    service::{Signals, notify},
};

/// Messages of a kind that wait for the core.
const ARRIVALS: usize = 1_024;
/// The same of phones over TCP. Whoever waits for a place there loses nothing, and waits behind fewer others.
const STREAM_ARRIVALS: usize = 64;
/// Messages after which the sockets have their turn, so that those that have less to bring do not wait for long.
const TURN: usize = 16;
/// The interval at which accounts are read again if they have changed, and ended things are forgotten.
const TICK: Duration = Duration::from_secs(1);
/// The interval of the lines about refusals.
const LOG: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Options {
    pub config: Option<PathBuf>,
    pub log: Log,
}

/// A message to the core.
#[derive(Debug)]
enum Arrival {
    Datagram {
        from: Link,
        bytes: Vec<u8>,
    },
    Message {
        from: Link,
        bytes: Vec<u8>,
    },
    /// Two line ends over a stream, which are answered by one.
    Ping(Link),
    Unframed {
        from: Link,
        error: FramingError,
    },
    /// There was no connection for that, or it ended before.
    Unsent {
        to: Link,
        bytes: Vec<u8>,
    },
    InForce(InForce),
}

/// A queue for each that could fill the others'.
#[derive(Clone, Debug)]
struct Arrivals {
    datagrams: mpsc::Sender<Arrival>,
    streams: mpsc::Sender<Arrival>,
    /// Of the PBX and of the daemon.
    inner: mpsc::Sender<Arrival>,
}

#[derive(Debug)]
struct Arrived {
    datagrams: mpsc::Receiver<Arrival>,
    streams: mpsc::Receiver<Arrival>,
    inner: mpsc::Receiver<Arrival>,
}

impl Arrivals {
    fn new() -> (Self, Arrived) {
        let (datagrams, of_datagrams) = mpsc::channel(ARRIVALS);
        let (streams, of_streams) = mpsc::channel(STREAM_ARRIVALS);
        let (inner, of_inner) = mpsc::channel(ARRIVALS);
        let arrived = Arrived { datagrams: of_datagrams, streams: of_streams, inner: of_inner };
        (Self { datagrams, streams, inner }, arrived)
    }

    const fn of(&self, from: Link) -> &mpsc::Sender<Arrival> {
        match (from.side, from.transport) {
            (Side::Inner, _) => &self.inner,
            (Side::Outer, Transport::Udp) => &self.datagrams,
            (Side::Outer, Transport::Tcp) => &self.streams,
        }
    }
}

impl Arrived {
    /// Of those that have something any, so that each has its share.
    async fn next(&mut self) -> Option<Arrival> {
        tokio::select! {
            arrival = self.datagrams.recv() => arrival,
            arrival = self.streams.recv() => arrival,
            arrival = self.inner.recv() => arrival,
        }
    }
}

/// Runs until a signal.
pub fn run(options: &Options) -> Result<(), Refusal> {
    log::start(options.log);
    open_files::allow_all();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::failed(format!("could not start: {error}")))?;
    runtime.block_on(work(options))
}

async fn work(options: &Options) -> Result<(), Refusal> {
    let mut signals = Signals::listen()?;
    let path = options.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    let settings = load(path)?;
    let keys = key_file::open(&paths::edge_state())?;
    let (source, accounts) = AccountSource::open(&settings)?;
    let (arrivals, mut arrived) = Arrivals::new();
    let outer: Vec<_> = settings.listen.iter().map(|own| (own.transport, own.address)).collect();
    let sockets = Sockets::open(&outer, settings.inner, settings.pbx, &arrivals).await?;
    let (bindings, kept) = BindingWriter::start(&paths::edge_state())?;
    let mut edge = Edge::new(settings.clone(), keys, accounts, key_file::random_number()?);
    edge.restore(kept, now());
    let feeder = Feeder::start(arrivals.inner.clone())?;
    let reporter = Reporter::start(feeder.clone(), now().kernel)?;
    let mut core = Core {
        edge,
        sockets,
        settings,
        source,
        feeder,
        bindings,
        reporter,
        feed: Feed::default(),
        logged: Counters::default(),
        details: BTreeMap::new(),
        log_next: Instant::now() + LOG,
    };
    core.say_where();
    notify(&[sd_notify::NotifyState::Ready]);
    let is_watched = sd_notify::watchdog_enabled().is_some();
    let (mut ticks, mut taken) = (interval(TICK), 0_usize);
    loop {
        tokio::select! {
            Some(arrival) = arrived.next() => {
                core.take(arrival);
                taken += 1;
                if taken % TURN == 0 {
                    yield_now().await;
                }
            }
            _ = ticks.tick() => {
                core.tick();
                // For the watchdog of systemd: the one who decides is not stuck.
                if is_watched {
                    notify(&[sd_notify::NotifyState::Watchdog]);
                }
            }
            _ = signals.hangup.recv() => warn!("SIGHUP: only accounts are read again; restart the edge for its settings"),
            name = signals.end.received() => {
                info!("{name}: ending; phones register again, and running calls go on, when it is back");
                core.bindings.finish();
                return Ok(());
            }
        }
    }
}

fn load(path: &Path) -> Result<Settings, Refusal> {
    let config = Config::load(path).map_err(|error| Refusal::wrong(error.to_string()))?;
    config.edge.ok_or_else(|| {
        Refusal::wrong(format!(
            "{} says nothing of an edge: give it a section [edge] with listen, inner, pbx and realm",
            path.display()
        ))
    })
}

/// The one who decides, and all that it needs for that.
struct Core {
    edge: Edge,
    sockets: Sockets,
    settings: Settings,
    source: AccountSource,
    feeder: Feeder,
    bindings: BindingWriter,
    reporter: Reporter,
    feed: Feed,
    /// The counts of refusals at the last line in the log.
    logged: Counters,
    /// Refusals since then, by the name of the cause and what is known more closely.
    details: BTreeMap<(&'static str, String), u64>,
    log_next: Instant,
}

impl Core {
    fn say_where(&self) {
        for own in &self.settings.listen {
            info!("phones reach the edge at {} over {:?}, as {}", own.address, own.transport, own.advertised);
        }
        info!("the PBX at {} sees it at {}", self.settings.pbx, self.settings.inner);
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { from, bytes } => self.receive(from, Carrier::Datagram, &bytes),
            Arrival::Message { from, bytes } => self.receive(from, Carrier::Stream, &bytes),
            // A connection that is gone needs no answer.
            Arrival::Ping(link) => drop(self.sockets.send(link, b"\r\n".to_vec())),
            Arrival::Unframed { from, error } => {
                let received = self.edge.unframed(error);
                self.note(&received, from);
            }
            Arrival::Unsent { to, bytes } => self.gone(to, &bytes),
            Arrival::InForce(item) => self.feed.take(item, self.edge.in_force(), now().kernel),
        }
        self.bindings.add(self.edge.take_binding_changes());
    }

    fn receive(&mut self, from: Link, carrier: Carrier, bytes: &[u8]) {
        if is_keepalive(bytes) {
            return;
        }
        let received = self.edge.receive(from, carrier, bytes, now());
        self.note(&received, from);
        self.carry_out(received);
    }

    /// For the operator: in the log, and for the daemon.
    fn note(&mut self, received: &Received, from: Link) {
        if let (Some(cause), Some(detail)) = (received.cause, &received.detail) {
            *self.details.entry((cause.name(), detail.clone())).or_default() += 1;
        }
        if let Some(refusal) = received.refusal(from) {
            let times = Times::once(now().kernel, received.status());
            self.reporter.refuse(refusal, times);
        }
    }

    fn carry_out(&mut self, received: Received) {
        for evidence in received.evidence.iter().filter(|evidence| evidence.outcome == Outcome::Succeeded) {
            self.sockets.admit(evidence.from);
            self.reporter.admit(evidence);
        }
        if !received.evidence.is_empty() {
            self.feeder.add(received.evidence, now().kernel);
        }
        for forwarded in received.sends {
            if let Err(bytes) = self.sockets.send(forwarded.to, forwarded.bytes) {
                self.gone(forwarded.to, &bytes);
            }
        }
    }

    /// The sender of a request is told. An answer that cannot be sent is lost, as on the network.
    fn gone(&mut self, to: Link, bytes: &[u8]) {
        let received = self.edge.gone(bytes, to);
        if let Some(answer) = received.sends.first() {
            self.note(&received, answer.to);
        }
        for forwarded in received.sends {
            // The one who asked is gone, too.
            let _ = self.sockets.send(forwarded.to, forwarded.bytes);
        }
    }

    fn tick(&mut self) {
        if let Some(accounts) = self.source.changed(&self.settings) {
            self.edge.set_accounts(accounts);
        }
        self.edge.forget_ended(now());
        self.bindings.add(self.edge.take_binding_changes());
        self.reporter.count(self.edge.counters(), self.edge.digest_runs());
        if Instant::now() >= self.log_next {
            self.log_refusals();
            self.log_next = Instant::now() + LOG;
        }
    }

    /// One line, however much was refused.
    fn log_refusals(&mut self) {
        let counters = *self.edge.counters();
        let details = mem::take(&mut self.details);
        let said = |cause: Cause| {
            let of_cause = details.iter().filter(|((name, _), _)| *name == cause.name());
            let parts: Vec<_> = of_cause.map(|((_, detail), count)| format!("{detail} {count}")).collect();
            let more = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
            let count = counters.of(cause) - self.logged.of(cause);
            (count > 0).then(|| format!("{} {count}{more}", cause.name()))
        };
        let refused: Vec<_> = Cause::ALL.into_iter().filter_map(said).collect();
        if !refused.is_empty() {
            info!("refused, or asked for credentials, since a minute: {}", refused.join(", "));
        }
        self.logged = counters;
    }
}

fn now() -> Now {
    let clock = Clock::read();
    Now { kernel: clock.kernel, wall: clock.wall.seconds() }
}
