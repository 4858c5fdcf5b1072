//! The command line.

mod account;
mod attach;
mod audit;
mod backend;
mod ban;
mod capture;
mod check;
mod completions;
mod diagnosis;
mod doctor;
mod edge;
mod edge_account;
mod events;
mod evidence;
mod explain;
mod export;
mod failure;
mod import;
mod interrupt;
mod lists;
mod mode;
mod output;
mod progress;
mod reload;
mod replay;
mod rules;
mod run;
mod secret_input;
mod signature;
mod status;
mod suspensions;
mod target;
mod time;
mod top;
mod trust;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use self::{failure::Failure, output::Output};
use sipward_types::printable::printable_lines;

/// Drops SIP scanners, brute force and floods at the NIC.
#[derive(Debug, Parser)]
#[command(
    name = "sipward",
    version,
    after_help = "Exit status: 0 done, 1 no (not found, refused), 2 wrong use or configuration, 3 the \
                  kernel or the daemon cannot be reached or does not permit it.\n\nWhen in doubt: `sipward \
                  status`, `sipward doctor` and `sipward explain 192.0.2.1`."
)]
struct Arguments {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// Show the whole message of the kernel if it refuses the filter
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Edge(edge::EdgeCommand),
    Reload(reload::Reload),
    Attach(attach::Attach),
    Detach(attach::Detach),
    Status(status::Status),
    #[command(subcommand)]
    Trust(trust::Trust),
    #[command(subcommand)]
    Ban(ban::Ban),
    #[command(subcommand)]
    Account(account::Account),
    #[command(subcommand)]
    Signature(signature::Signature),
    Mode(mode::Mode),
    Events(events::Follow),
    Capture(capture::Capture),
    Explain(explain::ExplainCommand),
    Top(top::Top),
    Rules(rules::Rules),
    Audit(audit::AuditCommand),
    Evidence(evidence::EvidenceCommand),
    Replay(replay::Replay),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(completions::Man),
}

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(arguments.json);
    let result = run(arguments.command, &mut output).and_then(|()| Ok(output.flush()?));
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if let Some(message) = failure.message(arguments.verbose) {
        // Standard error is the last resort: there is nowhere to report that it is closed.
        let _ = writeln!(std::io::stderr(), "sipward: {}", printable_lines(&message));
    }
    failure.exit_code()
}

/// True if the command line parses. It runs nothing.
pub fn understand<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), clap::Error> {
    Arguments::try_parse_from(words).map(drop)
}

fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Run(run) => run.run(),
        Command::Edge(edge) => edge.run(),
        Command::Reload(reload) => reload.run(output),
        Command::Attach(attach) => attach.run(output),
        Command::Detach(detach) => detach.run(output),
        Command::Status(status) => status.run(output),
        Command::Trust(trust) => trust.run(output),
        Command::Ban(ban) => ban.run(output),
        Command::Account(account) => account.run(output),
        Command::Signature(signature) => signature.run(output),
        Command::Mode(mode) => mode.run(output),
        Command::Events(follow) => follow.run(output),
        Command::Capture(capture) => capture.run(output),
        Command::Explain(explain) => explain.run(output),
        Command::Rules(rules) => rules.run(output),
        Command::Top(top) => top.run(output),
        Command::Audit(trail) => trail.run(output),
        Command::Evidence(evidence) => evidence.run(output),
        Command::Replay(replay) => replay.run(output),
        Command::Check(check) => check.run(output),
        Command::Doctor(doctor) => doctor.run(output),
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(output),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_sentence_and_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path}");
            let help =
                command.get_after_help().unwrap_or_else(|| panic!("{path} has no example")).to_string();
            assert!(help.contains("Example") && help.contains("sipward "), "{path}: {help}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {argument}");
            }
            command.get_subcommands().for_each(|command| check(command, &path));
        }
        Arguments::command().get_subcommands().for_each(|command| check(command, "sipward"));
    }

    #[test]
    fn what_people_type_is_understood() {
        for line in [
            "attach",
            "attach --iface eth0 --iface eth1 --monitor --xdp generic",
            "attach --config /etc/sipward/sipward.toml --enforce",
            "detach",
            "detach --iface eth0",
            "status --json",
            "--json status",
            "trust add 192.0.2.1 2001:db8::/32 --for 2h --note provider",
            "trust del ::ffff:192.0.2.1",
            "trust list",
            "trust only on --force",
            "ban add 192.0.2.0/24 --for forever",
            "ban del 192.0.2.0/24",
            "ban list --json",
            "ban import blocklist.txt --for 1d --note blocklist --force",
            "trust import - --json",
            "trust export customers.txt",
            "ban export",
            "account list",
            "account list --status suspended --within 192.0.2.0/24 --name 20 --json",
            "account show 201",
            "account lock 201 --for 30m --note bills",
            "account unlock 201 --from 2001:db8::1",
            "account list --all --name 20 --json",
            "account list --weak",
            "account add 201 --status disabled --expires 2027-01-31 --from 192.0.2.0/24 --from 2001:db8::1",
            "account add 201 --ha1 MD5:pbx.example.com --ha1 SHA-256:pbx.example.com",
            "account set 201",
            "account set 201 --status normal --expires never --from anywhere",
            "account set 201 --expires 2027-01-31T18:00:00Z",
            "account del 201",
            "account import accounts.txt",
            "account import -",
            "signature list",
            "signature load my.toml",
            "signature load",
            "signature test message.txt --file my.toml",
            "signature check my.toml",
            "mode monitor",
            "events --follow",
            "explain 192.0.2.1",
            "explain 201",
            "top --json",
            "rules --json",
            "capture drops.pcapng --all --source 192.0.2.0/24 --for 60s --size 10 --rate 50",
            "audit --limit 5 --about 192.0.2.1",
            "evidence --account 201 --from 198.51.100.7 --outcome failed --proven",
            "evidence --account 201 --from 2001:db8::1 --port 40112 --transport tls --outcome registered --for 1h --ago 2s",
            "evidence - --json",
            "run --config my.toml --log json",
            "edge",
            "edge --config my.toml --log json",
            "reload",
            "trust only confirm",
            "ban list --within 192.0.2.0/24 --origin hand --note scan --sort expiry",
            "replay a.pcap --config b.toml",
            "check sipward.toml",
            "doctor",
            "doctor --config sipward.toml --json",
            "completions bash",
            "man",
            "man /usr/local/share/man/man8",
        ] {
            let words = ["sipward"].into_iter().chain(line.split(' '));
            if let Err(error) = understand(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, kind) in [
            ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("attach --monitor --enforce", ErrorKind::ArgumentConflict),
            ("attach --xdp hardware", ErrorKind::InvalidValue),
            ("trust add", ErrorKind::MissingRequiredArgument),
            ("trust add 192.0.2.256", ErrorKind::ValueValidation),
            ("trust add 192.0.2.1/24", ErrorKind::ValueValidation),
            ("trust add ::/0", ErrorKind::ValueValidation),
            ("trust only perhaps", ErrorKind::InvalidValue),
            ("ban add 192.0.2.1 --for 5", ErrorKind::ValueValidation),
            ("ban import", ErrorKind::MissingRequiredArgument),
            ("trust import customers.txt --force", ErrorKind::UnknownArgument),
            ("mode strict", ErrorKind::InvalidValue),
            ("account", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("account show", ErrorKind::MissingRequiredArgument),
            ("account list --status normal", ErrorKind::InvalidValue),
            ("account list --all --status locked", ErrorKind::ArgumentConflict),
            ("account list --all --weak", ErrorKind::ArgumentConflict),
            ("account add", ErrorKind::MissingRequiredArgument),
            ("account add 2@1", ErrorKind::ValueValidation),
            ("account add 201 --password x", ErrorKind::UnknownArgument),
            ("account set 201 --status suspended", ErrorKind::InvalidValue),
            ("account set 201 --expires tomorrow", ErrorKind::ValueValidation),
            ("account set 201 --from 192.0.2.1/24", ErrorKind::ValueValidation),
            ("account lock 201 --for 5", ErrorKind::ValueValidation),
            ("account unlock 201 --from 192.0.2.0/24", ErrorKind::ValueValidation),
            ("explain 192.0.2.0/24", ErrorKind::ValueValidation),
            ("evidence", ErrorKind::MissingRequiredArgument),
            ("evidence --account 201 --from 192.0.2.1", ErrorKind::MissingRequiredArgument),
            ("evidence --from 192.0.2.1 --outcome perhaps", ErrorKind::InvalidValue),
            ("evidence - --account 201", ErrorKind::ArgumentConflict),
            ("replay", ErrorKind::MissingRequiredArgument),
        ] {
            let words = ["sipward"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
            let error = understand(words).expect_err(line);
            assert_eq!(error.kind(), kind, "{line}");
        }
    }
}
