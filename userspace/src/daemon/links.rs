//! Attaches the filter to new interfaces before they are up.

use std::{thread, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tracing::{error, info, warn};

use super::controller_handle::ControllerHandle;
use crate::{controller::Controller, fault_log::FaultLog};
use sipward_kernel::LinkNews;

/// The interval of polling, for kernels without notifications.
const FALLBACK: Duration = Duration::from_secs(2);

pub(super) async fn watch(handle: &ControllerHandle) {
    let mut news = match listen() {
        Ok(news) => news,
        Err(error) => {
            warn!("the kernel does not report new interfaces, so sipward polls for them: {error}");
            mpsc::channel(1).1
        }
    };
    let mut faults = Faults::default();
    loop {
        tokio::select! {
            Some(()) = news.recv() => {}
            () = sleep(FALLBACK) => {}
        }
        faults = handle.with(|controller| look_after(controller, faults)).await;
    }
}

/// From one look to the next.
#[derive(Default)]
struct Faults {
    pins: FaultLog,
    interfaces: FaultLog,
    taps: FaultLog,
}

fn look_after(controller: &mut Controller, mut faults: Faults) -> Faults {
    // First: without its pins, the filter would be taken for another program.
    look_after_pins(controller, &mut faults.pins);
    let (attached, failed) = controller.attach_missing();
    for interface in attached {
        info!("{interface}: the filter is attached");
    }
    let failed = failed.into_iter().map(|(_, error)| error.to_string());
    faults.interfaces.update(failed, |fault| error!("{fault}"));
    look_after_taps(controller, &mut faults.taps);
    faults
}

pub(super) fn look_after_taps(controller: &mut Controller, faults: &mut FaultLog) {
    let failed: Vec<_> = match controller.tap() {
        Ok((came, failed)) => {
            came.iter().for_each(|interface| info!("{interface}: the observer reads the answers of the PBX"));
            failed.into_iter().map(|error| error.to_string()).collect()
        }
        Err(error) => vec![error.to_string()],
    };
    faults.update(failed, |fault| error!("the observer misses answers of the PBX: {fault}"));
}

fn look_after_pins(controller: &mut Controller, faults: &mut FaultLog) {
    let made = if controller.is_off() { Ok(Vec::new()) } else { controller.keep_pinned() };
    if let Ok(made) = &made
        && !made.is_empty()
    {
        let made: Vec<_> = made.iter().map(|path| path.display().to_string()).collect();
        error!("pins of the filter were removed; they are restored: {}", made.join(", "));
    }
    let fault = made.err().map(|error| error.to_string());
    faults.update(fault, |fault| error!("the filter is in force but cannot be pinned: {fault}"));
}

/// Starts a thread that waits for news of the kernel. A burst counts as one.
fn listen() -> Result<mpsc::Receiver<()>, sipward_kernel::Error> {
    let mut links = LinkNews::listen()?;
    let (sender, news) = mpsc::channel(1);
    let work = move || {
        while links.wait().is_ok() {
            // Full: a look is pending anyway.
            if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    };
    // Without the thread, the channel closes at once and polling takes over.
    let _ = thread::Builder::new().name("links".to_owned()).spawn(work);
    Ok(news)
}
