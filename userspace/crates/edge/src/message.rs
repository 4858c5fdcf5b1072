//! Messages that can be read in one way only.
