//! The guardians: the programs that protect a PBX.

use std::{thread, time::Duration};

use sipward_tests::{command::Sipward, daemon::Daemon, signatures, tool::Running};

use crate::{Site, fail2ban};

/// In which the daemon believes no evidence, after its start.
const BLIND: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guardian {
    Nothing,
    /// With its filter for Asterisk, or with what Kamailio's handbook has for it: five failures within ten minutes.
    Fail2ban,
    Sipward,
    /// Without signatures and rates, so that only what the PBX answers counts: an attacker who looks like a phone, from
    /// where an office might be.
    SipwardByEvidence,
}

pub(crate) const GUARDIANS: [Guardian; 4] =
    [Guardian::Sipward, Guardian::SipwardByEvidence, Guardian::Fail2ban, Guardian::Nothing];

/// Holds a guardian's processes and rules until the round ends.
#[expect(dead_code, reason = "kept for their drops")]
pub(crate) enum Post<'a> {
    Nothing,
    Fail2ban(Running),
    Sipward(Daemon, Sipward<'a>),
}

impl Guardian {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Fail2ban => "fail2ban",
            Self::Sipward => "sipward",
            Self::SipwardByEvidence => "sipward, by evidence alone",
        }
    }

    pub(crate) fn start(self, site: &Site) -> anyhow::Result<Post<'_>> {
        let rules = match self {
            Self::Nothing => return Ok(Post::Nothing),
            Self::Fail2ban => return Ok(Post::Fail2ban(fail2ban::start(site)?)),
            Self::Sipward => String::new(),
            Self::SipwardByEvidence => {
                site.scratch.file("none.toml", &signatures::none());
                BY_EVIDENCE.to_owned()
            }
        };
        let config = format!("interface = 'eth0'\nmode = 'enforce'\n{rules}");
        let config = site.scratch.file("sipward.toml", &config);
        let [pbx, ..] = site.lan.hosts::<3>();
        let sipward = Sipward::new(pbx);
        let daemon = Daemon::start(&sipward, &config);
        thread::sleep(BLIND);
        Ok(Post::Sipward(daemon, sipward))
    }
}

const BY_EVIDENCE: &str = "signatures = 'none.toml'\n[flows]\nper_source = 'off'\nper_prefix = 'off'\n\
    [rate]\nregister = 'off'\n[prefix_rate]\nregister = 'off'\n[known_rate]\nregister = 'off'\n";
