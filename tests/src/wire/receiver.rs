//! The receivers: sipward, the tools beside it, and the bare kernel.

use std::{fmt::Write as _, net::Ipv4Addr, os::fd::OwnedFd, process::Command};

use anyhow::Context as _;
use sipward_engine::policy::Config;
use sipward_kernel::{Filter, LoadOptions, XdpChoice};
use sipward_signature::SignatureSet;
use xdp_prog::abi::{FOREVER, SourceEntry, kind};

use crate::{
    auth_pbx::SIP,
    command::Done,
    limits,
    namespace::Namespace,
    raw_program::{RawProgram, index},
    scratch::Scratch,
};

/// Dropped by every receiver that drops sources, with as many others.
pub const BANNED: &str = "10.0.0.7";
const BANS: u32 = 100_000;
/// The address that every receiver with a list of trusted addresses trusts.
pub const CUSTOMER: &str = "192.0.2.10";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// An XDP program that drops everything.
    Trivial,
    /// One that looks at the port before, and one that looks up the source in a hash map of 100,000 besides: what any
    /// filter of sources has to do.
    LookAtPort,
    LookUp,
    /// This filter with 100,000 bans and the signatures that come with it.
    Sipward,
    /// The complete setup of the guides, by iptables-legacy and by iptables over nftables.
    ScriptLegacy,
    ScriptNft,
    /// 100,000 sources in a set, asked as early as each can.
    NftSet,
    IpSet,
    XdpFilter,
    /// No filter: a socket that is read.
    Nothing,
}

/// Holds the receiver's programs and rules until the round ends.
#[expect(dead_code, reason = "kept for their drops")]
#[derive(Debug)]
pub(super) enum Installed {
    Filter(Box<Filter>),
    Link(OwnedFd),
    Rules,
    XdpFilter(Unload),
}

/// xdp-filter keeps state in bpffs that would outlive its namespace.
#[derive(Debug)]
pub(super) struct Unload(Command);

impl Drop for Unload {
    fn drop(&mut self) {
        // This is the end of a measurement, which has its figures.
        let _ = self.0.status();
    }
}

impl Receiver {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trivial => "XDP_DROP",
            Self::LookAtPort => "XDP_DROP by port",
            Self::LookUp => "XDP_DROP by source",
            Self::Sipward => "sipward",
            Self::ScriptLegacy => "iptables-legacy script",
            Self::ScriptNft => "iptables-nft script",
            Self::NftSet => "nft set, netdev ingress",
            Self::IpSet => "ipset, raw PREROUTING",
            Self::XdpFilter => "xdp-filter",
            Self::Nothing => "no filter, a socket",
        }
    }

    pub(super) fn install(self, host: &Namespace, rates: bool) -> anyhow::Result<Installed> {
        match self {
            Self::Trivial => attach(host, RawProgram::drop_all()?),
            Self::LookAtPort => attach(host, RawProgram::drop_port(SIP)?),
            Self::LookUp => attach(host, RawProgram::drop_sources(SIP, banned())?),
            Self::Sipward => Ok(Installed::Filter(Box::new(sipward(host, rates)?))),
            Self::ScriptLegacy => script(host, "iptables-legacy", rates),
            Self::ScriptNft => script(host, "iptables-nft", rates),
            Self::NftSet => nft_set(host),
            Self::IpSet => ip_set(host),
            Self::XdpFilter => xdp_filter(host),
            Self::Nothing => Ok(Installed::Rules),
        }
    }
}

fn attach(host: &Namespace, program: RawProgram) -> anyhow::Result<Installed> {
    Ok(Installed::Link(host.enter(|| program.attach(index("eth0")))?))
}

/// The first of these is [`BANNED`].
fn banned() -> impl Iterator<Item = Ipv4Addr> {
    let first: Ipv4Addr = BANNED.parse().expect("an address");
    (0..BANS).map(move |index| Ipv4Addr::from_bits(first.to_bits() + index))
}

fn sipward(host: &Namespace, rates: bool) -> anyhow::Result<Filter> {
    let mut filter = Filter::load(&LoadOptions::default())?;
    let mut policy = Config::default().resolve()?.policy;
    policy.enforce = 1;
    if !rates {
        limits::out_of_reach(&mut policy);
    }
    filter.set_policy(&policy)?;
    filter.set_signatures(&SignatureSet::shipped().compile()?.tables)?;
    let ban = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    let trust = SourceEntry { kind: kind::TRUSTED, ..ban };
    let customer: Ipv4Addr = CUSTOMER.parse()?;
    let entries = banned().map(|address| (address, ban)).chain([(customer, trust)]);
    filter.sources()?.put_all(entries.map(|(address, entry)| (address.into(), entry)))?;
    host.enter(|| filter.attach("eth0", XdpChoice::Native))?;
    Ok(filter)
}

/// The complete setup of the guides on a host that has calls over TCP, too, with their limit of connections.
pub fn guides_script(host: &Namespace) -> anyhow::Result<()> {
    script(host, "iptables-legacy", true)?;
    for rule in ["-m connlimit --connlimit-above 10 --connlimit-mask 32 -j DROP", "-j ACCEPT"] {
        host.run(&format!("iptables-legacy -A INPUT -p tcp --dport {SIP} {rule}"));
    }
    Ok(())
}

/// The rules of the usual guides, in their order.
fn script(host: &Namespace, iptables: &str, rates: bool) -> anyhow::Result<Installed> {
    let mut rules = String::from("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    let mut rule = |rule: &str| {
        // Infallible: a string.
        let _ = writeln!(rules, "-A INPUT {rule}");
    };
    rule("-i lo -j ACCEPT");
    rule("-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT");
    rule("-p tcp -s 192.0.2.250 --dport 22 -j ACCEPT");
    for trusted in [CUSTOMER, "192.0.2.11", "203.0.113.128/25"] {
        rule(&format!("-s {trusted} -p udp --dport 5060 -j ACCEPT"));
    }
    for word in ["OPTIONS sip:", "friendly-scanner", "VaxSIPUserAgent", "sipvicious", "SIPScan", "sipcli"] {
        rule(&format!("-p udp --dport 5060 -m string --string \"{word}\" --algo bm -j DROP"));
    }
    rule("-p tcp --dport 5060 -m string --string \"OPTIONS sip:\" --algo bm -j DROP");
    rule("-p udp --dport 5060 -m connlimit --connlimit-above 10 --connlimit-mask 32 -j DROP");
    rule("-p udp --dport 5060 -m connlimit --connlimit-above 30 --connlimit-mask 24 -j DROP");
    if rates {
        rule("-p udp --dport 5060 -m recent --name sip --set");
        rule("-p udp --dport 5060 -m recent --name sip --update --seconds 60 --hitcount 20 -j DROP");
        rule("-p udp --dport 5060 -j ACCEPT");
    } else {
        // Their advanced form, with a rate that is never reached.
        rule(
            "-p udp --dport 5060 -m hashlimit --hashlimit-name sip --hashlimit-mode srcip \
             --hashlimit-upto 1000000/sec --hashlimit-burst 1000000 --hashlimit-htable-expire 30000 -j ACCEPT",
        );
    }
    rule("-p udp --dport 10000:20000 -j ACCEPT");
    rules += "COMMIT\n";
    feed(host, &format!("{iptables}-restore"), &[], &rules)?;
    Ok(Installed::Rules)
}

fn nft_set(host: &Namespace) -> anyhow::Result<Installed> {
    let mut rules = String::from(
        "table netdev guard {\n set banned { type ipv4_addr; }\n chain in {\n  \
         type filter hook ingress device \"eth0\" priority 0;\n  ip saddr @banned drop\n }\n}\n",
    );
    for part in banned().collect::<Vec<_>>().chunks(1_000) {
        let list: Vec<_> = part.iter().map(ToString::to_string).collect();
        let _ = writeln!(rules, "add element netdev guard banned {{ {} }}", list.join(", "));
    }
    feed(host, "nft", &["-f", "-"], &rules)?;
    Ok(Installed::Rules)
}

fn ip_set(host: &Namespace) -> anyhow::Result<Installed> {
    let mut set = String::from("create banned hash:ip maxelem 131072\n");
    for address in banned() {
        let _ = writeln!(set, "add banned {address}");
    }
    feed(host, "ipset", &["restore"], &set)?;
    let rules =
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m set --match-set banned src -j DROP\nCOMMIT\n";
    feed(host, "iptables-legacy-restore", &[], rules)?;
    Ok(Installed::Rules)
}

fn xdp_filter(host: &Namespace) -> anyhow::Result<Installed> {
    let line = |arguments: &[&str]| -> anyhow::Result<()> {
        let done = Done::of(host.command("xdp-filter").args(arguments));
        anyhow::ensure!(done.code == Some(0), "{done}");
        Ok(())
    };
    line(&["load", "eth0", "--mode", "native", "--features", "ipv4,udp"])?;
    let mut unload = host.command("xdp-filter");
    unload.args(["unload", "eth0"]);
    let unload = Unload(unload);
    line(&["ip", BANNED, "--mode", "src"])?;
    Ok(Installed::XdpFilter(unload))
}

/// Runs a program that reads its orders from standard input.
fn feed(host: &Namespace, program: &str, arguments: &[&str], orders: &str) -> anyhow::Result<()> {
    let scratch = Scratch::new(host);
    let file = scratch.file("orders", orders);
    let orders = std::fs::File::open(&file).with_context(|| file.clone())?;
    let done = Done::of(host.command(program).args(arguments).stdin(orders));
    anyhow::ensure!(done.code == Some(0), "{done}");
    Ok(())
}
