//! Real PBXs behind the filter and the daemon: who guesses passwords is found out by the PBX's own answers, and nobody
//! else notices.

mod attacks;
mod crack;
mod forged;
mod known;
mod office;
mod proof;
mod restart;
mod site;
mod storm;
