//! The whole of sipward, as it comes, before real PBXs, and those who attack them: side by side, each from a network of
//! his own, with the phones that must not notice. Each run ends with a table.

mod crowds;
mod forged;
mod guesses;
mod rows;
mod scanners;
mod site;
