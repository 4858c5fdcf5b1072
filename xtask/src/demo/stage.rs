//! Three hosts on one wire, and programs that run on them.
//!
//! ```text
//!     pbx       customer     attacker
//!     eth0        eth0         eth0
//!      |            |            |
//!    pbx-port — customer-port — attacker-port      the bridge `wire`
//! ```

use std::{
    fs,
    io::{BufRead as _, BufReader, PipeReader, pipe},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask::command::shown;

/// For files, on a file system of the demo's own.
pub(super) const DIRECTORY: &str = "/run/demo";

#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub name: &'static str,
    pub address: &'static str,
}

pub(super) const PBX: Host = Host { name: "pbx", address: "192.0.2.1" };
pub(super) const CUSTOMER: Host = Host { name: "customer", address: "192.0.2.20" };
pub(super) const ATTACKER: Host = Host { name: "attacker", address: "192.0.2.66" };

/// The network and the mount namespace that this process is in.
pub(super) fn namespaces() -> Result<[PathBuf; 2]> {
    let read = |name: &str| fs::read_link(name).with_context(|| format!("cannot read {name}"));
    Ok([read("/proc/self/ns/net")?, read("/proc/self/ns/mnt")?])
}

/// Creates the hosts. They end with the namespaces of this process, which must be none of those
/// `outside`: there it would hide `/run`.
pub(super) fn build(outside: &[PathBuf]) -> Result<()> {
    let inside = namespaces()?;
    if outside.len() != inside.len() || inside.iter().any(|namespace| outside.contains(namespace)) {
        bail!("this is a part of `cargo xtask run`, which gives it namespaces of its own");
    }
    // Outside, named namespaces and pins would outlive the demo.
    quietly("mount -t tmpfs demo /run")?;
    quietly("mount -t bpf bpf /sys/fs/bpf")?;
    fs::create_dir(DIRECTORY).context("cannot create a directory on the demo's own file system")?;
    quietly("ip link add wire type bridge")?;
    quietly("ip link set wire up")?;
    for Host { name, address } in [PBX, CUSTOMER, ATTACKER] {
        quietly(&format!("ip netns add {name}"))?;
        quietly(&format!("ip link add {name}-port type veth peer name eth0 netns {name}"))?;
        quietly(&format!("ip link set {name}-port master wire up"))?;
        quietly(&format!("ip -n {name} address add {address}/24 dev eth0"))?;
        quietly(&format!("ip -n {name} link set lo up"))?;
        quietly(&format!("ip -n {name} link set eth0 up"))?;
    }
    Ok(())
}

/// Runs a command line that prints only errors.
fn quietly(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    let output = command.args(words).output().with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

impl Host {
    /// A program on this host, killed when the demo ends.
    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        // Without `ip netns exec`, which hides bpffs.
        command.arg("nsenter").arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command.current_dir(DIRECTORY).env("HOME", DIRECTORY).stdin(Stdio::null());
        command
    }
}

/// Starts a program and discards its output.
pub(super) fn start(command: &mut Command) -> Result<Child> {
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    silent.spawn().with_context(|| format!("cannot run `{}`", shown(command)))
}

/// Waits until a program has bound a UDP port.
pub(super) fn wait_for_port(program: &mut Child, port: u16) -> Result<()> {
    // The sockets of the program's namespace.
    let table = format!("/proc/{}/net/udp", program.id());
    let wanted = format!(":{port:04X}");
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if program.try_wait()?.is_some() {
            bail!("the program for port {port} ended at once");
        }
        let sockets = fs::read_to_string(&table).unwrap_or_default();
        if sockets.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|at| at.ends_with(&wanted)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("nobody listens on port {port}")
}

/// A program whose lines are shown as they come.
#[derive(Debug)]
pub(super) struct Narrated {
    child: Child,
    reader: JoinHandle<String>,
}

impl Narrated {
    pub(super) fn start(mut command: Command, prefix: &'static str) -> Result<Self> {
        let (reader, writer) = pipe().context("cannot make a pipe")?;
        let child = command
            .stdout(writer.try_clone().context("cannot copy a pipe")?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot run `{}`", shown(&command)))?;
        // `Command` keeps the other end of the pipe open until it is dropped, and reading would never end.
        drop(command);
        Ok(Self { child, reader: thread::spawn(move || narrate(reader, prefix)) })
    }

    /// Waits for its end, and returns all its output.
    pub(super) fn finish(mut self) -> Result<String> {
        self.child.wait().context("cannot wait for a program")?;
        Ok(self.reader.join().unwrap_or_default())
    }

    pub(super) fn stop(mut self) -> Result<String> {
        self.child.kill().context("cannot end a program")?;
        self.finish()
    }
}

fn narrate(output: PipeReader, prefix: &str) -> String {
    let mut said = String::new();
    for line in BufReader::new(output).lines().map_while(Result::ok).filter(|line| !line.is_empty()) {
        println!("  {prefix:<8} | {line}");
        said.push_str(&line);
        said.push('\n');
    }
    said
}

/// Runs a program and shows its output. Fails if the program does.
pub(super) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Writes a file for programs on the hosts.
pub(super) fn file(name: &str, text: &str) -> Result<()> {
    let path = Path::new(DIRECTORY).join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
