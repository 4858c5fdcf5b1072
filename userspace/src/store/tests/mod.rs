//! The store on real disks.
