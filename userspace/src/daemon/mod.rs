//! The daemon, `sipward run`: attaches the filter as `sipward attach` does, and keeps running.
//!
//! One thread owns the controller, and with it the store and the kernel's lists; the other threads send it jobs. The
//! filter does not need the daemon: however the daemon ends, packets are judged as before.

mod budgets;
mod control_listener;
mod controller_handle;
mod drop_events;
mod false_positives;
mod feeders;
mod in_force;
mod links;
mod observing;
mod reports;
mod request_handler;
mod start;
mod unanswered;
mod upkeep;

use std::{path::PathBuf, time::Duration};

use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use self::{
    controller_handle::ControllerHandle, drop_events::DropEvents, false_positives::SharedFalsePositives,
    in_force::InForceFeed, observing::Observing, request_handler::RequestHandler, start::Begun,
};
use crate::{
    caller::Who,
    control::DaemonLock,
    controller::{Controller, ControllerEvent, OpenOutcome, Reconciled, Reply},
    log::{self, Log},
    paths,
    refusal::Refusal,
    service::{Signals, notify},
    wire,
};
use sipward_api::Call;

#[derive(Debug)]
pub struct Options {
    pub config: Option<PathBuf>,
    pub log: Log,
}

/// Runs until a signal. The filter stays in force.
pub fn run(options: &Options) -> Result<(), Refusal> {
    log::start(options.log);
    let lock = DaemonLock::take(&paths::runtime()).map_err(|error| Refusal::failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::failed(format!("could not start: {error}")))?;
    let result = runtime.block_on(work(options, lock));
    // Threads that wait for packets must not delay the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn work(options: &Options, lock: DaemonLock) -> Result<(), Refusal> {
    let mut signals = Signals::listen()?;
    let Begun { mut controller, control_socket, access } = start::start(options, &lock)?;
    let pins = controller.pins().clone();
    let false_positives = SharedFalsePositives::open(&mut controller);
    let drop_events = DropEvents::start(pins.clone(), false_positives.clone())?;
    let in_force = InForceFeed::default();
    let (events, tracker, feed) = (drop_events.clone(), false_positives.clone(), in_force.clone());
    controller.listen(Box::new(move |news| {
        if let ControllerEvent::Decided { facts, who, clock } = news {
            tracker.decided(facts, who, clock);
            events.emit_decided(wire::decided(facts, who, clock));
        }
        feed.emit(news);
    }));
    let edge_sockets = controller.edge_sockets();
    let handle = ControllerHandle::open(controller)?;
    let observing = Observing::start(pins, handle.clone(), false_positives.clone(), edge_sockets)?;
    let request_handler = RequestHandler::new(
        handle.clone(),
        drop_events.clone(),
        in_force,
        observing,
        false_positives.clone(),
    );
    notify(&[sd_notify::NotifyState::Ready]);
    info!("ready: the control socket is {}", paths::socket(&paths::runtime()).display());
    let tell = |decided| drop_events.emit_decided(decided);
    let mut result = Ok(());
    tokio::select! {
        refusal = control_listener::listen(control_socket, lock, access, request_handler) => result = Err(refusal),
        () = upkeep::keep_up(&handle) => {}
        () = false_positives.keep(&handle, &tell) => {}
        () = links::watch(&handle) => {}
        () = watchdog(&handle) => {}
        () = reload_on_demand(&mut signals.hangup, &handle) => {}
        name = signals.end.received() => info!("{name}: ending; the filter stays in force"),
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    if let Err(error) = handle.with(Controller::untap).await {
        warn!("the filter keeps copying packets for the observer, which costs some CPU time: {error}");
    }
    false_positives.look(&handle, &tell).await;
    if let Some((_, Err(fault))) = handle.with(recovered).await {
        warn!("not all that is in force is saved: {fault}");
    }
    if let Err(fault) = handle.with(Controller::keep_all_memory).await {
        warn!("the latest counts of the guard are not saved: {fault}");
    }
    // Jobs in the queue are finished, so that the next controller finds nothing half done.
    handle.close().await;
    result
}

/// The last chance of the store: where the filter was taken off, what is not saved ends with this process.
fn recovered(controller: &mut Controller) -> Option<(OpenOutcome, Result<Reconciled, String>)> {
    controller.fault();
    controller.recover()
}

async fn reload_on_demand(hangup: &mut Signal, handle: &ControllerHandle) {
    while hangup.recv().await.is_some() {
        let (result, reply) = handle
            .with(|controller| {
                let mut reply = Reply::default();
                (controller.perform(&Call::Reload, &Who::sipward(), &mut reply), reply)
            })
            .await;
        reply.notices.iter().for_each(|notice| warn!("{notice}"));
        match result {
            Ok(()) => info!("SIGHUP: the configuration is in force"),
            Err(refusal) => error!("SIGHUP: the previous configuration stays in force: {refusal}"),
        }
    }
}

/// Notifies systemd's watchdog, if there is one, that the controller answers.
async fn watchdog(handle: &ControllerHandle) {
    let Some(within) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(within / 3);
    loop {
        ticks.tick().await;
        handle.with(|_| ()).await;
        notify(&[sd_notify::NotifyState::Watchdog]);
    }
}
