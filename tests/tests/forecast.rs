//! The kernel does what `explain` forecasts.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::IpAddr,
};

use ipnet::IpNet;
use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use sipward::filter_forecast::forecast;
use sipward_engine::{forecast::Kind, policy::Config};
use sipward_kernel::clock::now;
use sipward_kernel::{Filter, LoadOptions};
use sipward_tests::{
    frame::{Frame, SYN, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean},
};
use xdp_prog::{
    abi::{FOREVER, Policy, RateLimit, SourceEntry},
    reason::{Action, Class, Reason},
};

const XDP_DROP: u32 = 1;

/// Another packet of the kind than the one that was imagined, by other hands.
fn packet(kind: Kind, address: IpAddr, port: u16) -> Vec<u8> {
    let message = |method| udp().carrying(clean(method));
    let frame: Frame = match kind {
        Kind::Register => message("REGISTER"),
        Kind::Invite | Kind::NewPort => message("INVITE"),
        Kind::Options => message("OPTIONS"),
        Kind::Dialog => message("ACK"),
        Kind::Other => message("SUBSCRIBE"),
        Kind::Response => udp().carrying(OK_TO_OUR_OPTIONS),
        Kind::Keepalive => udp().carrying(b"\r\n"),
        Kind::NotSip => udp().carrying(b"\x80\x08 astray"),
        Kind::Connect => tcp().flags(SYN),
        Kind::ConnectTls => tcp().flags(SYN).to_port(5061),
    };
    frame.from(&address.to_string()).source_port(port).build()
}

/// So slow that it does not matter how long the test takes, and budgets that are soon used up.
fn policy(settings: Settings) -> Box<Policy> {
    /// In ticks.
    const HOUR: u32 = 3_433_227;
    let window = |max| RateLimit { window: HOUR, window_max: max, ..RateLimit::OFF };
    let bucket = |burst: u64| RateLimit { interval: 1 << 40, tolerance: burst << 40, ..RateLimit::OFF };
    let mut policy = Config::parse("", "the test").unwrap().resolve().unwrap().policy;
    policy.stranger = std::array::from_fn(|class| if class % 2 == 0 { window(3) } else { bucket(4) });
    policy.known = [bucket(2); Class::COUNT];
    policy.prefix = std::array::from_fn(|class| if class % 2 == 0 { bucket(5) } else { window(5) });
    policy.newcomer_packets = 8;
    policy.newcomers = std::array::from_fn(|class| if class % 2 == 0 { window(4) } else { bucket(4) });
    (policy.flow_window, policy.flows_per_source, policy.flows_per_prefix) = (HOUR, 3, 8);
    policy.key = settings.key;
    policy.enforce = settings.enforce.into();
    policy.drop_options = settings.drop_options.into();
    policy.trusted_only = settings.trusted_only.into();
    policy
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    key: u32,
    enforce: bool,
    drop_options: bool,
    trusted_only: bool,
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<u32>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(key, enforce, drop_options, trusted_only)| Settings { key, enforce, drop_options, trusted_only },
    )
}

/// The sender: one of few, so that senders meet their own traces and those of their neighbours.
#[derive(Clone, Copy, Debug)]
struct Sender {
    v6: bool,
    last: u8,
}

impl Sender {
    /// Of a neighbourhood that no other case has.
    fn address(self, case: u16) -> IpAddr {
        let [high, low] = case.to_be_bytes();
        if self.v6 {
            // Two hosts each in four /64 of one /48.
            let (net, host) = (u16::from(self.last / 2), u16::from(self.last % 2 + 1));
            IpAddr::from([0x2001, 0xdb8, case, net, 0, 0, 0, host])
        } else {
            IpAddr::from([10, high, low, self.last])
        }
    }
}

fn sender() -> impl Strategy<Value = Sender> {
    (any::<bool>(), 0..8u8).prop_map(|(v6, last)| Sender { v6, last })
}

#[derive(Clone, Debug)]
enum Step {
    /// Puts an entry for the sender, or for so many bits around it.
    Put(Sender, Option<u8>, SourceEntry),
    /// Packets from so many ports.
    Send(Sender, Kind, u16),
    Forecast(Sender, Kind),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = || prop_oneof![4 => prop::sample::select(&Kind::ALL[..]), 1 => Just(Kind::NewPort)];
    let time = || prop_oneof![1 => Just(1), 3 => Just(FOREVER)];
    let shadow = || prop_oneof![3 => Just(0), 1 => time()];
    let entry =
        (time(), shadow(), 1..4u32, 0..3u32).prop_map(|(expires, shadowed_until, kind, phones_or_mark)| {
            SourceEntry { expires, shadowed_until, kind, phones_or_mark }
        });
    prop_oneof![
        2 => (sender(), prop::option::of(1..5u8), entry).prop_map(|(who, bits, entry)| Step::Put(who, bits, entry)),
        3 => (sender(), kinds(), 1..4u16).prop_map(|(who, kind, ports)| Step::Send(who, kind, ports)),
        6 => (sender(), kinds()).prop_map(|(who, kind)| Step::Forecast(who, kind)),
    ]
}

/// A filter, and how often each reason, without its class, was forecast and given.
struct Site {
    filter: Filter,
    met: BTreeMap<&'static str, usize>,
}

impl Site {
    /// The kernel's verdict on a frame.
    fn judge(&mut self, frame: &[u8]) -> (Reason, Action) {
        let before = self.filter.counters().unwrap();
        let (action, _) = self.filter.test_run(frame, 1).unwrap();
        let after = self.filter.counters().unwrap();
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        let [(_, count)] = changed.as_slice() else { panic!("counted {changed:?}") };
        (count.reason, if action == XDP_DROP { Action::Drop } else { Action::Pass })
    }

    fn follow(&mut self, step: &Step, case: u16) {
        match step {
            Step::Put(who, bits, entry) => self.put(who.address(case), *bits, *entry),
            Step::Send(who, kind, ports) => {
                for port in 30_000..30_000 + ports {
                    self.judge(&packet(*kind, who.address(case), port));
                }
            }
            Step::Forecast(who, kind) => self.compare(who.address(case), *kind),
        }
    }

    fn put(&mut self, address: IpAddr, bits: Option<u8>, entry: SourceEntry) {
        match bits {
            None => self.filter.sources().unwrap().put(address, entry).unwrap(),
            Some(bits) => {
                // Around a few addresses, or a few /64.
                let length = if address.is_ipv4() { 32 } else { 65 } - bits;
                let net = IpNet::new(address, length).unwrap();
                self.filter.prefixes().unwrap().put(net, entry).unwrap();
            }
        }
    }

    /// Sends the packet that was forecast, and then as many more as there should be room for.
    fn compare(&mut self, address: IpAddr, kind: Kind) {
        let forecasts = forecast(&mut self.filter, address, now()).unwrap();
        assert_eq!(forecasts.len(), Kind::ALL.len());
        let said = forecasts.into_iter().find(|forecast| forecast.kind == kind).unwrap();
        let frame = packet(kind, address, said.source_port);
        let action = if said.enforced { said.action } else { Action::Pass };
        assert_eq!(self.judge(&frame), (said.reason, action), "{address}: {said:?}");
        let name = said.reason.name();
        *self.met.entry(name.split_once(':').map_or(name, |(group, _)| group)).or_default() += 1;
        if let Some(room) = said.room
            && kind != Kind::NewPort
        {
            for packet in 1..room.packets {
                assert_eq!(self.judge(&frame).0, said.reason, "{address}: {packet} of {said:?}");
            }
            assert_eq!(self.judge(&frame).0, room.then, "{address}: after {said:?}");
            *self.met.entry("room").or_default() += 1;
        }
    }
}

#[test]
fn the_kernel_does_what_was_forecast() {
    let mut filter = Filter::load(&LoadOptions::default()).unwrap();
    let compiled = Config::parse("", "the test").unwrap().resolve().unwrap().signatures.compile().unwrap();
    filter.set_signatures(&compiled.tables).unwrap();
    let site = RefCell::new(Site { filter, met: BTreeMap::new() });
    let cases = Cell::new(0u16);
    let steps = (settings(), prop::collection::vec(step(), 10..40));
    let outcome = TestRunner::new(Cases::with_cases(70)).run(&steps, |(settings, steps)| {
        let mut site = site.borrow_mut();
        site.filter.set_policy(&policy(settings)).unwrap();
        cases.set(cases.get() + 1);
        steps.iter().for_each(|step| site.follow(step, cases.get()));
        Ok(())
    });
    let met = site.into_inner().met;
    println!("{met:?}");
    outcome.unwrap();
    for reason in
        ["trusted", "ban", "ban-prefix", "trusted-only", "request", "rate", "prefix-rate", "flows", "room"]
    {
        assert!(met.contains_key(reason), "no packet was {reason}: {met:?}");
    }
}
