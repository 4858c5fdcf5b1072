//! The bytes of a capture, counted.

use std::io::{ErrorKind, Read};

use super::error::{CaptureError, Problem};

#[derive(Debug)]
pub(super) struct CaptureReader<R> {
    reader: R,
    /// Bytes taken so far.
    pub(super) offset: u64,
    /// Where the part that is being read began: what an error names.
    pub(super) part: u64,
}

impl<R: Read> CaptureReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0, part: 0 }
    }

    pub(super) fn fail(&self, problem: Problem) -> CaptureError {
        CaptureError::new(problem, self.part)
    }

    pub(super) fn broken(&self, what: impl Into<String>) -> CaptureError {
        self.fail(Problem::Broken(what.into()))
    }

    /// A new part begins here; false at the end of the file.
    pub(super) fn begin(&mut self, head: &mut [u8]) -> Result<bool, CaptureError> {
        self.part = self.offset;
        match self.fill(head)? {
            0 => Ok(false),
            count if count == head.len() => Ok(true),
            _ => Err(self.fail(Problem::CutOff)),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CaptureError> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn vec(&mut self, length: usize) -> Result<Vec<u8>, CaptureError> {
        let mut bytes = vec![0; length];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), CaptureError> {
        let skipped = std::io::copy(&mut (&mut self.reader).take(length), &mut std::io::sink());
        let skipped = skipped.map_err(|error| self.fail(Problem::Io(error)))?;
        self.offset += skipped;
        if skipped == length { Ok(()) } else { Err(self.fail(Problem::CutOff)) }
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), CaptureError> {
        match self.fill(bytes)? {
            count if count == bytes.len() => Ok(()),
            _ => Err(self.fail(Problem::CutOff)),
        }
    }

    /// Reads as much as there is.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, CaptureError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(Problem::Io(error))),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }
}

/// The byte order of a capture: that of the machine that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Big,
    Little,
}

impl ByteOrder {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Big => u64::from_be_bytes(bytes),
            Self::Little => u64::from_le_bytes(bytes),
        }
    }

    /// The `N` words of a header.
    pub(super) fn words<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let (words, _) = bytes.as_chunks::<4>();
        let words = words.first_chunk::<N>()?;
        Some(words.map(|word| self.u32(word)))
    }
}
