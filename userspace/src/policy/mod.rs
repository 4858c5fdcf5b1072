//! Configuration file to kernel policy.
