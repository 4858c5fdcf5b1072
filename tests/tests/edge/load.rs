//! The daemon is stopped, killed and started while phones register and call through the edge.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sipward_tests::{
    auth_pbx::PbxKind,
    daemon::Daemon,
    length::by_length,
    namespace::Family,
    sip_phone::{Phone, State, Transport},
    wait::wait_until,
};

use crate::{
    guarded::{PATIENCE, fail, guesser, suspended},
    site::{CALLEE, CALLER, Hosts, Site},
};

/// Each registers so many times a second, if the machine can: 200 altogether.
const REGISTRARS: u32 = 8;
const REGISTRATIONS: u32 = 25;
/// 20 altogether.
const CALLERS: u32 = 4;
const CALLS: u32 = 5;

/// A phone that does the same again and again.
struct Busy {
    phone: Phone,
    calls: bool,
}

impl Busy {
    fn new(hosts: &Hosts, number: u32) -> Self {
        let host = if number.is_multiple_of(2) { CALLER } else { CALLEE };
        let transport = if number % 4 < 2 { Transport::Udp } else { Transport::Tcp };
        let mut phone = hosts.phone(host, transport, Family::V4, 201 + number);
        assert_eq!(phone.register(600).statuses(), [401, 200], "{}", phone.transcript());
        Self { phone, calls: number >= REGISTRARS }
    }

    /// Returns the number of times.
    fn work(&mut self, over: &AtomicBool) -> u32 {
        let pause = Duration::from_secs(1) / if self.calls { CALLS } else { REGISTRATIONS };
        let (begun, mut times) = (Instant::now(), 0);
        while !over.load(Ordering::Relaxed) {
            if self.calls {
                self.call()
            } else {
                self.register()
            }
            times += 1;
            thread::sleep((begun + pause * times).saturating_duration_since(Instant::now()));
        }
        times
    }

    fn register(&mut self) {
        let outcome = self.phone.register(600);
        assert_eq!(outcome.statuses(), [401, 200], "{}", self.phone.transcript());
    }

    fn call(&mut self) {
        let phone = &mut self.phone;
        let call = phone.invite("600");
        let talks = phone.wait_until(|phone| phone.call(call).state == State::Established);
        assert!(talks, "{}", phone.transcript());
        let bye = phone.hang_up(call);
        assert_eq!(phone.wait(bye).status(), Some(200), "{}", phone.transcript());
    }
}

#[test]
fn a_daemon_that_is_stopped_killed_and_started_under_load_costs_no_registration_no_call_and_no_evidence() {
    let hosts = Hosts::new();
    let Some(site) = Site::start(&hosts, PbxKind::EdgedAsterisk, "") else { return };
    let daemon = Daemon::start(&site.sipward, &site.config);
    let mut busy: Vec<_> = (0..REGISTRARS + CALLERS).map(|number| Busy::new(&hosts, number)).collect();
    wait_until("all are known", PATIENCE, || {
        site.sipward.json("status").remove(0)["guard"]["phones"] == busy.len()
    });
    let (over, begun) = (AtomicBool::new(false), Instant::now());
    let times = thread::scope(|scope| {
        let work = busy.iter_mut().map(|one| {
            let over = &over;
            scope.spawn(move || one.work(over))
        });
        let work: Vec<_> = work.collect();
        // A panic in it must not leave the phones at work.
        let ends = scope.spawn(|| daemon_ends_and_begins(&hosts, &site, daemon)).join();
        over.store(true, Ordering::Relaxed);
        let times =
            work.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let times: Vec<_> = times.collect();
        ends.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        times
    });
    let (registrations, calls) = times.split_at(REGISTRARS as usize);
    let (registrations, calls) = (registrations.iter().sum::<u32>(), calls.iter().sum::<u32>());
    println!("{registrations} registrations and {calls} calls in {:.1?}, none lost", begun.elapsed());
    assert_eq!(site.dropped(), []);
}

/// Those who guess meanwhile are suspended afterwards.
fn daemon_ends_and_begins(hosts: &Hosts, site: &Site<'_>, mut daemon: Daemon) {
    for round in 0..by_length(1, 20) {
        for (is_killed, account) in [(false, 300 + 2 * round), (true, 301 + 2 * round)] {
            if is_killed {
                daemon.kill()
            } else {
                daemon.terminate()
            }
            fail(&mut guesser(hosts, Transport::Udp, account), 6);
            daemon = Daemon::start(&site.sipward, &site.config);
            wait_until("the guesser is suspended", PATIENCE, || {
                suspended(site).contains(&account.to_string())
            });
        }
    }
}
