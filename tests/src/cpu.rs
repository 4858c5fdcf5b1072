//! The CPU of a test, for state that the kernel has on each CPU.

use std::{io, thread};

/// Keeps this thread on one CPU from now on.
pub fn stay_on_one() {
    // SAFETY: no pointers.
    let here = unsafe { libc::sched_getcpu() };
    stay_on(usize::try_from(here).expect("a CPU"));
}

/// Keeps this thread, and what it starts from now on, on that CPU.
pub fn stay_on(cpu: usize) {
    // SAFETY: all zeros are a valid, empty set; it is filled in range and lives through the call.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    assert_eq!(result, 0, "CPU {cpu}: {}", io::Error::last_os_error());
}

/// For a thread that measures: on a CPU of its own, and before whatever else wants it.
pub fn measure_here() {
    stay_on(measuring());
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: a parameter that lives through the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Lets this thread, and what it starts from now on, run before most others: on a busy machine a PBX that gets no CPU would
/// look like one that is not let through to.
pub fn go_ahead() {
    const NICE: libc::c_int = -10;
    // SAFETY: no pointers.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// The CPU that measurements have for themselves: the last, as devices interrupt the first.
pub fn measuring() -> usize {
    thread::available_parallelism().map_or(1, usize::from) - 1
}

/// The CPU for all that must not disturb a measurement, if there are two.
pub const OTHER: usize = 0;
