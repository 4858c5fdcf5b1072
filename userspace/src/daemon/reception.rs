//! The door, kept open: whoever removes the socket, or the directory around it, neither shuts anybody out for long nor
//! makes room for a second daemon.

use std::{path::PathBuf, time::Duration};

use tokio::time::sleep;
use tracing::{error, info};

use super::{handler::Calls, start};
use crate::{
    control::{DaemonLock, Door, Limits, protocol::Refusal, serve},
    file_id::FileId,
    places,
};

const LOOK: Duration = Duration::from_secs(2);

/// Ends only if another daemon has taken the place.
pub(super) async fn receive(
    mut door: Door,
    mut lock: DaemonLock,
    group: Option<String>,
    calls: Calls,
) -> Refusal {
    let runtime = places::runtime();
    let socket = places::socket(&runtime);
    let mut locked = Place::of(DaemonLock::path(&runtime));
    loop {
        let open = Place::of(socket.clone());
        tokio::select! {
            () = serve(door, calls.clone(), Limits::default()) => {}
            () = missing(&open, &locked) => {}
        }
        error!("{} was removed, or the directory that it was in", socket.display());
        if !locked.is_there() {
            lock = match DaemonLock::take(&runtime) {
                Ok(lock) => lock,
                Err(error) => return Refusal::failed(error.to_string()),
            };
            locked = Place::of(DaemonLock::path(&runtime));
        }
        door = match start::door(group.as_deref(), &lock) {
            Ok(door) => door,
            Err(refusal) => return refusal,
        };
        info!("calls are taken again");
    }
}

async fn missing(open: &Place, locked: &Place) {
    while open.is_there() && locked.is_there() {
        sleep(LOOK).await;
    }
}

/// A file that is to stay where it is.
struct Place(PathBuf, Option<FileId>);

impl Place {
    fn of(path: PathBuf) -> Self {
        let file = FileId::of(&path);
        Self(path, file)
    }

    fn is_there(&self) -> bool {
        let Self(path, file) = self;
        FileId::of(path) == *file
    }
}
