//! The edge, `sipward edge`, before real PBXs.

mod alike;
mod defaults;
mod explained;
mod floods;
mod flows;
mod forged;
mod guarded;
mod site;
mod tools;
mod unit;
