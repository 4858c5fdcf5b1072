//! The daemon under the treatment of hosts: ended, killed and upgraded while packets arrive and lists change, and its
//! interfaces removed.

mod calls;
mod clerk;
mod closed;
mod explained;
mod feeders;
mod guard;
mod interfaces;
mod kills;
mod life;
mod lists;
mod lost;
mod model;
mod no_lists;
mod over;
mod registrar;
mod restarts;
mod rules;
mod site;
