//! Interfaces that come, and are protected before they are up.

use std::{thread, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tracing::{error, info, warn};

use super::controller_handle::ControllerHandle;
use crate::controller::Controller;
use sipward_kernel::LinkNews;

/// For a kernel that does not tell.
const FALLBACK: Duration = Duration::from_secs(2);

pub(super) async fn watch(handle: &ControllerHandle) {
    let mut news = match listen() {
        Ok(news) => news,
        Err(error) => {
            warn!("the kernel does not tell when interfaces come, so they are looked for: {error}");
            mpsc::channel(1).1
        }
    };
    let (mut known_faults, mut pin_fault) = (Vec::new(), None);
    let mut tap_faults = Vec::new();
    loop {
        tokio::select! {
            Some(()) = news.recv() => {}
            () = sleep(FALLBACK) => {}
        }
        let logged = pin_fault.take();
        let faults = std::mem::take(&mut tap_faults);
        let (logged, attached, failed, faults) = handle
            .with(|controller| {
                // First: without its pins, the filter would be taken for another program.
                let logged = look_after_pins(controller, logged);
                let (attached, failed) = controller.attach_missing();
                (logged, attached, failed, look_after_taps(controller, faults))
            })
            .await;
        (pin_fault, tap_faults) = (logged, faults);
        for interface in attached {
            info!("{interface}: the filter is attached");
        }
        let faults: Vec<_> = failed.into_iter().map(|(_, error)| error.to_string()).collect();
        for fault in faults.iter().filter(|fault| !known_faults.contains(*fault)) {
            error!("{fault}");
        }
        known_faults = faults;
    }
}

/// `logged`: the faults that were logged already.
pub(super) fn look_after_taps(controller: &mut Controller, logged: Vec<String>) -> Vec<String> {
    let faults: Vec<_> = match controller.tap() {
        Ok((came, failed)) => {
            came.iter().for_each(|interface| info!("{interface}: the guard sees what the PBX answers"));
            failed.into_iter().map(|error| error.to_string()).collect()
        }
        Err(error) => vec![error.to_string()],
    };
    for fault in faults.iter().filter(|fault| !logged.contains(*fault)) {
        error!("the guard does not see all that the PBX answers: {fault}");
    }
    faults
}

/// `logged`: the fault that was logged already.
fn look_after_pins(controller: &mut Controller, logged: Option<String>) -> Option<String> {
    if controller.is_off() {
        return None;
    }
    match controller.keep_pinned() {
        Ok(made) if made.is_empty() => None,
        Ok(made) => {
            let made: Vec<_> = made.iter().map(|path| path.display().to_string()).collect();
            error!("somebody removed pins of the filter; they are there again: {}", made.join(", "));
            None
        }
        Err(fault) => {
            let fault = fault.to_string();
            if logged.as_ref() != Some(&fault) {
                error!("the filter is in force and could not be pinned: {fault}");
            }
            Some(fault)
        }
    }
}

/// A thread that waits for the kernel; bursts of news are one.
fn listen() -> Result<mpsc::Receiver<()>, sipward_kernel::Error> {
    let mut links = LinkNews::listen()?;
    let (sender, news) = mpsc::channel(1);
    let work = move || {
        while links.wait().is_ok() {
            // Full: it will be looked at anyway.
            if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    };
    // Without the thread, the news end at once and the fallback does it all.
    let _ = thread::Builder::new().name("links".to_owned()).spawn(work);
    Ok(news)
}
