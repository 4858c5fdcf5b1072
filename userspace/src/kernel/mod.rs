//! The only place that knows aya.
