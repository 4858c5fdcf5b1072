//! The edge, `sipward edge`, before real PBXs.

mod flows;
mod site;
