//! `sipward attach` and `sipward detach`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    backend::{alone, ask, connect, store_notice},
    failure::{Failure, wrong},
    output::Output,
    reload,
};
use crate::{
    clock::Clock,
    control::{DaemonLock, this_process},
    controller::{Controller, Reply, Settings},
    paths,
    store::{Store, StoreError},
};
use sipward_api::{self as protocol, Call, SetMode, item};
use sipward_engine::policy::{DEFAULT_PATH, Mode};
use sipward_kernel::{self as kernel, Pins, XdpChoice};

/// Attach the filter to network interfaces, where it stays until `sipward detach`
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward attach --iface eth0 --monitor\n          sipward attach --config \
                  sipward.toml\n\nWithout --config, it reads /etc/sipward/sipward.toml if that exists. A \
                  second `attach` replaces the configuration or the version of sipward in force without a \
                  gap.\n\nWhile the daemon runs (`sipward run`), `attach` takes no options and puts the \
                  filter back where `sipward detach` removed it.")]
pub(super) struct Attach {
    /// Interface to protect; repeatable. Default: those of the configuration
    #[arg(long = "iface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Monitor mode: count packets that would drop, and pass them
    #[arg(long, conflicts_with = "enforce")]
    monitor: bool,
    /// Enforce mode: drop packets that a rule objects to
    #[arg(long)]
    enforce: bool,
    /// XDP mode: in the driver, or in the network stack. Default: the driver if it supports XDP
    #[arg(long, value_name = "MODE")]
    xdp: Option<Xdp>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Xdp {
    Native,
    Generic,
}

impl Attach {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        if connect()?.is_some() {
            return self.attach_by_daemon(output);
        }
        let settings = self.settings()?;
        let configured = &settings.resolved.interfaces;
        let interfaces = if self.interfaces.is_empty() { configured } else { &self.interfaces }.clone();
        if interfaces.is_empty() {
            return Err(wrong(
                "name an interface: --iface eth0, or `interface = \"eth0\"` in the configuration",
            ));
        }
        let pins = Pins::default();
        for interface in &interfaces {
            kernel::check(&pins, interface, self.choice())?;
        }
        let _lock = pins.claim()?;
        if DaemonLock::is_held(&paths::runtime())? {
            return self.attach_by_daemon(output);
        }
        self.attach(&pins, &interfaces, settings, output)
    }

    fn attach_by_daemon(&self, output: &mut Output) -> Result<(), Failure> {
        let optional = !self.interfaces.is_empty()
            || self.config.is_some()
            || self.mode().is_some()
            || self.xdp.is_some();
        if optional {
            return Err(wrong(
                "the daemon runs with its configuration file: change that, then `sipward reload`; or \
                 `sipward mode monitor`",
            ));
        }
        ask(&Call::Attach, output, reload::show)
    }

    fn attach(
        &self,
        pins: &Pins,
        interfaces: &[String],
        settings: Settings,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let running = pins.is_there()?;
        // A running filter keeps its rules if no configuration is given.
        let silent = running && settings.file.is_none();
        let mode = self.mode().filter(|_| silent);
        let fresh = running || self.mode().is_some();
        let (mut controller, started) = Controller::start(pins, (!silent).then_some(settings), fresh)?;
        if let Some(notice) = store_notice(&started.store) {
            output.warn(&notice)?;
        }
        let before = pins.interfaces()?;
        let attach = |interface: &String| controller.attach(interface, self.choice());
        let modes = match interfaces.iter().map(attach).collect::<Result<Vec<_>, _>>() {
            Ok(modes) => modes,
            Err(error) => {
                take_back(pins, &before)?;
                return Err(error.into());
            }
        };
        for (interface, mode) in interfaces.iter().zip(modes) {
            output.object(&item::Attached {
                interface: interface.clone(),
                xdp: Some(mode.name().to_owned()),
            })?;
            output.say(format_args!("{interface}: {}", reload::how(Some(mode.name()))))?;
        }
        if let Some(mode) = mode {
            let call = Call::Mode(SetMode { enforce: mode == Mode::Enforce });
            controller.perform(&call, &this_process(), &mut Reply::default())?;
        }
        let mut reply = Reply::default();
        controller.note(&this_process(), "attach", &interfaces.join(" "), &mut reply);
        reply.notices.iter().try_for_each(|notice| output.warn(notice))?;
        if !controller.enforces()? {
            output.say(
                "Monitor mode: packets that would drop are counted and pass. `sipward mode enforce` drops \
                 them.",
            )?;
        }
        Ok(())
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let default = || Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.exists());
        let file = self.config.clone().or_else(default);
        Ok(Settings::read(file.as_deref(), self.mode())?)
    }

    fn mode(&self) -> Option<Mode> {
        match (self.monitor, self.enforce) {
            (true, _) => Some(Mode::Monitor),
            (_, true) => Some(Mode::Enforce),
            _ => None,
        }
    }

    fn choice(&self) -> XdpChoice {
        match self.xdp {
            None => XdpChoice::Auto,
            Some(Xdp::Native) => XdpChoice::Native,
            Some(Xdp::Generic) => XdpChoice::Generic,
        }
    }
}

/// Attaches all of the interfaces or none.
fn take_back(pins: &Pins, before: &[String]) -> Result<(), kernel::Error> {
    let new: Vec<_> =
        pins.interfaces()?.into_iter().filter(|interface| !before.contains(interface)).collect();
    // An empty list would mean all.
    if new.is_empty() && !before.is_empty() { Ok(()) } else { kernel::detach(pins, &new).map(drop) }
}

/// Remove the filter from network interfaces; after the last one, it leaves the kernel
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward detach\n          sipward detach --iface eth0\n\nA running daemon keeps \
                  running and leaves these interfaces alone until `sipward attach`."
)]
pub(super) struct Detach {
    /// Interface to leave; repeatable. Default: all
    #[arg(long = "iface", value_name = "NAME")]
    interfaces: Vec<String>,
}

impl Detach {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let show = |item::Detached { detached }, output: &mut Output| {
            Ok(output.say(format_args!("{detached}: no longer protected"))?)
        };
        if connect()?.is_some() {
            let call = Call::Detach(protocol::Detach { interfaces: self.interfaces.clone() });
            return ask(&call, output, show);
        }
        // Not by a controller: this is also the way out where it cannot read what another build has left.
        let pins = Pins::default();
        // A daemon that came meanwhile would put the filter back.
        let Some(_lock) = alone(&pins)? else { return self.run(output) };
        let unsaved = unsaved(&pins);
        for detached in kernel::detach(&pins, &self.interfaces)? {
            output.object(&item::Detached { detached: detached.clone() })?;
            show(item::Detached { detached }, output)?;
        }
        if let Some(fault) = unsaved.filter(|_| !pins.is_there().unwrap_or(true)) {
            output.warn(&format!("changes that were not saved went with the filter: {fault}"))?;
        }
        if let Err(error) = note(&self.interfaces.join(" ")) {
            output.warn(&format!("done, but not in the audit trail: {error}"))?;
        }
        Ok(())
    }
}

/// Saves what only the kernel has, which goes with the filter. The fault, if that fails; where there is no store, or nothing
/// of the filter can be read, nothing is saved.
fn unsaved(pins: &Pins) -> Option<String> {
    if !paths::store().exists() {
        return None;
    }
    Controller::open(pins).ok()?.0.unsaved()
}

/// Records the removal and its author. It does not create a store: a new one would count as the complete state.
fn note(interfaces: &str) -> Result<(), StoreError> {
    let path = paths::store();
    if let Ok(false) = path.try_exists() {
        return Ok(());
    }
    let mut store = Store::open(&path)?;
    let mut change = store.begin()?;
    change.audit(&this_process().name, "detach", interfaces, "", &Clock::read())?;
    change.commit()
}
