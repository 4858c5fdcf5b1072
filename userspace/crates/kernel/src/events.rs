//! Drops as the kernel tells them: read from the ring buffer and checked.

use xdp_prog::{
    abi::{EVENT_HEAD, Event},
    reason::Reason,
};

use super::ring::{Record, Ring};
use sipward_types::address::from_key;
use sipward_types::{drop_event::DropEvent, time::KernelTime};

pub type Events = Ring<DropEvent>;

impl Record for DropEvent {
    fn decode(record: &[u8]) -> Option<Self> {
        if record.len() < size_of::<Event>() {
            return None;
        }
        // SAFETY: long enough, and an `Event` is integers and arrays of them, for which any bytes do.
        let event: Event = unsafe { record.as_ptr().cast::<Event>().read_unaligned() };
        let reason = Reason::from_code(event.reason)?;
        let head_length = usize::from(event.head_length).min(EVENT_HEAD);
        Some(Self {
            at: KernelTime::from_nanos(event.at),
            source: from_key(event.source),
            source_port: event.source_port,
            destination: from_key(event.destination),
            destination_port: event.destination_port,
            protocol: event.protocol,
            interface: event.interface,
            reason,
            signature: (reason == Reason::Signature).then_some(event.signature),
            enforced: event.enforced != 0,
            unseen: event.unseen,
            frame_length: event.frame_length,
            head: event.head[..head_length].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(reason: u8, head_length: u16) -> Vec<u8> {
        let mut bytes = vec![0u8; size_of::<Event>()];
        bytes[std::mem::offset_of!(Event, reason)] = reason;
        let at = std::mem::offset_of!(Event, head_length);
        bytes[at..at + 2].copy_from_slice(&head_length.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_event_of_another_version_is_none() {
        assert!(DropEvent::decode(&record(Reason::COUNT as u8, 0)).is_none());
        assert!(DropEvent::decode(&record(0, 0)[1..]).is_none());
        assert!(DropEvent::decode(&[]).is_none());
    }

    #[test]
    fn the_head_is_never_longer_than_there_is() {
        for (said, got) in [(0, 0), (100, 100), (EVENT_HEAD as u16, EVENT_HEAD), (u16::MAX, EVENT_HEAD)] {
            let event = DropEvent::decode(&record(Reason::Ban as u8, said)).unwrap();
            assert_eq!((event.reason, event.head.len()), (Reason::Ban, got));
        }
    }
}
