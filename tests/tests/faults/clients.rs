//! Many, slow and broken clients: they affect no other client, and the daemon's memory does not grow.

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Shutdown},
    os::unix::net::UnixStream,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sipward_tests::{command::Done, namespace::Lan, rng::Rng};

use crate::site::{Site, Until};

const CONFIG: &str = "interface = \"eth0\"\ntrusted = [\"192.0.2.1\"]\nbanned = [\"192.0.2.2\"]\n";

fn connect(site: &Site<'_>) -> UnixStream {
    UnixStream::connect(site.sipward.runtime().join("control.sock")).unwrap()
}

#[test]
fn commands_at_the_same_time_do_not_meet() {
    const EACH: usize = 25;
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let mut site = Site::running(pbx, CONFIG);
    let (here, over) = (&site, AtomicBool::new(false));
    thread::scope(|scope| {
        let until = Until(&over);
        let writers = [10, 20].map(|net| {
            scope.spawn(move || {
                for host in 0..EACH {
                    here.sipward.ok(&format!("ban add 198.51.{net}.{host} --note {net}"));
                    here.sipward.ok(&format!("trust add 203.0.{net}.{host}"));
                    if host % 2 == 0 {
                        here.sipward.ok(&format!("ban del 198.51.{net}.{host}"));
                    }
                }
            })
        });
        let reader = scope.spawn(|| {
            let mut before = 0;
            while !over.load(Ordering::Relaxed) {
                let trusted = here.list("trust");
                assert!(trusted.is_sorted_by_key(|source| source.parse::<IpAddr>().unwrap()));
                assert!(trusted.len() >= before, "{} after {before}", trusted.len());
                before = trusted.len();
                assert_eq!(here.status()["store"]["fault"], serde_json::Value::Null);
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        drop(until);
        reader.join().unwrap();
    });
    let odd = |net| (0..EACH).filter(|host| host % 2 == 1).map(move |host| format!("198.51.{net}.{host}"));
    let expected: BTreeSet<_> = odd(10).chain(odd(20)).chain(["192.0.2.2".to_owned()]).collect();
    assert_eq!(site.list("ban").into_iter().collect::<BTreeSet<_>>(), expected);
    site.kill();
    site.start();
    assert_eq!(site.list("ban").into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(site.list("trust").len(), 2 * EACH + 1);
}

/// The resources of the daemon.
#[derive(Debug)]
struct Size {
    kib: u64,
    files: usize,
    threads: u64,
}

fn size(site: &Site<'_>) -> Size {
    let place = format!("/proc/{}", site.daemon().pid());
    let status = fs::read_to_string(format!("{place}/status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let files = fs::read_dir(format!("{place}/fd")).unwrap().count();
    Size { kib: number("VmRSS:"), files, threads: number("Threads:") }
}

/// So many bans, in a file.
fn bans(site: &Site<'_>, count: usize) -> String {
    let line =
        |number: usize| format!("100.{}.{}.{}\n", 64 + number / 65_536, number / 256 % 256, number % 256);
    let path = site.config.with_file_name("bans.txt");
    fs::write(&path, (0..count).map(line).collect::<String>()).unwrap();
    path.display().to_string()
}

/// Asks for the whole list, and never reads it.
fn ask_and_turn_away(site: &Site<'_>) -> UnixStream {
    let mut stream = connect(site);
    stream.write_all(b"{\"version\":1,\"call\":\"list\",\"list\":\"banned\"}\n").unwrap();
    stream
}

/// Says the beginning of a request, and no more.
fn ask_half(site: &Site<'_>) -> UnixStream {
    let mut stream = connect(site);
    stream.write_all(b"{\"version\":1,\"call\":\"ban\",\"sources\":[\"192.0.2.1/32\"").unwrap();
    stream
}

/// Sends what means nothing, until it is over; the daemon may hang up.
fn rave(site: &Site<'_>, rng: &mut Rng, over: &AtomicBool) {
    let mut stream = connect(site);
    let garbage: Vec<u8> = (0..1 << 16).map(|_| rng.below(256) as u8).collect();
    while !over.load(Ordering::Relaxed) {
        if stream.write_all(&garbage).is_err() {
            stream = connect(site);
        }
    }
}

/// Comes and goes as fast as it can, and stays with as many as it may.
fn flood(site: &Site<'_>, over: &AtomicBool) -> usize {
    let mut kept = Vec::new();
    let mut came = 0;
    while !over.load(Ordering::Relaxed) {
        match UnixStream::connect(site.sipward.runtime().join("control.sock")) {
            Ok(stream) if kept.len() < 100 => kept.push(stream),
            Ok(stream) => drop(stream),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        came += 1;
        if came % 1_000 == 0 {
            kept.clear();
        }
    }
    came
}

/// Asks for as much at once as fits into a request.
fn ask_too_much(site: &Site<'_>) -> String {
    let mut stream = connect(site);
    let source =
        |number: usize| format!("\"10.{}.{}.{}/32\"", number / 65_536, number / 256 % 256, number % 256);
    let sources = (0..200_000).map(source).collect::<Vec<_>>().join(",");
    let call = format!("{{\"version\":1,\"call\":\"ban\",\"sources\":[{sources}]}}\n");
    // The daemon may have answered before it has read the whole request.
    let _ = stream.write_all(call.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// A command with an unread output, as behind a waiting pager.
fn unread(site: &Site<'_>, line: &str) -> Child {
    site.sipward.command(line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn mad_clients_harm_nobody() {
    const BANS: usize = 100_000;
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::running(pbx, CONFIG);
    site.sipward.ok(&format!("ban import {}", bans(&site, BANS)));
    assert_eq!(site.list("ban").len(), BANS + 1);
    let before = size(&site);

    let silent: Vec<_> = (0..3).map(|_| connect(&site)).collect();
    let half: Vec<_> = (0..3).map(|_| ask_half(&site)).collect();
    let away: Vec<_> = (0..3).map(|_| ask_and_turn_away(&site)).collect();
    let mut paused: Vec<_> =
        ["ban list", "ban list --json", "events --follow"].iter().map(|line| unread(&site, line)).collect();
    let (over, here) = (AtomicBool::new(false), &site);
    let mut rng = Rng::fixed(1);
    let (came, largest) = thread::scope(|scope| {
        let until = Until(&over);
        let raving = scope.spawn(|| rave(here, &mut rng, &over));
        let flooding = scope.spawn(|| flood(here, &over));
        let mut largest = 0;
        for host in 0..20 {
            assert_eq!(here.status()["lists"]["banned"], BANS + 1);
            here.sipward.ok(&format!("trust add 203.0.113.{host}"));
            here.sipward.ok(&format!("ban add 198.51.100.{host}"));
            let near = here.sipward.json("ban list --within 198.51.100.0/24");
            assert_eq!(near.len(), 1);
            here.sipward.ok(&format!("ban del 198.51.100.{host}"));
            assert_eq!(here.list("trust").len(), host + 2);
            // Turned away as one of many, or for what it asks.
            let answer = ask_too_much(here);
            assert!(
                answer.contains("too many at once") || answer.contains("accepts no more"),
                "{answer:.300}"
            );
            largest = largest.max(size(here).kib);
        }
        drop(until);
        raving.join().unwrap();
        (flooding.join().unwrap(), largest)
    });
    println!("{came} connections; {before:?}, then {largest} KiB");
    let log = here.log();
    assert!(log.contains("was rejected") && log.lines().count() < 100, "{} lines", log.lines().count());
    assert!(came > 1_000, "{came} connections are no flood");
    assert!(largest < before.kib + 100 * 1_024, "{largest} KiB after {before:?}");
    here.filter().works(&["192.0.2.1", "203.0.113.7"], &["192.0.2.2", "100.64.0.0", "100.65.134.159"]);

    // Those of the flood have their places for a moment more.
    let mut asked = String::new();
    site.wait("there is room again", || {
        asked = ask_too_much(&site);
        !asked.contains("accepts no more")
    });
    assert!(asked.contains("too many at once"), "{asked:.300}");

    // Half a line is answered with an error, and closed connections leave nothing.
    drop((silent, half, away));
    for child in &mut paused {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut stream = ask_half(&site);
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("has no end"), "{answer}");
    site.wait("what they took up is free again", || {
        let now = size(&site);
        now.files <= before.files && now.threads <= before.threads
    });
}

#[test]
fn a_socket_that_is_removed_comes_back_and_there_is_one_daemon() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::running(pbx, CONFIG);
    let pid = || site.status()["daemon"]["pid"].clone();
    let alone = pid();
    assert_eq!(alone, site.daemon().pid());
    let runtime = site.sipward.runtime();
    fs::remove_file(runtime.join("control.sock")).unwrap();
    // Commands meanwhile wait for it.
    assert_eq!(pid(), alone);
    fs::remove_dir_all(&runtime).unwrap();
    site.wait("the daemon answers again", || pid() == alone);
    let second = Done::of(&mut site.run());
    assert_eq!(second.code, Some(3), "{second}");
    assert!(second.stderr.contains("another sipward daemon runs"), "{second}");
    assert_eq!(site.log().matches("or its directory was removed").count(), 2, "{}", site.log());
}
