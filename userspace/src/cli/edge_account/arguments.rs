//! Arguments of the commands that change an account of the edge.

use std::{ffi::OsString, str::FromStr};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use ipnet::IpNet;

use crate::cli::{
    failure::{Failure, wrong},
    secret_input::{Twice, ask_secret},
    target::Target,
};
use sipward_edge::{
    account::{Account, AccountName, AccountStatus, Ha1s, Password, Secret},
    accounts_file::parse_expiry,
    digest::{Algorithm, Ha1, HashFunction, Realm},
};
use sipward_types::{
    address::show,
    time::{WallSeconds, format_utc},
};

pub(super) fn account_name(text: &str) -> Result<AccountName, String> {
    AccountName::new(text).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Status: normal, or refused after the right password
    #[arg(long, value_parser = status())]
    status: Option<AccountStatus>,
    /// First day (in UTC) or time at which it is refused: 2027-01-31, 2027-01-31T18:00:00Z, never
    #[arg(long, value_name = "DAY|TIME")]
    expires: Option<Expiry>,
    /// Address or prefix that it may be used from, repeatable, in the place of all there were; anywhere
    #[arg(long, value_name = "ADDRESS|PREFIX")]
    from: Vec<Allowed>,
    /// Ask for an HA1 of this algorithm and realm, such as MD5:pbx.example.com, and not for a password; repeatable
    #[arg(long, value_name = "ALGORITHM:REALM")]
    ha1: Vec<String>,
}

/// Words that do not belong there. They are taken so that no error repeats them.
#[derive(Debug, Args)]
pub(super) struct Surplus {
    /// Refused
    #[arg(hide = true)]
    surplus: Vec<OsString>,
}

impl Surplus {
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        if self.surplus.is_empty() { Ok(()) } else { Err(wrong(EXPOSED)) }
    }
}

const EXPOSED: &str = "no secret belongs on a command line, where every user of the host sees it and the shell keeps it: \
                       leave it out, and sipward asks for it. If this one is in use, choose another. Nothing was \
                       changed";

fn status() -> impl TypedValueParser<Value = AccountStatus> {
    PossibleValuesParser::new(AccountStatus::ALL.map(AccountStatus::as_str))
        .try_map(|text| text.parse::<AccountStatus>())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    At(WallSeconds),
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            _ => parse_expiry(text).map(Self::At),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Anywhere,
    From(IpNet),
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "anywhere" => Ok(Self::Anywhere),
            _ => text.parse().map(|Target(net)| Self::From(net)),
        }
    }
}

impl Settings {
    pub(super) fn says_nothing(&self) -> bool {
        let Self { status, expires, from, ha1 } = self;
        status.is_none() && expires.is_none() && from.is_empty() && ha1.is_empty()
    }

    /// All but the secret.
    pub(super) fn apply(&self, account: &mut Account) {
        if let Some(status) = self.status {
            account.status = status;
        }
        if let Some(expires) = self.expires {
            account.expires = match expires {
                Expiry::Never => None,
                Expiry::At(time) => Some(time),
            };
        }
        if !self.from.is_empty() {
            account.allowed = self.allowed();
        }
    }

    fn allowed(&self) -> Vec<IpNet> {
        let nets = self.from.iter().filter_map(|allowed| match allowed {
            Allowed::Anywhere => None,
            Allowed::From(net) => Some(*net),
        });
        if self.from.contains(&Allowed::Anywhere) { Vec::new() } else { nets.collect() }
    }

    /// In words, without any secret.
    pub(super) fn changes(&self, secret: Option<&Secret>) -> String {
        let expires = self.expires.map(|expires| match expires {
            Expiry::Never => "expires never".to_owned(),
            Expiry::At(time) => format!("expires {}", format_utc(time.get())),
        });
        let from = (!self.from.is_empty()).then(|| format!("from {}", from(&self.allowed())));
        let secret = secret.map(|secret| match secret {
            Secret::Password(_) => "new password".to_owned(),
            Secret::Ha1s(ha1s) => {
                format!("new HA1 of {}, realm {}", functions(ha1s).join(" and "), ha1s.realm)
            }
        });
        let status = self.status.map(|status| format!("status {status}"));
        [secret, status, expires, from].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    pub(super) fn hashes(&self) -> Result<Hashes, Failure> {
        let mut hashes = Hashes { realm: None, functions: Vec::new() };
        self.ha1.iter().try_for_each(|text| hashes.add(text))?;
        Ok(hashes)
    }
}

fn from(allowed: &[IpNet]) -> String {
    if allowed.is_empty() {
        return "anywhere".to_owned();
    }
    allowed.iter().map(|net| show(*net)).collect::<Vec<_>>().join(" ")
}

pub(super) fn functions(ha1s: &Ha1s) -> Vec<&'static str> {
    ha1s.iter().map(|ha1| ha1.function().name()).collect()
}

/// The HA1s to ask for.
pub(super) struct Hashes {
    realm: Option<Realm>,
    functions: Vec<HashFunction>,
}

impl Hashes {
    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    fn add(&mut self, text: &str) -> Result<(), Failure> {
        if has_digits(text) {
            return Err(wrong(EXPOSED));
        }
        let (name, realm) = text.split_once(':').ok_or_else(|| {
            wrong("--ha1 takes an algorithm and a realm: write for example MD5:pbx.example.com")
        })?;
        let Some(Algorithm { function, session: false }) = Algorithm::from_name(name.as_bytes()) else {
            return Err(wrong("--ha1: the algorithm is MD5, SHA-256 or SHA-512-256"));
        };
        let realm = Realm::new(realm).map_err(|error| wrong(format_args!("--ha1: {error}")))?;
        if self.realm.replace(realm.clone()).is_some_and(|other| other != realm) {
            return Err(wrong("--ha1: the HA1s of an account are of one realm: name the same in all"));
        }
        if self.functions.contains(&function) {
            return Err(wrong(format_args!("--ha1: {function} is there twice: leave one out")));
        }
        self.functions.push(function);
        Ok(())
    }

    /// A password if there are none to ask for.
    pub(super) fn ask(&self, name: &AccountName) -> Result<Secret, Failure> {
        let Some(realm) = &self.realm else {
            let password = ask_secret(&format!("Password of {name}"), Twice(true))?;
            return Password::new(&password).map(Secret::Password).map_err(wrong);
        };
        let mut ha1s = Vec::new();
        for function in &self.functions {
            let digits = ask_secret(&format!("HA1 of {name} for {function} and {realm}"), Twice(false))?;
            ha1s.push(Ha1::from_hex(*function, &digits).map_err(wrong)?);
        }
        Ok(Secret::Ha1s(Ha1s::new(realm.clone(), ha1s)))
    }
}

/// True: a hash stands at the end, which is as good as a password.
fn has_digits(text: &str) -> bool {
    let last = text.rsplit(':').next().unwrap_or(text);
    last.len() >= HashFunction::Md5.digits() && last.bytes().all(|byte| byte.is_ascii_hexdigit())
}
