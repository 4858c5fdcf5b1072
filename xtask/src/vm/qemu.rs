//! The virtual machine. Its console is the report, whose last line is the result.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask::{
    command::{at_lowest_priority, locate, output, run, shown},
    ebpf::workspace_root,
};

use crate::apt::Apt;

pub(super) const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// The packages with files that the program opens by path, and with modules, which it finds beside itself.
const PARTS: [&str; 4] = ["qemu-system-common", "qemu-system-data", "seabios", "ipxe-qemu"];
/// The text that the machine prints before the exit status of the test.
pub(super) const END: &str = "sipward vm: the test ended with ";

/// Several times the duration of the packet table without hardware support, beside other tests.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Installs the program if it is missing. If apt cannot, it is unpacked into `target`, and only the libraries that it
/// needs are installed: parts of a newer version may be installed here, and these exclude the rest.
pub(crate) fn obtain(apt: Option<&Apt>) -> Result<()> {
    if command().is_some() {
        return Ok(());
    }
    let apt = apt.context("there is no apt to install it with")?;
    println!("setup: installing {PACKAGE}");
    apt.install(&[PACKAGE.to_owned()]).or_else(|error| {
        println!("setup: {error:#}; unpacking it instead");
        unpack(apt)
    })
}

fn unpack(apt: &Apt) -> Result<()> {
    let depends = output(Command::new("apt-cache").env("LC_ALL", "C").args(["depends", PACKAGE]))
        .with_context(|| format!("apt does not know {PACKAGE}"))?;
    apt.install(&libraries(&depends))?;
    let directory = unpacked();
    // Under another name first, so that a directory with the final name is complete.
    let partial = directory.with_extension("partial");
    let fail = |path: &Path| format!("cannot write {}", path.display());
    fs::create_dir_all(&partial).with_context(|| fail(&partial))?;
    for package in [PACKAGE].iter().chain(&PARTS) {
        run(Command::new("dpkg").arg("-x").arg(apt.fetch(package, &partial)?).arg(&partial))?;
    }
    fs::rename(&partial, &directory).with_context(|| fail(&directory))
}

/// The dependencies that are no part of qemu.
fn libraries(depends: &str) -> Vec<String> {
    let all = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    all.filter(|package| package.starts_with("lib")).map(str::to_owned).collect()
}

fn unpacked() -> PathBuf {
    workspace_root().join("target/vm/qemu")
}

/// The program, installed or unpacked, with the options and variables for its files.
pub(super) fn command() -> Option<Command> {
    if locate(PROGRAM).is_some() {
        return Some(Command::new(PROGRAM));
    }
    let root = unpacked();
    let program = root.join("usr/bin").join(PROGRAM);
    if !program.is_file() {
        return None;
    }
    let mut command = Command::new(program);
    for directory in ["qemu", "seabios"] {
        command.arg("-L").arg(root.join("usr/share").join(directory));
    }
    Some(command)
}

pub(super) fn boot(kernel: &Path, initramfs: &Path) -> Result<()> {
    let mut command = command().with_context(|| format!("there is no {PROGRAM}"))?;
    with_machine(&mut command, kernel, initramfs);
    let mut command = at_lowest_priority(&command);
    println!("$ {}", shown(&command));
    let mut machine = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {PROGRAM}"))?;
    let console = machine.stdout.take().context("qemu has no console")?;
    let result = watch(&read_lines(console), Instant::now() + PATIENCE);
    end(&mut machine)?;
    match result? {
        0 => Ok(()),
        status => bail!("the test failed in the virtual machine, with exit status {status}"),
    }
}

/// Always emulated: `/dev/kvm` may open where guests then die, above all in nested machines.
fn with_machine(command: &mut Command, kernel: &Path, initramfs: &Path) {
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1G"])
        .args(["-nographic", "-no-reboot", "-nic", "none", "-append", "console=ttyS0 panic=-1 quiet"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs);
}

/// Reads on another thread, because reading a console has no timeout.
fn read_lines(console: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            // The receiver is gone once it has seen the end.
            if sender.send(plain(&String::from_utf8_lossy(&line))).is_err() {
                break;
            }
        }
    });
    lines
}

/// Prints the console until the test's status appears.
fn watch(lines: &Receiver<String>, deadline: Instant) -> Result<i32> {
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("vm: {line}");
                if let Some(status) = line.split_once(END).and_then(|(_, status)| status.trim().parse().ok())
                {
                    return Ok(status);
                }
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the virtual machine stopped before the test ended"),
            Err(RecvTimeoutError::Timeout) => bail!("the test did not end within {} s", PATIENCE.as_secs()),
        }
    }
}

/// Keeps the text: the firmware clears the screen, and a serial console ends lines with a carriage return.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        if c == '\x1b' {
            // A control sequence ends with a letter.
            characters.find(char::is_ascii_alphabetic);
        } else if !c.is_control() || c == '\t' {
            text.push(c);
        }
    }
    text
}

fn end(machine: &mut Child) -> Result<()> {
    // Fails only if the machine has ended by itself.
    let _ = machine.kill();
    machine.wait().with_context(|| format!("cannot wait for {PROGRAM}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(console: &'static str) -> Result<i32> {
        watch(&read_lines(console.as_bytes()), Instant::now() + Duration::from_secs(10))
    }

    #[test]
    fn only_libraries_are_installed_for_what_is_unpacked() {
        let depends =
            "qemu-system-x86\n  Depends: libfdt1\n  Depends: seabios\n |Depends: libx\n  Depends: zlib1g\n";
        assert_eq!(libraries(depends), ["libfdt1"]);
    }

    #[test]
    fn the_status_is_read_from_the_console() {
        assert_eq!(status_of("Linux 6.1\r\nsipward vm: the test ended with 0\r\n").unwrap(), 0);
        assert_eq!(status_of("x\nsipward vm: the test ended with 101\r\nmore").unwrap(), 101);
    }

    #[test]
    fn a_machine_that_stops_early_is_an_error() {
        let error = status_of("Kernel panic - not syncing\n").unwrap_err().to_string();
        assert!(error.contains("stopped before"), "{error}");
    }

    #[test]
    fn a_machine_that_hangs_is_an_error() {
        let (_open, lines) = mpsc::channel();
        let error = watch(&lines, Instant::now() + Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn control_sequences_are_left_out_of_the_console() {
        assert_eq!(plain("\x1bc\x1b[?7l\x1b[2J\x1b[0mLinux\r"), "Linux");
        assert_eq!(plain("test a ... ok"), "test a ... ok");
    }
}
