//! The configuration file.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use xdp_prog::abi::{MAX_PREFIXES, MAX_SOURCES};

use super::{
    document::{Section, Value},
    edge,
    error::{ConfigError, FileError},
    false_positives,
    flows::FlowLimits,
    forms::FormPolicy,
    guard::GuardPolicy,
    guesses::GuessPolicy,
    limits::Limits,
    newcomers::Newcomers,
    ports::Ports,
    roles::Roles,
    sources,
};
use crate::false_positives::Settings as FalsePositiveSettings;
use sipward_edge::settings::Settings as EdgeSettings;
use sipward_types::{list_entry::single, text_file};

/// Where the configuration is, unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/sipward/sipward.toml";

/// The treatment of packets that a rule objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Count them and let them pass.
    Monitor,
    #[default]
    Enforce,
}

/// A valid configuration: whoever has one need not check it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub interfaces: Vec<String>,
    pub mode: Mode,
    /// True if the text says so; false if it is the default.
    pub says_mode: bool,
    pub trusted: Vec<IpNet>,
    pub banned: Vec<IpNet>,
    pub trusted_only: bool,
    pub says_trusted_only: bool,
    pub drop_options: bool,
    pub drop_unknown_methods: bool,
    /// A signature file; none: the set that comes with sipward.
    pub signatures: Option<PathBuf>,
    /// True if signatures are looked for in what known flows send, too.
    pub search_known: bool,
    /// Whose members may use the control socket, besides root.
    pub group: Option<String>,
    pub roles: Roles,
    pub ports: Ports,
    pub flows: FlowLimits,
    pub forms: FormPolicy,
    pub rate: Limits,
    pub newcomers: Newcomers,
    pub prefix_rate: Limits,
    pub known_rate: Limits,
    pub guesses: GuessPolicy,
    pub guard: GuardPolicy,
    pub edge: Option<EdgeSettings>,
    pub false_positives: FalsePositiveSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            mode: Mode::default(),
            says_mode: false,
            trusted: Vec::new(),
            banned: Vec::new(),
            trusted_only: false,
            says_trusted_only: false,
            drop_options: true,
            drop_unknown_methods: false,
            signatures: None,
            search_known: false,
            group: None,
            roles: Roles::default(),
            ports: Ports::default(),
            flows: FlowLimits::default(),
            forms: FormPolicy::default(),
            rate: Limits::stranger(),
            newcomers: Newcomers::default(),
            prefix_rate: Limits::prefix(),
            known_rate: Limits::known(),
            guesses: GuessPolicy::default(),
            guard: GuardPolicy::default(),
            edge: None,
            false_positives: FalsePositiveSettings::default(),
        }
    }
}

impl Config {
    /// Reads a file; files in it are relative to where it stands.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let text = text_file::read(path).map_err(|error| {
            let problem = format!("cannot read the configuration: {}", text_file::describe(&error));
            ConfigError::File(FileError { origin: origin.clone(), line: None, key: None, problem })
        })?;
        let mut config = Self::parse(&text, &origin)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        config.signatures = config.signatures.map(|file| directory.join(file));
        if let Some(edge) = &mut config.edge {
            edge.accounts = edge.accounts.take().map(|file| directory.join(file));
        }
        Ok(config)
    }

    /// Reads a text; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let mut root = Section::root(text, origin)?;
        let default = Self::default();
        let passing = [("pass", false), ("drop", true)];
        let trusted = root.read("trusted", default.trusted, sources::trusted)?;
        let rate = Limits::read(root.section("rate")?, &default.rate)?;
        let edge = edge::read(root.section("edge")?)?;
        let config = Self {
            interfaces: root.read("interface", default.interfaces, interfaces)?,
            mode: root.read("mode", default.mode, |value| {
                value.choice(&[("monitor", Mode::Monitor), ("enforce", Mode::Enforce)])
            })?,
            banned: root.read("banned", default.banned, |value| sources::banned(value, &trusted))?,
            trusted,
            trusted_only: root.read("trusted_only", default.trusted_only, |value| value.flag())?,
            drop_options: root.read("options", default.drop_options, |value| value.choice(&passing))?,
            drop_unknown_methods: root
                .read("unknown_methods", default.drop_unknown_methods, |value| value.choice(&passing))?,
            signatures: root.read("signatures", default.signatures, |value| file(&value).map(Some))?,
            search_known: root.read("search_known", default.search_known, |value| value.flag())?,
            group: root.read("group", default.group, |value| group(&value).map(Some))?,
            roles: Roles::read(root.section("roles")?)?,
            ports: Ports::read(root.section("ports")?)?,
            flows: FlowLimits::read(root.section("flows")?)?,
            newcomers: Newcomers::read(root.section("newcomers")?)?,
            forms: FormPolicy::read(root.section("forms")?)?,
            prefix_rate: Limits::read(root.section("prefix_rate")?, &default.prefix_rate)?,
            known_rate: Limits::read(root.section("known_rate")?, &default.known_rate.at_least(&rate))?,
            rate,
            guesses: root
                .read("guesses", default.guesses, |value| GuessPolicy::read(value, default.guesses))?,
            guard: GuardPolicy::read(root.section("guard")?, edge.is_some())?,
            edge,
            false_positives: false_positives::read(root.section("ledger")?)?,
            says_mode: root.says("mode"),
            says_trusted_only: root.says("trusted_only"),
        };
        config.check_together(&root)?;
        root.finish()?;
        Ok(config)
    }

    /// Checks that span several keys.
    fn check_together(&self, root: &Section<'_>) -> Result<(), ConfigError> {
        if self.trusted_only && self.trusted.is_empty() && self.mode == Mode::Enforce {
            return Err(
                root.fail("trusted_only", "no source is trusted, so nobody could call; fill trusted first")
            );
        }
        let nets = || self.trusted.iter().chain(&self.banned);
        let addresses = nets().filter(|net| single(**net).is_some()).count();
        let prefixes = nets().count() - addresses;
        for (what, count, room) in
            [("addresses", addresses, MAX_SOURCES), ("prefixes", prefixes, MAX_PREFIXES)]
        {
            // One place is sipward's own.
            if count >= room {
                let key = if self.banned.is_empty() { "trusted" } else { "banned" };
                let problem = format!(
                    "there are {count} {what} here and room for {} in the filter; write shorter prefixes in \
                     place of many",
                    room - 1
                );
                return Err(root.fail(key, problem));
            }
        }
        if let Some(class) = self.rate.beyond(&self.prefix_rate) {
            let key = if root.says("prefix_rate") { "prefix_rate" } else { "rate" };
            let name = class.name();
            let problem = format!(
                "one source may send more {name} than its whole prefix; raise prefix_rate.{name} or lower \
                 rate.{name}"
            );
            return Err(root.fail(key, problem));
        }
        if let Some(class) = self.known_rate.below(&self.rate) {
            let name = class.name();
            let problem = format!(
                "a known source may send less {name} than a stranger; raise known_rate.{name} or leave it out, or \
                 lower rate.{name}"
            );
            return Err(root.fail("known_rate", problem));
        }
        Ok(())
    }
}

fn interfaces(value: Value<'_>) -> Result<Vec<String>, ConfigError> {
    let items = value.items();
    let mut names: Vec<String> = Vec::new();
    for item in &items {
        let name = item.text("the name of an interface, such as \"eth0\", or a list of names")?;
        // The longest name that the kernel accepts, IFNAMSIZ with its end included.
        let fits = (1..16).contains(&name.len()) && name != "." && name != "..";
        if !fits || name.contains(|c: char| c.is_whitespace() || c == '/' || c == ':') {
            return Err(item.fail(format!("\"{name}\" cannot be the name of an interface; see `ip link`")));
        }
        if names.iter().any(|other| other == name) {
            return Err(item.fail(format!("{name} is named twice; remove one")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn group(value: &Value<'_>) -> Result<String, ConfigError> {
    match value.text("the name of a group in quotes")? {
        "" => {
            Err(value
                .fail("this is empty; name a group, or remove the key: then only root may use the socket"))
        }
        name => Ok(name.to_owned()),
    }
}

fn file(value: &Value<'_>) -> Result<PathBuf, ConfigError> {
    match value.text("the path of a signature file in quotes")? {
        "" => {
            Err(value
                .fail("this is empty; name a file, or remove the key for the set that comes with sipward"))
        }
        path => Ok(PathBuf::from(path)),
    }
}
