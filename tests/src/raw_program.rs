//! XDP programs of a few instructions, without a compiler: something to compare the filter with, and a generator that
//! puts frames onto a wire for less than any socket.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Instant,
};

/// A loaded XDP program.
#[derive(Debug)]
pub struct RawProgram(OwnedFd);

/// Which sources the frames of a generator have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// As in the frame that it is given.
    One,
    /// So many networks, at random: the first two bytes of an IPv4 address, from 10.0 on.
    Rotating(u16),
}

/// What a generator makes of its one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub sources: Sources,
    /// Of so many frames one is sent, at random: a stream that is slower than the machine, and even.
    pub one_in: u16,
}

impl From<Sources> for Load {
    fn from(sources: Sources) -> Self {
        Self { sources, one_in: 1 }
    }
}

/// The source address of an Ethernet frame: the last four bytes of it name the interface that it is to leave by.
const FROM: usize = 6;
const VIA: usize = FROM + 2;

/// A frame that is sent out of that interface of the generator.
pub fn addressed_to(interface: u32, mut frame: Vec<u8>) -> Vec<u8> {
    frame[VIA..VIA + 4].copy_from_slice(&interface.to_ne_bytes());
    frame
}

const XDP_DROP: i32 = 1;

impl RawProgram {
    /// Drops everything.
    pub fn drop_all() -> io::Result<Self> {
        load_program(&[moved(R0, XDP_DROP), EXIT])
    }

    /// Sends each frame out of the interface that [`addressed_to`] has written into it.
    pub fn redirect(load: Load) -> io::Result<Self> {
        load_program(&redirecting(load))
    }

    /// Puts it onto an interface of this network namespace, in the driver, until the link is dropped.
    pub fn attach(&self, interface: u32) -> io::Result<OwnedFd> {
        const LINK_CREATE: i32 = 28;
        const XDP: u32 = 37;
        const IN_THE_DRIVER: u32 = 1 << 2;
        let attributes = [self.fd(), interface, XDP, IN_THE_DRIVER];
        // SAFETY: attributes without pointers, which live through the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, LINK_CREATE, &attributes, size_of_val(&attributes)) };
        descriptor(fd)
    }

    fn fd(&self) -> u32 {
        self.0.as_raw_fd().unsigned_abs()
    }

    /// Nanoseconds a run, over a frame that is no packet of any network.
    pub fn run(&self, frame: &[u8], repeat: u32) -> io::Result<f64> {
        self.test_run(TestRun { repeat, ..TestRun::new(frame)? })
    }

    /// The same with real frames: what the program says is done with them.
    pub fn send(&self, frame: &[u8], count: u32) -> io::Result<f64> {
        // Since Linux 5.18.
        const LIVE_FRAMES: u32 = 1 << 1;
        const AT_ONCE: u32 = 64;
        self.test_run(TestRun { repeat: count, flags: LIVE_FRAMES, batch: AT_ONCE, ..TestRun::new(frame)? })
    }

    fn test_run(&self, run: TestRun) -> io::Result<f64> {
        const TEST_RUN: i32 = 10;
        let mut run = TestRun { program: self.fd(), ..run };
        let start = Instant::now();
        // SAFETY: the attributes and the frame they point to live through the call.
        let result = unsafe { libc::syscall(libc::SYS_bpf, TEST_RUN, &mut run, size_of::<TestRun>()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(run.repeat))
    }
}

/// The number of an interface of this network namespace.
pub fn index(interface: &str) -> u32 {
    let name = std::ffi::CString::new(interface).expect("a name without NUL");
    // SAFETY: a C string that outlives the call.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// As the kernel wants it.
#[derive(Default)]
#[repr(C)]
struct TestRun {
    program: u32,
    verdict: u32,
    length: u32,
    room: u32,
    frame: u64,
    out: u64,
    repeat: u32,
    duration: u32,
    context_lengths: [u32; 2],
    contexts: [u64; 2],
    flags: u32,
    cpu: u32,
    batch: u32,
    reserved: u32,
}

impl TestRun {
    fn new(frame: &[u8]) -> io::Result<Self> {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        Ok(Self { length, frame: frame.as_ptr() as u64, ..Self::default() })
    }
}

const R0: u64 = 0;
const R1: u64 = 1;
const R2: u64 = 2;
const R3: u64 = 3;
const R7: u64 = 7;

const EXIT: u64 = 0x95;

/// One instruction: its code, the registers it writes and reads, an offset, a number.
const fn instruction(code: u64, to: u64, from: u64, offset: i16, number: i32) -> u64 {
    code | to << 8
        | from << 12
        | (offset.cast_unsigned() as u64) << 16
        | (number.cast_unsigned() as u64) << 32
}

const fn moved(to: u64, number: i32) -> u64 {
    instruction(0xb7, to, 0, 0, number)
}

const fn copied(to: u64, from: u64) -> u64 {
    instruction(0xbf, to, from, 0, 0)
}

const fn call(helper: i32) -> u64 {
    instruction(0x85, 0, 0, 0, helper)
}

const LOAD_WORD: u64 = 0x61;
const STORE_HALF: u64 = 0x6b;
const ADD: u64 = 0x07;
const MODULO: u64 = 0x97;
const XOR: u64 = 0xa7;
const TO_BIG_ENDIAN: u64 = 0xdc;
const JUMP_GREATER: u64 = 0x2d;
const JUMP_IF: u64 = 0x15;
/// Helpers of the kernel.
const RANDOM: i32 = 7;
const REDIRECT: i32 = 23;

/// Drops what is shorter than its headers, and what has its turn not.
fn redirecting(load: Load) -> Vec<u64> {
    const HEADERS: i32 = 34;
    let mut rest = match load.one_in {
        1 => Vec::new(),
        one_in => vec![
            call(RANDOM),
            instruction(MODULO, R0, 0, 0, one_in.into()),
            // Over the two that follow.
            instruction(JUMP_IF, R0, 0, 2, 0),
            moved(R0, XDP_DROP),
            EXIT,
        ],
    };
    if let Sources::Rotating(sources) = load.sources {
        rest.extend(rotate(sources));
    }
    rest.extend([instruction(LOAD_WORD, R1, R7, VIA as i16, 0), moved(R2, 0), call(REDIRECT)]);
    let mut program = vec![
        moved(R0, XDP_DROP),
        instruction(LOAD_WORD, R7, R1, 0, 0),
        instruction(LOAD_WORD, R3, R1, 4, 0),
        copied(R2, R7),
        instruction(ADD, R2, 0, 0, HEADERS),
        instruction(JUMP_GREATER, R2, R3, rest.len() as i16, 0),
    ];
    program.extend(rest);
    program.push(EXIT);
    program
}

/// Writes one of `sources` numbers into the first half of the source address, and its complement into the
/// identification: so the checksum of the header stays what it is in a frame that has 0 and 0xffff there.
fn rotate(sources: u16) -> [u64; 9] {
    const IDENTIFICATION: i16 = 18;
    const SOURCE: i16 = 26;
    const FIRST: i32 = 10 << 8;
    [
        call(RANDOM),
        instruction(MODULO, R0, 0, 0, sources.into()),
        instruction(ADD, R0, 0, 0, FIRST),
        copied(R1, R0),
        instruction(TO_BIG_ENDIAN, R1, 0, 0, 16),
        instruction(STORE_HALF, R7, R1, SOURCE, 0),
        instruction(XOR, R0, 0, 0, 0xffff),
        instruction(TO_BIG_ENDIAN, R0, 0, 0, 16),
        instruction(STORE_HALF, R7, R0, IDENTIFICATION, 0),
    ]
}

fn load_program(program: &[u64]) -> io::Result<RawProgram> {
    const PROG_LOAD: i32 = 5;
    const XDP: u32 = 6;
    #[repr(C)]
    struct Attributes {
        kind: u32,
        instructions: u32,
        program: u64,
        license: u64,
    }
    let attributes = Attributes {
        kind: XDP,
        instructions: u32::try_from(program.len()).map_err(io::Error::other)?,
        program: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
    };
    // SAFETY: the attributes and what they point to live through the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &attributes, size_of::<Attributes>()) };
    descriptor(fd).map(RawProgram)
}

fn descriptor(fd: i64) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
