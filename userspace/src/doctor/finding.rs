//! Results of checks.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Works, and could be better; or could not be seen.
    Warn,
    Bad,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: String,
    pub state: State,
    pub found: String,
    /// The advice; empty where all is well.
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), advice: None }
    }

    pub(super) fn warn(
        check: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { advice: Some(advice.into()), state: State::Warn, ..Self::ok(check, found) }
    }

    pub(super) fn bad(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::warn(check, found, advice) }
    }

    /// A fact that this user may not read.
    pub(super) fn unseen(check: impl Into<String>, what: &str) -> Self {
        Self::warn(check, format!("this user may not see {what}"), "run it as root: `sudo sipward doctor`")
    }
}

/// Advice to change kernel settings, now and permanently.
pub(super) fn sysctl(settings: &[(&str, u64)]) -> String {
    let lines: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("`sysctl -w {}`; lines in /etc/sysctl.d/90-sipward.conf make it last", lines.join(" "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Asserts the state of a finding and fragments of its text or advice.
    #[track_caller]
    pub(in crate::doctor) fn says(finding: &Finding, state: State, said: &[&str]) {
        assert_eq!(finding.state, state, "{finding:?}");
        assert_eq!(finding.advice.is_none(), state == State::Ok, "{finding:?}");
        let text =
            format!("{}: {} → {}", finding.check, finding.found, finding.advice.as_deref().unwrap_or(""));
        for said in said {
            assert!(text.contains(said), "{said:?} is missing in {text:?}");
        }
    }

    #[test]
    fn advice_on_settings_can_be_typed() {
        assert_eq!(
            sysctl(&[("net.a", 1), ("net.b", 2)]),
            "`sysctl -w net.a=1 net.b=2`; lines in /etc/sysctl.d/90-sipward.conf make it last"
        );
    }
}
