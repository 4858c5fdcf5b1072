//! The demo behind `cargo xtask run`: a PBX, a customer and an attacker, without the filter and with it.
//!
//! It runs in a network namespace and a mount namespace of its own. When it ends, also by Ctrl-C, the kernel removes all
//! that it created: hosts, wires, files, pins and the filter.

mod stage;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use anyhow::{Context, Result, bail};
use xtask::command;

use self::stage::{ATTACKER, CUSTOMER, Narrated, PBX};
use crate::root::as_root;

const CALLS: &str = "30";
/// Well within the limits of a stranger, and together as long as the scans.
const CALLS_PER_SECOND: &str = "4";

/// Starts the demo in its namespaces, as root.
pub(crate) fn run(sipward: &Path) -> Result<()> {
    let xtask = env::current_exe().context("this program does not know its own path")?;
    let mut inside = as_root("unshare", &[])?;
    inside.args(["--mount", "--net"]).arg(xtask).arg("demo").arg(sipward).args(stage::namespaces()?);
    command::run(&mut inside)
}

/// The demo itself, within its namespaces.
pub(crate) fn perform(sipward: &Path, outside: &[PathBuf]) -> Result<()> {
    stage::build(outside)?;
    introduce();
    let mut pbx = open_pbx()?;

    title("1. Without the filter, the attacker looks around");
    if scan()? != (Found { pbx: true, extensions: true }) {
        bail!("the scanner did not find the unprotected PBX: there is something wrong with this demo");
    }
    println!("  It has found the PBX and two extensions. Passwords would be next.");

    title("2. The filter is attached to the PBX's interface");
    let filter = Filter { program: sipward };
    stage::file("sipward.toml", "interface = \"eth0\"\nmode = \"enforce\"\ntrusted = []\n")?;
    stage::show(&mut filter.command("attach --config sipward.toml"))?;

    title("3. The attacker tries again; at the same time a customer, a stranger too, makes real calls");
    let events = Narrated::start(filter.command("events --follow"), "dropped")?;
    let mut calls = stage::start(&mut call())?;
    let found = scan()?;
    let went_through = calls.wait().context("cannot wait for sipp")?.success();
    events.stop()?;
    if found != (Found { pbx: false, extensions: false }) {
        bail!("the scanner found the PBX through the filter: please report this as a bug");
    }
    if !went_through {
        bail!("the customer's calls did not all go through: please report this as a bug");
    }
    println!("  The attacker has found nothing. All {CALLS} calls of the customer went through.");

    title("4. What the filter has seen");
    stage::show(&mut filter.command("status"))?;
    explain();

    title("5. The end");
    stage::show(&mut filter.command("detach"))?;
    pbx.kill().context("cannot end the PBX")?;
    conclude(sipward);
    Ok(())
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn introduce() {
    println!(
        "\nThis takes half a minute. Three hosts in network namespaces of their own share one wire:\n\n  \
         {:<8}  {:<12}  has the filter and a SIP server (sipp)\n  \
         {:<8}  {:<12}  makes calls (sipp)\n  \
         {:<8}  {:<12}  scans (SIPVicious)\n\n\
         Nothing else on this machine is touched, and nothing stays, even if you press Ctrl-C.",
        PBX.name, PBX.address, CUSTOMER.name, CUSTOMER.address, ATTACKER.name, ATTACKER.address
    );
}

/// The reasons that this demo shows; `sipward status` has a row for each.
fn explain() {
    println!(
        "\n  Why: svmap asks with OPTIONS, which strangers may not (options-stranger). svwar's first REGISTER \
         carries\n  the name of a scanner (signature); it gave up then, or it would soon have been over the limit \
         (rate:register).\n  The calls are what counts as `request`. Nobody had to be trusted or banned for that."
    );
}

fn conclude(sipward: &Path) {
    let sipward = sipward.display();
    println!(
        "\nNext, on a real interface:\n\n  \
         cargo xtask run -- --iface eth0 --monitor     counts what it would drop, and drops nothing\n  \
         sudo {sipward} status     shows that\n  \
         sudo {sipward} trust add 192.0.2.10     your provider may do anything\n  \
         sudo {sipward} mode enforce     drops it from now on\n  \
         sudo {sipward} detach     takes the filter away\n\n\
         What it would do with recorded traffic: {sipward} replay FILE.pcap"
    );
}

/// sipp as the PBX: it takes calls and answers scanners.
fn open_pbx() -> Result<Child> {
    stage::file("pbx.xml", include_str!("demo/pbx.xml"))?;
    let mut command = PBX.command("sipp");
    command.args(["-sf", "pbx.xml", "-i", PBX.address, "-p", "5060", "-nostdin", "-timeout", "120"]);
    let mut pbx = stage::start(&mut command)?;
    stage::wait_for_port(&mut pbx, 5060)?;
    Ok(pbx)
}

/// Calls with sipp's own scenario; it succeeds if all of them do.
fn call() -> Command {
    let mut command = CUSTOMER.command("sipp");
    command.args(["-sn", "uac", "-i", CUSTOMER.address, "-m", CALLS, "-r", CALLS_PER_SECOND]);
    command.args(["-timeout", "30", "-timeout_error", "-nostdin", PBX.address]);
    command
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    pbx: bool,
    extensions: bool,
}

/// SIPVicious looks for SIP servers, then for extensions.
fn scan() -> Result<Found> {
    let run = |program: &str, options: &[&str]| {
        println!("  attacker $ {program} {}", [options, &[PBX.address]].concat().join(" "));
        let mut command = ATTACKER.command(program);
        // It would take its address from the name of this machine.
        command.args(["-x", ATTACKER.address]).args(options).arg(PBX.address).env("PYTHONUNBUFFERED", "1");
        Narrated::start(command, "attacker")?.finish()
    };
    let hosts = run("svmap", &[])?;
    let extensions = run("svwar", &["-e", "190-210"])?;
    Ok(Found { pbx: hosts.contains("Example PBX"), extensions: extensions.contains("| 201 ") })
}

struct Filter<'a> {
    program: &'a Path,
}

impl Filter<'_> {
    fn command(&self, line: &str) -> Command {
        println!("  pbx $ sipward {line}");
        let mut command = PBX.command(self.program);
        // The demo has a state directory of its own, so that the lists of this machine stay out of it.
        command.args(line.split(' ')).env("SIPWARD_STATE_DIR", stage::DIRECTORY);
        command
    }
}
