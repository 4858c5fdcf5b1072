//! Reads answers from the socket while the command is busy, as with a pager that waits for its user: the daemon
//! disconnects clients that do not read.

use std::{
    io::{self, BufRead, Cursor, Read},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

const CHUNK: usize = 1 << 16;
/// 256 MiB: the longest list there can be.
const CHUNKS: usize = 1 << 12;

#[derive(Debug)]
pub(super) struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Cursor<Vec<u8>>,
    /// The timeout of a read; none: no timeout.
    pub(super) patience: Option<Duration>,
}

impl ReadAhead {
    /// Until the stream is shut down.
    pub(super) fn of(stream: UnixStream) -> io::Result<Self> {
        let (to, chunks) = sync_channel(CHUNKS);
        thread::Builder::new().name("read-ahead".to_owned()).spawn(move || copy(stream, &to))?;
        Ok(Self { chunks, current: Cursor::default(), patience: None })
    }

    fn next(&self) -> io::Result<Vec<u8>> {
        let next = match self.patience {
            Some(patience) => self.chunks.recv_timeout(patience),
            None => self.chunks.recv().map_err(RecvTimeoutError::from),
        };
        match next {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Disconnected) => Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

fn copy(mut stream: UnixStream, to: &SyncSender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if to.send(chunk).is_err() || failed {
            return;
        }
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.fill_buf()?.is_empty() {
            self.current = Cursor::new(self.next()?);
        }
        self.current.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.current.consume(amount);
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}
