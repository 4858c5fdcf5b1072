//! The guard's decisions stay in force through failures of the store and of its processes, and end when they
//! should.

use std::{
    collections::BTreeMap,
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use sipward::{
    caller::Who,
    controller::{Controller, ProgramFate, Reply, Started},
    refusal::RefusalKind,
};
use sipward_api::{Add, Call, Detach, Lock, Remove, Unlock};
use sipward_kernel::clock::now;
use sipward_kernel::{Pins, SuspensionTarget};
use sipward_tests::{command::Sipward, namespace::Namespace, rng::Rng};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    evidence::{Evidence, Kind, Method, Proof},
    flow::{Flow, Transport},
    list_entry::ListKind,
};

/// For a look at what there is before and after a restart, in which it may end.
const SOON: Duration = Duration::from_secs(30);
const STEPS: usize = 400;
const ACCOUNTS: [&str; 4] = ["100", "101", "ann", "bob"];

/// The guard's entries in the kernel.
#[derive(Debug, PartialEq, Eq)]
struct InForce {
    /// Until when, and whether those who are known are exempt.
    suspended: BTreeMap<SuspensionTarget, (KernelTime, bool)>,
    known: BTreeMap<IpAddr, u32>,
    flows: BTreeMap<(IpAddr, Flow), u32>,
}

struct World {
    pins: Pins,
    store: PathBuf,
    controller: Controller,
    rng: Rng,
}

impl World {
    fn source(&mut self) -> IpAddr {
        let host = 1 + self.rng.below(4) as u8;
        if self.rng.one_in(3) {
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()])
        } else {
            IpAddr::from([192, 0, 2, host])
        }
    }

    fn account(&mut self) -> String {
        (*self.rng.pick(&ACCOUNTS)).to_owned()
    }

    fn perform(&mut self, call: &Call) {
        match self.controller.perform(call, &Who::sipward(), &mut Reply::default()) {
            Ok(()) => {}
            // Not there, or not allowed, as it comes.
            Err(refusal) => assert_eq!(refusal.kind, RefusalKind::No, "{call:?}: {refusal}"),
        }
    }

    fn witness(&mut self, account: &str, source: IpAddr, kind: Kind) {
        let evidence = Evidence {
            at: now(),
            source,
            flow: Flow { port: 5060, transport: Transport::Udp },
            account: Account::new(account.as_bytes()),
            method: Method::Register,
            kind,
            proof: Proof::Proven,
            made_after: KernelTime::START,
        };
        let _saved = self.controller.witness(&[evidence], None).expect("the kernel does what it is told");
    }

    fn something_happens(&mut self) {
        let (account, source) = (self.account(), self.source());
        let lasts = Some(60 * (1 + self.rng.below(90) as u64));
        let add = |lasts| Add { sources: vec![source.into()], lasts, note: None, force: true, session: None };
        match self.rng.below(12) {
            0..=4 => {
                for _again in 0..6 {
                    let attempt = now().as_nanos();
                    self.witness(&account, source, Kind::Failed { attempt });
                }
            }
            5 | 6 => {
                let (phone, until) = (self.rng.below(3) as u64, now() + Duration::from_secs(3_600));
                self.witness(&account, source, Kind::Registered { phone, until });
            }
            7 => self.perform(&Call::Lock(Lock { account, lasts, note: None })),
            8 => {
                let from = self.rng.one_in(2).then_some(source);
                self.perform(&Call::Unlock(Unlock { account, from }));
            }
            9 => self.perform(&Call::Ban(add(lasts))),
            10 => self.perform(&Call::Trust(add(lasts))),
            _ => {
                let list = if self.rng.one_in(2) { ListKind::Trusted } else { ListKind::Banned };
                self.perform(&Call::Remove(Remove { list, sources: vec![source.into()] }));
            }
        }
        let _saved = self.controller.tick().expect("the kernel does what it is told");
    }

    fn in_force(&mut self) -> InForce {
        let soon = now() + SOON;
        let tables = self.controller.tables();
        let suspensions = tables.suspensions().expect("the map");
        let suspended = suspensions
            .iter()
            .map(|item| item.expect("an entry"))
            .filter(|(_, suspension_entry)| suspension_entry.until > soon)
            .map(|(target, suspension_entry)| {
                (target, (suspension_entry.until, suspension_entry.exempt_known))
            })
            .collect();
        let sources = tables.sources().expect("the map");
        let known = sources.iter_known().map(|item| item.expect("an entry"));
        let known = known.filter(|(_, _, until)| *until > soon).map(|(source, phones, _)| (source, phones));
        let known = known.collect();
        let flows = tables.known_flows().expect("the map");
        let flows = flows.iter().map(|item| item.expect("an entry"));
        let flows = flows.filter(|(.., until)| *until > soon);
        InForce {
            suspended,
            known,
            flows: flows.map(|(source, flow, phones, _)| ((source, flow), phones)).collect(),
        }
    }

    /// The controller is gone from one moment to the next, and another one takes its place.
    fn restart(&mut self) -> ProgramFate {
        let (controller, started) = start(&self.pins);
        assert!(started.guarded.is_ok(), "{started:?}");
        self.controller = controller;
        started.program
    }
}

fn start(pins: &Pins) -> (Controller, Started) {
    let _claimed = pins.claim().expect("nobody else has them");
    Controller::start(pins, None, false).expect("it starts")
}

fn aside(store: &Path) -> PathBuf {
    store.with_file_name("aside.db")
}

/// With the log, in which the newest of it may be.
fn rename(from: &Path, to: &Path) {
    for more in ["-wal", "-shm", ""] {
        let beside = |path: &Path| PathBuf::from(format!("{}{more}", path.display()));
        // The last two come and go.
        let renamed = fs::rename(beside(from), beside(to));
        assert!(renamed.is_ok() || !more.is_empty(), "{}: {renamed:?}", from.display());
    }
}

#[test]
fn what_is_in_force_stays_so() {
    let host = Namespace::new("mirror");
    let sipward = Sipward::new(&host);
    // SAFETY: the only test of this program, before anything else looks at the environment.
    unsafe { env::set_var("SIPWARD_STATE_DIR", sipward.state()) };
    let pins = Pins::at(sipward.pins());
    let (controller, started) = start(&pins);
    assert_eq!(started.program, ProgramFate::New);
    let store = sipward.state().join("sipward.db");
    let mut world = World { pins, store, controller, rng: Rng::from_clock() };
    let (mut most, mut restarts) = (0, BTreeMap::new());
    for _step in 0..STEPS {
        world.something_happens();
        if world.rng.one_in(8) {
            let how = world.rng.below(5);
            *restarts.entry(how).or_insert(0) += 1;
            let before = world.in_force();
            most = most.max(before.suspended.len());
            after_a_restart(&mut world, how, before);
        }
    }
    println!("{most} suspensions at most; restarts of each kind: {restarts:?}");
    assert!(most > 5 && restarts.len() == 5, "too little has happened");
}

fn after_a_restart(world: &mut World, how: usize, mut before: InForce) {
    let store = world.store.clone();
    match how {
        0 => assert_eq!(world.restart(), ProgramFate::Kept),
        1 => {
            // The kernel's maps are gone, too, as after a reboot.
            world.perform(&Call::Detach(Detach { interfaces: vec![] }));
            assert_eq!(world.restart(), ProgramFate::New);
        }
        2 => {
            fs::remove_file(&store).expect("a store");
            assert_eq!(world.restart(), ProgramFate::Kept);
        }
        3 => {
            fs::write(&store, "no database, but long enough to be taken for one".repeat(40)).expect("a file");
            assert_eq!(world.restart(), ProgramFate::Kept);
        }
        _ => {
            // The store is away for a while, and what happens meanwhile is not in it.
            rename(&store, &aside(&store));
            for _step in 0..10 {
                world.something_happens();
            }
            before = world.in_force();
            rename(&aside(&store), &store);
            assert_eq!(world.restart(), ProgramFate::Kept);
        }
    }
    let mut after = world.in_force();
    assert_eq!(after.suspended, before.suspended, "restart {how}");
    if how == 1 {
        // They are known again with the next refresh of each phone.
        before.flows.clear();
    }
    assert_eq!(after.flows, before.flows, "restart {how}");
    if how == 4 {
        // A source that was forgotten while the store was away may be known again, if it was known before.
        after.known.retain(|source, _| before.known.contains_key(source));
    }
    assert_eq!(after.known, before.known, "restart {how}");
    // A recovery that has nothing to do changes nothing.
    world.controller.recover();
    assert_eq!(world.in_force().suspended, before.suspended);
}
