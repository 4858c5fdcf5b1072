//! The daemon as hosts treat it: ended, killed and upgraded while packets come in, and its interfaces taken away.

mod calls;
mod interfaces;
mod restarts;
mod site;
