//! `sipward run`: what `sipward attach` does, and then stays awake.
//!
//! One thread owns the office, and with it the store and the kernel's lists; everybody else sends it jobs. The filter
//! does not need any of this to go on: whatever ends the daemon, packets are judged as before.

mod books;
mod desk;
mod handler;
mod hearing;
mod links;
mod log;
mod observing;
mod reception;
mod start;
mod upkeep;

use std::{path::PathBuf, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

pub use self::log::Log;
use self::{books::Books, desk::Desk, handler::Calls, hearing::Hearing, observing::Observing, start::Begun};
use crate::{
    control::{
        DaemonLock,
        protocol::{Call, Refusal, Who},
    },
    office::{Office, Reply},
    places,
};

#[derive(Debug)]
pub struct Options {
    pub config: Option<PathBuf>,
    pub log: Log,
}

/// Until somebody ends it. The filter stays in force.
pub fn run(options: &Options) -> Result<(), Refusal> {
    log::start(options.log);
    let lock = DaemonLock::take(&places::runtime()).map_err(|error| Refusal::failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::failed(format!("could not start: {error}")))?;
    let result = runtime.block_on(work(options, lock));
    // Nobody is to wait for a thread that waits for packets.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn work(options: &Options, lock: DaemonLock) -> Result<(), Refusal> {
    let mut signals = Signals::listen()?;
    let Begun { mut office, door, group } = start::start(options, &lock)?;
    let pins = office.pins().clone();
    let books = Books::open(&mut office);
    let hearing = Hearing::start(pins.clone(), books.clone())?;
    let (ear, noted) = (hearing.clone(), books.clone());
    office.listen(Box::new(move |decided| {
        noted.decided(&decided);
        ear.tell_decided(decided);
    }));
    let desk = Desk::open(office)?;
    let observing = Observing::start(pins, desk.clone(), books.clone())?;
    let calls = Calls::new(desk.clone(), hearing.clone(), observing, books.clone());
    notify(&[sd_notify::NotifyState::Ready]);
    info!("ready: calls are taken at {}", places::socket(&places::runtime()).display());
    let mut result = Ok(());
    tokio::select! {
        refusal = reception::receive(door, lock, group, calls) => result = Err(refusal),
        () = upkeep::keep_up(&desk) => {}
        () = books.keep(&desk, &hearing) => {}
        () = links::watch(&desk) => {}
        () = watchdog(&desk) => {}
        () = reload_on_demand(&mut signals.hangup, &desk) => {}
        name = signals.end.received() => info!("{name}: ending; the filter stays in force"),
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    if let Err(error) = desk.with(Office::untap).await {
        warn!("the filter goes on handing over packets that nobody reads, which costs a little: {error}");
    }
    books.look(&desk, &hearing).await;
    if let Err(fault) = desk.with(Office::keep_all_memory).await {
        warn!("what the guard has counted lately is not saved: {fault}");
    }
    // What was begun is finished, so that the next office finds nothing half done.
    desk.close().await;
    result
}

struct Signals {
    hangup: Signal,
    end: Ends,
}

struct Ends {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Refusal> {
        let listen = |kind| {
            signal(kind).map_err(|error| Refusal::failed(format!("could not listen for signals: {error}")))
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            end: Ends { term: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? },
        })
    }
}

impl Ends {
    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn reload_on_demand(hangup: &mut Signal, desk: &Desk) {
    while hangup.recv().await.is_some() {
        let (result, reply) = desk
            .with(|office| {
                let mut reply = Reply::default();
                (office.perform(&Call::Reload, &Who::sipward(), &mut reply), reply)
            })
            .await;
        reply.notices.iter().for_each(|notice| warn!("{notice}"));
        match result {
            Ok(()) => info!("SIGHUP: the configuration is in force"),
            Err(refusal) => error!("SIGHUP: the configuration before stays in force: {refusal}"),
        }
    }
}

/// Tells systemd, if it wants to know, that the office answers.
async fn watchdog(desk: &Desk) {
    let Some(within) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(within / 3);
    loop {
        ticks.tick().await;
        desk.with(|_| ()).await;
        notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Nobody listens where systemd did not start this.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("systemd does not hear: {error}");
    }
}
