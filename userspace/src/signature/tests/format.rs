//! The text format and its errors.
