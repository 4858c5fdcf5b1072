//! `sipward edge`: the SIP front, in a process that owns nothing of the kernel.
//!
//! One task has the core, and decides; the others receive. Whatever arrives goes through one bounded queue: where that is
//! full, datagrams wait in their sockets, and are lost there, as in any busy server.

mod connections;
mod key_file;
mod sockets;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sipward_edge::{
    edge::{Edge, Now, Received},
    link::Link,
    message::FramingError,
    settings::Settings,
};
use sipward_engine::policy::{Config, DEFAULT_PATH};
use tokio::{sync::mpsc, time::interval};
use tracing::{error, info, warn};

use self::sockets::Sockets;
use crate::{
    clock::Clock,
    log::{self, Log},
    paths,
    refusal::Refusal,
    service::{Signals, notify},
};

/// Messages that wait for the core.
const ARRIVALS: usize = 4_096;
/// The interval at which accounts are read again if they have changed, and ended things are forgotten.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Options {
    pub config: Option<PathBuf>,
    pub log: Log,
}

/// What the core is told.
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
    Closed(Link),
    /// A connection was refused, because there are too many.
    NoRoom(SocketAddr),
    /// The PBX could not be reached with that.
    Unsent {
        bytes: Vec<u8>,
    },
}

type Arrivals = mpsc::Sender<Arrival>;

/// Runs until a signal.
pub fn run(options: &Options) -> Result<(), Refusal> {
    log::start(options.log);
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
    let mut source = AccountSource::open(&settings)?;
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
    let outer: Vec<_> = settings.listen.iter().map(|own| (own.transport, own.address)).collect();
    let sockets = Sockets::open(&outer, settings.inner, settings.pbx, &arrivals).await?;
    let mut core = Core { edge: Edge::new(settings, keys, source.accounts()), sockets };
    notify(&[sd_notify::NotifyState::Ready]);
    let mut ticks = interval(TICK);
    loop {
        tokio::select! {
            Some(arrival) = arrived.recv() => core.take(arrival),
            _ = ticks.tick() => core.tick(&mut source),
            _ = signals.hangup.recv() => warn!("SIGHUP: only accounts are read again; restart the edge for its settings"),
            name = signals.end.received() => {
                info!("{name}: ending; phones register again, and running calls go on, when it is back");
                return Ok(());
            }
        }
    }
}
