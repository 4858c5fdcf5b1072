//! Reports of the filter: counters, and the records in the rings for events, captures and taps.

use super::Address;
use crate::reason::Reason;

/// The packets of one reason. Index: the reason's code, plus [`Reason::COUNT`] for drops that monitor mode let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Counter {
    pub packets: u64,
    pub bytes: u64,
}

pub const COUNTER_COUNT: usize = 2 * Reason::COUNT;

/// A dropped packet, sampled: at most one a second per CPU and slot; see `sampler.rs`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Event {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    pub source: Address,
    pub destination: Address,
    pub interface: u32,
    /// Length of the whole frame.
    pub frame_length: u32,
    /// Drops of this [`source`](Address::source) on this CPU since its last event there, without this one. Too few
    /// where more than two sources shared a slot: only the counters are exact.
    pub unseen: u32,
    /// The number of bytes of the frame in `head`.
    pub head_length: u16,
    /// Host order.
    pub source_port: u16,
    pub destination_port: u16,
    /// The signature that matched, if that was the reason.
    pub signature: u16,
    /// IP protocol number.
    pub protocol: u8,
    pub reason: u8,
    /// 1: dropped. 0: monitor mode let it pass.
    pub enforced: u8,
    pub reserved: u8,
    pub head: [u8; EVENT_HEAD],
}

pub const EVENT_HEAD: usize = 384;

/// The sampler's state for the sources that share a slot; see `sampler.rs`. Zero is a valid fresh slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct EventSlot {
    /// When the slot last sent an event, in kernel monotonic nanoseconds.
    pub emitted_at: u64,
    /// The source that it emitted last.
    pub current: u64,
    /// Another one that waits for its turn, if it has drops to tell of.
    pub waiting: u64,
    /// Drops since the source's last event.
    pub current_unseen: u32,
    pub waiting_unseen: u32,
}

/// Which packets are copied to userspace, besides what is done with them. Zero is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Capture {
    /// Kernel monotonic nanoseconds. Off by itself from then on: a reader that was killed leaves nothing running.
    pub until: u64,
    /// One of [`capture`]; any other value is off.
    pub mode: u32,
    /// Packets a second, on each CPU.
    pub budget: u32,
}

pub mod capture {
    pub const OFF: u32 = 0;
    /// Packets that drop, or would drop without monitor mode.
    pub const DROPS: u32 = 1;
    /// All that is judged for a SIP port.
    pub const JUDGED: u32 = 2;
}

/// The captures of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct CaptureState {
    /// Since when `taken` counts, in kernel monotonic nanoseconds.
    pub since: u64,
    pub taken: u64,
    /// Wanted, and not captured: over the budget, or the ring was full. Only ever grows.
    pub missed: u64,
}

/// The beginning of a captured packet's record; the frame follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureHead {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    pub interface: u32,
    /// Length of the whole frame, and how much of it follows. What is behind that is not of this packet.
    pub frame_length: u32,
    pub captured_length: u32,
    /// As in an [`Event`].
    pub signature: u16,
    pub reason: u8,
    pub enforced: u8,
}

/// Longer frames are cut.
pub const CAPTURE_MAX: usize = 2048;

/// The beginning of the record of a packet that was handed over; its payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TapHead {
    /// Kernel monotonic nanoseconds.
    pub at: u64,
    /// The other end, and the PBX.
    pub remote: Address,
    pub local: Address,
    /// Bytes of payload in the packet, and how many of them follow. What is behind those is not of this packet.
    pub length: u32,
    pub kept: u32,
    /// TCP: of the first byte of payload.
    pub sequence: u32,
    /// Host order.
    pub remote_port: u16,
    pub local_port: u16,
    /// A set of [`tap`] flags.
    pub flags: u32,
    /// TCP, with [`tap::ACKNOWLEDGES`]: up to where its sender has all of the other side's stream.
    pub acknowledged: u32,
}

pub mod tap {
    /// The packet leaves. Without this flag, it has come in, and passed.
    pub const OUT: u32 = 1;
    pub const TCP: u32 = 2;
    /// SYN, or what completes a handshake.
    pub const BEGINS: u32 = 4;
    /// FIN or RST.
    pub const ENDS: u32 = 8;
    pub const ACKNOWLEDGES: u32 = 16;
    /// The first fragment of a packet: its rest is not handed over.
    pub const PART: u32 = 32;
    /// Its credentials were charged to the [budget](crate::guess::Budget) for issued nonces, or to the other one.
    pub const CHARGED_ISSUED: u32 = 64;
    pub const CHARGED_OTHER: u32 = 128;
    /// It leaves for a banned or trusted source. Nothing that such a source sends is judged, but the answer shows that
    /// it knows the nonce in it.
    pub const LISTED: u32 = 256;
}

/// Longer payloads are cut.
pub const TAP_MAX: usize = 4096;

/// The packets that one CPU has handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct TapState {
    /// The incoming and outgoing packets of strangers, apart so that a flood of requests takes nothing from the
    /// answers.
    pub taken: [TapCount; 2],
    /// Wanted, and not handed over: the ring was full, or a stranger's packet over the budget. Only ever grow.
    pub lost_known: u64,
    pub lost_strangers: u64,
    /// Among both, packets that left. A nonce in one of them was issued to an unknown recipient.
    pub lost_answers: u64,
    /// Among both, packets that came in and may have been answers. The PBX may pass one on, and it would look like the
    /// PBX's own.
    pub lost_foreign: u64,
    /// Packets that left and are not looked at: payloads of a TLS port, challenges of a TCP port that is not a SIP
    /// port.
    pub hidden: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct TapCount {
    /// Since when it counts, in kernel monotonic nanoseconds.
    pub since: u64,
    pub packets: u64,
}
