//! Diagnoses of refused requests, with remedies.

use std::time::Duration;

use super::{failure::Failure, output::Output, time::local};
use sipward_api::item::Diagnosed;
use sipward_types::printable::printable;

pub(super) fn say_diagnoses(diagnoses: Option<&[Diagnosed]>, output: &mut Output) -> Result<(), Failure> {
    let Some(diagnoses) = diagnoses else {
        return Ok(
            output.say("\nRefused requests are not known without the daemon: `systemctl start sipward`.")?
        );
    };
    if diagnoses.is_empty() {
        return Ok(output.say("\nNo recently refused requests.")?);
    }
    output.say("\nRefused requests, the latest first:")?;
    diagnoses.iter().try_for_each(|diagnosis| say(diagnosis, output))
}

fn say(diagnosis: &Diagnosed, output: &mut Output) -> Result<(), Failure> {
    let Diagnosed { cause, account, source, count, last, status, proven, sentence, remedy, .. } = diagnosis;
    let account = account.as_ref().map(|account| format!("account {} ", printable(account.as_bytes())));
    let status = status.map(|status| format!(", last with {status}"));
    let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
    output.say(format_args!(
        "  {}  {}at {source}: {cause}, {times}{}",
        local(Duration::from_secs(*last)),
        account.unwrap_or_default(),
        status.unwrap_or_default()
    ))?;
    output.say(format_args!("    {sentence}"))?;
    if !proven {
        output.say("    The source is not proven: anybody could have sent this in its name.")?;
    }
    Ok(output.say(format_args!("    {remedy}"))?)
}
