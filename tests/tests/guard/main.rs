//! Real PBXs behind the filter and the daemon: the PBX's own answers reveal password guessers, and no
//! other source is affected.

mod attacks;
mod crack;
mod forged;
mod known;
mod office;
mod proof;
mod restart;
mod site;
mod storm;
