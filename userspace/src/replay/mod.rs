//! A capture through the packet path: what the filter would have done, with the capture's own clock.

pub mod capture;
mod memory;
mod recent;

pub use self::memory::Memory;
