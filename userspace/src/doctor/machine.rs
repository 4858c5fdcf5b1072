//! Checks of the kernel's features and of this process's capabilities.

use super::{
    finding::{Finding, sysctl},
    read,
};
use sipward_kernel::{self as kernel, Features};

pub(super) struct Facts {
    /// The output of `uname -r`.
    release: String,
    features: Features,
    /// `net.core.bpf_jit_enable`; none where this network namespace does not show it.
    jit: Option<u64>,
    /// Bytes; none: as much as one likes.
    memlock: Option<u64>,
    root: bool,
    missing: Vec<&'static str>,
}

const JIT: &str = "net.core.bpf_jit_enable";

pub(super) fn read() -> Facts {
    Facts {
        release: read::text("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        features: Features::probe(),
        jit: read::setting(JIT),
        memlock: memlock(),
        // SAFETY: no arguments, cannot fail.
        root: unsafe { libc::geteuid() } == 0,
        // Unreadable only without /proc; then nothing counts as missing.
        missing: kernel::missing_capabilities().unwrap_or_default(),
    }
}

fn memlock() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for one `rlimit`; the resource exists on every Linux, so it cannot fail.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    vec![kernel(facts), jit(facts.jit), memory(facts), capabilities(facts)]
}

fn kernel(Facts { release, features, .. }: &Facts) -> Finding {
    let Features { ring_buffer, coarse_clock, xdp_links } = *features;
    let all = [
        ("BPF ring buffers", ring_buffer),
        ("a coarse clock for BPF", coarse_clock),
        ("XDP links", xdp_links),
    ];
    let those = |wanted| {
        let names = all.iter().filter(|(_, there)| *there == wanted).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (lacking, unseen) = (those(Some(false)), those(None));
    if !lacking.is_empty() {
        return Finding::bad(
            "kernel",
            format!("Linux {release} lacks {lacking}"),
            "install Linux 6.1 or newer",
        );
    }
    if !unseen.is_empty() {
        return Finding::unseen("kernel", &format!("whether Linux {release} has {unseen}"));
    }
    Finding::ok("kernel", format!("Linux {release} has {}", those(Some(true))))
}

fn jit(jit: Option<u64>) -> Finding {
    match jit {
        Some(0) => Finding::warn(
            "bpf-jit",
            "the kernel interprets the filter, which makes each packet several times as expensive",
            sysctl(&[(JIT, 1)]),
        ),
        Some(_) => Finding::ok("bpf-jit", "the kernel compiles the filter"),
        None => Finding::warn(
            "bpf-jit",
            format!("this network namespace does not show {JIT}"),
            "look where it is shown: `nsenter --net=/proc/1/ns/net sysctl net.core.bpf_jit_enable`; 0 is slow",
        ),
    }
}

/// Only kernels that still charge maps to this limit care; they are those without the coarse clock.
fn memory(Facts { features, memlock, .. }: &Facts) -> Finding {
    /// All maps, full.
    const ENOUGH: u64 = 1 << 30;
    match (features.coarse_clock, memlock) {
        (Some(true), _) => Finding::ok("memlock", "this kernel does not limit BPF maps by it"),
        (_, None) => Finding::ok("memlock", "unlimited"),
        (_, Some(limit)) if *limit >= ENOUGH => Finding::ok("memlock", format!("{} MiB", limit >> 20)),
        (Some(false), Some(limit)) => Finding::bad(
            "memlock",
            format!("{} KiB, and this kernel counts BPF maps against it", limit >> 10),
            "`ulimit -l unlimited`, or `LimitMEMLOCK=infinity` in the unit",
        ),
        (None, Some(_)) => Finding::unseen("memlock", "whether this kernel counts BPF maps against it"),
    }
}

fn capabilities(Facts { root, missing, .. }: &Facts) -> Finding {
    if missing.is_empty() {
        return Finding::ok("capabilities", "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
    }
    let found = format!("without {}", missing.join(", "));
    if *root {
        Finding::bad(
            "capabilities",
            found,
            "give them to the container or the unit: `--cap-add` for docker, `CapabilityBoundingSet=` for \
             systemd",
        )
    } else {
        Finding::warn("capabilities", found, "run sipward as root, or through `sudo`")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    fn facts() -> Facts {
        let features = Features { ring_buffer: Some(true), coarse_clock: Some(true), xdp_links: Some(true) };
        Facts {
            release: "6.12.1".to_owned(),
            features,
            jit: Some(1),
            memlock: Some(8 << 20),
            root: true,
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_host_as_it_should_be_is_ok() {
        for finding in check(&facts()) {
            says(&finding, State::Ok, &[]);
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_named() {
        let with = |features| kernel(&Facts { features, ..facts() });
        let all = facts().features;
        says(
            &with(all),
            State::Ok,
            &["Linux 6.12.1 has BPF ring buffers, a coarse clock for BPF, XDP links"],
        );
        says(
            &with(Features { ring_buffer: Some(false), coarse_clock: None, ..all }),
            State::Bad,
            &["Linux 6.12.1 lacks BPF ring buffers", "Linux 6.1 or newer"],
        );
        says(
            &with(Features { coarse_clock: None, ..all }),
            State::Warn,
            &["may not see whether Linux 6.12.1 has a coarse clock for BPF", "sudo sipward doctor"],
        );
    }

    #[test]
    fn an_interpreted_filter_is_slow() {
        says(&jit(Some(1)), State::Ok, &[]);
        says(&jit(Some(2)), State::Ok, &[]);
        says(&jit(Some(0)), State::Warn, &["sysctl -w net.core.bpf_jit_enable=1"]);
        says(&jit(None), State::Warn, &["this network namespace", "nsenter --net=/proc/1/ns/net"]);
    }

    #[test]
    fn locked_memory_matters_only_to_kernels_that_count_maps_as_such() {
        for (coarse_clock, memlock, state) in [
            (Some(true), Some(64 << 10), State::Ok),
            (Some(false), None, State::Ok),
            (Some(false), Some(2 << 30), State::Ok),
            (Some(false), Some(64 << 10), State::Bad),
            (None, None, State::Ok),
            (None, Some(64 << 10), State::Warn),
        ] {
            let features = Features { coarse_clock, ..facts().features };
            let finding = memory(&Facts { features, memlock, ..facts() });
            assert_eq!(finding.state, state, "{coarse_clock:?} {memlock:?}");
        }
        let old = Features { coarse_clock: Some(false), ..facts().features };
        let finding = memory(&Facts { features: old, memlock: Some(64 << 10), ..facts() });
        says(&finding, State::Bad, &["64 KiB", "ulimit -l unlimited", "LimitMEMLOCK=infinity"]);
    }

    #[test]
    fn a_missing_capability_is_bad_for_root_only() {
        let with = |root, missing| capabilities(&Facts { root, missing, ..facts() });
        says(&with(true, vec!["CAP_BPF"]), State::Bad, &["without CAP_BPF", "CapabilityBoundingSet="]);
        says(
            &with(false, vec!["CAP_BPF", "CAP_NET_ADMIN"]),
            State::Warn,
            &["CAP_BPF, CAP_NET_ADMIN", "sudo"],
        );
        says(&with(false, Vec::new()), State::Ok, &[]);
    }
}
