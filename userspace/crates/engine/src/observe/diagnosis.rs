//! Why somebody's requests are refused, from what was seen or handed in.

use std::net::IpAddr;

use serde::Serialize;

use sipward_types::{account::Account, cause::Cause, evidence::Proof, time::KernelTime};

/// Of whom to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Account(&'a str),
    Source(IpAddr),
}

/// A cause, for one account at one source. The latest comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub cause: Cause,
    pub account: Option<Account>,
    pub source: IpAddr,
    /// The number of times in a row; a success ends it.
    pub count: u32,
    /// Kernel monotonic nanoseconds.
    pub since: KernelTime,
    pub last: KernelTime,
    /// Of the last answer, where there was one.
    pub status: Option<u16>,
    /// `Unproven`: it may not have come from there at all.
    pub proof: Proof,
}
