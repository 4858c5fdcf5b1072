//! The edge, `sipward edge`, before real PBXs.

mod alike;
mod closed;
mod defaults;
mod explained;
mod floods;
mod flows;
mod forged;
mod guarded;
mod load;
mod modes;
mod paths;
mod rfc3665;
mod sipp_pbx;
mod site;
mod tools;
mod unit;
