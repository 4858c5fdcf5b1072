//! The ports on which SIP is spoken.

use std::ops::RangeInclusive;

use xdp_prog::abi::PortSet;

use super::{
    document::{Section, Value},
    error::ConfigError,
};

/// A remote shell. To filter it would put the operator's own session at the mercy of a ban.
const SSH: u16 = 22;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    pub udp: Vec<RangeInclusive<u16>>,
    pub tcp: Vec<RangeInclusive<u16>>,
    pub tls: Vec<RangeInclusive<u16>>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { udp: vec![5060..=5060], tcp: vec![5060..=5060], tls: vec![5061..=5061] }
    }
}

impl Ports {
    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let ports = Self {
            udp: section.read("udp", default.udp, list)?,
            tcp: section.read("tcp", default.tcp, stream_list)?,
            tls: section.read("tls", default.tls, stream_list)?,
        };
        if ports.udp.is_empty() && ports.tcp.is_empty() && ports.tls.is_empty() {
            return Err(
                section.fail("udp", "no port is left to protect; name at least one in udp, tcp or tls")
            );
        }
        if let Some(port) = common(&ports.tcp, &ports.tls) {
            let (key, other) = if section.says("tls") { ("tls", "tcp") } else { ("tcp", "tls") };
            let problem = format!(
                "port {port} is in ports.{other} too; a port speaks TLS or plain TCP, so take it out of one"
            );
            return Err(section.fail(key, problem));
        }
        section.finish()?;
        Ok(ports)
    }
}

/// The bits of a list.
pub(super) fn port_set(ranges: &[RangeInclusive<u16>]) -> PortSet {
    let mut set = PortSet::EMPTY;
    ranges.iter().cloned().flatten().for_each(|port| set.add(port));
    set
}

fn list(value: Value<'_>) -> Result<Vec<RangeInclusive<u16>>, ConfigError> {
    value.list("a list, such as [5060, \"5070-5080\"]")?.iter().map(range).collect()
}

fn stream_list(value: Value<'_>) -> Result<Vec<RangeInclusive<u16>>, ConfigError> {
    let items = value.list("a list, such as [5060, \"5070-5080\"]")?;
    items
        .iter()
        .map(|item| match range(item)? {
            range if range.contains(&SSH) => {
                Err(item.fail("port 22 is ssh, and a ban would lock you out; leave it to its own protection"))
            }
            range => Ok(range),
        })
        .collect()
}

fn range(value: &Value<'_>) -> Result<RangeInclusive<u16>, ConfigError> {
    let Some(text) = value.as_text() else {
        let port = value.number(1..=u32::from(u16::MAX))?;
        // Within `u16`: the line above has seen to it.
        return Ok(port as u16..=port as u16);
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err(value.fail(format!("\"{text}\" is no range of ports; write for example \"5060-5070\""))),
    }
}

/// The lowest port that is in both lists.
fn common(some: &[RangeInclusive<u16>], others: &[RangeInclusive<u16>]) -> Option<u16> {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| one.start() <= other.end() && other.start() <= one.end())
        .map(|(one, other)| *one.start().max(other.start()))
        .min()
}
