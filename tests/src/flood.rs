//! Many packets a second.

use std::{
    io::{self, ErrorKind},
    net::UdpSocket,
    os::fd::AsRawFd as _,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A datagram that is sent again and again from the same socket.
#[derive(Debug)]
pub struct Jet {
    pub socket: UdpSocket,
    pub message: String,
}

/// The result of a flood.
#[derive(Clone, Copy, Debug)]
pub struct Flooded {
    pub packets: u64,
    pub lasted: Duration,
}

impl Flooded {
    /// Packets a second.
    pub fn rate(&self) -> f64 {
        self.packets as f64 / self.lasted.as_secs_f64()
    }
}

/// Packets in one call of the kernel.
const BATCH: usize = 16;
const PAUSE: Duration = Duration::from_micros(200);

/// A busy machine may take as long for the first packet.
const FIRST: Duration = Duration::from_secs(10);

/// Sends from one jet after the other until it is over: so many a second altogether, if the machine can. A flood that is
/// over before it has begun sends a little all the same, so that no test is of nothing.
pub fn flood(jets: &[Jet], rate: u32, over: &AtomicBool) -> Flooded {
    let begun = Instant::now();
    let mut packets = 0;
    for jet in jets.iter().cycle() {
        while packets as f64 > begun.elapsed().as_secs_f64() * f64::from(rate) {
            thread::sleep(PAUSE);
        }
        if over.load(Ordering::Relaxed) && (packets > 0 || begun.elapsed() > FIRST) {
            break;
        }
        match send_batch(jet) {
            Ok(sent) => packets += sent,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(error) => panic!("{jet:?}: {error}"),
        }
    }
    Flooded { packets, lasted: begun.elapsed() }
}

/// The same datagram many times at once; how many of them were sent.
fn send_batch(jet: &Jet) -> io::Result<u64> {
    let mut message =
        libc::iovec { iov_base: jet.message.as_ptr().cast_mut().cast(), iov_len: jet.message.len() };
    let header = libc::mmsghdr {
        msg_hdr: libc::msghdr {
            msg_name: ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: &raw mut message,
            msg_iovlen: 1,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        },
        msg_len: 0,
    };
    let mut headers = [header; BATCH];
    // SAFETY: as many headers as the length, all with the one message, which outlives the call and is only read.
    let sent =
        unsafe { libc::sendmmsg(jet.socket.as_raw_fd(), headers.as_mut_ptr(), BATCH as libc::c_uint, 0) };
    u64::try_from(sent).map_err(|_| io::Error::last_os_error())
}
