//! The classic format: a header of 24 bytes, then 16 bytes and the packet, over and over.

use std::{io::Read, time::Duration};

use super::{
    CaptureError, CapturePacket, Link, PACKET_MAX,
    error::Problem,
    source::{ByteOrder, CaptureReader},
};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// The first bytes of what people keep captures in.
const COMPRESSED: [([u8; 2], &str); 4] =
    [([0x1f, 0x8b], "gunzip"), ([0xfd, b'7'], "unxz"), ([0x28, 0xb5], "unzstd"), ([b'B', b'Z'], "bunzip2")];

#[derive(Debug)]
pub(super) struct Pcap<R> {
    source: CaptureReader<R>,
    order: ByteOrder,
    link: Link,
    /// Nanoseconds in a unit of the fraction.
    unit: u64,
}

impl<R: Read> Pcap<R> {
    pub(super) fn open(mut source: CaptureReader<R>, magic: [u8; 4]) -> Result<Self, CaptureError> {
        let (order, unit) = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MICROSECONDS, _) => (ByteOrder::Little, 1_000),
            (NANOSECONDS, _) => (ByteOrder::Little, 1),
            (_, MICROSECONDS) => (ByteOrder::Big, 1_000),
            (_, NANOSECONDS) => (ByteOrder::Big, 1),
            _ => {
                let tool = COMPRESSED.iter().find(|(first, _)| magic.starts_with(first));
                return Err(
                    source.fail(tool.map_or(Problem::NotACapture, |(_, tool)| Problem::Compressed(tool)))
                );
            }
        };
        let head = source.array::<20>()?;
        // Version, time zone, accuracy and snap length say nothing that the packets do not. The upper bits of
        // the link type are the length of a checksum at the end of each packet.
        let link = order.u32([head[16], head[17], head[18], head[19]]) & 0xffff;
        let link = Link::from_number(link).ok_or_else(|| source.fail(Problem::Link(link)))?;
        Ok(Self { source, order, link, unit })
    }

    pub(super) fn next(&mut self) -> Result<Option<CapturePacket>, CaptureError> {
        let mut head = [0; 16];
        if !self.source.begin(&mut head)? {
            return Ok(None);
        }
        let (words, _) = head.as_chunks::<4>();
        let [seconds, fraction, captured, length] = std::array::from_fn(|index| self.order.u32(words[index]));
        if captured as usize > PACKET_MAX {
            return Err(self
                .source
                .broken(format!("a packet claims {captured} bytes, which no capture holds")));
        }
        let bytes = self.source.vec(captured as usize)?;
        Ok(Some(CapturePacket {
            at: Some(
                Duration::from_secs(seconds.into()) + Duration::from_nanos(u64::from(fraction) * self.unit),
            ),
            link: self.link,
            outgoing: self.link.outgoing(&bytes),
            length: (length as usize).max(bytes.len()),
            bytes,
        }))
    }
}
