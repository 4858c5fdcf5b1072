//! Packets as the kernel hands them over whole, with what was done with them.

use xdp_prog::{
    abi::{Capture, CaptureHead, capture},
    reason::Reason,
};

use super::ring::{Record, Ring};
use sipward_types::time::KernelTime;

pub type Captures = Ring<Captured>;

/// One judged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub at: KernelTime,
    pub interface: u32,
    pub reason: Reason,
    /// The id of the signature that matched, where that is the reason.
    pub signature: Option<u16>,
    /// False: in monitor mode, in which everything passes.
    pub enforced: bool,
    pub frame_length: u32,
    /// The whole frame, unless that is longer than anything a capture keeps.
    pub frame: Vec<u8>,
}

impl Record for Captured {
    fn decode(record: &[u8]) -> Option<Self> {
        let (head, frame) = record.split_at_checked(size_of::<CaptureHead>())?;
        // SAFETY: long enough, and a `CaptureHead` is integers, for which any bytes do.
        let head: CaptureHead = unsafe { head.as_ptr().cast::<CaptureHead>().read_unaligned() };
        let reason = Reason::from_code(head.reason)?;
        Some(Self {
            at: KernelTime::from_nanos(head.at),
            interface: head.interface,
            reason,
            signature: (reason == Reason::Signature).then_some(head.signature),
            enforced: head.enforced != 0,
            frame_length: head.frame_length,
            frame: frame.get(..head.captured_length as usize)?.to_vec(),
        })
    }
}

/// A capture in progress: which packets, how many of them, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capturing {
    pub what: Judged,
    /// Packets a second on each CPU; the others are missed, and counted.
    pub per_second: u32,
    /// The filter stops by itself then.
    pub until: KernelTime,
}

/// Packets for SIP ports. Others are never captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Those that drop, or would but for monitor mode.
    Drops,
    All,
}

pub(super) fn to_map(capturing: Option<Capturing>) -> Capture {
    let Some(Capturing { what, per_second, until }) = capturing else { return Capture::default() };
    let mode = match what {
        Judged::Drops => capture::DROPS,
        Judged::All => capture::JUDGED,
    };
    Capture { until: until.as_nanos(), mode, budget: per_second }
}

/// As it is at the time `now`.
pub(super) fn from_map(in_map: Capture, now: KernelTime) -> Option<Capturing> {
    let what = match in_map.mode {
        capture::DROPS => Judged::Drops,
        capture::JUDGED => Judged::All,
        _ => return None,
    };
    let until = KernelTime::from_nanos(in_map.until);
    (until > now).then_some(Capturing { what, per_second: in_map.budget, until })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(reason: u8, captured_length: u32, frame: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<CaptureHead>()];
        bytes[std::mem::offset_of!(CaptureHead, reason)] = reason;
        let at = std::mem::offset_of!(CaptureHead, captured_length);
        bytes[at..at + 4].copy_from_slice(&captured_length.to_ne_bytes());
        [&bytes, frame].concat()
    }

    #[test]
    fn a_frame_is_as_long_as_the_kernel_says_and_never_longer_than_its_record() {
        let frame = [7; 512];
        for length in [0, 1, 511, 512] {
            let captured = Captured::decode(&record(Reason::Ban as u8, length, &frame)).unwrap();
            assert_eq!((captured.reason, captured.frame.len()), (Reason::Ban, length as usize));
        }
        for length in [513, u32::MAX] {
            assert_eq!(Captured::decode(&record(Reason::Ban as u8, length, &frame)), None);
        }
    }

    fn at(nanos: u64) -> KernelTime {
        KernelTime::from_nanos(nanos)
    }

    #[test]
    fn a_switch_is_read_as_it_was_set_until_its_time_is_over() {
        for what in [Judged::Drops, Judged::All] {
            let capturing = Capturing { what, per_second: 7, until: at(100) };
            assert_eq!(from_map(to_map(Some(capturing)), at(99)), Some(capturing));
            assert_eq!(from_map(to_map(Some(capturing)), at(100)), None);
        }
        assert_eq!(from_map(to_map(None), at(0)), None);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_record_it_is_decoded_or_not(record: Vec<u8>) {
            if let Some(captured) = Captured::decode(&record) {
                prop_assert!(captured.frame.len() <= record.len());
            }
        }
    }
}
