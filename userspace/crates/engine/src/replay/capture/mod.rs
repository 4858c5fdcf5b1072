//! Reads captures, pcap and pcapng, as a stream: memory is needed for one packet, not for the file.
//!
//! Written here because a filter's trial needs the times right to the microsecond, packets that were cut
//! short, and for a broken file the place where it breaks.

mod error;
mod link;
mod pcap;
mod pcapng;
mod source;

use std::{io::Read, time::Duration};

pub use self::error::CaptureError;
use self::{error::Problem, link::Link, pcap::Pcap, pcapng::PcapNg, source::CaptureReader};

/// No capture holds longer packets; a length beyond it is a broken file, not a reason to ask for memory.
const PACKET_MAX: usize = 262_144;

/// One packet of a capture, as the capture has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CapturePacket {
    /// Since 1970. The simplest pcapng blocks have no time.
    pub(super) at: Option<Duration>,
    link: Link,
    /// This host sent it.
    pub(super) outgoing: bool,
    /// The length on the wire; `bytes` may be less.
    length: usize,
    bytes: Vec<u8>,
}

impl CapturePacket {
    /// As an Ethernet frame; see [`Link::frame`].
    pub(super) fn frame(&self) -> Vec<u8> {
        self.link.frame(&self.bytes, self.length)
    }

    /// The capture has less of it than was on the wire.
    pub(super) fn truncated(&self) -> bool {
        self.bytes.len() < self.length
    }
}

/// The packets of a capture, in the order of the file.
#[derive(Debug)]
pub(super) struct Capture<R> {
    format: CaptureFormat<R>,
    /// Packets so far.
    count: u64,
}

#[derive(Debug)]
enum CaptureFormat<R> {
    Pcap(Pcap<R>),
    PcapNg(PcapNg<R>),
    /// After the end or an error.
    Done,
}

impl<R: Read> Capture<R> {
    /// Reads the head of the capture, which tells the format.
    pub(super) fn open(reader: R) -> Result<Self, CaptureError> {
        let mut source = CaptureReader::new(reader);
        let mut magic = [0; 4];
        if !source.begin(&mut magic)? {
            return Err(source.fail(Problem::NotACapture));
        }
        let format = if magic == pcapng::MAGIC {
            CaptureFormat::PcapNg(PcapNg::open(source)?)
        } else {
            CaptureFormat::Pcap(Pcap::open(source, magic)?)
        };
        Ok(Self { format, count: 0 })
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = Result<CapturePacket, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.next(),
            CaptureFormat::PcapNg(pcapng) => pcapng.next(),
            CaptureFormat::Done => Ok(None),
        };
        match next {
            Ok(Some(packet)) => {
                self.count += 1;
                Some(Ok(packet))
            }
            Ok(None) => {
                self.format = CaptureFormat::Done;
                None
            }
            Err(error) => {
                self.format = CaptureFormat::Done;
                Some(Err(error.after(self.count)))
            }
        }
    }
}
