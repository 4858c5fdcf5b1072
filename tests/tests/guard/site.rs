//! The hosts on the wire, and the queries of `sipward` about them.
//!
//! ```text
//!   pbx 10.90.0.1   attacker …2   phone …3   office …4   trunk …5   router …6
//!   eth0            eth0          eth0       eth0        eth0       eth0
//!     │ ◄─ filter     │             │          │           │          │
//!   ──┴───────────────┴─────────────┴──────────┴───────────┴──────────┴──
//! ```
//!
//! All other addresses are behind the router: the PBX's answers to forged addresses go there, and no further.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use sipward_signature::SignatureSet;
use sipward_tests::{
    auth_pbx::password,
    caller::{self, Caller, Login, Plan, Tally, Way},
    command::{Done, Sipward},
    daemon::Daemon,
    namespace::{Lan, Namespace, v4},
    scratch::Scratch,
    tool::{Running, tool},
};

pub(crate) const ATTACKER: usize = 2;
pub(crate) const PHONE: usize = 3;
pub(crate) const OFFICE: usize = 4;
pub(crate) const TRUNK: usize = 5;
const ROUTER: usize = 6;

/// For what a daemon does within a second, on a machine that does much else besides.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The daemon takes nothing for proven just after its start: the PBX may have sent the same nonce to others before.
const BLIND: Duration = Duration::from_millis(5_500);

#[derive(Debug)]
pub(crate) struct Site(Lan);

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(Lan::new(["pbx", "attacker", "phone", "office", "trunk", "router"]));
        site.pbx().ip(&format!("route add default via {}", v4(ROUTER)));
        site
    }

    pub(crate) fn host(&self, number: usize) -> &Namespace {
        let hosts: [&Namespace; 6] = self.0.hosts();
        hosts[number - 1]
    }

    pub(crate) fn pbx(&self) -> &Namespace {
        self.host(1)
    }

    pub(crate) fn caller(&self, number: usize) -> Caller<'_> {
        Caller::new(self.host(number), number)
    }

    /// A wire of the attacker's own, so that a flood fills no queue of the other wire. The filter is on both,
    /// if its configuration names both.
    pub(crate) fn second_wire(&self) {
        let (pbx, attacker, mac) = (self.pbx(), self.host(ATTACKER), "02:00:00:00:93:01");
        let other = attacker.name();
        pbx.ip(&format!("link add eth1 address {mac} type veth peer name eth1 netns {other}"));
        pbx.ip("link set eth1 up");
        attacker.ip("link set eth1 up");
        attacker.ip(&format!("route add {} dev eth1", v4(1)));
        attacker.ip(&format!("neighbour add {} lladdr {mac} dev eth1 nud permanent", v4(1)));
    }

    /// More addresses of the attacker's, each in a neighbourhood of its own.
    pub(crate) fn attackers(&self, count: usize) -> Vec<String> {
        let addresses: Vec<_> = (0..count).map(|n| format!("10.91.{n}.7")).collect();
        for address in &addresses {
            self.host(ATTACKER).ip(&format!("address add {address}/32 dev eth0"));
        }
        // They are on the wire, not behind the router.
        self.pbx().ip("route add 10.91.0.0/16 dev eth0");
        addresses
    }
}

/// A filter and a daemon before a PBX.
#[derive(Debug)]
pub(crate) struct Guarded<'a> {
    /// Dropped before the installation, whose pins it would make again.
    pub(crate) daemon: Option<Daemon>,
    pub(crate) sipward: Sipward<'a>,
    config: String,
    _directory: Scratch,
}

/// Signatures and rates would stop most attackers before they have guessed six times. These tests are about those who
/// look like a phone and take their time: what is left is what the PBX says. Nor do they end after a dozen guesses.
pub(crate) const PATIENT: &str = "options = 'drop'\nguesses = 'off'\nsignatures = 'none.toml'\n\
    [flows]\nper_source = 'off'\nper_prefix = 'off'\n\
    [rate]\nregister = 'off'\ninvite = 'off'\nother = 'off'\n\
    [prefix_rate]\nregister = 'off'\ninvite = 'off'\nother = 'off'\n";

impl<'a> Guarded<'a> {
    pub(crate) fn start(site: &'a Site, settings: &str) -> Self {
        let directory = Scratch::new(site.pbx());
        directory.file("none.toml", &no_signatures());
        let config = directory
            .file("sipward.toml", &format!("interface = ['eth0', 'eth1']\nmode = 'enforce'\n{settings}"));
        let sipward = Sipward::new(site.pbx());
        let daemon = Some(Daemon::start(&sipward, &config));
        thread::sleep(BLIND);
        Self { sipward, daemon, config, _directory: directory }
    }

    /// Ends the daemon; the filter stays.
    pub(crate) fn end(&mut self, end: impl FnOnce(Daemon)) {
        end(self.daemon.take().expect("a daemon"));
    }

    pub(crate) fn begin(&mut self) {
        self.daemon = Some(Daemon::start(&self.sipward, &self.config));
    }

    pub(crate) fn is_known(&self, address: &str) -> bool {
        self.sipward.json(&format!("explain {address}")).remove(0)["standing"] == "known"
    }

    /// Its flows with budgets of their own.
    pub(crate) fn flows(&self, address: &str) -> Vec<String> {
        let said = self.sipward.json(&format!("explain {address}")).remove(0);
        let flows = said["flows"].as_array().unwrap_or_else(|| panic!("no flows: {said}"));
        flows.iter().map(|known| known["flow"].as_str().expect("a flow").to_owned()).collect()
    }

    /// A counter of the guard in `status`.
    pub(crate) fn guard(&self, about: &str) -> u64 {
        let status = self.sipward.json("status").remove(0);
        status["guard"][about].as_u64().unwrap_or_else(|| panic!("no {about}: {status}"))
    }

    /// The causes that `explain` names for the refusals of an account or an address.
    pub(crate) fn causes(&self, about: &str) -> Vec<String> {
        let said = self.sipward.json(&format!("explain {about}")).remove(0);
        let diagnoses = said["diagnoses"].as_array().unwrap_or_else(|| panic!("no diagnoses: {said}"));
        diagnoses.iter().map(|diagnosis| diagnosis["cause"].as_str().expect("a name").to_owned()).collect()
    }

    /// The guard's decisions in the audit trail.
    pub(crate) fn decided(&self, what: &str) -> Vec<Value> {
        self.sipward
            .json("audit")
            .into_iter()
            .filter(|line| line["who"] == "guard" && line["what"] == what)
            .collect()
    }

    /// Packets that fell for a reason.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        let status = self.sipward.json("status");
        let rows = status[0]["reasons"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["reason"] == reason);
        row.unwrap_or_else(|| panic!("no reason {reason}: {status:#?}"))["packets"]
            .as_u64()
            .expect("a number")
    }

    /// Why an address is banned, if it is.
    pub(crate) fn ban(&self, address: &str) -> Option<Value> {
        self.sipward.json("ban list").into_iter().find(|ban| ban["source"] == address)
    }

    /// The suspension of an account at an address, or what else keeps it from authenticating there.
    pub(crate) fn closed(&self, account: u32, address: &str) -> Option<Value> {
        let account = account.to_string();
        let rows = self.sipward.json("account list");
        rows.into_iter().find(|row| row["account"] == account && row["source"] == address)
    }

    /// Waits until `said` returns a value, and returns it.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        patience: Duration,
        said: impl Fn(&Self) -> Option<Value>,
    ) -> Value {
        let end = Instant::now() + patience;
        loop {
            if let Some(said) = said(self) {
                return said;
            }
            assert!(Instant::now() < end, "not within {patience:?}: {what}\n{}", self.state());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// All that may help to see what went wrong.
    pub(crate) fn state(&self) -> String {
        let lines = ["status", "account list", "ban list", "audit", "rules"];
        let said = lines.map(|line| self.sipward.run(line).to_string());
        format!("{}\n{}", said.join("\n"), self.log())
    }

    pub(crate) fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }
}

/// All that come with sipward, switched off.
fn no_signatures() -> String {
    let mut text = String::new();
    for signature in SignatureSet::shipped().iter() {
        let name = &signature.name;
        writeln!(text, "[[signature]]\nname = '{name}'\nin = 'Via'\ncontains = 'nothing-such'\non = false")
            .expect("a string takes everything");
    }
    text
}

pub(crate) fn login(account: u32) -> Login {
    Login { account: account.to_string(), password: password(account) }
}

/// A run of sipp in which these accounts use their passwords: `login` and `line` are scenarios.
pub(crate) const fn plan<'a>(scenario: &'a str, count: u32, rate: u32, logins: &'a [Login]) -> Plan<'a> {
    Plan { scenario, count, rate, way: Way::Udp, agent: caller::PHONE, padding: 0, logins, own_ports: true }
}

/// A trunk that answers OPTIONS.
pub(crate) fn trunk(site: &Site, directory: &Scratch) -> Running {
    let host = site.host(TRUNK);
    let mut sipp = host.command(tool("sipp"));
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/trunk.xml");
    sipp.args(["-sf", scenario, "-i", &v4(TRUNK), "-p", "5060", "-nostdin", "-skip_rlimit"]);
    Running::start(&mut sipp, &directory.0.join("trunk"))
}

/// A phone's registration and calls, all of which work.
pub(crate) fn phone_works(site: &Site) {
    let logins = [login(201)];
    for scenario in ["login", "line"] {
        assert_eq!(site.caller(PHONE).run(&plan(scenario, 2, 4, &logins)), Tally::all(2), "{scenario}");
    }
}

/// Kamailio sends the same nonce to everybody within a second: it proves nothing about sources that were challenged
/// later in that second. In this second it has sent none yet.
pub(crate) fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    thread::sleep(Duration::from_millis(1_050) - Duration::from_nanos(now.subsec_nanos().into()));
}

/// Runs a program of SIPVicious on the attacker's host. Returns its output.
pub(crate) fn sipvicious(site: &Site, program: &str, options: &[&str]) -> String {
    let host = site.host(ATTACKER);
    let home = Scratch::new(host);
    let mut command = host.command(tool(program));
    // It stores its sessions in the home directory, and resolves the host's name to find the address.
    command.env("HOME", &home.0).args(["-x", &v4(ATTACKER)]).args(options).arg(v4(1));
    let Done { stdout, stderr, .. } = Done::of(&mut command);
    stdout + &stderr
}
