//! From the configuration file to what the filter is loaded with. Pure, but for reading the file.

mod config;
mod document;
mod edge;
mod error;
mod false_positives;
mod flows;
mod forms;
mod guard;
mod guesses;
mod limits;
mod newcomers;
mod ports;
mod resolve;
mod roles;
mod sources;
#[cfg(test)]
mod tests;

pub use self::{
    config::{Config, DEFAULT_PATH, Mode},
    error::{ConfigError, FileError},
    flows::FlowLimits,
    forms::FormPolicy,
    guard::GuardPolicy,
    guesses::GuessPolicy,
    limits::{Bucket, Limit, Limits, Window},
    newcomers::Newcomers,
    ports::Ports,
    resolve::Resolved,
    roles::{Grant, Member, Role, Roles},
};
