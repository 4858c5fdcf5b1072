//! `sipward attach` and `sipward detach`.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Serialize;
use xdp_prog::abi::FOREVER;

use super::{
    failure::{Failure, wrong},
    output::Output,
};
use crate::{
    kernel::{self, Filter, LoadOptions, Pins, Tables, XdpChoice, XdpMode},
    policy::{Config, DEFAULT_PATH, Mode, Resolved},
    roster::Roster,
    signature::Compiled,
};

/// Put the filter on network interfaces, where it stays until `sipward detach`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward attach --iface eth0 --monitor\n          sipward attach --config sipward.toml\n\n\
                  Without --config, /etc/sipward/sipward.toml is read if it is there. Attaching again puts a changed \
                  configuration, or a new version of sipward, in place of the old one without a gap."
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

#[derive(Serialize)]
struct AttachedLine<'a> {
    interface: &'a str,
    xdp: &'static str,
}

impl Attach {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let file = self.config_file();
        let settings = Settings::read(file.as_deref(), self.mode())?;
        let interfaces =
            if self.interfaces.is_empty() { &settings.resolved.interfaces } else { &self.interfaces };
        if interfaces.is_empty() {
            return Err(wrong(
                "name an interface: --iface eth0, or `interface = \"eth0\"` in the configuration",
            ));
        }
        let pins = Pins::default();
        let choice = self.choice();
        for interface in interfaces {
            kernel::check(&pins, interface, choice)?;
        }

        let _lock = pins.claim()?;
        let running = pins.is_there()?;
        let mut filter = Filter::load(&LoadOptions { pins: Some(pins.clone()), ..LoadOptions::default() })?;
        // A running filter keeps what it has until all interfaces are sure to be protected.
        if !running {
            settings.apply(&mut filter)?;
        }
        let modes = interfaces.iter().map(|interface| filter.attach(interface, choice));
        let modes = modes.collect::<Result<Vec<_>, _>>()?;
        if running {
            match (&file, self.mode()) {
                (Some(_), _) => settings.apply(&mut filter)?,
                (None, Some(mode)) => super::mode::set(&mut filter, mode)?,
                (None, None) => {}
            }
        }
        let policy = filter.policy()?;
        filter.persist()?;
        report(output, interfaces, &modes, policy.is_some_and(|policy| policy.enforce != 0))
    }

    fn config_file(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.exists());
        self.config.clone().or_else(default)
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

/// Everything that the filter is loaded with, valid as a whole.
struct Settings {
    resolved: Resolved,
    signatures: Compiled,
}

impl Settings {
    fn read(file: Option<&Path>, mode: Option<Mode>) -> Result<Self, Failure> {
        let mut config = file.map(Config::load).transpose()?.unwrap_or_default();
        config.mode = mode.unwrap_or(config.mode);
        let resolved = config.resolve()?;
        let signatures = resolved.signatures.compile()?;
        Ok(Self { resolved, signatures })
    }

    /// The lists first: nobody who is trusted may meet a rule before.
    fn apply(&self, tables: &mut Tables) -> Result<(), Failure> {
        let mut roster = Roster::open(tables, kernel::now())?;
        for net in &self.resolved.trusted {
            roster.trust(*net, FOREVER)?;
        }
        for net in &self.resolved.banned {
            roster.ban(*net, FOREVER)?;
        }
        super::signature::put_in_force(tables, &self.signatures)?;
        let mut policy = self.resolved.policy.clone();
        policy.key = random();
        Ok(tables.set_policy(&policy)?)
    }
}

/// The standard library's hashers are keyed by the system's random numbers.
fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

fn report(
    output: &mut Output,
    interfaces: &[String],
    modes: &[XdpMode],
    enforce: bool,
) -> Result<(), Failure> {
    for (interface, mode) in interfaces.iter().zip(modes) {
        let how = match mode {
            XdpMode::Native => "in the driver (native XDP)",
            XdpMode::Generic => "in the network stack (generic XDP, slower than in the driver)",
            XdpMode::Offloaded => "in the network card",
        };
        output.say(format_args!("{interface}: protected {how}"))?;
        output.object(&AttachedLine { interface, xdp: mode.name() })?;
    }
    if !enforce {
        output.say(
            "Monitor mode: what would be dropped is counted and passes. `sipward mode enforce` drops it.",
        )?;
    }
    Ok(())
}

/// Take the filter off network interfaces; off the last one, nothing of it stays
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward detach\n          sipward detach --iface eth0")]
pub(super) struct Detach {
    /// Interface to leave; several may be given. Without one, all
    #[arg(long = "iface", value_name = "NAME")]
    interfaces: Vec<String>,
}

#[derive(Serialize)]
struct DetachedLine<'a> {
    detached: &'a str,
}

impl Detach {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let _lock = pins.lock()?;
        for interface in kernel::detach(&pins, &self.interfaces)? {
            output.say(format_args!("{interface}: no longer protected"))?;
            output.object(&DetachedLine { detached: &interface })?;
        }
        Ok(())
    }
}
