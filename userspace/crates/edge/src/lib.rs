//! The edge: sipward's own SIP front. It challenges requests, judges their credentials, and forwards to one PBX what is
//! right.
//!
//! Pure: received bytes and the time go in; bytes to send and evidence come out. Sockets, files and the daemon are the
//! business of `sipward edge`, in the program's own crate.
//!
//! A request goes through these rooms:
//!
//! - `message` reads it, and refuses whatever the edge and the PBX could read differently.
//! - `edge` asks for credentials (`answer`), or judges them: first what the guard has in force, then nonce and digest
//!   (`authenticator`, with the hashes of `digest`), then what the operator says about the account (`account`).
//! - `forward` sends it on. Whatever has to be known when the answer, or the next request of the call, comes back is in
//!   the message itself, signed (`token`), so that a restart forgets nothing.
//!
//! Evidence and refusals for the daemon wait in `evidence_queue` and `refusals`.

pub mod account;
pub mod accounts_file;
pub mod answer;
pub mod authenticator;
mod base64url;
pub mod digest;
pub mod edge;
pub mod evidence_queue;
pub mod forward;
pub mod in_force;
pub mod keys;
pub mod link;
pub mod message;
pub mod refusals;
pub mod settings;
pub mod token;
