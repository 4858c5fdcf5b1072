//! The edge, `sipward edge`, before real PBXs.

mod flows;
mod guarded;
mod site;
mod unit;
