//! Network namespaces: hosts with a network of their own, which end when dropped.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    process::Command,
    thread,
    time::Duration,
};

use crate::command::{Done, unique};

/// In bytes: of the kernel's, one that is not read for a tenth of a second is full of a packet each millisecond.
const RECEIVE_BUFFER: libc::c_int = 64 << 20;

#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A host with nothing but a loopback. `role` helps those who look at a test that hangs.
    pub fn new(role: &str) -> Self {
        // SAFETY: no arguments, cannot fail.
        assert_eq!(unsafe { libc::geteuid() }, 0, "this test needs root: run `cargo xtask test`");
        let namespace = Self { name: format!("sipward-{}-{role}", unique()) };
        ip(&["netns", "add", &namespace.name]);
        namespace.ip("link set lo up");
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` inside, with a line of arguments.
    pub fn ip(&self, line: &str) {
        let arguments: Vec<_> = ["-n", &self.name].into_iter().chain(line.split_whitespace()).collect();
        ip(&arguments);
    }

    /// A program inside. Not `ip netns exec`: that hides bpffs.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// Runs a line inside that must succeed.
    pub fn run(&self, line: &str) {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().expect("a program"));
        let done = Done::of(command.args(words));
        assert_eq!(done.code, Some(0), "{done}");
    }

    /// Runs `work` inside, on a thread of its own.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.entrance().enter(work)
    }

    /// A way inside for those that may outlive the borrow of the namespace.
    pub fn entrance(&self) -> Entrance {
        let path = format!("/run/netns/{}", self.name);
        Entrance(File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// Datagrams that its sockets were given, by the kernel's count.
    pub fn datagrams_received(&self) -> u64 {
        let table = self.enter(|| fs::read_to_string("/proc/thread-self/net/snmp")).unwrap_or_default();
        let mut lines = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let names = lines.next().unwrap_or_default().split(' ');
        let values = lines.next().unwrap_or_default().split(' ');
        let column = names.zip(values).find(|(name, _)| *name == "InDatagrams");
        column.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
    }

    /// A UDP socket inside, whose reads end after a while.
    pub fn udp(&self, address: &str) -> UdpSocket {
        self.enter(|| {
            let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
            socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout that is not zero");
            socket
        })
    }

    /// The same, with a buffer for packets that arrive while the test does not read.
    pub fn roomy_udp(&self, address: &str) -> UdpSocket {
        let (socket, size) = (self.udp(address), RECEIVE_BUFFER);
        // SAFETY: the option takes an integer of the given size.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const size).cast(),
                size_of_val(&size) as libc::socklen_t,
            )
        };
        assert_eq!(set, 0, "{}", io::Error::last_os_error());
        socket
    }
}

/// It keeps the network of the namespace alive.
#[derive(Debug)]
pub struct Entrance(File);

impl Entrance {
    /// Runs `work` inside, on a thread of its own.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            // SAFETY: a namespace's descriptor; it moves this thread alone.
            let entered = unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0, "{:?}: {}", self.0, io::Error::last_os_error());
            work()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its interfaces go with it. A failure here must not hide the test's own.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Hosts on one wire.
///
/// ```text
///   host 1         host 2         host n
///   eth0           eth0           eth0      10.90.0.n/24, 2001:db8:90::n/64
///     |              |              |
///   port1 ———————— port2 ———————— portn     a bridge in a namespace of its own
/// ```
#[derive(Debug)]
pub struct Lan {
    hosts: Vec<Namespace>,
    /// Kept for its drop.
    _switch: Namespace,
}

impl Lan {
    /// Hosts in the order of their roles, numbered from 1.
    pub fn new<const N: usize>(roles: [&str; N]) -> Self {
        let switch = Namespace::new("switch");
        switch.ip("link add wire type bridge");
        switch.ip("link set wire up");
        let host = |(role, number)| {
            let host = Namespace::new(role);
            let other = switch.name();
            host.ip(&format!("link add eth0 type veth peer name port{number} netns {other}"));
            switch.ip(&format!("link set port{number} master wire up"));
            host.ip(&format!("address add {}/24 dev eth0", v4(number)));
            // Without nodad the first packets of a test would be refused.
            host.ip(&format!("address add {}/64 dev eth0 nodad", v6(number)));
            host.ip("link set eth0 up");
            host
        };
        Self { hosts: roles.into_iter().zip(1..).map(host).collect(), _switch: switch }
    }

    pub fn hosts<const N: usize>(&self) -> [&Namespace; N] {
        self.hosts.iter().collect::<Vec<_>>().try_into().expect("as many as there are roles")
    }
}

/// The IP version that two hosts of a [`Lan`] speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// A port of the host with that number.
    pub fn address(self, number: usize, port: u16) -> SocketAddr {
        let ip = match self {
            Self::V4 => v4(number),
            Self::V6 => v6(number),
        };
        SocketAddr::new(ip.parse().expect("an address"), port)
    }
}

/// The addresses of a host on a [`Lan`].
pub fn v4(number: usize) -> String {
    format!("10.90.0.{number}")
}

pub fn v6(number: usize) -> String {
    format!("2001:db8:90::{number}")
}

fn ip(arguments: &[&str]) {
    let done = Done::of(Command::new("ip").args(arguments));
    assert_eq!(done.code, Some(0), "{done}");
}
