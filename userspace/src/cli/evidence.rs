//! `sipward evidence`.

use std::{
    io::{self, BufRead, BufReader},
    net::IpAddr,
    thread,
    time::Duration,
};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    backend::{answers, decoded},
    failure::{Failure, wrong},
    output::{Output, grouped},
};
use crate::{
    control::Received,
    refusal::{Refusal, RefusalKind},
};
use sipward_api::{
    Call, Evidence,
    evidence::{AuthOutcome, EvidenceTaken, MOST_OUTCOMES, OLDEST, Outcome, Transport},
};
use sipward_types::{evidence::Method, time::parse_duration};

/// Hand in who has authenticated and who has failed, as a program on this host knows it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward evidence --account 201 --from 198.51.100.7 --outcome failed --proven\n          \
                  tail -f outcomes.jsonl | sipward evidence -\n\nThe daemon judges it like what it observes itself. \
                  With -, standard input has one JSON object a line, such as:\n  \
                  {\"account\":\"201\",\"source\":\"198.51.100.7\",\"port\":40112,\"transport\":\"tls\",\"method\":\"register\",\
                  \"outcome\":\"failed\"}\ndocs/feeders.md describes the fields."
)]
pub(super) struct EvidenceCommand {
    /// Read outcomes from standard input, the earliest first
    #[arg(value_name = "-", value_parser = ["-"], conflicts_with_all = ["account", "from", "outcome"])]
    stdin: Option<String>,
    /// The user name of the credentials
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The address that the packets came from
    #[arg(long, value_name = "ADDRESS", required_unless_present = "stdin")]
    from: Option<IpAddr>,
    /// The port that they came from, if it is known
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The transport that they came over
    #[arg(long, default_value = "udp", value_parser = words::<Transport>(TRANSPORTS))]
    transport: Transport,
    /// The method of the request
    #[arg(long, default_value = "register", value_parser = words::<Method>(METHODS))]
    method: Method,
    /// The outcome of the request
    #[arg(long, required_unless_present = "stdin", value_parser = words::<Outcome>(OUTCOMES))]
    outcome: Option<Outcome>,
    /// Nobody else could have sent it in the name of that address; over TCP this is always so
    #[arg(long)]
    proven: bool,
    /// The duration of a registration
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasts: Option<Duration>,
    /// The time since then
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    ago: Duration,
}

/// Bytes that are read at once: some thousand lines.
const READ: usize = 1 << 18;

const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "ws", "wss"];
const METHODS: &[&str] = &["register", "invite", "other"];
const OUTCOMES: &[&str] =
    &["succeeded", "failed", "registered", "unregistered", "stale", "challenged", "refused"];

fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value(word.into()))
}

impl EvidenceCommand {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut sum = Sum::default();
        if self.stdin.is_some() {
            hand_in_lines(&mut BufReader::with_capacity(READ, io::stdin()), &mut sum, output)?;
        } else {
            hand_in(vec![self.item()?], &mut sum, output)?;
        }
        sum.say(output)
    }

    fn item(&self) -> Result<AuthOutcome, Failure> {
        let missing = || wrong("--from and --outcome are needed");
        let lasts = self.lasts.map(|lasts| u32::try_from(lasts.as_secs()));
        Ok(AuthOutcome {
            account: self.account.clone(),
            source: self.from.ok_or_else(missing)?,
            port: self.port,
            transport: self.transport,
            method: self.method,
            outcome: self.outcome.ok_or_else(missing)?,
            proven: self.proven,
            attempt: None,
            contact: None,
            lasts: lasts
                .transpose()
                .map_err(|_| wrong("--for: this is too long; write at most 136 years"))?,
            ago: self.ago.as_secs(),
        })
    }
}

/// Each line soon after it has come, and together with others that came with it.
fn hand_in_lines(
    lines: &mut BufReader<impl io::Read>,
    sum: &mut Sum,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut number = 0_u64;
    let mut items = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        let length = lines.read_line(&mut line).map_err(|error| wrong(format!("standard input: {error}")))?;
        number += 1;
        if !line.trim().is_empty() {
            match serde_json::from_str(&line) {
                Ok(item) => items.push(item),
                Err(error) => {
                    hand_in(items, sum, output)?;
                    return Err(wrong(format!(
                        "standard input:{number}: {error}; the lines before it were handed in"
                    )));
                }
            }
        }
        let is_more_here = lines.buffer().contains(&b'\n');
        if length == 0 || items.len() == MOST_OUTCOMES || !is_more_here {
            hand_in(std::mem::take(&mut items), sum, output)?;
        }
        if length == 0 {
            return Ok(());
        }
    }
}

/// All of them, however long the daemon makes this wait.
fn hand_in(mut items: Vec<AuthOutcome>, sum: &mut Sum, output: &mut Output) -> Result<(), Failure> {
    while !items.is_empty() {
        let call = Call::Evidence(Evidence { items });
        let mut taken = EvidenceTaken::default();
        let outcome = answers(&call, &mut |received| match received {
            Received::Notice(notice) => Ok(output.warn(&notice)?),
            Received::Item(item) => {
                taken = decoded(item)?;
                Ok(())
            }
        });
        let Call::Evidence(Evidence { items: all }) = call else { return Ok(()) };
        sum.add(&taken);
        match outcome {
            // It was refused for the sake of those that are left.
            Err(Failure::Refused(Refusal { kind: RefusalKind::No, .. })) if taken.left > 0 => {
                let done = all.len().saturating_sub(taken.left as usize);
                thread::sleep(Duration::from_secs(taken.retry_in));
                let waited = taken.retry_in;
                items = all
                    .into_iter()
                    .skip(done)
                    .map(|item| AuthOutcome { ago: item.ago.saturating_add(waited), ..item })
                    .collect();
            }
            outcome => return outcome,
        }
    }
    Ok(())
}

#[derive(Debug, Default, Serialize)]
struct Sum {
    taken: u64,
    too_old: u64,
    exempt: u64,
}

impl Sum {
    fn add(&mut self, taken: &EvidenceTaken) {
        self.taken += taken.taken;
        self.too_old += taken.too_old;
        self.exempt += taken.exempt;
    }

    fn say(&self, output: &mut Output) -> Result<(), Failure> {
        output.object(self)?;
        output.say(format_args!("{} taken", grouped(self.taken)))?;
        if self.too_old > 0 {
            output.say(format_args!("{} left out: older than {OLDEST} seconds", grouped(self.too_old)))?;
        }
        if self.exempt > 0 {
            let exempt = grouped(self.exempt);
            output
                .say(format_args!("{exempt} left out: about trusted sources, or about this host itself"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that the protocol knows, as its error lists them.
    fn known<T: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let error = serde_json::from_value::<T>("nonsense".into()).unwrap_err().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_words_of_the_command_line_are_those_of_the_protocol() {
        assert_eq!(known::<Transport>(), TRANSPORTS);
        assert_eq!(known::<Method>(), METHODS);
        assert_eq!(known::<Outcome>(), OUTCOMES);
    }
}
