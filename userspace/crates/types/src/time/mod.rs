//! Times and lengths of time, each in a type that says its unit.

mod kernel_time;
mod length;
mod wall_time;

pub use self::{
    kernel_time::KernelTime,
    length::{DurationError, Lifetime, format_duration, parse_duration},
    wall_time::{WallSeconds, WallTime},
};
