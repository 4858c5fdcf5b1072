//! Paths of files on this host.

use std::path::{Path, PathBuf};

const STATE: &str = "/var/lib/sipward";
const EDGE_STATE: &str = "/var/lib/sipward-edge";
const RUNTIME: &str = "/run/sipward";
/// For tests, which must not meet each other.
const STATE_VARIABLE: &str = "SIPWARD_STATE_DIR";
const EDGE_STATE_VARIABLE: &str = "SIPWARD_EDGE_STATE_DIR";
const RUNTIME_VARIABLE: &str = "SIPWARD_RUNTIME_DIR";

/// Data that must survive a reboot.
pub fn store() -> PathBuf {
    state().join("sipward.db")
}

/// The accounts of the edge.
pub fn account_store() -> PathBuf {
    state().join("accounts.db")
}

fn state() -> PathBuf {
    named(STATE_VARIABLE, STATE)
}

/// The edge's own directory, which its user may write to.
pub fn edge_state() -> PathBuf {
    named(EDGE_STATE_VARIABLE, EDGE_STATE)
}

/// Files that live as long as the daemon, or until a reboot.
pub fn runtime() -> PathBuf {
    named(RUNTIME_VARIABLE, RUNTIME)
}

pub fn socket(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}

fn named(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}
