//! Writes packets as pcapng, which every packet tool reads, each with a comment.
//!
//! The format is that of draft-ietf-opsawg-pcapng: one section in little-endian order, Ethernet only, times in
//! nanoseconds. A block is written whole, so that a file that ends early ends between two packets wherever the
//! writer did not fail itself.

use std::{
    io::{self, Write},
    time::Duration,
};

const SECTION: u32 = 0x0a0d_0d0a;
const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// 1.0, as two numbers.
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// The section goes on to the end of the file.
const LENGTH_UNKNOWN: u64 = u64::MAX;
const INTERFACE: u32 = 1;
const ETHERNET: u16 = 1;
const PACKET: u32 = 6;

/// Codes of options; some mean another thing in another block.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const HARDWARE: u16 = 2;
    pub(super) const SYSTEM: u16 = 3;
    pub(super) const APPLICATION: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const TIME_RESOLUTION: u16 = 9;
    pub(super) const PACKET_FLAGS: u16 = 2;
}

/// As the negative power of ten of a second.
const NANOSECONDS: u8 = 9;
/// Of the packet flags.
const INBOUND: u32 = 1;

/// The program that wrote a file, and its host.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub hardware: &'a str,
    pub system: &'a str,
    pub application: &'a str,
}

/// A packet that came in.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Since 1970.
    pub at: Duration,
    /// Its name. The first packet of each writes a description of it.
    pub interface: &'a str,
    /// From the Ethernet header on; not more than `length`, which is what it was on the wire.
    pub bytes: &'a [u8],
    pub length: u32,
    pub comment: &'a str,
}

/// Writes block by block; give it a buffer, and flush when a batch is done.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    /// By their numbers in the file.
    interfaces: Vec<String>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(to: W, origin: &Origin<'_>) -> io::Result<Self> {
        let mut writer = Self { to, interfaces: Vec::new(), written: 0 };
        let mut block = Block::new(SECTION);
        block.put(ORDER_MAGIC.to_le_bytes());
        block.put(VERSION);
        block.put(LENGTH_UNKNOWN.to_le_bytes());
        block.text(option::HARDWARE, origin.hardware);
        block.text(option::SYSTEM, origin.system);
        block.text(option::APPLICATION, origin.application);
        writer.write(block)?;
        Ok(writer)
    }

    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let number = self.interface(packet.interface)?;
        // In range until the year 2554.
        let at = packet.at.as_nanos() as u64;
        let captured = u32::try_from(packet.bytes.len()).map_err(io::Error::other)?;
        let mut block = Block::new(PACKET);
        for word in [number, (at >> 32) as u32, at as u32, captured, packet.length.max(captured)] {
            block.put(word.to_le_bytes());
        }
        block.padded(packet.bytes);
        block.text(option::COMMENT, packet.comment);
        block.option(option::PACKET_FLAGS, &INBOUND.to_le_bytes());
        self.write(block)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Bytes so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    pub fn into_inner(self) -> W {
        self.to
    }

    /// Its number, described if that was not done before.
    fn interface(&mut self, name: &str) -> io::Result<u32> {
        let known = self.interfaces.iter().position(|known| known == name);
        let number = known.unwrap_or(self.interfaces.len()) as u32;
        if known.is_none() {
            let mut block = Block::new(INTERFACE);
            block.put(ETHERNET.to_le_bytes());
            // Reserved; and no limit to the length of packets.
            block.put([0; 2]);
            block.put([0; 4]);
            block.text(option::INTERFACE_NAME, name);
            block.option(option::TIME_RESOLUTION, &[NANOSECONDS]);
            self.write(block)?;
            self.interfaces.push(name.to_owned());
        }
        Ok(number)
    }

    fn write(&mut self, block: Block) -> io::Result<()> {
        let bytes = block.finish()?;
        self.to.write_all(&bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// One block as it grows: type, length, body, options, and the length again.
struct Block(Vec<u8>);

impl Block {
    fn new(kind: u32) -> Self {
        let mut block = Self(kind.to_le_bytes().to_vec());
        block.put([0; 4]);
        block
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend(bytes);
    }

    /// With zeros up to the next multiple of four.
    fn padded(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.put(code.to_le_bytes());
        self.put((value.len() as u16).to_le_bytes());
        self.padded(value);
    }

    /// As much of it as an option has room for.
    fn text(&mut self, code: u16, text: &str) {
        let length = text.floor_char_boundary(usize::from(u16::MAX));
        self.option(code, &text.as_bytes()[..length]);
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        self.option(option::END, &[]);
        let length = u32::try_from(self.0.len() + 4).map_err(io::Error::other)?.to_le_bytes();
        self.0[4..8].copy_from_slice(&length);
        self.put(length);
        Ok(self.0)
    }
}
