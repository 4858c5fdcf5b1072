//! Entries of the lists: trusted, banned and known sources.

/// The time that never comes, in an expiry.
pub const FOREVER: u64 = u64::MAX;

/// The entry of one address (in `SOURCES`) or one prefix (in `PREFIXES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SourceEntry {
    /// Kernel monotonic nanoseconds; the entry is ignored from then on.
    pub expires: u64,
    /// A ban that lies inside a trusted prefix sleeps until then: trusted beats banned, and the ban comes
    /// back by itself if the trust runs out first. Zero for everything else.
    pub shadowed_until: u64,
    /// One of [`kind`]; any other value is as good as no entry.
    pub kind: u32,
    /// For a known source, its number of [phones](Self::phones). For any other, a mark of userspace's own:
    /// [`UNSAVED`] or zero.
    pub phones_or_mark: u32,
}

impl SourceEntry {
    pub const fn known(phones: u32, expires: u64) -> Self {
        Self { expires, shadowed_until: 0, kind: kind::KNOWN, phones_or_mark: phones }
    }

    /// The same with the mark [`UNSAVED`].
    #[must_use]
    pub const fn unsaved(self) -> Self {
        Self { phones_or_mark: UNSAVED, ..self }
    }

    /// The phones of a known source: its limits are those of one phone, so many times.
    #[inline(always)]
    pub const fn phones(&self) -> u32 {
        self.phones_or_mark
    }

    /// The store does not have this entry. A known source is never marked.
    pub const fn is_unsaved(&self) -> bool {
        self.kind != kind::KNOWN && self.phones_or_mark & UNSAVED != 0
    }
}

/// The daemon's store does not have this entry, or does not know that it is gone: it could not be written.
pub const UNSAVED: u32 = 1;

pub mod kind {
    pub const TRUSTED: u32 = 1;
    pub const BANNED: u32 = 2;
    pub const KNOWN: u32 = 3;
}
