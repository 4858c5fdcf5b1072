//! The daemon and commands are killed while the lists change: acknowledged changes are there, and no others.

use std::{
    net::IpAddr,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use sipward::store::Store;
use sipward_kernel::{PinnedProgram, Pins};
use sipward_tests::{
    command::Sipward, daemon::Daemon, frame::udp, length::by_length, message::clean, namespace::Lan,
    rng::Rng, scratch::Scratch, wait::wait_until,
};
use sipward_types::list_entry::ListKind;
use xdp_prog::{abi::VERSION, reason::Action};

use crate::{
    clerk::{Clerk, typed_and_killed},
    lists::{ShownLists, differences, in_the_kernel, in_the_store, lists, same},
    model::{Answer, Deed, Model, wall},
    over::{Over, OverIfPanicking},
    site::config,
};

const SEED: u64 = 1_000;
/// Between two kills.
const DEEDS: usize = 20;
/// So many kills apart, everything is compared.
const COMPARED: usize = 5;
const CLERKS: [Clerk; 3] = [Clerk::Person, Clerk::Person, Clerk::Program];

fn kills() -> usize {
    by_length(15, 50)
}

#[test]
fn what_was_acknowledged_is_there_and_nothing_else() {
    let lan = Lan::new(["pbx"]);
    let [pbx] = lan.hosts();
    let sipward = Sipward::new(pbx);
    let directory = Scratch::new(pbx);
    let config = directory.file("sipward.toml", &config("'eth0'"));
    let mut rng = Rng::fixed(SEED);
    let plans: Vec<_> = (0..CLERKS.len()).map(|clerk| plan(clerk, &mut rng)).collect();
    let common = Common::default();
    thread::scope(|scope| {
        let _over = Over(&common.over);
        for (clerk, plan) in CLERKS.into_iter().zip(&plans) {
            let (common, sipward) = (&common, &sipward);
            scope.spawn(move || common.work(clerk, plan, sipward));
        }
        common.kill_and_compare(&sipward, &config, &mut rng);
    });
    let model = common.model.into_inner().unwrap();
    println!("{} done, {} refused, {} unanswered", model.done, model.refused, model.unanswered);
    let changes = ["trust add", "trust del", "ban add", "ban del"];
    let trail = sipward.json("audit --limit 100000");
    let lines = trail.iter().filter(|line| changes.iter().any(|change| line["what"] == *change)).count();
    assert!((model.done..=model.done + model.unanswered).contains(&lines), "{lines} in the audit trail");
}

/// One thing that a clerk is to do. The command is killed after that time if there is no daemon.
struct Task {
    source: String,
    deed: Deed,
    killed_after: Option<Duration>,
}

/// Tasks enough for all kills, with sources that no other clerk has: what is done to a source has an order.
fn plan(clerk: usize, rng: &mut Rng) -> Vec<Task> {
    let sources = sources(clerk);
    let task = |_| {
        let lasts = *rng.pick(&[None, Some(3_600), Some(7_200), Some(86_400)]);
        let deed = match rng.below(8) {
            0..3 => Deed::Trust(lasts),
            3..6 => Deed::Ban(lasts),
            6 => Deed::Untrust,
            _ => Deed::Unban,
        };
        let killed_after = rng.one_in(3).then(|| Duration::from_millis(rng.below(60) as u64));
        Task { source: rng.pick(&sources).clone(), deed, killed_after }
    };
    (0..kills() * DEEDS).map(task).collect()
}

/// Addresses, and prefixes in one another around some of them.
fn sources(clerk: usize) -> Vec<String> {
    // A zero would be written otherwise in IPv6.
    let clerk = clerk + 1;
    let v4 = [1, 2, 7, 9, 15, 40].map(|host| format!("192.0.{clerk}.{host}"));
    let v6 = [1, 2, 0x7f].map(|host| format!("2001:db8:{clerk}::{host:x}"));
    let around = [
        format!("192.0.{clerk}.0/24"),
        format!("192.0.{clerk}.0/28"),
        format!("192.0.{clerk}.0/29"),
        format!("2001:db8:{clerk}::/48"),
        format!("2001:db8:{clerk}::/124"),
    ];
    v4.into_iter().chain(v6).chain(around).collect()
}

/// The state that the clerks and the killer share.
#[derive(Default)]
struct Common {
    model: Mutex<Model>,
    /// Tasks that were begun, and those that may be.
    begun: AtomicUsize,
    allowed: AtomicUsize,
    /// Held for reading by the clerks at work, and for writing by the comparison.
    quiet: RwLock<()>,
    /// True while no daemon runs. None starts while the lock is held.
    down: RwLock<bool>,
    over: AtomicBool,
}

impl Common {
    fn work(&self, clerk: Clerk, plan: &[Task], sipward: &Sipward<'_>) {
        let _over = OverIfPanicking(&self.over);
        for task in plan {
            let turn = self.begun.fetch_add(1, Ordering::SeqCst);
            while turn >= self.allowed.load(Ordering::SeqCst) {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
            let _working = self.quiet.read().unwrap();
            let begun = wall();
            let answer = self.do_task(clerk, task, sipward);
            self.model.lock().unwrap().note(&task.source, task.deed, &answer, (begun, wall()));
        }
    }

    fn do_task(&self, clerk: Clerk, task: &Task, sipward: &Sipward<'_>) -> Answer {
        let Task { source, deed, killed_after } = task;
        if let (Some(after), Ok(down)) = (killed_after, self.down.try_read())
            && *down
        {
            // Only without a daemon, which would perform a request even after the death of the process that sent it.
            return typed_and_killed(sipward, source, *deed, *after);
        }
        clerk.perform(sipward, source, *deed)
    }

    fn kill_and_compare(&self, sipward: &Sipward<'_>, config: &str, rng: &mut Rng) {
        let mut daemon = Daemon::start(sipward, config);
        let mut halfway = 0;
        for kill in 0..kills() {
            if kill % COMPARED == 0 {
                daemon.wait_until_ready();
                self.compare(sipward);
            }
            self.allowed.fetch_add(DEEDS, Ordering::SeqCst);
            if rng.one_in(4) {
                // While it starts.
                thread::sleep(Duration::from_millis(rng.below(300) as u64));
            } else {
                daemon.wait_until_ready();
                // Enough is left to do for a change to be under way when the daemon dies.
                self.wait_until_begun(kill * DEEDS + 1 + rng.below(DEEDS / 2));
            }
            halfway += usize::from(self.kill(daemon, sipward, rng));
            daemon = Daemon::spawn(sipward, config, VERSION);
        }
        // Each of them waits for another turn.
        self.wait_until_begun(kills() * DEEDS + CLERKS.len());
        daemon.wait_until_ready();
        self.compare(sipward);
        let (log, nothing) = (daemon.log(), "lists: 0 written into the kernel, 0 removed from it");
        let repaired = log.matches("lists: ").count() - log.matches(nothing).count();
        println!("{} kills, {halfway} of them in the middle of a change", kills());
        println!("{repaired} daemons found something half done that no command had put right");
        assert!(halfway > 0, "no daemon was killed in the middle of a change");
        daemon.terminate();
    }

    /// Leaves the clerks without a daemon for a while. Returns true if it was killed in the middle of a change.
    fn kill(&self, daemon: Daemon, sipward: &Sipward<'_>, rng: &mut Rng) -> bool {
        // Now and then, whatever is done waits for the store half done, as the kernel has it already.
        let mut store = Store::open(&sipward.state().join("sipward.db")).unwrap();
        let held = rng.one_in(2).then(|| store.begin().unwrap());
        thread::sleep(Duration::from_millis(rng.below(30) as u64));
        let halfway = held.is_some() && self.a_change_waits_for_the_store(sipward);
        daemon.kill();
        *self.down.write().unwrap() = true;
        thread::sleep(Duration::from_millis(rng.below(100) as u64));
        *self.down.write().unwrap() = false;
        halfway
    }

    /// The store is held. The clerks may have nothing left to do.
    fn a_change_waits_for_the_store(&self, sipward: &Sipward<'_>) -> bool {
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline && !self.over.load(Ordering::SeqCst) {
            if !differences(&in_the_store(sipward), &in_the_kernel(sipward)).is_empty() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    fn wait_until_begun(&self, tasks: usize) {
        wait_until("the clerks work", Duration::from_secs(60), || {
            self.begun.load(Ordering::SeqCst) >= tasks || self.over.load(Ordering::SeqCst)
        });
    }

    /// The model, the store, the kernel and the program in it.
    fn compare(&self, sipward: &Sipward<'_>) {
        let _quiet = self.quiet.write().unwrap();
        let lists = lists(sipward);
        self.model.lock().unwrap().check(&lists);
        same(&lists, &in_the_kernel(sipward));
        let program = PinnedProgram::open(&Pins::at(sipward.pins())).unwrap();
        let addresses =
            (0..CLERKS.len()).flat_map(sources).filter_map(|source| source.parse::<IpAddr>().ok());
        for address in addresses {
            let fate = |method| {
                program.test_run(&udp().from(&address.to_string()).carrying(clean(method)).build()).unwrap()
            };
            let (options, register) = match standing(address, &lists) {
                Some(ListKind::Trusted) => (Action::Pass, Action::Pass),
                Some(ListKind::Banned) => (Action::Drop, Action::Drop),
                None => (Action::Drop, Action::Pass),
            };
            assert_eq!((fate("OPTIONS"), fate("REGISTER")), (options, register), "{address}: {lists:#?}");
        }
    }
}

/// The list that applies to an address: trusted beats banned.
fn standing(address: IpAddr, lists: &ShownLists) -> Option<ListKind> {
    let holds = |source: &str| match source.parse::<IpNet>() {
        Ok(net) => net.contains(&address),
        Err(_) => source.parse() == Ok(address),
    };
    let said: Vec<_> = lists.iter().filter(|(source, _)| holds(source)).map(|(_, (said, _))| *said).collect();
    [ListKind::Trusted, ListKind::Banned].into_iter().find(|standing| said.contains(standing))
}
