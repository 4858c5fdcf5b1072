//! Sending messages on, in both directions.
