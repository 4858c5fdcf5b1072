//! Wrong configurations change nothing, and the error has the place, the reason and the remedy. Correct
//! ones are in force as a whole, and trusted sources pass meanwhile.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{chown, symlink},
    process::Command,
};

use serde_json::{Value, json};
use sipward_tests::{
    command::{Done, Sipward},
    namespace::{Lan, Namespace},
};
use xdp_prog::{abi::MAX_SIGNATURES, reason::Action};

use crate::{
    site::{Site, confined},
    wire::while_packets_come,
};

const GOOD: &str = r#"interface = "eth0"
trusted = ["192.0.2.1"]
banned = ["192.0.2.2", "2001:db8:bad::/48"]
"#;

/// The settings that a reload could change.
fn in_force(site: &Site<'_>) -> BTreeMap<&'static str, Value> {
    let status = site.status();
    let parts =
        ["config", "config_fault", "interfaces", "mode", "trusted_only", "reverts_in", "ports", "lists"];
    let mut all: BTreeMap<_, _> = parts.into_iter().map(|part| (part, status[part].clone())).collect();
    let rows = status["reasons"].as_array().unwrap().iter();
    // The others count what the host itself says.
    let counted = rows.filter(|row| !["not-ip", "other-port"].contains(&row["reason"].as_str().unwrap()));
    all.insert("reasons", counted.map(|row| json!([row["reason"], row["packets"]])).collect());
    all.insert("signatures", status["signatures"].clone());
    for list in ["trust", "ban"] {
        let lines = site.sipward.json(&format!("{list} list")).into_iter();
        let entry = |line: Value| json!([line["source"], line["origin"], line["note"], line["since"]]);
        all.insert(list, lines.map(entry).collect());
    }
    all
}

/// A site on which much was done by hand, and that has proved itself, so that it does not do it again meanwhile.
fn used(host: &Namespace) -> Site<'_> {
    let mut site = Site::new(host, GOOD);
    site.start_by(confined(&site.run()));
    for line in ["trust add 198.51.100.1 --note office", "ban add 198.51.100.2", "mode monitor"] {
        site.sipward.ok(line);
    }
    site.wait("the filter has proved itself", || site.status()["daemon"]["proved"].is_u64());
    site
}

/// Asserts that a reload of the file is refused with a line that contains all these texts.
fn refused(site: &Site<'_>, what: &str, code: i32, said: &[&str]) {
    let before = in_force(site);
    let done = site.sipward.run("reload");
    println!("{what}: {}", done.stderr.trim_end());
    assert_eq!(done.code, Some(code), "{what}: {done}");
    assert!(done.stdout.is_empty(), "{what}: {done}");
    assert_eq!(done.stderr.lines().count(), 1, "{what}: {done}");
    for said in said {
        assert!(done.stderr.contains(said), "{what}: {said:?} is missing\n{done}");
    }
    for (part, after) in in_force(site) {
        assert_eq!(after, before[part], "{what} changed {part}");
    }
}

/// The id of the XDP program on an interface.
fn program(host: &Namespace, interface: &str) -> Option<u64> {
    let done = Done::of(host.command("ip").args(["-j", "link", "show", "dev", interface]));
    let links: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"));
    links[0]["xdp"]["prog"]["id"].as_u64()
}

/// A file, and the error behind the file's name.
#[rustfmt::skip]
const WRONG: [(&str, &str); 25] = [
    ("interface = [\"eth0\"\n", ":1: this is not TOML: unclosed array"),
    ("interface = \"eth0\"\ninterface = \"eth1\"\n", ":2: this is not TOML: duplicate key"),
    ("interface = \"eth0\"\ntrusteed = []\n", ":2: trusteed: there is no such key; did you mean trusted?"),
    ("interface = \"eth0\"\n[limits]\nx = 1\n", ":2: limits: there is no such key; here are: banned, "),
    ("interface = \"eth0\"\n[rate]\nregistr = 3\n", ":3: rate.registr: there is no such key; did you mean register?"),
    ("interface = \"eth0\"\n[ports]\ntrusted = []\n", ":3: ports.trusted: there is no such key; it belongs to the top"),
    ("interface = 3\n", ":1: interface: this is an integer; write the name of an interface, such as \"eth0\""),
    ("interface = \"eth0/../eth1\"\n", ":1: interface: \"eth0/../eth1\" cannot be the name of an interface; see `ip link`"),
    ("interface = [\"eth0\", \"\"]\n", ":1: interface: \"\" cannot be the name of an interface; see `ip link`"),
    ("interface = [\"eth0\", \"eth0\"]\n", ":1: interface: eth0 is named twice; remove one"),
    ("interface = []\n", ": interface: missing, so there is nothing to protect; add `interface = \"eth0\"`"),
    ("trusted = []\n", ": interface: missing, so there is nothing to protect; add `interface = \"eth0\"`"),
    ("", ": interface: missing, so there is nothing to protect; add `interface = \"eth0\"`"),
    ("interface = \"eth0\"\nmode = \"off\"\n", ":2: mode: \"off\" is not known here; write \"monitor\" or \"enforce\""),
    ("interface = \"eth0\"\ntrusted = [\n\"192.0.2.300\"]\n", ":3: trusted: \"192.0.2.300\" is no address or prefix; write "),
    ("interface = \"eth0\"\nbanned = [\"192.0.2.1/24\"]\n", ":2: banned: 192.0.2.1/24 has bits beyond its length; write 192.0.2.0/24"),
    ("interface = \"eth0\"\nbanned = [\"::/0\"]\n", ":2: banned: ::/0 holds every IPv4 address; "),
    ("interface = \"eth0\"\ntrusted = [\"10.0.0.0/8\"]\nbanned = [\"10.0.0.7\"]\n", ":3: banned: 10.0.0.7 would never be dropped"),
    ("interface = \"eth0\"\ntrusted_only = true\n", ":2: trusted_only: no source is trusted, so nobody could call; fill trusted first"),
    ("interface = \"eth0\"\n[rate]\nregister = { max = \"ten\" }\n", ":3: rate.register.max: \"ten\" is not known here; write "),
    ("interface = \"eth0\"\n[rate]\nregister = { max = 9999 }\n", ":2: rate: one source may send more register than its whole prefix; "),
    ("interface = \"eth0\"\n[ports]\nudp = \"many\"\n", ":3: ports.udp: this is a string; write a list, such as [5060, "),
    ("interface = \"eth0\"\n[ports]\nudp = [70000]\n", ":3: ports.udp: 70000 is out of range; write a whole number from 1 to 65535"),
    ("interface = \"eth0\"\n[flows]\nper_source = 1000\n", ":3: flows.per_source: 1000 is out of range; write a whole number from 1 to 192"),
    ("interface = \"eth0\"\ngroup = \"\"\n", ":2: group: this is empty; name a group, or remove the key"),
];

#[test]
fn a_wrong_configuration_changes_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = used(pbx);
    for (file, error) in WRONG {
        fs::write(&site.config, file).unwrap();
        refused(&site, file, 2, &[&format!("{}{error}", site.config.display())]);
    }
    site.sipward.ok("mode enforce");
    site.filter().works(&["192.0.2.1", "198.51.100.1"], &["192.0.2.2", "198.51.100.2"]);
}

#[test]
fn a_file_that_cannot_be_read_changes_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = used(pbx);
    let path = &site.config;
    let file = path.display().to_string();
    let replace = |make: &dyn Fn()| {
        fs::remove_file(path).or_else(|_| fs::remove_dir(path)).unwrap();
        make();
    };
    replace(&|| symlink(path, path).unwrap());
    refused(&site, "a link to itself", 2, &[&file, "symbolic links"]);
    replace(&|| symlink("/dev/zero", path).unwrap());
    refused(&site, "what never ends", 2, &[&file, "neither a file nor a link to one"]);
    replace(&|| assert_eq!(Done::of(Command::new("mkfifo").arg(path)).code, Some(0)));
    refused(&site, "a pipe that nobody writes to", 2, &[&file, "neither a file nor a link to one"]);
    replace(&|| fs::create_dir(path).unwrap());
    refused(&site, "a directory", 2, &[&file, "Is a directory"]);
    replace(&|| fs::write(path, [b'a', b'\n', 159, 146, 150, 255].repeat(1_000)).unwrap());
    refused(&site, "binary garbage", 2, &[&file, "line 2 is no text in UTF-8"]);
    replace(&|| fs::write(path, "# and so on\n".repeat(2_000_000)).unwrap());
    refused(&site, "24 MB", 2, &[&file, "longer than 16 MiB", "import"]);
    replace(&|| fs::write(path, GOOD).unwrap());
    chown(path, Some(65_534), None).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    refused(&site, "somebody else's", 2, &[&file, "Permission denied"]);
    fs::remove_file(path).unwrap();
    refused(&site, "no file", 2, &[&file, "No such file"]);
    fs::write(path, GOOD).unwrap();
    site.sipward.ok("reload");
}

#[test]
fn a_configuration_that_cannot_be_put_in_force_changes_nothing() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = used(pbx);
    let write = |name: &str, text: &str| {
        let path = site.config.with_file_name(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let configure = |text: &str| write("sipward.toml", text);
    let signature = |key: &str| format!("[[signature]]\nname = \"own\"\nin = \"User-Agent\"\n{key}\n");
    let numbered = |number: usize| {
        signature(&format!("contains = \"zqxjkv{number}\"")).replace("own", &format!("s{number}"))
    };

    configure("interface = \"eth0\"\nsignatures = \"own.toml\"\n");
    refused(&site, "no signature file", 2, &["own.toml", "No such file", "check the path"]);
    let own = write("own.toml", &signature("regex = \"(a\""));
    refused(&site, "a broken signature", 2, &[&format!("{own}:4: regex: ")]);
    write("own.toml", &signature(""));
    refused(&site, "half a signature", 2, &[&format!("{own}:")]);
    write("own.toml", &(0..=MAX_SIGNATURES).map(numbered).collect::<String>());
    refused(
        &site,
        "too many signatures",
        2,
        &[&format!("but the kernel holds {MAX_SIGNATURES}"), "switch some off"],
    );

    // Beside one that would be fine.
    pbx.ip("link add eth1 type veth peer name far1");
    pbx.ip("link add eth2 type veth peer name far2");
    let other = Sipward::new(pbx);
    other.ok("attach --iface eth2");
    configure("interface = [\"eth0\", \"eth1\", \"eth2\"]\n");
    refused(&site, "another program", 3, &["eth2 already runs another XDP program", "bpftool link detach"]);
    pbx.ip("tuntap add dev tunnel mode tun");
    configure("interface = [\"eth0\", \"eth1\", \"tunnel\"]\n");
    refused(&site, "no Ethernet", 2, &["frames on tunnel have no Ethernet header", "arrive on"]);
    assert_eq!(program(pbx, "eth1"), None);
}

#[test]
fn a_reload_puts_all_of_the_file_in_force_and_leaves_what_was_done_by_hand() {
    let lan = Lan::new(["pbx", "trusted", "neighbour", "stranger"]);
    let [pbx, trusted, _, stranger] = lan.hosts();
    pbx.ip("link add eth1 type veth peer name far1");
    let site = Site::running(pbx, GOOD);
    for line in ["trust add 198.51.100.1", "ban add 198.51.100.2", "mode monitor"] {
        site.sipward.ok(line);
    }
    let interfaces = || ["eth0", "eth1"].map(|name| program(pbx, name).is_some());
    let configure = |text: &str| {
        fs::write(&site.config, text).unwrap();
        site.sipward.ok("reload");
    };
    assert_eq!(interfaces(), [true, false]);
    configure("interface = [\"eth0\", \"eth1\"]\ntrusted = [\"192.0.2.11\"]\nbanned = [\"192.0.2.12\"]\n");
    assert_eq!(interfaces(), [true, true]);
    assert_eq!(site.list("trust"), ["192.0.2.11", "198.51.100.1"]);
    assert_eq!(site.list("ban"), ["192.0.2.12", "198.51.100.2"]);
    assert_eq!(site.status()["mode"], "monitor", "the file says nothing of it");
    configure("interface = [\"eth0\", \"eth1\"]\ntrusted = [\"192.0.2.11\"]\nmode = \"enforce\"\n");
    assert_eq!(site.status()["mode"], "enforce", "the file says so");
    site.filter().works(&["192.0.2.11", "198.51.100.1"], &["198.51.100.2"]);
    assert_eq!(site.filter().register("192.0.2.12"), Action::Pass, "its ban went with the line in the file");

    site.sipward.ok("trust only on");
    configure("interface = \"eth1\"\n");
    assert_eq!(interfaces(), [false, true]);
    assert_eq!(site.status()["trusted_only"], true, "the file says nothing of it");
    configure("interface = [\"eth0\", \"eth1\"]\ntrusted = [\"10.90.0.2\"]\ntrusted_only = false\n");
    assert_eq!(interfaces(), [true, true]);
    assert_eq!(site.status()["trusted_only"], false, "the file says so");

    // A source that is in both stays trusted during all reloads, and no packet of a scanner passes.
    while_packets_come(pbx, trusted, stranger, || {
        for number in 0..10 {
            configure(&format!(
                "interface = \"eth0\"\ntrusted = [\"10.90.0.2/31\", \"192.0.2.{number}\"]\nbanned = [\"203.0.113.{number}\"]\n"
            ));
            configure("interface = [\"eth0\", \"eth1\"]\ntrusted = [\"10.90.0.2\"]\n");
        }
    });
    assert_eq!(site.list("trust"), ["10.90.0.2", "198.51.100.1"]);
    assert_eq!(site.list("ban"), ["198.51.100.2"]);
}

#[test]
fn a_hangup_is_a_reload() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let site = used(pbx);
    let before = in_force(&site);
    fs::write(&site.config, "interface = \"eth0\"\ntrusteed = []\n").unwrap();
    site.daemon().signal(libc::SIGHUP);
    site.wait_for_log("sipward.toml:2: trusteed: there is no such key; did you mean trusted?");
    assert!(site.log().contains("the previous configuration stays in force"), "{}", site.log());
    assert_eq!(in_force(&site), before);
    fs::write(&site.config, "interface = \"eth0\"\ntrusted = [\"192.0.2.11\"]\n").unwrap();
    site.daemon().signal(libc::SIGHUP);
    site.wait_for_log("the configuration is in force");
    assert_eq!(site.list("trust"), ["192.0.2.11", "198.51.100.1"]);
}

#[test]
fn an_entry_by_hand_comes_back_when_the_file_no_longer_names_its_source() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let mut site = Site::running(pbx, GOOD);
    site.sipward.ok("trust add 198.51.100.9 --for 8h --note ticket-4711");
    site.sipward.ok("ban add 203.0.113.7 --note scanner");
    let other = "trusted = [\"203.0.113.7\"]\nbanned = [\"198.51.100.9\"]\n";
    fs::write(&site.config, format!("interface = \"eth0\"\n{other}")).unwrap();
    let said = site.sipward.run("reload").stderr;
    for source in ["198.51.100.9", "203.0.113.7"] {
        assert!(said.contains(&format!("{source}: ")) && said.contains("comes back"), "{said}");
    }
    site.filter().works(&["203.0.113.7"], &["198.51.100.9"]);
    // The store has it, and not only this daemon.
    site.kill();
    site.start();
    fs::write(&site.config, GOOD).unwrap();
    site.sipward.ok("reload");
    site.filter().works(&["192.0.2.1", "198.51.100.9"], &["192.0.2.2", "203.0.113.7"]);
    let by_hand = |list: &str| {
        let lines = site.sipward.json(&format!("{list} list"));
        lines.into_iter().find(|line| line["origin"] == "hand").expect("an entry by hand")
    };
    let (trusted, banned) = (by_hand("trust"), by_hand("ban"));
    assert_eq!((&trusted["source"], &trusted["note"]), (&json!("198.51.100.9"), &json!("ticket-4711")));
    assert!(trusted["expires_in"].as_u64().unwrap() > 28_000, "{trusted}");
    assert_eq!((&banned["source"], &banned["note"]), (&json!("203.0.113.7"), &json!("scanner")));
    let trail = site.sipward.json("audit --limit 20");
    for detail in ["trusted by hand", "banned by hand"] {
        let lines = trail.iter().filter(|line| line["detail"].as_str().unwrap().contains(detail));
        assert_eq!(lines.count(), 2, "{detail}: {trail:?}");
    }
}
