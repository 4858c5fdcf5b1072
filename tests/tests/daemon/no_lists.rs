//! A control socket on a file system without access control lists.

use std::{fs, path::PathBuf, process::Command};

use sipward_tests::{
    command::{Done, Sipward, binary},
    daemon::Daemon,
    namespace::Lan,
    scratch::Scratch,
};

/// A file system that knows none. Dropped, it is gone.
struct Ramfs(PathBuf);

impl Ramfs {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        let done = Done::of(Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(&path));
        assert_eq!(done.code, Some(0), "{done}");
        Self(path)
    }
}

impl Drop for Ramfs {
    fn drop(&mut self) {
        // The daemon may be about to end.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn without_access_control_lists_the_group_gets_in_and_doctor_misses_the_roles() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let (sipward, directory) = (Sipward::new(pbx), Scratch::new(pbx));
    let ramfs = Ramfs::mount(sipward.runtime());
    let config =
        directory.file("sipward.toml", "interface = 'eth0'\ngroup = 'nogroup'\n[roles]\nread = ['daemon']\n");
    let daemon = Daemon::start(&sipward, &config);
    assert!(daemon.log().contains("nobody of [roles]"), "{}", daemon.log());
    // The build may lie where only its owner can go.
    let copy = directory.0.join("sipward");
    fs::copy(binary(), &copy).unwrap();
    for (user, group, code) in [("65534", "65534", Some(0)), ("1", "1", Some(3))] {
        let mut command = pbx.command("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={group}")]).arg("--clear-groups");
        command.arg(&copy).arg("status").env("SIPWARD_RUNTIME_DIR", &ramfs.0);
        let done = Done::of(&mut command);
        assert_eq!(done.code, code, "{done}");
    }
    let done = sipward.run(&format!("doctor --config {config} --json"));
    let is_found = |line: &str| line.contains("\"check\":\"roles\"") && line.contains("\"state\":\"bad\"");
    assert!(done.stdout.lines().any(is_found), "{done}");
    daemon.terminate();
}
