//! The control socket: how commands and programs talk to the daemon.

mod accounts;
mod acl;
mod admission;
mod answers;
mod client;
mod connection;
mod control_socket;
mod handler;
mod lock;
mod peer;
mod read_ahead;
mod request;
mod role;
mod server;
#[cfg(test)]
mod tests;

pub use self::handler::{Handler, Limits};
pub(crate) use self::{accounts::group_id, acl::is_unsupported as has_no_lists};
pub use admission::{Access, Admission, AdmissionError};
pub use answers::{Answers, Gone};
pub use client::{Client, ClientError, Received, daemon_status};
pub use control_socket::{ControlSocket, ControlSocketError};
pub use lock::{DaemonLock, LockError};
pub use peer::this_process;
pub use server::serve;
