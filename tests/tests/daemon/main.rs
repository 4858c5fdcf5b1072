//! The daemon as hosts treat it: ended, killed and upgraded while packets come in and while its lists change, and its
//! interfaces taken away.

mod calls;
mod clerk;
mod closed;
mod explained;
mod guard;
mod interfaces;
mod kills;
mod life;
mod lists;
mod lost;
mod model;
mod over;
mod registrar;
mod restarts;
mod rules;
mod site;
