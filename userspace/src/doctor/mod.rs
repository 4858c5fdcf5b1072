//! Checks of a host for the operator: each check is a pure function of facts, beside a thin reader that finds them.

mod backlog;
mod bpffs;
mod clock;
mod config;
mod conntrack;
mod edge;
mod filter;
mod finding;
mod interface;
mod machine;
mod ownership;
mod read;
mod roles;
mod socket;
mod store;

use std::{collections::BTreeSet, iter, path::Path};

pub use self::finding::{Finding, State};
use crate::paths;
use sipward_engine::policy::Config;
use sipward_kernel::Pins;

/// Runs every check. `named`: the operator named the configuration file, so it must exist.
pub fn examine(config: &Path, named: bool) -> Vec<Finding> {
    let pins = Pins::default();
    let (file, config) = config::read(config, named);
    let config_findings = config::check(&file);
    let config = config.unwrap_or_default();
    let filter = filter::read(&pins);

    let mut findings = machine::check(&machine::read());
    findings.push(bpffs::check(&bpffs::read()));
    findings.extend(config_findings);
    findings.push(filter::check(&filter));
    let daemon = filter::Daemon::at(&paths::socket(&paths::runtime()));
    findings.push(daemon.check());
    findings.extend(roles::check(&roles::read(&paths::socket(&paths::runtime()), &config)));
    findings.extend(edge::check(&edge::read(&paths::socket(&paths::runtime()), config.edge.is_some())));
    findings.extend(store::check(&store::read(&paths::store()), daemon.runs()));
    findings.extend(interfaces(&pins, &config, filter.is_loaded()));
    findings.extend(conntrack::check(conntrack::read(), &config.ports.udp));
    findings.extend(socket::check(&socket::read(&config.ports.udp)));
    findings.push(backlog::check(&backlog::read()));
    findings.push(clock::check(&clock::read()));
    findings
}

/// Those of the configuration and those that the filter was put on.
fn interfaces(pins: &Pins, config: &Config, loaded: bool) -> Vec<Finding> {
    // The check of the filter has reported missing permissions already.
    let others = pins.others().unwrap_or_default();
    let filters = iter::once(pins).chain(&others);
    let attached: Vec<_> = filters.flat_map(|pins| pins.interfaces().unwrap_or_default()).collect();
    let names: BTreeSet<_> = config.interfaces.iter().chain(&attached).collect();
    if names.is_empty() {
        return vec![Finding::warn(
            "interface",
            "none is named in the configuration",
            "`interface = \"eth0\"` in the configuration, or `sipward attach --iface eth0`",
        )];
    }
    names.into_iter().flat_map(|name| interface::check(&interface::read(pins, name, loaded))).collect()
}
