//! Other users of the host: they can neither stop a command nor choose where it writes, and they cannot
//! read its files.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use sipward_tests::{command::Sipward, scratch::Scratch};

use crate::{host, refused};

const SOMEBODY: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

/// Returns true if another user of the host can lock a directory. Every process that wants the same lock would then wait.
fn somebody_can_lock(path: &Path) -> io::Result<bool> {
    let status = Command::new("flock").arg("--nonblock").arg(path).arg("true").uid(SOMEBODY).status()?;
    Ok(status.success())
}

#[test]
fn other_users_cannot_lock_the_pins() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    assert_eq!(mode(sipward.pins()), 0o700);
    let inside: Vec<_> = fs::read_dir(sipward.pins()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inside.is_empty());
    for path in inside.iter().map(|path| path.as_path()).chain([sipward.pins()]) {
        assert!(!somebody_can_lock(path).unwrap(), "{}", path.display());
    }
    // As an earlier version made it.
    fs::set_permissions(sipward.pins(), Permissions::from_mode(0o755)).unwrap();
    assert!(somebody_can_lock(sipward.pins()).unwrap(), "that is what is tested here");
    sipward.ok("status");
    assert!(!somebody_can_lock(sipward.pins()).unwrap());
}

#[test]
fn what_others_made_in_the_place_of_the_pins_is_not_used() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    fs::create_dir(sipward.pins()).unwrap();
    chown(sipward.pins(), Some(SOMEBODY), None).unwrap();
    for line in ["attach --iface eth0", "status"] {
        refused(&sipward.run(line), 3, &["belongs to uid 65534", "rm -r", "chmod 700"]);
    }
    chown(sipward.pins(), Some(0), None).unwrap();
    sipward.ok("attach --iface eth0");
}

#[test]
fn an_export_goes_nowhere_by_the_link_of_another_user() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    sipward.ok("ban add 192.0.2.1");
    let scratch = Scratch::new(pbx);
    let public = scratch.0.join("public");
    fs::create_dir(&public).unwrap();
    fs::set_permissions(&public, Permissions::from_mode(0o1777)).unwrap();
    let (theirs, ours, victim) = (public.join("bans.txt"), public.join("ours"), scratch.0.join("victim"));
    fs::write(&victim, "before").unwrap();
    symlink(&victim, &theirs).unwrap();
    lchown(&theirs, Some(SOMEBODY), None).unwrap();
    symlink(&theirs, &ours).unwrap();
    for path in [&theirs, &ours] {
        let done = sipward.run(&format!("ban export {}", path.display()));
        refused(&done, 1, &["a link of uid 65534", "name the file itself"]);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "before");
    }
    assert_eq!(fs::read_dir(&public).unwrap().count(), 2, "nothing else is left");

    fs::remove_file(&ours).unwrap();
    symlink(&victim, &ours).unwrap();
    sipward.ok(&format!("ban export {}", ours.display()));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "192.0.2.1\n");
}

#[test]
fn a_capture_is_for_whoever_made_it() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    sipward.ok("attach --iface eth0");
    let scratch = Scratch::new(pbx);
    let file = scratch.0.join("drops.pcapng");
    sipward.ok(&format!("capture {} --for 1s", file.display()));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn no_file_speaks_to_the_terminal() {
    let lan = host();
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let scratch = Scratch::new(pbx);
    let hidden = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}'];
    let escaped = r"\u{1b}[2J\u{9b}\u{202e}\u{7}";
    let evil = "\u{1b}[2J\u{9b}\u{202e}\u{7}";
    let right = scratch.file(&format!("right{evil}.toml"), "interface = 'eth0'\n");
    let wrong = scratch.file(&format!("wrong{evil}.toml"), "\"\\u001b[2J\\u009b\\u202e\\u0007\" = 1\n");
    let raw = scratch.file("raw.toml", &format!("\"{evil}\" = 1\n"));
    let signatures = scratch.file(
        "signatures.toml",
        "[[signature]]\nname = \"a\\u001b[2J\\u009b\\u202e\\u0007\"\nin = 'Via'\ncontains = 'x'\n",
    );
    let capture = scratch.file(&format!("no{evil}.pcap"), "no capture");
    for (line, shown) in [
        (format!("check {right}"), true),
        (format!("check {wrong}"), true),
        (format!("check {raw}"), false),
        (format!("check {right} --json"), false),
        (format!("signature check {signatures}"), false),
        (format!("signature list --file {signatures}"), false),
        (format!("signature list --file {signatures} --json"), false),
        (format!("replay {capture}"), true),
        (format!("replay nowhere{evil}.pcap"), true),
        (format!("doctor --config {wrong}"), true),
    ] {
        let done = sipward.run(&line);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(!said.is_empty(), "{done}");
        assert!(!said.contains(hidden), "{}", said.escape_debug());
        assert!(!shown || said.contains(escaped), "{done}");
    }
}
