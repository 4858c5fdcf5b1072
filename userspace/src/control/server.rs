//! Accepts clients, and serves each in its own task, so that none can harm another.

use std::{
    collections::HashMap,
    io::Write as _,
    time::{Duration, Instant},
};

use tokio::{
    net::UnixStream,
    task::{Id, JoinSet},
    time::sleep,
};

use super::{
    answers::last,
    connection::{Client, Connection},
    control_socket::ControlSocket,
    peer::Peer,
};
use crate::control::handler::{Handler, Limits};
use crate::refusal::Refusal;

/// Serves for as long as it is polled; dropping it ends all connections.
pub async fn serve<H: Handler>(control_socket: ControlSocket, handler: H, limits: Limits) {
    let mut connections = JoinSet::new();
    let mut connection_limits = ConnectionLimits::default();
    let mut rejection_log = RejectionLog::default();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next_with_id() => connection_limits.leave(match &ended {
                Ok((id, _)) => *id,
                Err(error) => error.id(),
            }),
            accepted = control_socket.listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some(client) = admit(stream, &control_socket, &connection_limits, &limits, &mut rejection_log) {
                        let owner = Owner::of(&client.peer);
                        let id = connections.spawn(attend(client, handler.clone(), limits)).id();
                        connection_limits.take(id, owner);
                    }
                }
                Err(error) => {
                    tracing::warn!("new clients cannot be accepted: {error}");
                    sleep(RETRY).await;
                }
            }
        }
    }
}

/// The usual cause is too many open files.
const RETRY: Duration = Duration::from_millis(500);

async fn attend<H: Handler>(client: Client, handler: H, limits: Limits) {
    let Peer { uid, pid, .. } = client.peer;
    match Connection::open(client, handler, limits).await {
        Ok(connection) => {
            // Clients may hang up, and may leave answers unread.
            let _ = connection.attend().await;
        }
        Err(error) => tracing::warn!(uid, pid, "a client cannot be served: {error}"),
    }
}

/// None if the client was rejected.
fn admit(
    stream: UnixStream,
    control_socket: &ControlSocket,
    connection_limits: &ConnectionLimits,
    limits: &Limits,
    rejection_log: &mut RejectionLog,
) -> Option<Client> {
    let peer = Peer::of(&stream)
        .inspect_err(|error| rejection_log.log(&format!("its identity is unknown: {error}")))
        .ok()?;
    let refusal = match control_socket.admission.permissions(&peer) {
        None => Refusal::no(format!(
            "uid {} may not use the control socket: it is for root, and for those to whom the configuration gives a \
             role in [roles]",
            peer.uid
        )),
        Some(permissions) => match connection_limits.problem(&peer, limits) {
            None => return Some(Client { stream, peer, permissions }),
            Some(problem) => Refusal::failed(format!("the daemon accepts no more clients now: {problem}")),
        },
    };
    rejection_log.log(&refusal.message);
    turn_away(stream, refusal);
    None
}

fn turn_away(stream: UnixStream, refusal: Refusal) {
    // A line always fits into a new connection, so this does not block. A client that is gone needs no answer.
    if let (Ok(line), Ok(mut stream)) = (last(Err(refusal)), stream.into_std()) {
        let _ = stream.write_all(&line);
    }
}

/// Rejected clients are logged at limited rate, because one that reconnects at once would fill the log.
#[derive(Default)]
struct RejectionLog {
    last: Option<Instant>,
    suppressed: u64,
}

impl RejectionLog {
    const PAUSE: Duration = Duration::from_secs(10);

    fn log(&mut self, why: &str) {
        if self.last.is_some_and(|last| last.elapsed() < Self::PAUSE) {
            self.suppressed += 1;
            return;
        }
        self.last = Some(Instant::now());
        match std::mem::take(&mut self.suppressed) {
            0 => tracing::warn!("a client was rejected: {why}"),
            suppressed => tracing::warn!("a client was rejected, and {suppressed} before it: {why}"),
        }
    }
}

/// The process and the user of a connection.
#[derive(Clone, Copy)]
struct Owner {
    pid: i32,
    uid: u32,
}

impl Owner {
    const fn of(peer: &Peer) -> Self {
        Self { pid: peer.pid, uid: peer.uid }
    }
}

/// Which connection belongs to whom.
#[derive(Default)]
struct ConnectionLimits(HashMap<Id, Owner>);

impl ConnectionLimits {
    fn problem(&self, peer: &Peer, limits: &Limits) -> Option<String> {
        let count = |is_its: &dyn Fn(&Owner) -> bool| self.0.values().filter(|owner| is_its(owner)).count();
        let of_process = count(&|owner| owner.pid == peer.pid);
        let of_user = count(&|owner| owner.uid == peer.uid);
        if self.0.len() >= limits.clients {
            Some(format!("it has {}", self.0.len()))
        } else if of_process >= limits.of_a_process {
            Some(format!("process {} already has {of_process} connections", peer.pid))
        } else if of_user >= limits.of_a_user {
            Some(format!("uid {} already has {of_user} connections", peer.uid))
        } else {
            None
        }
    }

    fn take(&mut self, connection: Id, owner: Owner) {
        self.0.insert(connection, owner);
    }

    fn leave(&mut self, connection: Id) {
        self.0.remove(&connection);
    }
}
