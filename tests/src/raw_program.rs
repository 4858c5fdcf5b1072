//! XDP programs of a few instructions, without a compiler: a program to compare the filter with, and a generator that
//! sends frames at a lower cost than any socket.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Instant,
};

use crate::raw_map::RawMap;

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

/// The traffic of a generator.
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

    /// Drops UDP over IPv4 to a port, and looks no further: what it costs to look at a packet at all.
    pub fn drop_port(port: u16) -> io::Result<Self> {
        load_program(&dropping(port, &[]))
    }

    /// The same, if its source is in a hash map of `sources`: what it costs to look one up, and nothing else. It
    /// knows neither VLAN tags nor IP options, counts nothing and never forgets.
    pub fn drop_sources(port: u16, sources: impl IntoIterator<Item = Ipv4Addr>) -> io::Result<Self> {
        let map = RawMap::of(sources)?;
        load_program(&dropping(port, &looking_up(&map)))
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
/// The stack's end.
const R10: u64 = 10;

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
const LOAD_HALF: u64 = 0x69;
const LOAD_BYTE: u64 = 0x71;
const LOAD_LONG: u64 = 0x18;
const STORE_WORD: u64 = 0x63;
const STORE_HALF: u64 = 0x6b;
const ADD: u64 = 0x07;
const MODULO: u64 = 0x97;
const XOR: u64 = 0xa7;
const TO_BIG_ENDIAN: u64 = 0xdc;
const JUMP_GREATER: u64 = 0x2d;
const JUMP_IF: u64 = 0x15;
const JUMP_UNLESS: u64 = 0x55;
/// Helpers of the kernel.
const LOOK_UP: i32 = 1;
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

/// Drops what is UDP over IPv4 to that port, where `condition` does not jump by [`OUT`].
fn dropping(port: u16, condition: &[u64]) -> Vec<u64> {
    const HEADERS: i32 = 42;
    const ETHERTYPE: i16 = 12;
    const PROTOCOL: i16 = 23;
    const PORT: i16 = 36;
    const XDP_PASS: i32 = 2;
    let in_order = |number: u16| i32::from(number.to_be());
    let mut program = vec![
        instruction(LOAD_WORD, R7, R1, 0, 0),
        instruction(LOAD_WORD, R3, R1, 4, 0),
        copied(R2, R7),
        instruction(ADD, R2, 0, 0, HEADERS),
        instruction(JUMP_GREATER, R2, R3, OUT, 0),
        instruction(LOAD_HALF, R1, R7, ETHERTYPE, 0),
        instruction(JUMP_UNLESS, R1, 0, OUT, in_order(0x0800)),
        instruction(LOAD_BYTE, R1, R7, PROTOCOL, 0),
        instruction(JUMP_UNLESS, R1, 0, OUT, 17),
        instruction(LOAD_HALF, R1, R7, PORT, 0),
        instruction(JUMP_UNLESS, R1, 0, OUT, in_order(port)),
    ];
    program.extend(condition);
    program.extend([moved(R0, XDP_DROP), EXIT]);
    let end = program.len();
    for (at, instruction) in program.iter_mut().enumerate() {
        if *instruction >> 16 & 0xffff == OUT as u64 {
            *instruction ^= (OUT as u64 ^ (end - at - 1) as u64) << 16;
        }
    }
    program.extend([moved(R0, XDP_PASS), EXIT]);
    program
}

/// Stands for the distance to where a program lets go of the packet.
const OUT: i16 = i16::MAX;

fn looking_up(map: &RawMap) -> [u64; 8] {
    const SOURCE: i16 = 26;
    const KEY: i16 = -4;
    /// The number is a descriptor.
    const OF_A_MAP: u64 = 1;
    [
        instruction(LOAD_WORD, R1, R7, SOURCE, 0),
        instruction(STORE_WORD, R10, R1, KEY, 0),
        copied(R2, R10),
        instruction(ADD, R2, 0, 0, KEY.into()),
        instruction(LOAD_LONG, R1, OF_A_MAP, 0, map.fd().cast_signed()),
        0,
        call(LOOK_UP),
        instruction(JUMP_IF, R0, 0, OUT, 0),
    ]
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

pub(crate) fn descriptor(fd: i64) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
