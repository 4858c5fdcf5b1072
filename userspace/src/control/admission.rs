//! The users whom the daemon admits, and what each of them may do.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{accounts, peer::Peer};
use sipward_engine::policy::{Grant, Member, Role, Roles};

/// For looking up all names. A directory of users on a network may not be there yet while the host starts, and the
/// daemon starts before the network.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom the configuration admits, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Its members may do everything.
    pub group: Option<String>,
    pub roles: Roles,
}

/// The same by number, with root and the daemon's own user.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The daemon's own user.
    own: u32,
    /// By name and number.
    pub(super) group: Option<(String, u32)>,
    members: Vec<(Role, Id)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    User(u32),
    Group(u32),
}

/// A name that admits nobody.
#[derive(Debug)]
pub enum AdmissionError {
    NoGroup { name: String },
    NoMember { grant: Grant },
    Failed { name: String, cause: io::Error },
}

/// The roles of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permissions(Vec<Role>);

impl Admission {
    /// Names that cannot be found are the errors, and admit nobody.
    pub fn of(access: &Access) -> (Self, Vec<AdmissionError>) {
        let mut admission = Self::of_root();
        let mut errors = Vec::new();
        let until = Instant::now() + PATIENCE;
        if let Some(name) = &access.group {
            match look_up(&Member::Group(name.clone()), until) {
                Ok(Some(Id::Group(id) | Id::User(id))) => admission.group = Some((name.clone(), id)),
                Ok(None) => errors.push(AdmissionError::NoGroup { name: name.clone() }),
                Err(cause) => errors.push(AdmissionError::Failed { name: format!("@{name}"), cause }),
            }
        }
        for grant in &access.roles.grants {
            match look_up(&grant.member, until) {
                Ok(Some(id)) => admission.members.push((grant.role, id)),
                Ok(None) if access.roles.is_optional(grant) => {}
                Ok(None) => errors.push(AdmissionError::NoMember { grant: grant.clone() }),
                Err(cause) => errors.push(AdmissionError::Failed { name: grant.member.to_string(), cause }),
            }
        }
        (admission, errors)
    }

    /// Nobody but root and the daemon's own user.
    pub fn of_root() -> Self {
        // SAFETY: no arguments, cannot fail.
        let own = unsafe { libc::geteuid() };
        Self { own, group: None, members: Vec::new() }
    }

    pub fn without_group(self) -> Self {
        Self { group: None, ..self }
    }

    pub fn without_roles(self) -> Self {
        Self { members: Vec::new(), ..self }
    }

    /// Those that need an entry of their own to get at the socket: users, and groups.
    pub(super) fn shared_with(&self) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for (_, id) in &self.members {
            match id {
                Id::User(id) => users.insert(*id),
                Id::Group(id) => groups.insert(*id),
            };
        }
        (users, groups)
    }

    /// `None`: it is not admitted.
    pub(super) fn permissions(&self, peer: &Peer) -> Option<Permissions> {
        let in_group = self.group.as_ref().is_some_and(|(_, id)| peer.groups.contains(id));
        if peer.uid == 0 || peer.uid == self.own || in_group {
            return Some(Permissions(vec![Role::All]));
        }
        let is_peer = |id: &Id| match id {
            Id::User(id) => peer.uid == *id,
            Id::Group(id) => peer.groups.contains(id),
        };
        let mut roles: Vec<_> =
            self.members.iter().filter(|(_, id)| is_peer(id)).map(|(role, _)| *role).collect();
        roles.dedup();
        (!roles.is_empty()).then_some(Permissions(roles))
    }
}

fn look_up(member: &Member, until: Instant) -> io::Result<Option<Id>> {
    let (to, found) = mpsc::channel();
    let member = member.clone();
    thread::Builder::new().name("look-up".to_owned()).spawn(move || {
        let found = match &member {
            Member::User(name) => accounts::user_id(name).map(|id| id.map(Id::User)),
            Member::Group(name) => accounts::group_id(name).map(|id| id.map(Id::Group)),
        };
        // Nobody waits for it any more if it comes too late.
        let _ = to.send(found);
    })?;
    found
        .recv_timeout(until.saturating_duration_since(Instant::now()))
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl Permissions {
    pub(super) fn allow(&self, required: Role) -> bool {
        self.0.iter().any(|role| role.includes(required))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|role| role.name()).collect();
        f.write_str(&names.join(" and "))
    }
}

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGroup { name } => write!(
                f,
                "the group {name} of the control socket does not exist: make it with `groupadd --system \
                 {name}`, or configure no group"
            ),
            Self::NoMember { grant: Grant { role, member } } => {
                let (kind, command) = match member {
                    Member::User(name) => ("user", format!("useradd --system {name}")),
                    Member::Group(name) => ("group", format!("groupadd --system {name}")),
                };
                write!(
                    f,
                    "roles.{role}: the {kind} {member} does not exist: make it with `{command}` and restart the \
                     daemon, or remove it from the configuration"
                )
            }
            Self::Failed { name, cause } => {
                write!(f, "could not look up {name}: {cause}; `systemctl restart sipward` tries again")
            }
        }
    }
}

impl std::error::Error for AdmissionError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{role::required, tests::every_call};

    fn peer(uid: u32, groups: &[u32]) -> Peer {
        Peer { uid, pid: 1, groups: groups.to_vec() }
    }

    #[test]
    fn root_the_daemons_own_user_and_the_group_may_do_everything() {
        let admission = |group: Option<u32>| Admission {
            own: 500,
            group: group.map(|id| ("sipward".to_owned(), id)),
            members: Vec::new(),
        };
        for (peer, group, admitted) in [
            (peer(0, &[0]), None, true),
            (peer(500, &[500]), None, true),
            (peer(501, &[501]), None, false),
            (peer(501, &[501]), Some(77), false),
            (peer(501, &[77]), Some(77), true),
            (peer(501, &[4, 77, 501]), Some(77), true),
            (peer(77, &[501]), Some(77), false),
            (peer(501, &[0, 500]), Some(77), false),
        ] {
            let permissions = admission(group).permissions(&peer);
            assert_eq!(permissions.is_some_and(|all| all.allow(Role::All)), admitted, "{peer:?} {group:?}");
        }
    }

    #[test]
    fn a_user_has_the_roles_of_its_name_and_of_its_groups() {
        let members = vec![
            (Role::Read, Id::User(600)),
            (Role::Lists, Id::Group(70)),
            (Role::Feed, Id::User(600)),
            (Role::Feed, Id::User(601)),
        ];
        let admission = Admission { own: 500, group: None, members };
        for (peer, expected) in [
            (peer(600, &[600]), Some("read and feed")),
            (peer(600, &[70]), Some("read and lists and feed")),
            (peer(601, &[600]), Some("feed")),
            (peer(602, &[1, 70]), Some("lists")),
            (peer(70, &[602]), None),
        ] {
            let permissions = admission.permissions(&peer).map(|permissions| permissions.to_string());
            assert_eq!(permissions.as_deref(), expected, "{peer:?}");
        }
        assert_eq!(admission.shared_with(), (BTreeSet::from([600, 601]), BTreeSet::from([70])));
    }

    /// Each call, with the roles that may make it: read, lists, feed and all.
    const ALLOWED: [(&str, [bool; 4]); 25] = [
        ("trust", LISTS),
        ("ban", LISTS),
        ("remove", LISTS),
        ("list", READ),
        ("import", LISTS),
        ("mode", ALL),
        ("only", ALL),
        ("confirm", LISTS),
        ("signatures", ALL),
        ("reload", ALL),
        ("attach", ALL),
        ("detach", ALL),
        ("status", READ),
        ("explain", READ),
        ("accounts", READ),
        ("account", READ),
        ("lock", LISTS),
        ("unlock", LISTS),
        ("rules", READ),
        ("events", READ),
        ("top", READ),
        ("audit", READ),
        ("evidence", FEED),
        ("report", FEED),
        ("in-force", FEED),
    ];
    const READ: [bool; 4] = [true, true, false, true];
    const LISTS: [bool; 4] = [false, true, false, true];
    const FEED: [bool; 4] = [false, false, true, true];
    const ALL: [bool; 4] = [false, false, false, true];

    #[test]
    fn each_role_may_make_its_calls_and_no_others() {
        let calls = every_call();
        assert_eq!(calls.len(), ALLOWED.len());
        for (name, allowed) in ALLOWED {
            let call = &calls[name];
            let may = Role::ALL.map(|role| Permissions(vec![role]).allow(required(call)));
            assert_eq!(may, allowed, "{name}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_an_error_unless_it_is_there_by_default() {
        let errors = |access| {
            let (admission, errors) = Admission::of(&access);
            assert_eq!(admission.shared_with(), (BTreeSet::new(), BTreeSet::new()));
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let grant = |role, member| Grant { role, member };
        let nobody = || Member::User("no such user".to_owned());
        let by_default = Roles { grants: vec![grant(Role::Feed, nobody())], says_feed: false };
        assert!(errors(Access { group: None, roles: by_default.clone() }).is_empty());
        let said = Roles { says_feed: true, ..by_default };
        assert_eq!(
            errors(Access { group: None, roles: said }),
            [
                "roles.feed: the user no such user does not exist: make it with `useradd --system no such user` and \
              restart the daemon, or remove it from the configuration"
            ]
        );
        let group = grant(Role::Lists, Member::Group("no such group".to_owned()));
        let roles = Roles { grants: vec![group], says_feed: false };
        assert_eq!(
            errors(Access { group: Some("nor this".to_owned()), roles }),
            [
                "the group nor this of the control socket does not exist: make it with `groupadd --system nor this`, \
                 or configure no group",
                "roles.lists: the group @no such group does not exist: make it with `groupadd --system no such group` \
                 and restart the daemon, or remove it from the configuration"
            ]
        );
    }

    #[test]
    fn a_name_that_exists_gets_its_role() {
        let grants = vec![
            Grant { role: Role::Read, member: Member::User("root".to_owned()) },
            Grant { role: Role::Lists, member: Member::Group("root".to_owned()) },
        ];
        let (admission, errors) =
            Admission::of(&Access { group: None, roles: Roles { grants, says_feed: false } });
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(admission.members, [(Role::Read, Id::User(0)), (Role::Lists, Id::Group(0))]);
    }
}
