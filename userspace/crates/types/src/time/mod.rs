//! Times and lengths of time, each in a type that says its unit.

mod kernel_time;
mod length;
mod utc;
mod wall_time;

pub use self::{
    kernel_time::KernelTime,
    length::{DurationError, Lifetime, format_duration, parse_duration},
    utc::{format_utc, parse_utc, parse_utc_day},
    wall_time::{WallSeconds, WallTime},
};
