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

/// Put the filter on network interfaces, where it stays until `sipward detach`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward attach --iface eth0 --monitor\n          sipward attach --config sipward.toml\n\n\
                  Without --config, /etc/sipward/sipward.toml is read if it is there. Attaching again puts a changed \
                  configuration, or a new version of sipward, in place of the old one without a gap.\n\nWhile the \
                  daemon runs (`sipward run`), it takes no options, and puts the filter back where `sipward detach` \
                  took it off."
)]
pub(super) struct Attach {
    /// Interface to protect; several may be given. Without one, those of the configuration
    #[arg(long = "iface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only count what would be dropped
    #[arg(long, conflicts_with = "enforce")]
    monitor: bool,
    /// Drop what a rule objects to
    #[arg(long)]
    enforce: bool,
    /// In the driver, or in the network stack; without it, in the driver where that can do it
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
                "the daemon runs and goes by its configuration file: change that, then `sipward reload`; or `sipward \
                 mode monitor`",
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
        // A running filter without a word about it keeps its rules.
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
                "Monitor mode: what would be dropped is counted and passes. `sipward mode enforce` drops it.",
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

/// All of the interfaces or none of them.
fn take_back(pins: &Pins, before: &[String]) -> Result<(), kernel::Error> {
    let new: Vec<_> =
        pins.interfaces()?.into_iter().filter(|interface| !before.contains(interface)).collect();
    // None would mean all.
    if new.is_empty() && !before.is_empty() { Ok(()) } else { kernel::detach(pins, &new).map(drop) }
}

/// Take the filter off network interfaces; off the last one, nothing of it stays in the kernel
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward detach\n          sipward detach --iface eth0\n\nThe daemon, if it runs, stays, \
                  and leaves them alone until `sipward attach`."
)]
pub(super) struct Detach {
    /// Interface to leave; several may be given. Without one, all
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
        for detached in kernel::detach(&pins, &self.interfaces)? {
            output.object(&item::Detached { detached: detached.clone() })?;
            show(item::Detached { detached }, output)?;
        }
        if let Err(error) = note(&self.interfaces.join(" ")) {
            output.warn(&format!("done, but not in the audit trail: {error}"))?;
        }
        Ok(())
    }
}

/// That the filter was taken off, and by whom. Not where there is no store: a new one would pass for all there is.
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
