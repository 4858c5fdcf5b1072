//! The accounts that the edge authenticates.
