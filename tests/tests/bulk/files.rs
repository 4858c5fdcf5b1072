//! Export and import are inverse, as text and as JSON, with a daemon and without.

use std::{fs, os::unix::fs::PermissionsExt as _};

use sipward_tests::namespace::Lan;

use crate::{Backend, Listed, Site, listed, said};

/// 2033-05-18T03:33:20Z.
const LATER: u64 = 2_000_000_000;

const BANS: &str = "\u{feff}# what somebody collected\r\n\
                    2001:db8:bad::/48 until 2033-05-18T03:33:20Z\r\n\
                    \r\n\
                    198.51.100.7/32\tuntil 2033-05-18T03:33:20Z # scans # twice\r\n\
                    ::ffff:198.51.100.8\r\n\
                    2001:DB8::7 #\u{fc}\r\n\
                    203.0.113.0/24";

const BANS_EXPORTED: &str = "198.51.100.7  until 2033-05-18T03:33:20Z  # scans # twice\n\
                             198.51.100.8\n\
                             203.0.113.0/24\n\
                             2001:db8::7  # \u{fc}\n\
                             2001:db8:bad::/48  until 2033-05-18T03:33:20Z\n";

fn bans() -> [Listed; 5] {
    [
        listed("198.51.100.7", Some(LATER), Some("scans # twice")),
        listed("198.51.100.8", None, None),
        listed("203.0.113.0/24", None, None),
        listed("2001:db8::7", None, Some("\u{fc}")),
        listed("2001:db8:bad::/48", Some(LATER), None),
    ]
}

const TRUSTED: &str = "192.0.2.0/25  # our provider\n\
                       192.0.2.200  until 2033-05-18T03:33:20Z\n\
                       2001:db8:1::/64  until 2033-05-18T03:33:20Z  # lab\n";

#[test]
fn what_is_exported_is_imported_as_it_was() {
    for (from, to, json) in [
        (Backend::Daemon, Backend::Local, ""),
        (Backend::Daemon, Backend::Local, "--json"),
        (Backend::Local, Backend::Daemon, ""),
        (Backend::Local, Backend::Daemon, "--json"),
    ] {
        let lan = Lan::new(["pbx", "other"]);
        let [pbx, other] = lan.hosts();
        let (site, copy) = (Site::new(pbx, from), Site::new(other, to));
        said(&site.import("ban", BANS, ""), 0, "5 banned\n");
        said(&site.import("trust", TRUSTED, ""), 0, "3 trusted\n");
        assert_eq!(site.listed("ban"), bans(), "{from:?}");
        assert_eq!(site.sipward.ok("ban export"), BANS_EXPORTED, "{from:?}");
        assert_eq!(site.sipward.ok("trust export"), TRUSTED, "{from:?}");
        for list in ["ban", "trust"] {
            let exported = site.sipward.ok(&format!("{list} export {json}"));
            let done = copy.import(list, &exported, "");
            assert_eq!(done.code, Some(0), "{from:?} {json}: {done}");
            assert_eq!(copy.listed(list), site.listed(list), "{from:?} {json}");
        }
        for site in [&site, &copy] {
            assert_eq!(site.in_the_kernel(), site.on_the_lists(), "{from:?} {json}");
            for address in ["198.51.100.7", "198.51.100.8", "203.0.113.200", "2001:db8::7", "2001:db8:bad::1"]
            {
                assert!(site.drops(address), "{from:?} {json}: {address}");
            }
            for address in ["198.51.100.9", "203.0.114.1", "2001:db8::8", "2001:db8:bae::1", "192.0.2.1"] {
                assert!(!site.drops(address), "{from:?} {json}: {address}");
            }
        }
    }
}

#[test]
fn lines_that_say_nothing_have_it_said_for_them() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Daemon);
    let text = "198.51.100.1\n198.51.100.2 until 2033-05-18T03:33:20Z\n198.51.100.3 # its own\n";
    said(&site.import("ban", text, "--for 2h --note blocklist"), 0, "3 banned\n");
    let lines = site.sipward.json("ban list");
    let notes: Vec<_> = lines.iter().map(|line| line["note"].as_str().unwrap()).collect();
    assert_eq!(notes, ["blocklist", "blocklist", "its own"]);
    for (index, is_default) in [(0, true), (1, false), (2, true)] {
        let left = lines[index]["expires_in"].as_u64().unwrap();
        assert_eq!((7_000..=7_201).contains(&left), is_default, "{}", lines[index]);
        assert_eq!(lines[index]["origin"], "import");
    }
}

#[test]
fn no_ban_becomes_shorter_or_forgets_why() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    for backend in Backend::BOTH {
        let site = Site::new(pbx, backend);
        let first = "198.51.100.1 # scans\n198.51.100.0/24\n2001:db8::1 until 2033-05-18T03:33:20Z\n";
        assert_eq!(site.import("ban", first, "").code, Some(0));
        let again =
            "2001:db8::1 # by name\n198.51.100.1\n198.51.100.0/24\n198.51.100.1 until 2033-05-18T03:33:20Z\n";
        said(&site.import("ban", again, "--for 1h"), 0, "3 banned\n");
        assert_eq!(
            site.listed("ban"),
            [
                listed("198.51.100.0/24", None, None),
                listed("198.51.100.1", None, Some("scans")),
                listed("2001:db8::1", Some(LATER), Some("by name")),
            ],
            "{backend:?}"
        );
        assert_eq!(site.in_the_kernel(), site.on_the_lists(), "{backend:?}");
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Local);
    site.scratch.file("bans.txt", BANS);
    let mut import = site.sipward.command("ban import -");
    import.stdin(fs::File::open(site.scratch.0.join("bans.txt")).unwrap());
    said(&sipward_tests::command::Done::of(&mut import), 0, "5 banned\n");
    said(&site.import("ban", "# nobody\n", ""), 0, "0 banned\n");
    assert_eq!(site.listed("ban"), bans());
}

#[test]
fn an_export_takes_the_place_of_the_one_before_when_it_is_complete() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, Backend::Daemon);
    let directory = site.scratch.0.join("exports");
    fs::create_dir(&directory).unwrap();
    let (path, link) = (directory.join("bans.txt"), directory.join("link"));
    fs::write(&path, "before").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(site.import("ban", BANS, "").code, Some(0));

    let told = site.sipward.ok(&format!("ban export {}", link.display()));
    assert_eq!(told, format!("5 written to {}\n", link.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), BANS_EXPORTED);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        site.sipward.ok("ban export /dev/stdout"),
        format!("{BANS_EXPORTED}5 written to /dev/stdout\n")
    );

    // The daemon that would have to answer has ended.
    drop(site.daemon);
    fs::remove_dir_all(site.sipward.pins()).unwrap();
    let done = site.sipward.run(&format!("ban export {}", path.display()));
    assert_eq!(done.code, Some(1), "{done}");
    assert_eq!(fs::read_to_string(&path).unwrap(), BANS_EXPORTED);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing else is left");
}
