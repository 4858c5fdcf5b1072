//! Checks of those whom `[roles]` lets use the control socket.

use std::path::Path;

use super::finding::Finding;
use crate::control::has_no_lists;
use sipward_engine::policy::Config;

pub(super) struct Facts {
    /// The configuration gives somebody a role who may need one on this host.
    gives_roles: bool,
    /// The control socket, if its file system has no access control lists.
    without_lists: Option<String>,
}

pub(super) fn read(socket: &Path, config: &Config) -> Facts {
    let roles = &config.roles;
    let is_needed = |grant| !roles.is_optional(grant) || config.edge.is_some();
    Facts {
        gives_roles: roles.grants.iter().any(is_needed),
        without_lists: has_no_lists(socket).then(|| socket.display().to_string()),
    }
}

pub(super) fn check(facts: &Facts) -> Option<Finding> {
    let socket = facts.without_lists.as_ref().filter(|_| facts.gives_roles)?;
    Some(Finding::bad(
        "roles",
        format!(
            "{socket} cannot have an access control list, so that nobody of [roles] gets in, the edge included"
        ),
        "mount a tmpfs on /run, then `systemctl restart sipward`; members of `group` get in all the same",
    ))
}

#[cfg(test)]
mod tests {
    use super::{
        super::finding::{State, tests::says},
        *,
    };

    fn with(text: &str, without_lists: bool) -> Option<Finding> {
        let config = Config::parse(text, "sipward.toml").unwrap();
        let facts = read(Path::new("/nowhere"), &config);
        check(&Facts { without_lists: without_lists.then(|| "/run/s.sock".to_owned()), ..facts })
    }

    #[test]
    fn whoever_has_a_role_needs_a_list_to_use_it() {
        const ROLES: &str = "[roles]\nread = 'zabbix'\n";
        const EDGE: &str = "[edge]\nlisten = 'udp:203.0.113.5:5060'\ninner = '127.0.0.1:5070'\npbx = '127.0.0.1:5080'\nrealm = 'a'\n";
        for text in [ROLES, EDGE] {
            says(&with(text, true).unwrap(), State::Bad, &["/run/s.sock", "nobody of [roles]", "tmpfs"]);
            assert_eq!(with(text, false), None);
        }
        assert_eq!(with("", true), None, "the edge's user need not exist");
    }
}
