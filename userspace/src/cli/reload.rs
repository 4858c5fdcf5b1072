//! `sipward reload`.

use clap::Args;

use super::{backend::ask, failure::Failure, output::Output};
use sipward_api::{Call, item};

/// Put the changed configuration file in force; a faulty file changes nothing
#[derive(Debug, Args)]
#[command(
    after_help = "Example: sipward reload\n\nSettings made by hand stay, unless the file has a line about \
                  them."
)]
pub(super) struct Reload {}

impl Reload {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        ask(&Call::Reload, output, show)?;
        Ok(output.say("The configuration is in force.")?)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is decoded for this alone")]
pub(super) fn show(attached: item::Attached, output: &mut Output) -> Result<(), Failure> {
    let item::Attached { interface, xdp } = attached;
    Ok(output.say(format_args!("{interface}: {}", how(xdp.as_deref())))?)
}

pub(super) fn how(xdp: Option<&str>) -> &'static str {
    match xdp {
        Some("native") => "protected in the driver (native XDP)",
        Some("generic") => "protected in the network stack (generic XDP, slower than in the driver)",
        Some(_) => "protected in the network card",
        None => {
            "not protected: the interface does not exist, or runs another XDP program (`sipward doctor` \
                 says more)"
        }
    }
}
