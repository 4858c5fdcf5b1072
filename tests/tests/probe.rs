//! The self-test passes exactly on filters that work.

use std::{fs, path::PathBuf};

use ipnet::IpNet;
use sipward::probe::{Bypass, ProbeFailure, Proof, probe};
use sipward_engine::policy::Config;
use sipward_kernel::clock::now;
use sipward_kernel::{Error, Filter, LoadOptions, Pins, Tables, XdpChoice};
use sipward_tests::{
    command::Sipward,
    namespace::{Lan, Namespace},
};
use sipward_types::probe_address::is_probe;
use xdp_prog::{
    abi::{FOREVER, PortSet, SourceEntry, VERSION, kind},
    reason::{Action, Reason},
};

/// A pinned filter on an interface of a host of its own.
struct Site<'a> {
    host: &'a Namespace,
    sipward: Sipward<'a>,
    pins: Pins,
}

impl<'a> Site<'a> {
    /// Without a configuration, without a policy.
    fn new(host: &'a Namespace, interfaces: &[&str], toml: Option<&str>) -> Self {
        let sipward = Sipward::new(host);
        let pins = Pins::at(sipward.pins());
        let lock = pins.claim().unwrap();
        host.enter(|| {
            let mut filter =
                Filter::load(&LoadOptions { pins: Some(pins.clone()), max_sources: Some(4) }).unwrap();
            if let Some(toml) = toml {
                configure(&mut filter, toml);
            }
            for interface in interfaces {
                filter.attach(interface, XdpChoice::Auto).unwrap();
            }
            filter.persist().unwrap();
        });
        drop(lock);
        Self { host, sipward, pins }
    }

    fn tables(&self) -> Tables {
        Tables::open(&self.pins).unwrap()
    }

    /// Nothing of the probe stays, whatever comes of it.
    fn probe(&self) -> Result<Proof, ProbeFailure> {
        let mut tables = self.tables();
        let outcome = self.host.enter(|| probe(&self.pins, &mut tables, now()));
        let sources = tables.sources().unwrap();
        assert!(sources.iter().all(|item| !is_probe(item.unwrap().0)));
        outcome
    }

    /// Takes another filter's program for this one's, while the interface goes on with what it has.
    fn pin_program_of(&self, other: &Self) {
        fs::rename(program(other), program(self)).unwrap();
    }
}

fn program(site: &Site<'_>) -> PathBuf {
    site.sipward.pins().join(format!("v{VERSION}/program"))
}

fn configure(tables: &mut Tables, toml: &str) {
    let resolved = Config::parse(toml, "the test").unwrap().resolve().unwrap();
    let compiled = resolved.signatures.compile().unwrap();
    tables.set_policy(&resolved.policy).unwrap();
    tables.set_signatures(&compiled.tables).unwrap();
}

fn put(site: &Site<'_>, net: &str, kind: u32) {
    let entry = SourceEntry { expires: FOREVER, kind, ..SourceEntry::default() };
    site.tables().prefixes().unwrap().put(net.parse::<IpNet>().unwrap(), entry).unwrap();
}

fn packets(tables: &Tables, reason: Reason) -> (u64, u64) {
    let counters = tables.counters().unwrap();
    let count = counters.iter().find(|count| count.reason == reason).unwrap();
    (count.enforced.packets, count.monitored.packets)
}

fn host() -> Lan {
    Lan::new(["pbx"])
}

#[test]
fn a_filter_that_works_is_proved_to() {
    let lan = host();
    let [pbx] = lan.hosts();
    pbx.ip("link add br0 type bridge");
    let site = Site::new(pbx, &["eth0", "br0"], Some("mode = 'enforce'"));
    let proof = site.probe().unwrap();
    assert_eq!(proof.interfaces, ["br0", "eth0"]);
    assert!(proof.absent.is_empty() && proof.enforced, "{proof:?}");
    let tables = site.tables();
    assert_eq!((packets(&tables, Reason::Ban), packets(&tables, Reason::Trusted)), ((1, 0), (1, 0)));

    pbx.ip("link del br0");
    let proof = site.probe().unwrap();
    assert_eq!((proof.interfaces, proof.absent), (vec!["eth0".to_owned()], vec!["br0".to_owned()]));
}

#[test]
fn whatever_the_configuration_says_a_filter_that_works_is_proved_to() {
    let lan = host();
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, &["eth0"], Some(""));
    for toml in [
        "trusted_only = true\ntrusted = ['192.0.2.1']",
        "[ports]\nudp = [5080]",
        "[ports]\nudp = []",
        "[ports]\nudp = []\ntcp = []",
    ] {
        configure(&mut site.tables(), toml);
        assert!(site.probe().unwrap().enforced, "{toml}");
    }
    for kind in [kind::TRUSTED, kind::BANNED] {
        put(&site, "::/0", kind);
        site.probe().unwrap();
    }
    let (before, _) = packets(&site.tables(), Reason::Ban);
    configure(&mut site.tables(), "mode = 'monitor'");
    assert!(!site.probe().unwrap().enforced);
    assert_eq!(packets(&site.tables(), Reason::Ban), (before, 1));
}

#[test]
fn a_filter_that_passes_everything_is_no_filter() {
    let lan = host();
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, &["eth0"], None);
    let failure = site.probe().unwrap_err();
    assert!(matches!(failure, ProbeFailure::NoPolicy), "{failure}");
    let mut policy = Config::parse("", "the test").unwrap().resolve().unwrap().policy;
    for ports in [&mut policy.udp, &mut policy.tcp, &mut policy.tls] {
        *ports = PortSet::EMPTY;
    }
    site.tables().set_policy(&policy).unwrap();
    let failure = site.probe().unwrap_err();
    assert!(matches!(failure, ProbeFailure::NoPorts), "{failure}");
    configure(&mut site.tables(), "");
    site.probe().unwrap();
}

#[test]
fn an_interface_without_the_filter_is_named() {
    let lan = host();
    let [pbx] = lan.hosts();
    pbx.ip("link add br0 type bridge");
    let site = Site::new(pbx, &["eth0", "br0"], Some(""));
    site.probe().unwrap();
    pbx.ip("link del br0");
    pbx.ip("link add br0 type bridge");
    let failure = site.probe().unwrap_err();
    assert!(failure.to_string().contains("does not run on br0 (nothing does)"), "{failure}");

    // Another filter's program, and so another filter's lists.
    let mut other = Filter::load(&LoadOptions::default()).unwrap();
    pbx.enter(|| other.attach("br0", XdpChoice::Auto).unwrap());
    let failure = site.probe().unwrap_err();
    let ProbeFailure::Bypassed { interfaces } = &failure else { panic!("{failure}") };
    let [Bypass { interface, program: Some(id) }] = interfaces.as_slice() else { panic!("{failure}") };
    assert_eq!(interface, "br0");
    assert!(failure.to_string().contains(&format!("br0 (program {id} does)")), "{failure}");
}

#[test]
fn a_program_with_other_lists_is_found_out() {
    let lan = host();
    let [pbx] = lan.hosts();
    for (toml, expected, action) in [
        ("", Reason::Ban, Some(Action::Pass)),
        // Drops what should be dropped, but for another reason.
        ("trusted_only = true\nmode = 'enforce'\ntrusted = ['192.0.2.1']", Reason::Ban, None),
    ] {
        let site = Site::new(pbx, &[], Some(""));
        site.pin_program_of(&Site::new(pbx, &[], Some(toml)));
        match (site.probe().unwrap_err(), action) {
            (ProbeFailure::Misjudged { expected: said, action }, Some(did)) => {
                assert_eq!((said, action), (expected, did));
            }
            (ProbeFailure::NotCounted { expected: said }, None) => assert_eq!(said, expected),
            (failure, _) => panic!("{toml}: {failure}"),
        }
    }
}

#[test]
fn what_the_kernel_refuses_is_said() {
    let lan = host();
    let [pbx] = lan.hosts();
    let site = Site::new(pbx, &[], Some(""));
    let entry = SourceEntry { expires: FOREVER, kind: kind::BANNED, ..SourceEntry::default() };
    let mut tables = site.tables();
    for last in 0..4 {
        tables.sources().unwrap().put([192, 0, 2, last].into(), entry).unwrap();
    }
    let failure = site.probe().unwrap_err();
    assert!(matches!(failure, ProbeFailure::Kernel(Error::Full { .. })), "{failure}");
    let nowhere = Pins::at(site.sipward.pins().join("nowhere"));
    let failure = probe(&nowhere, &mut tables, now()).unwrap_err();
    assert!(matches!(failure, ProbeFailure::Kernel(Error::NothingAttached)), "{failure}");
}
