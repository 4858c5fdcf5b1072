//! Signed tokens: what the edge has to know again when the next message of a call or of a binding comes.
