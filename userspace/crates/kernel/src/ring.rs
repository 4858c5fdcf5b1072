//! The reading end of a ring buffer.

use std::{
    fmt, io,
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    time::Duration,
};

use aya::maps::{Map, MapData, MapError, RingBuf};

use super::error::{Error, Result};

/// An entry of a ring buffer.
pub trait Record: Sized {
    /// `None`: nothing that this version knows.
    fn decode(record: &[u8]) -> Option<Self>;
}

/// One reader at a time: what one has read, no other one sees.
pub struct Ring<T> {
    buffer: RingBuf<MapData>,
    record: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ring").finish_non_exhaustive()
    }
}

impl<T> Ring<T> {
    /// With a descriptor of its own, so that it may live beside the tables, on another thread.
    pub(super) fn open(map: &Map, name: &'static str) -> Result<Self> {
        let fail = |error: MapError| Error::map(format!("use the map {name}"), &error);
        let Map::RingBuf(data) = map else {
            return Err(Error::failed(format!("use the map {name}"), "it is no ring buffer"));
        };
        let fd = data.fd().as_fd().try_clone_to_owned().map_err(|error| fail(error.into()))?;
        let data = MapData::from_fd(fd).map_err(fail)?;
        let buffer = RingBuf::try_from(Map::RingBuf(data)).map_err(fail)?;
        Ok(Self { buffer, record: PhantomData })
    }

    /// Waits until there is something to read, or the time is over.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        let milliseconds = timeout.as_millis().try_into().unwrap_or(libc::c_int::MAX);
        let mut poll = libc::pollfd { fd: self.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one `pollfd`, as said.
        if unsafe { libc::poll(&raw mut poll, 1, milliseconds) } >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(Error::io("wait for what the filter tells", &error)),
        }
    }
}

/// Readable while there is something to read.
impl<T> AsFd for Ring<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }
}

/// Those that are there; ends when there is none.
impl<T: Record> Iterator for Ring<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(record) = T::decode(&self.buffer.next()?) {
                return Some(record);
            }
        }
    }
}
