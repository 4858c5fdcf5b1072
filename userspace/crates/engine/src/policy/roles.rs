//! `[roles]` of the file: the users and groups that may use the control socket, and for what.

use std::fmt;

use super::{
    document::{Section, Value},
    error::ConfigError,
};

/// The user of `sipward edge`, unless the file names others.
const EDGE: &str = "sipward-edge";

/// The permission to make certain calls over the control socket. One has a role by itself, or by one that includes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Query the state.
    Read,
    /// Change the lists, and lock and unlock accounts. Includes `Read`.
    Lists,
    /// Hand in evidence, and be sent what is in force.
    Feed,
    /// Everything.
    All,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Read, Self::Lists, Self::Feed, Self::All];

    /// The key in `[roles]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Lists => "lists",
            Self::Feed => "feed",
            Self::All => "all",
        }
    }

    pub const fn includes(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _)
            | (Self::Lists, Self::Read | Self::Lists)
            | (Self::Read, Self::Read)
            | (Self::Feed, Self::Feed) => true,
            (Self::Lists | Self::Read, Self::Feed | Self::All)
            | (Self::Read, Self::Lists)
            | (Self::Feed, Self::Read | Self::Lists | Self::All) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a user, or of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    User(String),
    Group(String),
}

/// As in the file.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "@{name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub member: Member,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Ordered by role.
    pub grants: Vec<Grant>,
    /// True if the text says who feeds; false if it is the default, a user that need not exist.
    pub says_feed: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { grants: edge(), says_feed: false }
    }
}

fn edge() -> Vec<Grant> {
    vec![Grant { role: Role::Feed, member: Member::User(EDGE.to_owned()) }]
}

impl Roles {
    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let mut grants = Vec::new();
        for role in Role::ALL {
            let default = if role == Role::Feed { edge() } else { Vec::new() };
            grants.extend(section.read(role.name(), default, |value| members(role, value))?);
        }
        let says_feed = section.says(Role::Feed.name());
        section.finish()?;
        Ok(Self { grants, says_feed })
    }

    /// True if its member need not exist.
    pub fn is_optional(&self, grant: &Grant) -> bool {
        grant.role == Role::Feed && !self.says_feed
    }
}

fn members(role: Role, value: Value<'_>) -> Result<Vec<Grant>, ConfigError> {
    let mut grants: Vec<Grant> = Vec::new();
    for item in value.items() {
        let text = item.text("the name of a user, such as \"zabbix\", or of a group, such as \"@noc\"")?;
        let (name, member) = match text.strip_prefix('@') {
            Some(name) => (name, Member::Group(name.to_owned())),
            None => (text, Member::User(text.to_owned())),
        };
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':' || c == '@')
        {
            return Err(item.fail(format!(
                "\"{text}\" cannot be a name; write a user as in `getent passwd`, or a group as in `getent group` \
                 with @ before it"
            )));
        }
        if grants.iter().any(|grant| grant.member == member) {
            return Err(item.fail(format!("{text} is named twice; remove one")));
        }
        grants.push(Grant { role, member });
    }
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Config;

    fn roles(text: &str) -> Result<Roles, ConfigError> {
        Ok(Config::parse(text, "sipward.toml")?.resolve()?.roles)
    }

    #[test]
    fn users_and_groups_get_roles_and_the_edge_feeds_unless_others_do() {
        let named = |text: &str| {
            let grants = roles(text).unwrap().grants;
            grants.iter().map(|Grant { role, member }| format!("{role} {member}")).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("", &["feed sipward-edge"][..]),
            ("[roles]\nread = \"zabbix\"", &["read zabbix", "feed sipward-edge"]),
            (
                "[roles]\nall = [\"@admins\"]\nlists = [\"@noc\"]\nread = [\"zabbix\", \"@noc\"]\nfeed = [\"asterisk\"]",
                &["read zabbix", "read @noc", "lists @noc", "feed asterisk", "all @admins"],
            ),
            ("[roles]\nfeed = []", &[]),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_feeder_by_default_need_not_exist() {
        let optional = |text: &str| {
            let roles = roles(text).unwrap();
            roles.grants.iter().map(|grant| roles.is_optional(grant)).collect::<Vec<_>>()
        };
        assert_eq!(optional("[roles]\nread = \"zabbix\""), [false, true]);
        assert_eq!(optional("[roles]\nfeed = \"sipward-edge\""), [false]);
    }

    #[test]
    fn a_wrong_name_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("reed = []", "2: roles.reed: there is no such key; did you mean feed?"),
            (
                "read = 5",
                "2: roles.read: this is an integer; write the name of a user, such as \"zabbix\", or of a group",
            ),
            ("read = [\"\"]", "2: roles.read: \"\" cannot be a name; write a user as in `getent passwd`"),
            ("read = [\"@\"]", "2: roles.read: \"@\" cannot be a name"),
            ("read = [\"a b\"]", "2: roles.read: \"a b\" cannot be a name"),
            ("read = [\"root:x\"]", "2: roles.read: \"root:x\" cannot be a name"),
            ("read = [\"@noc\", \"@noc\"]", "2: roles.read: @noc is named twice; remove one"),
        ] {
            let error = roles(&format!("[roles]\n{text}")).expect_err(text).to_string();
            assert!(error.starts_with(&format!("sipward.toml:{expected}")), "{error}");
        }
    }

    #[test]
    fn each_role_includes_itself_and_all_includes_every_role() {
        for role in Role::ALL {
            assert!(role.includes(role) && Role::All.includes(role), "{role}");
            assert_eq!(role.includes(Role::All), role == Role::All, "{role}");
            assert_eq!(role.includes(Role::Feed), matches!(role, Role::Feed | Role::All), "{role}");
        }
        assert!(Role::Lists.includes(Role::Read) && !Role::Read.includes(Role::Lists));
        assert!(!Role::Feed.includes(Role::Read));
    }
}
