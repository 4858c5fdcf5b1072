//! Addresses as the maps have them, and the networks that they belong to.

/// An IPv6 address, or an IPv4 one as `::ffff:a.b.c.d`, in network order. Words, so that the kernel hashes
/// and compares four integers instead of sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Address(pub [u32; 4]);

impl Address {
    pub const V4_PREFIX: u32 = 0x0000_ffff_u32.to_be();

    #[inline(always)]
    pub const fn v4(network_order: u32) -> Self {
        Self([0, 0, Self::V4_PREFIX, network_order])
    }

    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == Self::V4_PREFIX
    }

    /// One sender for the limits: an IPv4 address, or an IPv6 /64.
    #[inline(always)]
    pub const fn source(self) -> Self {
        if self.is_v4() { self } else { Self([self.0[0], self.0[1], 0, 0]) }
    }

    /// The network of one subscriber: an IPv4 address, or an IPv6 /56.
    #[inline(always)]
    pub const fn line(self) -> Self {
        if self.is_v4() { self } else { Self([self.0[0], self.0[1] & 0xffff_ff00_u32.to_be(), 0, 0]) }
    }

    /// The prefix that shares its limits with a source: an IPv4 /24, or an IPv6 /48.
    #[inline(always)]
    pub const fn limit_prefix(self) -> Self {
        if self.is_v4() {
            Self([0, 0, Self::V4_PREFIX, self.0[3] & 0xffff_ff00_u32.to_be()])
        } else {
            Self([self.0[0], self.0[1] & 0xffff_0000_u32.to_be(), 0, 0])
        }
    }
}
