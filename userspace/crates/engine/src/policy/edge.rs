//! `[edge]` of the file: the SIP front.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use sipward_edge::{
    digest::{HashFunction, Realm},
    forward::Reach,
    settings::{Challenge, Listen, Settings},
};
use sipward_types::flow::Transport;

use super::{
    document::{Section, Value},
    error::ConfigError,
};

/// A nonce must outlive the answer to it, and should not outlive the day.
const NONCE_LIFETIME: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(86_400);
const DEFAULT_NONCE_LIFETIME: Duration = Duration::from_secs(300);
const LISTEN_MAX: usize = 16;

/// `None`: the file has no such section, and this host no edge.
pub(super) fn read(mut section: Section<'_>) -> Result<Option<Settings>, ConfigError> {
    let name = section.read("name", None, |value| host(&value).map(Some))?;
    let listen = section.read("listen", Vec::new(), |value| listeners(value, name.as_deref()))?;
    let read_address = |value: Value<'_>| address(&value).map(Some);
    let inner = section.read("inner", None, read_address)?;
    let pbx = section.read("pbx", None, read_address)?;
    let realm = section.read("realm", None, |value| realm(&value).map(Some))?;
    let challenge = section.read("challenge", Challenge::default(), |value| {
        value.choice(&[
            ("401", Challenge::Unauthorized),
            ("407", Challenge::ProxyAuthentication),
            ("both", Challenge::Both),
        ])
    })?;
    let is_silent =
        section.read("refusals", false, |value| value.choice(&[("answer", false), ("silence", true)]))?;
    let algorithms = section.read("algorithms", vec![HashFunction::Md5], algorithms)?;
    let nonce_lifetime =
        section.read("nonce_lifetime", DEFAULT_NONCE_LIFETIME, |value| value.length(&NONCE_LIFETIME))?;
    let reach = section.read("reach", Reach::Contact, |value| {
        value.choice(&[
            ("contact", Reach::Contact),
            ("path", Reach::Path),
            ("path-always", Reach::PathAlways),
        ])
    })?;
    let accounts = section.read("accounts", None, |value| file(&value).map(Some))?;
    let keys = ["listen", "inner", "pbx", "realm"];
    if !keys.iter().any(|key| section.says(key)) {
        section.finish()?;
        return Ok(None);
    }
    let (Some(inner), Some(pbx), Some(realm)) = (inner, pbx, realm) else {
        let missing = keys.into_iter().find(|key| !section.says(key)).unwrap_or("listen");
        return Err(section
            .fail(missing, "the edge needs this: see the section [edge] of the commented configuration"));
    };
    check_together(&section, &listen, inner, pbx)?;
    section.finish()?;
    Ok(Some(Settings {
        listen,
        inner,
        pbx,
        realm,
        challenge,
        is_silent,
        algorithms,
        nonce_lifetime,
        reach,
        accounts,
    }))
}

fn check_together(
    section: &Section<'_>,
    listen: &[Listen],
    inner: SocketAddr,
    pbx: SocketAddr,
) -> Result<(), ConfigError> {
    if listen.is_empty() {
        return Err(section.fail("listen", "name at least one, such as \"udp:203.0.113.5:5060\""));
    }
    if inner == pbx {
        return Err(
            section.fail("pbx", "this is the edge's own address of `inner`; write where the PBX listens")
        );
    }
    if inner.ip().is_unspecified() {
        return Err(section.fail("inner", "the PBX needs one address that it answers to; write it"));
    }
    if inner.is_ipv4() != pbx.is_ipv4() {
        return Err(section.fail("inner", "this and `pbx` have to be of the same IP version"));
    }
    for own in listen {
        let is_at = |other: SocketAddr| {
            own.address.port() == other.port()
                && (own.address.ip() == other.ip() || own.address.ip().is_unspecified())
        };
        for (key, other) in [("inner", inner), ("pbx", pbx)] {
            if is_at(other) {
                return Err(
                    section.fail(key, format!("{other} is in `listen`, too; take another port for one"))
                );
            }
        }
    }
    Ok(())
}

fn listeners(value: Value<'_>, name: Option<&str>) -> Result<Vec<Listen>, ConfigError> {
    let mut listen: Vec<Listen> = Vec::new();
    for item in value.items() {
        let text =
            item.text("a transport and an address, such as \"udp:203.0.113.5:5060\", or a list of them")?;
        let (transport, address) = text.split_once(':').unwrap_or((text, ""));
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            _ => return Err(item.fail(format!("\"{text}\" does not begin with udp: or tcp:"))),
        };
        let address: SocketAddr = address.parse().map_err(|_| {
            item.fail(format!(
                "\"{address}\" is no address with a port, such as 203.0.113.5:5060 or [2001:db8::5]:5060"
            ))
        })?;
        if listen.iter().any(|other| other.transport == transport && other.address == address) {
            return Err(item.fail(format!("{text} is named twice; remove one")));
        }
        let advertised = match name {
            Some(name) => name.to_owned(),
            // A phone would look for it on its own host.
            None if address.ip().is_unspecified() => {
                return Err(item.fail(format!(
                    "phones cannot reach {}; write the public name or address of this host into `name`",
                    address.ip()
                )));
            }
            None if address.is_ipv6() => format!("[{}]", address.ip()),
            None => address.ip().to_string(),
        };
        if listen.len() == LISTEN_MAX {
            return Err(item.fail(format!("more than {LISTEN_MAX}; leave some out")));
        }
        listen.push(Listen { transport, address, advertised });
    }
    Ok(listen)
}

fn address(value: &Value<'_>) -> Result<SocketAddr, ConfigError> {
    let text = value.text("an address with a port in quotes, such as \"127.0.0.1:5080\"")?;
    let address = text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
    address.ok_or_else(|| {
        value.fail(format!("\"{text}\" is no address with a port, such as 127.0.0.1:5080 or [::1]:5080"))
    })
}

fn host(value: &Value<'_>) -> Result<String, ConfigError> {
    let text = value.text("a host name or an address in quotes")?;
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
    if text.is_empty() || text.len() > 100 || !text.chars().all(is_of_host) {
        return Err(value.fail(format!("\"{text}\" is neither a host name nor an address")));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => Err(value
            .fail(format!("phones cannot reach {address}; write the public name or address of this host"))),
        // In SIP, an IPv6 address is in brackets.
        Ok(address) if address.is_ipv6() => Ok(format!("[{address}]")),
        Err(_) if text.contains(':') => Err(value.fail("a name has no port here; the ports are in `listen`")),
        _ => Ok(text.to_owned()),
    }
}

fn realm(value: &Value<'_>) -> Result<Realm, ConfigError> {
    let text = value.text("the realm in quotes, such as \"sip.example.com\"")?;
    Realm::new(text).map_err(|error| value.fail(error.to_string()))
}

fn algorithms(value: Value<'_>) -> Result<Vec<HashFunction>, ConfigError> {
    let nothing = value.fail("without an algorithm nobody can register; write \"MD5\", or leave the key out");
    let choices = HashFunction::ALL.map(|function| (function.name(), function));
    let mut algorithms = Vec::new();
    for item in value.items() {
        let algorithm = item.choice(&choices)?;
        if algorithms.contains(&algorithm) {
            return Err(item.fail("this is named twice; remove one"));
        }
        algorithms.push(algorithm);
    }
    if algorithms.is_empty() { Err(nothing) } else { Ok(algorithms) }
}

fn file(value: &Value<'_>) -> Result<PathBuf, ConfigError> {
    match value.text("the path of a file of accounts in quotes")? {
        "" => Err(value.fail("this is empty; name a file, or remove the key")),
        path => Ok(PathBuf::from(path)),
    }
}
