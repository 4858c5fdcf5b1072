//! Checks of bpffs, which keeps the filter when no process of sipward runs.

use std::ffi::CStr;

use super::{finding::Finding, read};

const PLACE: &str = "/sys/fs/bpf";
const C_PLACE: &CStr = c"/sys/fs/bpf";
const CHECK: &str = "bpffs";

pub(super) struct Facts {
    /// The type of the filesystem that is mounted there last; none: nothing is.
    mounted: Option<String>,
    /// By this user.
    writable: bool,
    root: bool,
}

pub(super) fn read() -> Facts {
    let mounts = read::text("/proc/self/mountinfo").unwrap_or_default();
    Facts {
        mounted: mounted(&mounts, PLACE).map(str::to_owned),
        // SAFETY: a C string.
        writable: unsafe { libc::access(C_PLACE.as_ptr(), libc::W_OK) } == 0,
        // SAFETY: no arguments, cannot fail.
        root: unsafe { libc::geteuid() } == 0,
    }
}

/// `mountinfo`: the fifth word is the place, and the type follows a lone hyphen. The last mount hides the others.
fn mounted<'a>(mountinfo: &'a str, place: &str) -> Option<&'a str> {
    let kind = |line: &'a str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        (mount.split(' ').nth(4)? == place).then(|| filesystem.split(' ').next())?
    };
    mountinfo.lines().rev().find_map(kind)
}

pub(super) fn check(Facts { mounted, writable, root }: &Facts) -> Finding {
    let mount =
        format!("`mount -t bpf bpf {PLACE}`; a container needs it from its host: `-v {PLACE}:{PLACE}`");
    match mounted.as_deref() {
        Some("bpf") if *writable => Finding::ok(CHECK, format!("mounted at {PLACE}, and writable")),
        Some("bpf") if *root => Finding::bad(
            CHECK,
            format!("{PLACE} is not writable"),
            format!("`mount -o remount,rw {PLACE}`; a unit needs `ReadWritePaths={PLACE}`"),
        ),
        Some("bpf") => Finding::warn(
            CHECK,
            format!("this user may not write to {PLACE}"),
            "run sipward as root, or through `sudo`",
        ),
        Some(other) => Finding::bad(CHECK, format!("{PLACE} is {other}, no BPF filesystem"), mount),
        None => Finding::bad(
            CHECK,
            format!("nothing is mounted at {PLACE}"),
            format!("{mount}. `ip netns exec` hides it; `nsenter --net=/run/netns/NAME` does not"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    #[test]
    fn the_last_mount_at_a_place_is_what_is_there() {
        let mounts = "\
24 1 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 24 0:29 / /sys/fs/bpf rw,nosuid shared:11 - bpf bpf rw,mode=700
31 24 0:30 / /sys/fs/bpf/deeper rw - tmpfs - rw
";
        assert_eq!(mounted(mounts, PLACE), Some("bpf"));
        assert_eq!(mounted(mounts, "/sys/fs"), None);
        let hidden = format!("{mounts}44 24 0:31 / /sys/fs/bpf ro - tmpfs tmpfs ro\n");
        assert_eq!(mounted(&hidden, PLACE), Some("tmpfs"));
        assert_eq!(mounted("nonsense\n", PLACE), None);
    }

    #[test]
    fn a_place_without_bpffs_gets_the_command_that_mounts_it() {
        let with = |mounted: Option<&str>, writable, root| {
            check(&Facts { mounted: mounted.map(str::to_owned), writable, root })
        };
        says(&with(Some("bpf"), true, true), State::Ok, &["/sys/fs/bpf"]);
        says(&with(Some("bpf"), false, true), State::Bad, &["not writable", "remount,rw"]);
        says(&with(Some("bpf"), false, false), State::Warn, &["this user", "sudo"]);
        says(&with(Some("sysfs"), true, true), State::Bad, &["is sysfs", "`mount -t bpf bpf /sys/fs/bpf`"]);
        says(&with(None, true, true), State::Bad, &["`mount -t bpf bpf /sys/fs/bpf`", "ip netns exec"]);
    }
}
