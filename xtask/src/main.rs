//! `cargo xtask`: sets up, builds, runs, tests and measures sipward.

mod apt;
mod asterisk;
mod bench;
mod build;
mod cargo;
#[cfg(test)]
mod circles;
mod demo;
#[cfg(test)]
mod names;
mod root;
mod run;
mod setup;
mod test;
mod vm;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, builds, runs, tests and measures sipward"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the missing programs that builds and tests need
    #[command(after_help = "Example: cargo xtask setup")]
    Setup,
    /// Build target/release/sipward, with the eBPF object inside
    #[command(after_help = "Example: cargo xtask build --debug")]
    Build {
        /// Build target/debug/sipward instead
        #[arg(long)]
        debug: bool,
    },
    /// Run a demo of the filter in network namespaces. With arguments, attach the filter to a real interface
    #[command(after_help = "Examples: cargo xtask run\n          cargo xtask run -- --iface eth0")]
    Run {
        /// Arguments of `sipward attach`
        #[arg(last = true)]
        attach: Vec<String>,
    },
    /// The demo itself, in the namespaces that `run` gives it
    #[command(hide = true)]
    Demo {
        sipward: PathBuf,
        /// The namespaces outside
        outside: Vec<PathBuf>,
    },
    /// Run all tests: format, lints, host, kernel (as root), another kernel in a virtual machine
    #[command(
        after_help = "Examples: cargo xtask test\n          cargo xtask test prefix\n          cargo xtask test --long restarts"
    )]
    Test {
        /// Run the long form of tests that have one: hundreds of restarts, floods of a hundred thousand packets, attacks at their
        /// real pace. This takes hours
        #[arg(long)]
        long: bool,
        /// Run only the tests whose name contains this text, without lints and the virtual machine
        filter: Option<String>,
    },
    /// Boot a version of Debian's kernel in a virtual machine, and run the packet table on it
    #[command(after_help = "Examples: cargo xtask vm 6.1\n          cargo xtask vm 6.12")]
    Vm {
        /// Series of the kernel, such as 6.1
        version: String,
        /// Run only the tests whose name contains this text
        filter: Option<String>,
    },
    /// Measure, and print ratios: `kernel`, the cost of a packet in the kernel; `wire`, beside iptables, nft and others;
    /// `react`, beside fail2ban; `scale`, growth with the number of entries, and calls beside a flood. Without a name, these four
    /// run. `lists` is the cost of a million bans, and `attacks` compares with fail2ban, Kamailio's pike and the guides' script
    #[command(
        after_help = "Examples: cargo xtask bench\n          cargo xtask bench kernel banned\n          cargo xtask bench \
                      kernel \"clean REGISTER\" --against 6d4dc77"
    )]
    Bench {
        part: Option<String>,
        /// Run only the cases of the part whose name contains this text
        only: Option<String>,
        /// For `kernel`: also measure the filter of this commit, in turns with the current one, and print the ratio
        #[arg(long, value_name = "COMMIT")]
        against: Option<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::run(setup::Purpose::Test),
        Command::Build { debug } => build::run(debug),
        Command::Run { attach } => run::run(&attach),
        Command::Demo { sipward, outside } => demo::perform(&sipward, &outside),
        Command::Test { filter, long } => test::run(&test::Wanted { filter, long }),
        Command::Vm { version, filter } => vm::run(&version, filter.as_deref()),
        Command::Bench { part, only, against } => {
            bench::run(part.as_deref(), only.as_deref(), against.as_deref())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
