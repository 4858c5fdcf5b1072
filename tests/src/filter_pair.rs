//! The kernel's filter and the one in memory, side by side: every packet goes through both, and they must agree.

use std::net::IpAddr;

use ipnet::IpNet;
use sipward_engine::{policy::Config, replay::Memory};
use sipward_kernel::clock::now;
use sipward_kernel::{Filter, LoadOptions, SuspensionEntry, SuspensionTarget};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    address::to_key,
    flow::Flow,
    map_key::{flow_key, worked_key},
};
use xdp_prog::{
    abi::{AddressHash, Counter, FOREVER, GuessLimits, Handshake, Policy, RateLimit, Refunds, SourceEntry},
    account::nonce_hash,
    reason::{Action, Class, Reason},
};

use crate::frame::{ACK, Frame, SYN};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// No source is ever over a limit, and none is a newcomer, to which a limit of the test would not apply.
pub fn lift_limits(policy: &mut Policy) {
    policy.stranger = [RateLimit::OFF; Class::COUNT];
    (policy.newcomer_packets, policy.newcomers) = (0, policy.stranger);
    policy.prefix = policy.stranger;
    policy.known = policy.stranger;
    (policy.flows_per_source, policy.flows_per_prefix) = (0, 0);
    policy.guesses = GuessLimits::default();
}

pub struct FilterPair {
    filter: Filter,
    memory: Memory,
    names: Vec<String>,
    enforce: bool,
    before: Vec<(Counter, Counter)>,
    hits: Vec<u64>,
    /// The last nonce that was issued, which shows the kernel that somebody watches what leaves. It believes so for some
    /// seconds, which are few on a slow machine.
    issued: Option<(IpAddr, u64)>,
}

impl std::fmt::Debug for FilterPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilterPair").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// The segment that completes the handshake of a segment's connection, after the SYN-ACK has left.
pub fn opening(memory: &Memory, segment: &Frame) -> Vec<u8> {
    let opens = segment.clone().carrying("").flags(ACK).build();
    let headers = memory.headers(&opens);
    let (sequence, acknowledged) = (headers.sequence, headers.acknowledged);
    memory.expect_answer(headers.stream_key(), Handshake { sequence, acknowledged });
    opens
}

impl FilterPair {
    /// Both with the configuration in `toml`.
    pub fn new(toml: &str) -> Self {
        Self::adjusted(toml, |_| {})
    }

    /// The same without limits, for tests of what one packet shows.
    pub fn unlimited(toml: &str) -> Self {
        Self::adjusted(toml, lift_limits)
    }

    /// The configuration in `toml`, and what `adjust` makes of it.
    pub fn adjusted(toml: &str, adjust: impl FnOnce(&mut Policy)) -> Self {
        let mut resolved = Config::parse(toml, "the test").unwrap().resolve().unwrap();
        adjust(&mut resolved.policy);
        let compiled = resolved.signatures.compile().unwrap();
        let mut filter = Filter::load(&LoadOptions::default()).unwrap();
        filter.set_policy(&resolved.policy).unwrap();
        filter.set_signatures(&compiled.tables).unwrap();
        let enforce = resolved.policy.enforce != 0;
        let mut memory = Memory::new(resolved.policy, compiled.tables);
        memory.judge_guesses();
        let mut pair = Self {
            filter,
            memory,
            names: compiled.names,
            enforce,
            before: Vec::new(),
            hits: Vec::new(),
            issued: None,
        };
        pair.before = pair.counts();
        pair.hits = pair.filter.signature_hits().unwrap();
        pair
    }

    /// Puts an address or a prefix on the lists of both, forever.
    pub fn put(&mut self, net: &str, kind: u32) {
        self.put_entry(net, SourceEntry { expires: FOREVER, kind, ..SourceEntry::default() });
    }

    pub fn put_entry(&mut self, net: &str, entry: SourceEntry) {
        let net = net.parse::<IpNet>().unwrap_or_else(|_| IpNet::from(net.parse::<IpAddr>().unwrap()));
        if net.prefix_len() == net.max_prefix_len() {
            self.filter.sources().unwrap().put(net.addr(), entry).unwrap();
        } else {
            self.filter.prefixes().unwrap().put(net, entry).unwrap();
        }
        self.memory.insert(net, entry);
    }

    /// Suspends with both, forever.
    pub fn suspend(&mut self, target: SuspensionTarget) {
        self.suspend_as(
            target,
            SuspensionEntry { until: KernelTime::FOREVER, exempt_known: false, unsaved: false },
        );
    }

    pub fn suspend_as(&mut self, target: SuspensionTarget, suspension_entry: SuspensionEntry) {
        self.filter.suspensions().unwrap().put(target, suspension_entry).unwrap();
        self.mirror_suspensions();
    }

    pub fn lift(&mut self, target: SuspensionTarget) {
        assert!(self.filter.suspensions().unwrap().remove(target).unwrap(), "{target:?} was not suspended");
        self.mirror_suspensions();
    }

    /// Makes a flow known to both, or changes how many phones it has. What it has sent stays counted.
    pub fn know_flow(&mut self, source: &str, flow: Flow, phones: u32, until: KernelTime) {
        let source = source.parse().unwrap();
        let mut flows = self.filter.known_flows().unwrap();
        flows.put(source, flow, phones, until).unwrap();
        let key = flow_key(source, flow);
        let mut entries = flows.entries().map(Result::unwrap);
        let (_, known) = entries.find(|(found, _)| *found == key).expect("it was put there");
        self.memory.know_flow(key, known);
    }

    pub fn forget_flow(&mut self, source: &str, flow: Flow) {
        let source = source.parse().unwrap();
        assert!(self.filter.known_flows().unwrap().remove(source, flow).unwrap());
        self.memory.forget_flow(&flow_key(source, flow));
    }

    /// A nonce was sent to an address, and both have seen it.
    pub fn issue(&mut self, address: &str, nonce: &str) {
        let (address, nonce) = (address.parse().unwrap(), nonce_hash(nonce.as_bytes()));
        self.filter.issue(address, nonce, now()).unwrap();
        self.issued = Some((address, nonce));
        self.memory.set_watched(true);
        self.memory.judge_guesses().issue(AddressHash { address: to_key(address), hash: nonce }, now());
    }

    /// An account has worked at a source, or has not any more.
    pub fn set_worked(&mut self, source: &str, account: &str, until: KernelTime) {
        let (source, account) = (source.parse().unwrap(), Account::new(account.as_bytes()).unwrap());
        self.filter.worked().unwrap().put(source, &account, until).unwrap();
        self.memory.judge_guesses().set_worked(worked_key(source, &account), until);
    }

    /// Sets the total of refunds for a line.
    pub fn give_back(&mut self, address: &str, refunds: Refunds) {
        let address = address.parse().unwrap();
        self.filter.given_back().unwrap().put(address, refunds).unwrap();
        self.memory.judge_guesses().set_refunds(to_key(address).line(), refunds);
    }

    /// Opens the connection that a segment belongs to, as its first one: the SYN-ACK leaves and is answered.
    pub fn open(&mut self, segment: &Frame) {
        let answer = segment.answer();
        let answer = answer.clone().sequence(answer.next().wrapping_sub(1)).flags(SYN | ACK);
        self.filter.test_run_egress(&answer.build(), 1).unwrap();
        let opens = opening(&self.memory, segment);
        assert_eq!(self.judge(&opens), "tcp-control");
    }

    /// Something leaves.
    pub fn leave(&mut self, frame: &[u8]) {
        self.filter.test_run_egress(frame, 1).unwrap();
        self.memory.follow_answer(&self.memory.headers(frame));
    }

    /// The kernel's own entries, as they are.
    fn mirror_suspensions(&mut self) {
        self.memory.lift_all();
        for entry in self.filter.suspensions().unwrap().entries() {
            let (key, suspension) = entry.unwrap();
            self.memory.suspend(key, suspension);
        }
    }

    /// The verdict that both give. Asserts that the kernel acted by its verdict, and counted it exactly once.
    pub fn judge(&mut self, frame: &[u8]) -> String {
        if let Some((address, nonce)) = self.issued {
            self.filter.issue(address, nonce, now()).unwrap();
        }
        self.memory.set_now(now());
        let (verdict, _) = self.memory.judge(frame);
        let (action, _) = self.filter.test_run(frame, 1).expect("the kernel runs the program");
        let name = self.counted(frame.len());
        let in_memory = match verdict.reason {
            Reason::Signature => format!("signature:{}", self.names[usize::from(verdict.signature)]),
            reason => reason.name().to_owned(),
        };
        assert_eq!(name, in_memory, "the kernel's verdict is not the replay's");
        let expected = match verdict.reason.action() {
            Action::Drop if self.enforce => XDP_DROP,
            Action::Drop | Action::Pass => XDP_PASS,
        };
        assert_eq!(action, expected, "the kernel counted {name}");
        name
    }

    /// The name of the one reason that was counted since the last look.
    fn counted(&mut self, length: usize) -> String {
        let after = self.counts();
        let mut changed = Vec::new();
        for (index, ((before, before_monitored), (enforced, monitored))) in
            self.before.iter().zip(&after).enumerate()
        {
            let packets =
                (enforced.packets - before.packets) + (monitored.packets - before_monitored.packets);
            let bytes = (enforced.bytes - before.bytes) + (monitored.bytes - before_monitored.bytes);
            if packets != 0 {
                assert_eq!((packets, bytes), (1, length as u64), "{}", Reason::ALL[index].name());
                changed.push(Reason::ALL[index]);
            }
        }
        self.before = after;
        match changed.as_slice() {
            [Reason::Signature] => {
                let id = self.hit();
                format!("signature:{}", self.names[id])
            }
            [reason] => reason.name().to_owned(),
            _ => panic!("counted {changed:?}"),
        }
    }

    /// The one signature that was hit since the last look. Hits are many to read, so that the look comes only
    /// when there should be one; a hit that should not have been shows then.
    fn hit(&mut self) -> usize {
        let hits = self.filter.signature_hits().unwrap();
        let hit: Vec<usize> = (0..hits.len()).filter(|&id| hits[id] != self.hits[id]).collect();
        self.hits = hits;
        let [id] = hit.as_slice() else { panic!("counted the signatures {hit:?}") };
        *id
    }

    fn counts(&self) -> Vec<(Counter, Counter)> {
        let counters = self.filter.counters().unwrap();
        counters.iter().map(|count| (count.enforced, count.monitored)).collect()
    }

    pub fn filter(&mut self) -> &mut Filter {
        &mut self.filter
    }
}
