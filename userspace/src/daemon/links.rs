//! Interfaces that come, and are protected before they are up.

use std::{thread, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tracing::{error, info, warn};

use super::desk::Desk;
use crate::kernel::LinkNews;

/// For a kernel that does not tell.
const FALLBACK: Duration = Duration::from_secs(2);

pub(super) async fn watch(desk: &Desk) {
    let mut news = match listen() {
        Ok(news) => news,
        Err(error) => {
            warn!("the kernel does not tell when interfaces come, so they are looked for: {error}");
            mpsc::channel(1).1
        }
    };
    let mut known_faults = Vec::new();
    loop {
        tokio::select! {
            Some(()) = news.recv() => {}
            () = sleep(FALLBACK) => {}
        }
        let (attached, failed) = desk.with(|office| office.attach_missing()).await;
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

/// A thread that waits for the kernel; bursts of news are one.
fn listen() -> Result<mpsc::Receiver<()>, crate::kernel::Error> {
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
