//! `sipward explain`.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use clap::Args;
use ipnet::IpNet;

use super::{
    account::{self, say_sources},
    audit::say_history,
    backend::ask,
    diagnosis::say_diagnoses,
    failure::Failure,
    lists::time_left,
    output::{Align, Output, Table, grouped},
    suspensions::{closed_row, closed_table},
    time::local,
};
use sipward_api::{
    self as protocol, Call,
    explanation::{Explanation, KnownFlow, KnownSource, ListRule, RuleCount, SourceDrops},
    name::{FilterMode, SourceClass},
};
use sipward_types::{
    list_entry::{Origin, single},
    printable::printable,
};

/// Explain the treatment of an address or an account, and how to change it
#[derive(Debug, Args)]
#[command(
    name = "explain",
    after_help = "Examples: sipward explain 198.51.100.7\n          sipward explain 201\n\nAn argument that \
                  looks like an address is one; for an account with such a name: `sipward account show \
                  NAME`. The forecasts come from the code of the filter and its present counters, and they \
                  spend no budget of the address."
)]
pub(super) struct ExplainCommand {
    /// Address such as 192.0.2.1, or the user name that a phone authenticates with
    #[arg(value_name = "ADDRESS|ACCOUNT")]
    about: About,
}

/// The subject of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    Address(IpAddr),
    Account(String),
}

impl FromStr for About {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => return Ok(Self::Address(address)),
            Err(_) => text.parse::<IpNet>(),
        };
        // The form that `events` prints.
        if let Ok(with_port) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(with_port.ip()));
        }
        match net.map(single) {
            Ok(Some(address)) => Ok(Self::Address(address)),
            Ok(None) => Err(format!(
                "this is a prefix; name one address of it, or see `sipward ban list --within {text}`, \
                 `sipward trust list --within {text}` and `sipward account list --within {text}`"
            )),
            Err(_) if text.is_empty() => Err("name an address or an account".to_owned()),
            Err(_) if is_almost_an_address(text) => Err(format!(
                "this is not an address, such as 192.0.2.1; for an account with that name: `sipward account \
                 show {text}`"
            )),
            Err(_) => Ok(Self::Account(text.to_owned())),
        }
    }
}

/// Four numbers, or hexadecimal ones with colons, and perhaps a port or a length: hardly any phone is called that.
fn is_almost_an_address(text: &str) -> bool {
    let is_made_of =
        |more: &str, digit: fn(&char) -> bool| text.chars().all(|c| digit(&c) || more.contains(c));
    let times = |c| text.matches(c).count();
    times('.') == 3 && is_made_of(".:/", char::is_ascii_digit)
        || times(':') >= 2 && is_made_of("[]:./", char::is_ascii_hexdigit)
}

impl ExplainCommand {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match &self.about {
            About::Address(address) => {
                let call = Call::Explain(protocol::Explain { address: *address });
                ask(&call, output, |explained: Explanation, output| say_explained(&explained, output))
            }
            About::Account(account) => account::show(account, output),
        }
    }
}

fn say_explained(explained: &Explanation, output: &mut Output) -> Result<(), Failure> {
    output.say(format_args!("{}: {}", explained.address, headline(explained)))?;
    explained.rules.iter().try_for_each(|rule| say_rule(rule, output))?;
    if let Some(known) = &explained.known {
        say_known(known, output)?;
    }
    say_flows(&explained.flows, output)?;
    output.say(format_args!("  {}", explained.options))?;
    if !explained.closed.is_empty() {
        let mut table = closed_table();
        explained.closed.iter().for_each(|closed| table.row(closed_row(closed)));
        output.say("\nSuspended or banned at this address:")?;
        output.table(&table)?;
        let address = &explained.address;
        output.say(format_args!(
            "lifted by `sipward account unlock ACCOUNT --from {address}`; a port of it by `sipward ban del \
             {address}`"
        ))?;
    }
    say_sources("\nAccounts at this address:", &explained.accounts, output)?;
    say_counted(&explained.counted, output)?;
    say_next(explained, output)?;
    say_diagnoses(explained.diagnoses.as_deref(), output)?;
    match &explained.seen {
        Some(seen) => say_seen(seen, output)?,
        None => output.say("\nNo recent drops.")?,
    }
    say_history(&explained.history, output)
}

fn say_known(known: &KnownSource, output: &mut Output) -> Result<(), Failure> {
    let KnownSource { phones, since, expires_in, why } = known;
    Ok(output.say(format_args!(
        "  known since {}, with the limits of {}, for {} more: {why}",
        local(Duration::from_secs(*since)),
        count_phones(*phones),
        time_left(*expires_in)
    ))?)
}

fn say_flows(flows: &[KnownFlow], output: &mut Output) -> Result<(), Failure> {
    flows.iter().try_for_each(|KnownFlow { flow, phones, expires_in }| {
        Ok(output.say(format_args!(
            "  {flow} has limits of its own, those of {}, for {} more",
            count_phones(*phones),
            time_left(*expires_in)
        ))?)
    })
}

fn count_phones(phones: u32) -> String {
    if phones == 1 { "one phone".to_owned() } else { format!("{phones} phones") }
}

fn say_counted(counted: &[RuleCount], output: &mut Output) -> Result<(), Failure> {
    if !counted.is_empty() {
        output.say("\nCounts of the guard against it:")?;
    }
    counted.iter().try_for_each(|RuleCount { rule, count, of, within }| {
        Ok(output.say(format_args!("  {rule}: {count:.1} of {of} within {}", time_left(Some(*within))))?)
    })
}

fn say_next(explained: &Explanation, output: &mut Output) -> Result<(), Failure> {
    let once = if explained.attached { "" } else { ", once the filter is attached" };
    output.say(format_args!("\nForecast for its next packet of each kind{once}:"))?;
    let mut table = Table::new([("packet", Align::Left), ("verdict", Align::Left), ("why", Align::Left)]);
    for next in &explained.next {
        table.row([next.packet.clone(), next.verdict.to_string(), next.sentence.clone()]);
    }
    Ok(output.table(&table)?)
}

fn headline(Explanation { class, attached, mode, trusted_only, .. }: &Explanation) -> String {
    if !attached {
        return format!(
            "{class}; the filter is not attached to any interface, so all packets pass: `sipward attach` puts it back"
        );
    }
    let drop = match mode {
        FilterMode::Enforce => "drop",
        FilterMode::Monitor => "would drop, and pass in monitor mode",
    };
    let name = if *class == SourceClass::Stranger { "a stranger" } else { class.name() };
    match (class, trusted_only) {
        (SourceClass::Trusted, _) => format!("{name}; all its packets pass"),
        (SourceClass::Banned, _) => format!("{name}; all its packets to SIP ports {drop}"),
        (_, true) => {
            format!("{name}; only trusted sources pass at present, so all its packets to SIP ports {drop}")
        }
        (SourceClass::Known, false) => format!("{name}; it has limits of its own, and the other rules apply"),
        (SourceClass::Stranger, false) => format!("{name}; the rules decide about each packet"),
    }
}

fn say_rule(rule: &ListRule, output: &mut Output) -> Result<(), Failure> {
    let entry = &rule.entry;
    let decides = if rule.decides { "decides" } else { "without effect" };
    let origin = match entry.origin {
        Origin::Config => "by the configuration",
        Origin::Hand => "by hand",
        Origin::Import => "by an import",
        Origin::Kernel => "by nobody that the database knows: it was found in the filter",
        Origin::Guard => "by the guard",
    };
    output.say(format_args!(
        "  {} {}, {} ({decides}): since {} {origin}",
        entry.source,
        rule.list.name(),
        time_left(entry.expires_in),
        local(Duration::from_secs(entry.since)),
    ))?;
    for (name, text) in [("note", &entry.note), ("evidence", &entry.evidence)] {
        if let Some(text) = text {
            output.say(format_args!("    {name}: {}", printable(text.as_bytes())))?;
        }
    }
    Ok(output.say(format_args!("    lifted by {}", rule.lifted_by))?)
}

fn say_seen(seen: &SourceDrops, output: &mut Output) -> Result<(), Failure> {
    let packets = if seen.packets == 1 { "packet" } else { "packets" };
    output.say(format_args!("\nRecent drops: {} {packets} from {}", grouped(seen.packets), seen.source))?;
    for sighted in &seen.recent {
        let line = sighted.first_line.as_ref().map(|line| printable(line.as_bytes()));
        output.say(format_args!(
            "  {}  {:>6}  {}  {}",
            local(Duration::from_secs(sighted.ts)),
            grouped(sighted.packets),
            sighted.reason,
            line.as_deref().unwrap_or("-"),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_is_one_and_all_else_an_account() {
        let address = |text: &str| Ok(About::Address(text.parse().unwrap()));
        let account = |text: &str| Ok(About::Account(text.to_owned()));
        for (text, expected) in [
            ("192.0.2.1", address("192.0.2.1")),
            ("2001:db8::1", address("2001:db8::1")),
            ("192.0.2.1/32", address("192.0.2.1")),
            ("::ffff:192.0.2.1/128", address("192.0.2.1")),
            ("192.0.2.1:5060", address("192.0.2.1")),
            ("[2001:db8::1]:5060", address("2001:db8::1")),
            ("201", account("201")),
            ("192.0.2", account("192.0.2")),
            ("alice@example.com", account("alice@example.com")),
            ("2001", account("2001")),
            ("1.2.3.4-ann", account("1.2.3.4-ann")),
        ] {
            assert_eq!(text.parse::<About>(), expected, "{text}");
        }
        for text in ["192.0.2.300", "192.0.2.0/33", "2001:db8:::1", "2001:db8::1::"] {
            let error = text.parse::<About>().unwrap_err();
            assert!(error.contains(&format!("`sipward account show {text}`")), "{error}");
        }
        let error = "192.0.2.0/24".parse::<About>().unwrap_err();
        assert!(error.contains("`sipward account list --within 192.0.2.0/24`"), "{error}");
        assert!("".parse::<About>().is_err());
    }

    #[test]
    fn the_headline_says_what_becomes_of_packets_now() {
        use FilterMode::{Enforce, Monitor};
        use SourceClass::{Banned, Known, Stranger, Trusted};
        let explained = |class, attached, mode, trusted_only| Explanation {
            address: "192.0.2.1".to_owned(),
            class,
            attached,
            mode,
            trusted_only,
            rules: Vec::new(),
            known: None,
            flows: Vec::new(),
            closed: Vec::new(),
            accounts: Vec::new(),
            counted: Vec::new(),
            options: String::new(),
            diagnoses: None,
            next: Vec::new(),
            seen: None,
            history: Vec::new(),
        };
        for (class, attached, mode, trusted_only, says) in [
            (Trusted, true, Enforce, true, "trusted; all its packets pass"),
            (Banned, true, Enforce, false, "banned; all its packets to SIP ports drop"),
            (Banned, true, Enforce, true, "banned; all its packets to SIP ports drop"),
            (Banned, true, Monitor, false, "ports would drop, and pass in monitor mode"),
            (
                Banned,
                false,
                Enforce,
                false,
                "banned; the filter is not attached to any interface, so all packets pass",
            ),
            (Stranger, false, Enforce, true, "not attached to any interface"),
            (Known, true, Enforce, false, "limits of its own"),
            (
                Known,
                true,
                Enforce,
                true,
                "only trusted sources pass at present, so all its packets to SIP ports drop",
            ),
            (
                Stranger,
                true,
                Monitor,
                true,
                "only trusted sources pass at present, so all its packets to SIP ports would",
            ),
            (Stranger, true, Enforce, false, "a stranger; the rules decide"),
        ] {
            let headline = headline(&explained(class, attached, mode, trusted_only));
            assert!(headline.contains(says), "{headline}");
        }
    }
}
