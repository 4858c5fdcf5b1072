//! Keeps the control socket open. Its removal, or that of its directory, neither shuts clients out for long nor lets a
//! second daemon start.

use std::{path::PathBuf, time::Duration};

use tokio::time::sleep;
use tracing::{error, info};

use super::{request_handler::RequestHandler, start};
use crate::{
    control::{Access, ControlSocket, DaemonLock, Limits, serve},
    file_id::FileId,
    paths,
    refusal::Refusal,
};

const LOOK: Duration = Duration::from_secs(2);

/// Ends only if another daemon has taken the place.
pub(super) async fn listen(
    mut control_socket: ControlSocket,
    mut lock: DaemonLock,
    access: Access,
    request_handler: RequestHandler,
) -> Refusal {
    let runtime = paths::runtime();
    let socket = paths::socket(&runtime);
    let mut locked = WatchedFile::of(DaemonLock::path(&runtime));
    loop {
        let open = WatchedFile::of(socket.clone());
        tokio::select! {
            () = serve(control_socket, request_handler.clone(), Limits::default()) => {}
            () = missing(&open, &locked) => {}
        }
        error!("{} or its directory was removed", socket.display());
        if !locked.is_there() {
            lock = match DaemonLock::take(&runtime) {
                Ok(lock) => lock,
                Err(error) => return Refusal::failed(error.to_string()),
            };
            locked = WatchedFile::of(DaemonLock::path(&runtime));
        }
        control_socket = match start::control_socket(&access, &lock) {
            Ok(control_socket) => control_socket,
            Err(refusal) => return refusal,
        };
        info!("the control socket is open again");
    }
}

async fn missing(open: &WatchedFile, locked: &WatchedFile) {
    while open.is_there() && locked.is_there() {
        sleep(LOOK).await;
    }
}

/// A file that is to stay where it is.
struct WatchedFile(PathBuf, Option<FileId>);

impl WatchedFile {
    fn of(path: PathBuf) -> Self {
        let file = FileId::of(&path);
        Self(path, file)
    }

    fn is_there(&self) -> bool {
        let Self(path, file) = self;
        FileId::of(path) == *file
    }
}
