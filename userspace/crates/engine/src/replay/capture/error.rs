//! Where and how a capture is broken.

use std::fmt;

/// An error in a capture, with the number of good packets before it, and its byte.
#[derive(Debug)]
pub struct CaptureError {
    pub problem: Problem,
    /// Where the part that cannot be read begins.
    pub offset: u64,
    /// Packets before it.
    pub packets: u64,
}

#[derive(Debug)]
pub enum Problem {
    Io(std::io::Error),
    /// The first bytes are of no known format.
    NotACapture,
    Compressed(&'static str),
    /// The file ends within something.
    CutOff,
    Link(u32),
    Broken(String),
}

impl CaptureError {
    pub(super) fn new(problem: Problem, offset: u64) -> Self {
        Self { problem, offset, packets: 0 }
    }

    pub(super) fn after(self, packets: u64) -> Self {
        Self { packets, ..self }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, offset, packets } = self;
        match problem {
            Problem::Io(error) => return write!(f, "cannot read it: {error}"),
            Problem::NotACapture => {
                return f.write_str("this is no pcap or pcapng file, as `tcpdump -w` writes");
            }
            Problem::Compressed(tool) => return write!(f, "this is compressed; unpack it with {tool} first"),
            Problem::Link(link) => {
                write!(f, "link type {link} is not supported; capture on Ethernet, Linux cooked or raw IP")?;
            }
            Problem::CutOff => f.write_str("the file is cut off, its last part is not whole")?,
            Problem::Broken(what) => f.write_str(what)?,
        }
        match packets {
            0 => write!(f, " (byte {offset}, before the first packet)"),
            _ => write!(f, " (byte {offset}, after packet {packets})"),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            _ => None,
        }
    }
}
