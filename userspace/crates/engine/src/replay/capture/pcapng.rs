//! The newer format: blocks of a type and a length, in sections, with the interfaces described among them.

use std::{io::Read, time::Duration};

use super::{
    CaptureError, CapturePacket, Link, PACKET_MAX,
    error::Problem,
    source::{ByteOrder, CaptureReader},
};

/// The type of a section header: the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// Packets with their options, and interfaces; far more than any of them needs.
const BLOCK_MAX: usize = PACKET_MAX + 65_536;

const OPTION_END: u16 = 0;
const OPTION_PACKET_FLAGS: u16 = 2;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

#[derive(Debug)]
pub(super) struct PcapNg<R> {
    source: CaptureReader<R>,
    order: ByteOrder,
    interfaces: Vec<CaptureInterface>,
}

#[derive(Clone, Copy, Debug)]
struct CaptureInterface {
    link: u16,
    snap_length: u32,
    clock: InterfaceClock,
}

impl<R: Read> PcapNg<R> {
    /// Behind the first section's type.
    pub(super) fn open(source: CaptureReader<R>) -> Result<Self, CaptureError> {
        let mut file = Self { source, order: ByteOrder::Little, interfaces: Vec::new() };
        let length = file.source.array()?;
        file.section(length)?;
        Ok(file)
    }

    /// Behind a section's type and length.
    fn section(&mut self, length: [u8; 4]) -> Result<(), CaptureError> {
        let magic = self.source.array()?;
        self.order = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (ORDER_MAGIC, _) => ByteOrder::Little,
            (_, ORDER_MAGIC) => ByteOrder::Big,
            _ => return Err(self.source.broken("a section of unknown byte order")),
        };
        let length = self.order.u32(length);
        let rest = u64::from(length).checked_sub(12).filter(|_| length.is_multiple_of(4) && length >= 28);
        let rest = rest.ok_or_else(|| self.source.broken(format!("a section header of {length} bytes")))?;
        self.interfaces.clear();
        self.source.skip(rest)
    }

    pub(super) fn next(&mut self) -> Result<Option<CapturePacket>, CaptureError> {
        let mut head = [0; 8];
        while self.source.begin(&mut head)? {
            let [kind, length] = [[head[0], head[1], head[2], head[3]], [head[4], head[5], head[6], head[7]]];
            if kind == MAGIC {
                self.section(length)?;
                continue;
            }
            let packet = match self.order.u32(kind) {
                INTERFACE => {
                    let body = self.body(length)?;
                    let interface = CaptureInterface::read(self.order, &body);
                    self.interfaces
                        .push(interface.ok_or_else(|| self.source.broken("a short interface block"))?);
                    None
                }
                PACKET => Some(self.body(length)?).map(|body| self.packet(&body, false)),
                OLD_PACKET => Some(self.body(length)?).map(|body| self.packet(&body, true)),
                SIMPLE_PACKET => Some(self.body(length)?).map(|body| self.simple_packet(&body)),
                _ => {
                    let rest = self.length(length)?;
                    self.source.skip(rest as u64)?;
                    None
                }
            };
            if let Some(packet) = packet {
                return packet.map(Some);
            }
        }
        Ok(None)
    }

    /// Bytes of a block behind its length, with the length that stands at its end again.
    fn length(&self, length: [u8; 4]) -> Result<usize, CaptureError> {
        let length = self.order.u32(length);
        match length.checked_sub(8) {
            Some(rest) if rest >= 4 && length.is_multiple_of(4) => Ok(rest as usize),
            _ => Err(self.source.broken(format!("a block of {length} bytes"))),
        }
    }

    fn body(&mut self, length: [u8; 4]) -> Result<Vec<u8>, CaptureError> {
        let rest = self.length(length)?;
        if rest > BLOCK_MAX {
            return Err(self
                .source
                .broken(format!("a packet's block claims {rest} bytes, which no capture holds")));
        }
        let mut body = self.source.vec(rest)?;
        let trailer = body.split_off(rest - 4);
        if trailer == length {
            Ok(body)
        } else {
            Err(self.source.broken("a block with two different lengths"))
        }
    }

    /// An enhanced packet block, or its obsolete forerunner, which differs in its first word.
    fn packet(&self, body: &[u8], old: bool) -> Result<CapturePacket, CaptureError> {
        let Some([first, high, low, captured, length]) = self.order.words::<5>(body) else {
            return Err(self.source.broken("a short packet block"));
        };
        let number = match (old, self.order) {
            (false, _) => first,
            (true, ByteOrder::Big) => first >> 16,
            (true, ByteOrder::Little) => first & 0xffff,
        };
        let interface = self.interface(number)?;
        let (bytes, options) = self.split(&body[20..], captured)?;
        let flags = option(self.order, options, OPTION_PACKET_FLAGS).and_then(|flags| flags.first_chunk());
        let outbound = flags.is_some_and(|flags| self.order.u32(*flags) & 3 == 2);
        let link = self.link(interface)?;
        Ok(CapturePacket {
            at: Some(interface.clock.time(u64::from(high) << 32 | u64::from(low))),
            link,
            outgoing: outbound || link.outgoing(bytes),
            length: (length as usize).max(bytes.len()),
            bytes: bytes.to_vec(),
        })
    }

    /// A block with nothing but the packet, of the first interface.
    fn simple_packet(&self, body: &[u8]) -> Result<CapturePacket, CaptureError> {
        let Some([length]) = self.order.words::<1>(body) else {
            return Err(self.source.broken("a short packet block"));
        };
        let interface = self.interface(0)?;
        let snap = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let (bytes, _) = self.split(&body[4..], length.min(snap))?;
        let link = self.link(interface)?;
        Ok(CapturePacket {
            at: None,
            link,
            outgoing: link.outgoing(bytes),
            length: (length as usize).max(bytes.len()),
            bytes: bytes.to_vec(),
        })
    }

    fn interface(&self, number: u32) -> Result<&CaptureInterface, CaptureError> {
        let found = self.interfaces.get(number as usize);
        found.ok_or_else(|| {
            self.source.broken(format!("a packet of interface {number}, which is not described"))
        })
    }

    /// Only where a packet needs it: other interfaces in the file may be of any kind.
    fn link(&self, interface: &CaptureInterface) -> Result<Link, CaptureError> {
        let number = u32::from(interface.link);
        Link::from_number(number).ok_or_else(|| self.source.fail(Problem::Link(number)))
    }

    /// The packet's bytes, and what follows them at the next multiple of four.
    fn split<'a>(&self, body: &'a [u8], captured: u32) -> Result<(&'a [u8], &'a [u8]), CaptureError> {
        let captured = captured as usize;
        match body.get(..captured) {
            Some(bytes) if captured <= PACKET_MAX => {
                let rest = captured.next_multiple_of(4).min(body.len());
                Ok((bytes, &body[rest..]))
            }
            _ => Err(self
                .source
                .broken(format!("a packet claims {captured} bytes, more than its block holds"))),
        }
    }
}

impl CaptureInterface {
    fn read(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let [_, snap_length] = order.words::<2>(body)?;
        let options = &body[8..];
        let resolution = option(order, options, OPTION_TIME_RESOLUTION).and_then(|value| value.first());
        let offset = option(order, options, OPTION_TIME_OFFSET).and_then(|value| value.first_chunk());
        Some(Self {
            link: order.u16([body[0], body[1]]),
            snap_length,
            clock: InterfaceClock {
                // Microseconds, where nothing else is said.
                resolution: resolution.copied().unwrap_or(6),
                offset: offset.map_or(0, |offset| order.u64(*offset) as i64),
            },
        })
    }
}

/// The time scale of an interface.
#[derive(Clone, Copy, Debug)]
struct InterfaceClock {
    /// A negative power of ten, or of two where the highest bit is set.
    resolution: u8,
    /// Seconds to add.
    offset: i64,
}

impl InterfaceClock {
    /// A time that no clock shows becomes the nearest one that does.
    fn time(self, units: u64) -> Duration {
        const NANOSECONDS: u128 = 1_000_000_000;
        let power = u32::from(self.resolution & 0x7f);
        let per_second =
            if self.resolution & 0x80 == 0 { 10u128.checked_pow(power) } else { 1u128.checked_shl(power) };
        let since = per_second.map_or(0, |per_second| u128::from(units) * NANOSECONDS / per_second);
        let offset = i128::from(self.offset) * NANOSECONDS as i128;
        // Less than 2^94 each, and with room above for every limit to count on.
        Duration::from_nanos((since as i128 + offset).clamp(0, i128::from(i64::MAX)) as u64)
    }
}

/// The value of the first option `code`.
fn option(order: ByteOrder, mut options: &[u8], code: u16) -> Option<&[u8]> {
    loop {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let (this, length) = (order.u16([head[0], head[1]]), order.u16([head[2], head[3]]) as usize);
        if this == OPTION_END {
            return None;
        }
        if this == code {
            return rest.get(..length);
        }
        options = rest.get(length.next_multiple_of(4)..)?;
    }
}
