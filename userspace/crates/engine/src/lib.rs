//! The decisions of sipward, without a kernel, a clock or a disk: observer, guard, policy, replay and forecasts.

pub mod false_positives;
pub mod first_line;
pub mod forecast;
pub mod guard;
pub mod lists;
pub mod observe;
pub mod pcapng;
pub mod policy;
pub mod precedence;
pub mod recent_drops;
pub mod replay;
