//! A PBX that asks for passwords: Kamailio or Asterisk. Both keep their own settings for challenges and nonces.
//!
//! ```text
//!   eth0 5060 ── Kamailio ── 127.0.0.1:5070 sipp          eth0 5060 ── Asterisk
//! ```

use std::{env, fmt::Write as _, fs, ops::RangeInclusive, path::PathBuf};

use crate::{
    namespace::Namespace,
    pbx::listens,
    scratch::Scratch,
    skipped::skipped,
    tool::{Running, tool},
};

pub const SIP: u16 = 5060;
const PHONE: u16 = 5070;
/// The address of a PBX that another program is before.
pub const BEHIND: &str = "127.0.0.1:5070";
pub const BEHIND_V6: &str = "[::1]:5070";
const BEHIND_PORT: u16 = 5070;
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

pub const ACCOUNTS: RangeInclusive<u32> = 201..=240;

pub fn password(account: u32) -> String {
    format!("secret-{account}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PbxKind {
    Kamailio,
    /// It answers accounts that do not exist with 404, as careless configurations do.
    TalkativeKamailio,
    /// Its challenges are of SHA-256.
    Sha256Kamailio,
    /// It challenges every request, writes into each answer the names that it has read, and calls no phone.
    ReadingKamailio,
    Asterisk,
    /// Kamailio with Debian's configuration, in which authentication by a table is switched on.
    DebianKamailio,
    /// Asterisk over IPv6, too, and with a carrier in [`CARRIER`].
    OpenAsterisk,
    /// The same with an endpoint for calls of anybody.
    AnonymousAsterisk,
    /// The same as [`OpenAsterisk`](Self::OpenAsterisk), behind a Kamailio that knows no more than what Debian's configuration
    /// does against floods.
    GuardedAsterisk,
    /// Asterisk or Kamailio that asks nobody, on an address of this host that only the edge before it reaches.
    EdgedAsterisk,
    EdgedKamailio,
    /// The same Asterisk, which accepts and uses Path.
    PathAsterisk,
    /// A sipp that takes every registration and every call, over UDP and over TCP, and hangs up calls to 700 itself.
    EdgedSipp,
    /// The same at [`BEHIND_V6`].
    EdgedSippV6,
}

/// Asterisk crashes now and then when it loads its logger of messages.
const STARTS: usize = 3;

/// A carrier's network: Asterisk knows it by its addresses.
pub const CARRIER: &str = "10.93.48.0/24";

#[derive(Debug)]
pub struct AuthPbx {
    make: PbxKind,
    program: Running,
    /// Behind it or before it.
    _other: Option<Running>,
    directory: Scratch,
}

impl AuthPbx {
    /// On the first host of a LAN. `None`, with the reason printed: there is no such PBX on this machine.
    pub fn start(make: PbxKind, host: &Namespace) -> Option<Self> {
        Self::start_with(make, host, ACCOUNTS)
    }

    /// The same with other accounts.
    pub fn start_with(make: PbxKind, host: &Namespace, accounts: RangeInclusive<u32>) -> Option<Self> {
        let directory = Scratch::new(host);
        if make.is_kamailio() {
            subscribers(&directory, accounts.clone());
        }
        let (mut program, other) = match make {
            PbxKind::Kamailio => (kamailio(host, &directory, &[]), Some(phone(host, &directory))),
            PbxKind::TalkativeKamailio => {
                (kamailio(host, &directory, &["-A", "TELLS"]), Some(phone(host, &directory)))
            }
            PbxKind::Sha256Kamailio => {
                (kamailio(host, &directory, &["-A", "SHA256"]), Some(phone(host, &directory)))
            }
            PbxKind::ReadingKamailio => (kamailio(host, &directory, &["-A", "READS"]), None),
            PbxKind::DebianKamailio => (debian_kamailio(host, &directory, ASKING_KAMAILIO), None),
            PbxKind::EdgedKamailio => (debian_kamailio(host, &directory, EDGED_KAMAILIO), None),
            PbxKind::EdgedSipp | PbxKind::EdgedSippV6 => {
                let ip = if make == PbxKind::EdgedSippV6 { "::1" } else { "127.0.0.1" };
                (sipp(host, &directory, ip, "u1"), Some(sipp(host, &directory, ip, "t1")))
            }
            PbxKind::Asterisk
            | PbxKind::OpenAsterisk
            | PbxKind::AnonymousAsterisk
            | PbxKind::EdgedAsterisk
            | PbxKind::PathAsterisk => (asterisk(make, host, &directory, accounts)?, None),
            PbxKind::GuardedAsterisk => {
                let asterisk = asterisk(make, host, &directory, accounts)?;
                (asterisk, Some(antiflood(host, &directory)))
            }
        };
        program.wait_until("the PBX listens", || {
            make.socket_tables().into_iter().all(|table| listens(host, table, make.port()))
        });
        Some(Self { make, program, _other: other, directory })
    }

    pub const fn make(&self) -> PbxKind {
        self.make
    }

    /// Where it writes what operators have fail2ban read.
    pub fn messages(&self) -> PathBuf {
        self.directory.0.join(if self.make.is_kamailio() { "log" } else { "messages" })
    }

    /// The number of requests that have reached the PBX from an address.
    pub fn heard(&self, from: &str) -> usize {
        let log = self.program.log();
        if self.make.is_kamailio() {
            let mark = format!(" from {from}");
            log.lines().filter(|line| line.contains(" request ") && line.ends_with(&mark)).count()
        } else {
            let mark = format!("UDP:{from}:");
            log.lines().filter(|line| line.contains("Received SIP request") && line.contains(&mark)).count()
        }
    }
}

impl PbxKind {
    pub const fn is_kamailio(self) -> bool {
        matches!(
            self,
            Self::Kamailio
                | Self::TalkativeKamailio
                | Self::Sha256Kamailio
                | Self::ReadingKamailio
                | Self::DebianKamailio
                | Self::EdgedKamailio
        )
    }

    pub const fn is_behind_edge(self) -> bool {
        matches!(self, Self::EdgedAsterisk | Self::EdgedKamailio | Self::PathAsterisk) || self.is_sipp()
    }

    const fn is_sipp(self) -> bool {
        matches!(self, Self::EdgedSipp | Self::EdgedSippV6)
    }

    /// The kernel's tables of sockets that have the PBX's own.
    const fn socket_tables(self) -> [&'static str; 2] {
        if matches!(self, Self::EdgedSippV6) { ["udp6", "tcp6"] } else { ["udp", "tcp"] }
    }

    const fn port(self) -> u16 {
        if self.is_behind_edge() { BEHIND_PORT } else { SIP }
    }
}

/// In a table that Kamailio reads.
fn subscribers(directory: &Scratch, accounts: RangeInclusive<u32>) {
    directory.file("version", "table_name(string) table_version(int)\nsubscriber:7\n");
    let columns =
        "id(int,auto) username(string) domain(string) password(string) ha1(string,null) ha1b(string,null)";
    let rows = accounts.map(|account| format!("{account}:{account}:pbx:{}::\n", password(account)));
    directory.file("subscriber", &format!("{columns}\n{}", rows.collect::<String>()));
}

/// It relays all requests to the Asterisk of this host.
fn antiflood(host: &Namespace, directory: &Scratch) -> Running {
    let mut kamailio = host.command(tool("kamailio"));
    kamailio
        .args(["-DD", "-E", "-m", "64", "-M", "8", "-f", &format!("{SCENARIOS}/antiflood.cfg"), "-Y"])
        .arg(&directory.0);
    Running::start(&mut kamailio, &directory.0.join("kamailio.log"))
}

const ASKING_KAMAILIO: &str = "#!define WITH_AUTH\nloadmodule \"db_text.so\"\nauto_aliases=no\ndns=no\nrev_dns=no\n\
    listen=udp:10.90.0.1:5060\nlisten=tcp:10.90.0.1:5060\nlisten=udp:[2001:db8:90::1]:5060\n";
/// The domain of its accounts is the edge's address.
const EDGED_KAMAILIO: &str = "auto_aliases=no\ndns=no\nrev_dns=no\nalias=10.90.0.1\nalias=[2001:db8:90::1]\n\
    listen=udp:127.0.0.1:5070\nlisten=tcp:127.0.0.1:5070\n";

/// Debian's own file, which begins with what its operator writes beside it.
fn debian_kamailio(host: &Namespace, directory: &Scratch, written: &str) -> Running {
    let shipped = "/etc/kamailio/kamailio.cfg";
    let config = fs::read_to_string(shipped).unwrap_or_else(|error| panic!("{shipped}: {error}"));
    let config = directory.file("kamailio.cfg", &config);
    directory.file(
        "kamailio-local.cfg",
        &format!("#!define DBURL \"text://{}\"\n{written}", directory.0.display()),
    );
    let mut kamailio = host.command(tool("kamailio"));
    kamailio.args(["-DD", "-E", "-m", "64", "-M", "8", "-f", &config, "-Y"]).arg(&directory.0);
    Running::start(&mut kamailio, &directory.0.join("log"))
}

fn kamailio(host: &Namespace, directory: &Scratch, options: &[&str]) -> Running {
    let trunk = directory.file("trunk", "1 sip:10.90.0.5:5060\n");
    let mut kamailio = host.command(tool("kamailio"));
    // In the foreground, complaints to standard error, little memory: several of them run at the same time.
    kamailio
        .args(["-DD", "-E", "-m", "32", "-M", "8", "-f", &format!("{SCENARIOS}/subscribers.cfg")])
        .args(["-A", &format!("DATABASE=\"text://{}\"", directory.0.display())])
        .args(["-A", &format!("TRUNK=\"{trunk}\"")])
        .args(options)
        .arg("-Y")
        .arg(&directory.0);
    Running::start(&mut kamailio, &directory.0.join("log"))
}

/// It takes every call.
fn phone(host: &Namespace, directory: &Scratch) -> Running {
    let mut phone = host.command(tool("sipp"));
    phone.args(["-sn", "uas", "-i", "127.0.0.1", "-p", &PHONE.to_string(), "-nostdin", "-skip_rlimit"]);
    let mut phone = Running::start(&mut phone, &directory.0.join("phone"));
    phone.wait_until("the phone listens", || listens(host, "udp", PHONE));
    phone
}

/// One for each transport.
fn sipp(host: &Namespace, directory: &Scratch, ip: &str, transport: &str) -> Running {
    let mut sipp = host.command(tool("sipp"));
    sipp.args(["-sf", &format!("{SCENARIOS}/pbx.xml"), "-t", transport])
        .args(["-i", ip, "-p", &BEHIND_PORT.to_string()])
        // A phone that registers again does so with the same Call-ID.
        .args(["-deadcall_wait", "0", "-nostdin", "-skip_rlimit", "-max_socket", "1000"]);
    Running::start(&mut sipp, &directory.0.join(transport))
}

/// Unpacked, not installed: its own files are where the setup has put them, all others in `directory`.
fn asterisk(
    make: PbxKind,
    host: &Namespace,
    directory: &Scratch,
    accounts: RangeInclusive<u32>,
) -> Option<Running> {
    let Some(root) = env::var_os("SIPWARD_ASTERISK").map(PathBuf::from) else {
        skipped("there is no Asterisk here; `cargo xtask setup` looks for one and says why it has none");
        return None;
    };
    for file in ["modules.conf", "extensions.conf", "logger.conf", "pjsip.conf"] {
        let from = format!("{SCENARIOS}/asterisk/{file}");
        let text = fs::read_to_string(&from).unwrap_or_else(|error| panic!("{from}: {error}"));
        let is_behind = make == PbxKind::GuardedAsterisk || make.is_behind_edge();
        let text = if is_behind { text.replace("10.90.0.1:5060", BEHIND) } else { text };
        // Nobody reads the logged messages of a PBX behind an edge.
        let text = if make.is_behind_edge() { text.replace("debug=yes\n", "") } else { text };
        directory.file(file, &text);
    }
    // It complains about these where they are not there.
    for file in ["acl", "ccss", "cdr", "cel", "features", "indications", "rtp", "udptl"] {
        directory.file(&format!("{file}.conf"), "");
    }
    directory.file("accounts.conf", &(account_sections(make, accounts) + &more_endpoints(make)));
    let own = |path: &str| directory.0.join(path).display().to_string();
    let shipped = |path: &str| root.join(path).display().to_string();
    let places = [
        ("astetcdir", own("")),
        ("astvarlibdir", own("")),
        ("astdbdir", own("")),
        ("astkeydir", own("")),
        ("astagidir", own("")),
        ("astspooldir", own("")),
        ("astrundir", own("")),
        ("astlogdir", own("")),
        ("astmoddir", shipped("usr/lib/x86_64-linux-gnu/asterisk/modules")),
        ("astdatadir", shipped("usr/share/asterisk")),
    ];
    let places = places.map(|(name, path)| format!("{name} => {path}\n")).concat();
    let config = directory.file("asterisk.conf", &format!("[directories]\n{places}"));
    let mut asterisk = host.command("sh");
    asterisk.arg(root.join("asterisk.sh")).args(["-f", "-vvv", "-C", &config]);
    let log = directory.0.join("log");
    // It listens long before its accounts are there.
    let is_ready =
        || fs::read(&log).is_ok_and(|log| String::from_utf8_lossy(&log).contains("Asterisk Ready."));
    for _ in 0..STARTS {
        let mut running = Running::start(&mut asterisk, &log);
        if running.is_once("Asterisk is ready", is_ready) {
            return Some(running);
        }
    }
    panic!(
        "Asterisk has ended {STARTS} times at its start: {}",
        String::from_utf8_lossy(&fs::read(&log).unwrap())
    )
}

fn more_endpoints(make: PbxKind) -> String {
    let carrier = format!("[carrier](phone)\n[carrier]\ntype=identify\nendpoint=carrier\nmatch={CARRIER}\n");
    let v6 = "[udp6]\ntype=transport\nprotocol=udp\nbind=[2001:db8:90::1]:5060\n";
    match make {
        PbxKind::OpenAsterisk => v6.to_owned() + &carrier,
        // Calls of strangers are taken.
        PbxKind::AnonymousAsterisk => format!("{v6}{carrier}[anonymous](phone)\n"),
        _ => String::new(),
    }
}

fn account_sections(make: PbxKind, accounts: RangeInclusive<u32>) -> String {
    let mut text = String::new();
    for account in accounts {
        if make.is_behind_edge() {
            let path = if make == PbxKind::PathAsterisk { "support_path=yes\n" } else { "" };
            writeln!(text, "[{account}](phone)\naors={account}\n[{account}](contacts)\n{path}")
                .expect("a string takes everything");
            continue;
        }
        let password = password(account);
        writeln!(
            text,
            "[{account}](phone)\nauth={account}\naors={account}\n[{account}](password)\nusername={account}\n\
             password={password}\n[{account}](contacts)"
        )
        .expect("a string takes everything");
    }
    text
}
