//! The verdict on a packet.

use crate::{
    guess::Budget,
    packed::Packed,
    reason::{Action, Reason},
};

/// The verdict on one packet.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub reason: Reason,
    /// The signature that matched, where that is the reason.
    pub signature: u16,
    /// False in monitor mode: the reason stands, the packet passes.
    pub enforced: bool,
    /// Its source has authenticated lately.
    pub known: bool,
    /// Which budget its credentials were charged to.
    pub charged: Option<Budget>,
}

impl Verdict {
    /// The action that is taken in the end.
    #[inline(always)]
    pub const fn action(&self) -> Action {
        if self.enforced { self.reason.action() } else { Action::Pass }
    }

    #[inline(always)]
    pub const fn reported(&self) -> Reported {
        Reported { reason: self.reason, signature: self.signature, enforced: self.enforced }
    }
}

/// The part of a verdict that events and captures carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    pub reason: Reason,
    pub signature: u16,
    pub enforced: bool,
}

impl Packed for Reported {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.reason as u32 | (self.enforced as u32) << 8 | (self.signature as u32) << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { reason: Reason::unpack(word), enforced: word >> 8 & 1 != 0, signature: (word >> 16) as u16 }
    }
}

/// The reason, with the details that some reasons have.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub reason: Reason,
    pub signature: u16,
    pub charged: Option<Budget>,
}

impl Packed for Outcome {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        (self.signature as u32) << 16 | self.charged.pack() << 8 | self.reason as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let charged = Option::unpack(word >> 8 & 3);
        Self { reason: Reason::unpack(word), signature: (word >> 16) as u16, charged }
    }
}

impl From<Reason> for Outcome {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, signature: 0, charged: None }
    }
}
