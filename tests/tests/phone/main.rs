//! The tests' own phone at servers that are not this project's: what it gets right here, it may judge elsewhere.

mod calls;
mod habits;
mod registrations;
mod scripted;
mod site;
