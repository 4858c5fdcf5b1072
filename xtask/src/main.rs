//! `cargo xtask`: sets up, builds, runs, tests and measures sipward.

mod apt;
mod bench;
mod build;
mod cargo;
mod demo;
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
    /// Install what builds and tests need and is not there yet
    #[command(after_help = "Example: cargo xtask setup")]
    Setup,
    /// Build target/release/sipward, the eBPF object inside it
    #[command(after_help = "Example: cargo xtask build --debug")]
    Build {
        /// Build target/debug/sipward instead
        #[arg(long)]
        debug: bool,
    },
    /// Show the filter at work in network namespaces; with arguments, attach it to a real interface
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
    #[command(after_help = "Examples: cargo xtask test\n          cargo xtask test prefix")]
    Test {
        /// Run only the tests whose name contains this, and neither lints nor the virtual machine
        filter: Option<String>,
    },
    /// Boot Debian's kernel of a version and run the packet table on it
    #[command(after_help = "Examples: cargo xtask vm 6.1\n          cargo xtask vm 6.12")]
    Vm {
        /// Series of the kernel
        version: String,
        /// Run only the tests whose name contains this
        filter: Option<String>,
    },
    /// Measure: `kernel` is nanoseconds per packet and the ratio to a trivial XDP_DROP, `lists` is what a million bans
    /// cost
    #[command(after_help = "Examples: cargo xtask bench kernel\n          cargo xtask bench lists")]
    Bench {
        #[arg(default_value = "kernel")]
        name: String,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::run(setup::Purpose::Test),
        Command::Build { debug } => build::run(debug),
        Command::Run { attach } => run::run(&attach),
        Command::Demo { sipward, outside } => demo::perform(&sipward, &outside),
        Command::Test { filter } => test::run(filter.as_deref()),
        Command::Vm { version, filter } => vm::run(&version, filter.as_deref()),
        Command::Bench { name } => bench::run(&name),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
