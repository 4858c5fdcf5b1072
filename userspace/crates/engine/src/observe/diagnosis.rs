//! Why somebody's requests are refused, in words (from what was seen).

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use sipward_types::time::KernelTime;
use sipward_types::{account::Account, evidence::Proof};

/// Of whom to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Account(&'a str),
    Source(IpAddr),
}

/// A cause, for one account at one source. The latest comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub cause: Cause,
    pub account: Option<Account>,
    pub source: IpAddr,
    /// The number of times in a row; a success ends it.
    pub count: u32,
    /// Kernel monotonic nanoseconds.
    pub since: KernelTime,
    pub last: KernelTime,
    /// Of the last answer, where there was one.
    pub status: Option<u16>,
    /// `Unproven`: it may not have come from there at all.
    pub proof: Proof,
}

/// The names are stable: documentation and scripts use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    WrongPassword,
    WrongRealm,
    ChallengeIgnored,
    /// It answers 401 but not 407.
    ProxyChallengeIgnored,
    AuthLoop,
    StaleNonces,
    RefusedByPbx,
    UnknownAccount,
    AnswerLost,
    SipAlg,
    /// The PBX is too busy or over a limit.
    Rate,
}

impl Cause {
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong-password",
            Self::WrongRealm => "wrong-realm",
            Self::ChallengeIgnored => "challenge-ignored",
            Self::ProxyChallengeIgnored => "proxy-challenge-ignored",
            Self::AuthLoop => "auth-loop",
            Self::StaleNonces => "stale-nonces",
            Self::RefusedByPbx => "refused-by-pbx",
            Self::UnknownAccount => "unknown-account",
            Self::AnswerLost => "answer-lost",
            Self::SipAlg => "sip-alg",
            Self::Rate => "rate",
        }
    }

    pub const fn sentence(self) -> &'static str {
        match self {
            Self::WrongPassword => {
                "Credentials for a current challenge were refused: the password or the user name is wrong."
            }
            Self::WrongRealm => "The credentials are for another realm than the PBX asked for.",
            Self::ChallengeIgnored => "The PBX asked for credentials, and no request with any came.",
            Self::ProxyChallengeIgnored => {
                "It answers when the PBX asks with 401, but not when it asks with 407."
            }
            Self::AuthLoop => {
                "It sends credentials again and again within seconds, and the PBX keeps asking."
            }
            Self::StaleNonces => {
                "The PBX refuses the nonces, not the password: they are too old or were not meant for it."
            }
            Self::RefusedByPbx => "The PBX refused without asking for credentials.",
            Self::UnknownAccount => "The PBX says that there is no such account.",
            Self::AnswerLost => {
                "The answers of the PBX do not seem to arrive: the same is asked or answered again and again."
            }
            Self::SipAlg => {
                "Something on the way seems to rewrite the messages (a SIP ALG), and not consistently."
            }
            Self::Rate => "The PBX answered 503: it is too busy, or a limit of its own is reached.",
        }
    }

    pub const fn remedy(self) -> &'static str {
        match self {
            Self::WrongPassword => {
                "Compare user name, authentication name and password of the phone with the PBX."
            }
            Self::WrongRealm => {
                "Leave the phone's realm empty or set it to the one of the PBX; look for credentials of another server."
            }
            Self::ChallengeIgnored => {
                "Give the phone a password; if it has one, look whether the PBX's answers reach it."
            }
            Self::ProxyChallengeIgnored => {
                "Let the PBX challenge this device with 401, or give the phone credentials for its outbound proxy too."
            }
            Self::AuthLoop => {
                "Look for two servers that challenge one after the other, and for a wrong algorithm or realm; then restart the phone."
            }
            Self::StaleNonces => {
                "Look whether PBX nodes share their nonces, whether their clocks agree, and whether nonces live too short."
            }
            Self::RefusedByPbx => {
                "Look into the PBX's access lists and dial plan for this address and account."
            }
            Self::UnknownAccount => "Compare the account's name and domain with the PBX.",
            Self::AnswerLost => {
                "Look for a firewall or NAT between: the answers go to the address and port that the requests came from."
            }
            Self::SipAlg => {
                "Switch SIP ALG (SIP helper, SIP fixup) off in the router at that address, or use TLS."
            }
            Self::Rate => "Look at the PBX's load and limits; phones that keep asking make it worse.",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
