#![doc = include_str!("../docs/architecture.md")]

pub mod account_store;
pub mod accounts_file;
pub mod ban_safety;
pub mod caller;
pub mod cli;
pub mod clock;
pub mod control;
pub mod controller;
pub mod daemon;
pub mod doctor;
pub mod edge;
pub mod event_reader;
mod fault_log;
mod file_id;
pub mod filter_forecast;
pub mod list_file;
pub mod lists;
mod locked;
pub mod log;
pub mod paths;
pub mod probe;
pub mod refusal;
mod service;
pub mod store;
pub mod wire;
