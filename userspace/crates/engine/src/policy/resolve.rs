//! From the configuration to what the filter takes.

use ipnet::IpNet;
use xdp_prog::abi::{FOREVER, Policy, SourceEntry, kind};

use super::{
    config::{Config, Mode},
    error::ConfigError,
    guard::GuardPolicy,
    limits::ticks,
    ports::port_set,
    roles::Roles,
};
use crate::false_positives;
use sipward_edge::settings::Settings as EdgeSettings;
use sipward_signature::SignatureSet;

/// Everything that is loaded into the filter.
#[derive(Debug)]
pub struct Resolved {
    pub interfaces: Vec<String>,
    pub group: Option<String>,
    pub roles: Roles,
    pub mode: Mode,
    pub policy: Box<Policy>,
    pub trusted: Vec<IpNet>,
    pub banned: Vec<IpNet>,
    pub signatures: SignatureSet,
    pub guard: GuardPolicy,
    pub edge: Option<EdgeSettings>,
    pub false_positives: false_positives::Settings,
}

impl Config {
    pub fn resolve(&self) -> Result<Resolved, ConfigError> {
        Ok(Resolved {
            interfaces: self.interfaces.clone(),
            group: self.group.clone(),
            roles: self.roles.clone(),
            mode: self.mode,
            policy: Box::new(self.policy()),
            trusted: self.trusted.clone(),
            banned: self.banned.clone(),
            signatures: self.signature_set()?,
            guard: self.guard,
            edge: self.edge.clone(),
            false_positives: self.false_positives,
        })
    }

    /// The set that comes with sipward, with the configured file laid over it.
    fn signature_set(&self) -> Result<SignatureSet, ConfigError> {
        let shipped = SignatureSet::shipped();
        match &self.signatures {
            Some(file) => Ok(shipped.overlaid(&SignatureSet::load(file)?)),
            None => Ok(shipped),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            enforce: u8::from(self.mode == Mode::Enforce),
            trusted_only: u8::from(self.trusted_only),
            drop_options: u8::from(self.drop_options),
            drop_unknown_methods: u8::from(self.drop_unknown_methods),
            flow_window: ticks(self.flows.window),
            flows_per_source: self.flows.per_source.unwrap_or(0),
            flows_per_prefix: self.flows.per_prefix.unwrap_or(0),
            key: 0,
            newcomer_packets: self.newcomers.packets.unwrap_or(0),
            forms: self.forms.bits(),
            search_known: u8::from(self.search_known),
            reserved: [0; 3],
            fingerprint_key: [0; 2],
            stranger: self.rate.resolve(),
            newcomers: self.newcomers.limits.resolve(),
            prefix: self.prefix_rate.resolve(),
            known: self.known_rate.resolve(),
            guesses: self.guesses.resolve(),
            udp: port_set(&self.ports.udp),
            tcp: port_set(&self.ports.tcp),
            tls: port_set(&self.ports.tls),
        }
    }
}

impl Resolved {
    /// The entries of the configured sources. The configuration has no ban inside a trusted prefix, so none
    /// of them is in the shadow of another.
    pub fn entries(&self) -> impl Iterator<Item = (IpNet, SourceEntry)> + '_ {
        let entry = |kind| SourceEntry { expires: FOREVER, kind, ..SourceEntry::default() };
        let trusted = self.trusted.iter().map(move |net| (*net, entry(kind::TRUSTED)));
        trusted.chain(self.banned.iter().map(move |net| (*net, entry(kind::BANNED))))
    }
}
