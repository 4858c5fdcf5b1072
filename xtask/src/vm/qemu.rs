//! The virtual machine: its console is the report, and the last line of that the result.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask::command::shown;

pub(super) const PROGRAM: &str = "qemu-system-x86_64";
/// What the machine prints before the exit status of the test.
pub(super) const END: &str = "sipward vm: the test ended with ";

/// Fifty times what the packet table takes without hardware support.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) fn boot(kernel: &Path, initramfs: &Path) -> Result<()> {
    let mut command = command(kernel, initramfs);
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

/// Always emulated: `/dev/kvm` may open where guests then die, in nested machines above all.
fn command(kernel: &Path, initramfs: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1G"])
        .args(["-nographic", "-no-reboot", "-nic", "none", "-append", "console=ttyS0 panic=-1 quiet"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs);
    command
}

/// Reads on another thread: reading a console has no timeout of its own.
fn read_lines(console: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            // The other side stops listening when it has seen the end.
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
                println!("{line}");
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

/// The firmware clears the screen and a serial console ends lines with a carriage return: keep the text.
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
    // Fails only if it ended by itself.
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
