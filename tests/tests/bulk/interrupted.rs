//! An import on a terminal shows its progress, and can be stopped.

use std::{
    fs,
    io::Read as _,
    process::{Child, Output, Stdio},
    time::Duration,
};

use sipward_kernel::{Pins, Tables};
use sipward_tests::{namespace::Lan, terminal::terminal, wait::wait_until};

use crate::{Backend, Site};

/// Twice as many as are taken at once.
const MANY: u32 = 20_000;

fn many() -> String {
    (0..MANY).map(|n| format!("{}\n", std::net::Ipv4Addr::from_bits(0x0b00_0000 + n))).collect()
}

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
    assert_eq!(unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap(), signal) }, 0);
}

/// Returns true if a process has a handler for the signal.
fn minds(child: &Child, signal: libc::c_int) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (signal - 1)) != 0
}

#[test]
fn what_was_done_before_an_interruption_stays_and_is_told() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    for sent in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let site = Site::new(pbx, Backend::Daemon);
        let file = site.scratch.file("list.txt", &many());
        let daemon = site.daemon.as_ref().unwrap();
        // It takes the first part when it is awake again.
        signal(daemon.pid(), libc::SIGSTOP);
        let mut import = site.sipward.command(&format!("ban import {file}"));
        let import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the import listens", Duration::from_secs(60), || minds(&import, sent));
        signal(import.id(), sent);
        signal(daemon.pid(), libc::SIGCONT);
        let Output { status, stdout, stderr } = import.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
        let done: u32 = if stdout == "0 banned\n" { 0 } else { 10_000 };
        let told = ["0", "10,000"][usize::from(done > 0)];
        assert_eq!(stdout, format!("{told} banned\n"));
        assert!(stderr.contains(&format!("stopped after {told} of 20,000 entries")), "{stderr}");
        assert_eq!(site.listed("ban").len(), done as usize);
        assert_eq!(site.in_the_kernel(), site.on_the_lists());
        // Again, and all of it is there.
        site.sipward.ok(&format!("ban import {file}"));
        assert_eq!(site.listed("ban").len(), MANY as usize);
    }
}

/// By `kill -9`, between its writes into the kernel and the commit.
#[test]
fn what_a_killed_import_without_a_daemon_has_left_in_the_kernel_goes_with_the_next_command() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Local);
    site.sipward.ok("ban add 192.0.2.1");
    let file = site.scratch.file("list.txt", &many());
    let mut left = 0;
    for _ in 0..5 {
        let mut import = site.sipward.command(&format!("ban import {file}"));
        let mut import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pins = Pins::at(site.sipward.pins());
        let mut tables = Tables::open(&pins).unwrap();
        let first = std::net::Ipv4Addr::from_bits(0x0b00_0000).into();
        while tables.sources().unwrap().get(first).unwrap().is_none() {
            assert!(import.try_wait().unwrap().is_none(), "it has ended");
        }
        signal(import.id(), libc::SIGKILL);
        import.wait().unwrap();
        left += usize::from(site.drops("11.0.0.0"));
        let listed = site.on_the_lists();
        assert_eq!(site.in_the_kernel(), listed, "{} are listed", listed.len());
        if listed.len() > 1 {
            break;
        }
        assert!(!site.drops("11.0.0.0") && site.drops("192.0.2.1"));
    }
    assert!(left > 0, "no import was killed in time");
}

#[test]
fn a_terminal_shows_how_far_it_is() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Local);
    let file = site.scratch.file("list.txt", &many());
    for (options, shows) in [("", true), ("--json", false)] {
        let (mut ours, theirs) = terminal();
        let mut import = site.sipward.command(&format!("ban import {file} {options}"));
        let done = import.stdout(Stdio::piped()).stderr(theirs).output().unwrap();
        assert_eq!(done.status.code(), Some(0));
        // Its end of the terminal is closed only with the command.
        drop(import);
        let mut shown = Vec::new();
        // Reading a terminal whose other end is closed is an error.
        let _ = ours.read_to_end(&mut shown);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.contains("  50%  10,000 of 20,000  "), shows, "{shown:?}");
        assert_eq!(shown.ends_with("\r\x1b[K"), shows, "nothing stays: {shown:?}");
        assert_eq!(shown.is_empty(), !shows, "{shown:?}");
    }
}
