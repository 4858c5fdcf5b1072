//! A capture through the packet path.
