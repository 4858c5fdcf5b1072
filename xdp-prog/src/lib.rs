//! The packet path: the judgement of one frame.
//!
//! A module of the same name under `kernel/` does its part over the maps of the kernel.
//!
//! Everything here is pure: a frame, the tables and the time go in, a [`Reason`](reason::Reason) comes out. The XDP program
//! (`main.rs`) runs this code over the kernel's maps; `sipward replay` and the tests run the same code over
//! ordinary memory through [`judge::World`].
#![cfg_attr(target_arch = "bpf", no_std, feature(asm_experimental_arch))]

pub mod abi;
pub mod account;
pub mod bytes;
pub mod capture;
pub mod egress;
pub mod flows;
pub mod form;
pub mod frame;
pub mod judge;
pub mod lines;
pub mod matcher;
pub mod meter;
pub mod packed;
pub mod reason;
pub mod sampler;
pub mod sip;
pub mod siphash;
pub mod stream;
pub mod tap;
pub mod word;

pub use judge::{asking, charge, guess, segments};
