//! sipward with its default configuration before real PBXs, and attackers, side by side, each from a network of
//! its own, with phones that must not be affected. Each run ends with a table.

mod crowds;
mod forged;
mod guesses;
mod rows;
mod scanners;
mod site;
