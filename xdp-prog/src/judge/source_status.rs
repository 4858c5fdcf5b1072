//! The place of an address in the lists.

use super::World;
use crate::{
    abi::{Address, kind},
    packed::Packed,
    reason::Reason,
};

/// The status of an address in the lists.
#[derive(Clone, Copy, Debug)]
pub enum SourceStatus {
    Decided(Reason),
    /// Has authenticated lately, from this many phones.
    Known {
        phones: u32,
    },
    Stranger,
}

impl SourceStatus {
    const DECIDED: u64 = 1;
    const KNOWN: u64 = 2;
}

impl Packed for SourceStatus {
    type Word = u64;

    #[inline(always)]
    fn pack(self) -> u64 {
        match self {
            Self::Stranger => 0,
            Self::Decided(reason) => Self::DECIDED | (reason as u64) << 8,
            Self::Known { phones } => Self::KNOWN | (phones as u64) << 32,
        }
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        match word & 3 {
            Self::DECIDED => Self::Decided(Reason::unpack((word >> 8) as u32)),
            Self::KNOWN => Self::Known { phones: (word >> 32) as u32 },
            _ => Self::Stranger,
        }
    }
}

/// Trusted beats banned, and banned beats known.
#[inline(always)]
pub fn source_status<W: World>(world: &W, address: &Address) -> SourceStatus {
    let now = world.now();
    let mut phones = 0;
    if let Some(entry) = world.source(address)
        && entry.expires > now
    {
        match entry.kind {
            // This ban lies inside a trusted prefix.
            kind::BANNED if entry.shadowed_until > now => return SourceStatus::Decided(Reason::Trusted),
            kind::BANNED => return SourceStatus::Decided(Reason::Ban),
            kind::TRUSTED => return SourceStatus::Decided(Reason::Trusted),
            kind::KNOWN => phones = if entry.phones() == 0 { 1 } else { entry.phones() },
            _ => {}
        }
    }
    if let Some(entry) = world.prefix(address)
        && entry.expires > now
    {
        match entry.kind {
            kind::BANNED if entry.shadowed_until > now => return SourceStatus::Decided(Reason::Trusted),
            kind::BANNED => return SourceStatus::Decided(Reason::BanPrefix),
            kind::TRUSTED => return SourceStatus::Decided(Reason::Trusted),
            _ => {}
        }
    }
    if phones == 0 { SourceStatus::Stranger } else { SourceStatus::Known { phones } }
}
