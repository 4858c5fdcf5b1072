//! Whole lists at once: imported, exported, refused, interrupted, and their entries in the kernel.

mod crowd;
mod files;
mod interrupted;
mod refusals;

use std::collections::BTreeMap;

use ipnet::IpNet;
use sipward::{clock::Clock, lists::found};
use sipward_kernel::{PinnedProgram, Pins, Tables};
use sipward_tests::{
    command::{Done, Sipward},
    daemon::Daemon,
    frame::udp,
    message::clean,
    namespace::Namespace,
    scratch::Scratch,
};
use sipward_types::list_entry::ListKind;
use sipward_types::time::WallSeconds;
use xdp_prog::reason::Action;

/// Limits would hide what the lists do.
const SETTINGS: &str = "interface = 'eth0'\nmode = 'enforce'\n[rate]\nregister = 'off'\n[prefix_rate]\n\
                        register = 'off'\n[flows]\nper_source = 'off'\nper_prefix = 'off'\n";

/// The process that performs the commands: a daemon, or the command itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Daemon,
    /// The command itself: there is no daemon.
    Local,
}

impl Backend {
    const BOTH: [Self; 2] = [Self::Daemon, Self::Local];
}

/// A protected host.
struct Site<'a> {
    sipward: Sipward<'a>,
    scratch: Scratch,
    daemon: Option<Daemon>,
}

impl<'a> Site<'a> {
    fn new(host: &'a Namespace, backend: Backend) -> Self {
        Self::configured(host, backend, "")
    }

    /// With more settings, which come first.
    fn configured(host: &'a Namespace, backend: Backend, settings: &str) -> Self {
        let sipward = Sipward::new(host);
        let scratch = Scratch::new(host);
        let config = scratch.file("sipward.toml", &format!("{settings}{SETTINGS}"));
        let daemon = match backend {
            Backend::Daemon => Some(Daemon::start(&sipward, &config)),
            Backend::Local => {
                sipward.ok(&format!("attach --config {config}"));
                None
            }
        };
        Self { sipward, scratch, daemon }
    }

    fn restart(&mut self) {
        self.daemon.take().expect("a daemon").terminate();
        let config = self.scratch.0.join("sipward.toml");
        self.daemon = Some(Daemon::start(&self.sipward, &config.display().to_string()));
    }

    /// Imports a text.
    fn import(&self, list: &str, text: &str, options: &str) -> Done {
        let file = self.scratch.file("list.txt", text);
        self.sipward.run(&format!("{list} import {file} {options}"))
    }

    /// The entries of `list --json`, reduced to the fields of an import.
    fn listed(&self, list: &str) -> Vec<Listed> {
        let lines = self.sipward.json(&format!("{list} list"));
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        lines
            .iter()
            .map(|line| Listed {
                source: text(&line["source"]).expect("a source"),
                until: line["until"].as_u64(),
                note: text(&line["note"]),
            })
            .collect()
    }

    fn tables(&self) -> Tables {
        Tables::open(&Pins::at(self.sipward.pins())).unwrap()
    }

    /// The entries in the kernel: for each network its list, and the second of its end.
    fn in_the_kernel(&self) -> BTreeMap<IpNet, (ListKind, Option<u64>)> {
        let (mut tables, clock) = (self.tables(), Clock::read());
        let found = found(&mut tables, clock.kernel, |_| true).unwrap();
        let said = found.into_iter().map(|found| {
            let list_entry = found.list_entry.expect("nothing is unsaved here");
            (found.net, (list_entry.kind, clock.to_wall(list_entry.until).map(WallSeconds::get)))
        });
        said.collect()
    }

    /// The same from the output of `list`.
    fn on_the_lists(&self) -> BTreeMap<IpNet, (ListKind, Option<u64>)> {
        let lists = [("trust", ListKind::Trusted), ("ban", ListKind::Banned)];
        let entries = lists.map(|(list, kind)| {
            self.listed(list).into_iter().map(move |listed| (net(&listed.source), (kind, listed.until)))
        });
        entries.into_iter().flatten().collect()
    }

    /// Returns true if the filter drops packets from the address.
    fn drops(&self, address: &str) -> bool {
        let program = PinnedProgram::open(&Pins::at(self.sipward.pins())).unwrap();
        let frame = udp().from(address).carrying(clean("REGISTER")).build();
        program.test_run(&frame).unwrap() == Action::Drop
    }
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    source: String,
    until: Option<u64>,
    note: Option<String>,
}

fn listed(source: &str, until: Option<u64>, note: Option<&str>) -> Listed {
    Listed { source: source.to_owned(), until, note: note.map(str::to_owned) }
}

fn net(text: &str) -> IpNet {
    sipward_types::address::parse(text).unwrap()
}

fn said(done: &Done, code: i32, stdout: &str) {
    assert_eq!((done.code, done.stdout.as_str()), (Some(code), stdout), "{done}");
}
