//! Admission to the control socket.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::Path,
    thread,
};

use super::{
    daemon::{Daemon, ask, runtime, socket_in},
    every_call,
};
use crate::{
    control::{
        Access, Admission, Client, ClientError, ControlSocket, ControlSocketError, DaemonLock, Limits,
        LockError, accounts, role::required,
    },
    refusal::{Refusal, RefusalKind},
};
use sipward_api::Call;
use sipward_engine::policy::{Grant, Member, Role, Roles};
use sipward_testkit::scratch::Scratch;
use sipward_testkit::skipped::skipped;

const NOBODY: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        skipped("only root can become another user");
    }
    root
}

/// A group that every system has and that is not root's.
fn group() -> Option<(&'static str, u32)> {
    let group = ["daemon", "mail", "nogroup"]
        .into_iter()
        .find_map(|name| Some((name, accounts::group_id(name).ok()??)).filter(|(_, id)| *id != NOBODY));
    if group.is_none() {
        skipped("this host has none of the groups daemon, mail and nogroup");
    }
    group
}

fn of_group(name: &str) -> Access {
    let roles = Roles { grants: Vec::new(), says_feed: true };
    Access { group: Some(name.to_owned()), roles }
}

/// Runs on a thread with another uid, which connects as that user.
fn as_nobody<T: Send>(groups: &[u32], work: impl FnOnce() -> T + Send) -> T {
    let become_nobody = || {
        // SAFETY: the array outlives the call. The bare calls change this thread only; libc's would change all.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()), 0);
            assert_eq!(libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
        }
    };
    thread::scope(|scope| {
        scope
            .spawn(|| {
                become_nobody();
                work()
            })
            .join()
            .unwrap()
    })
}

fn status(socket: &Path) -> Result<Result<(), Refusal>, ClientError> {
    let mut client = Client::connect(socket)?.expect("somebody listens");
    Ok(ask(&mut client, &Call::Status)?.map(|_| ()))
}

#[test]
fn the_socket_is_roots_or_the_groups_and_goes_with_the_daemon() {
    let daemon = Daemon::start(Limits::default());
    let socket = socket_in(&daemon.scratch);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(&daemon.scratch.path().join("daemon.lock")), 0o600);
    let Some((name, id)) = group().filter(|_| is_root()) else { return };
    let daemon = Daemon::start_for(&of_group(name), Limits::default());
    let socket = socket_in(&daemon.scratch);
    assert_eq!((mode(&socket), fs::metadata(&socket).unwrap().gid()), (0o660, id));
}

fn role(role: Role, member: Member) -> Access {
    Access { group: None, roles: Roles { grants: vec![Grant { role, member }], says_feed: true } }
}

#[test]
fn a_user_with_a_role_gets_in_for_its_calls_and_for_no_others() {
    let Some((group, id)) = group().filter(|_| is_root()) else { return };
    let Some(nobody) = accounts::user_name(NOBODY).unwrap() else {
        return skipped("nobody has no name here");
    };
    let user = || Member::User(nobody.clone());
    let calls = every_call();
    for (name, access, groups) in [
        ("read", role(Role::Read, user()), &[][..]),
        ("lists", role(Role::Lists, user()), &[]),
        ("feed", role(Role::Feed, Member::Group(group.to_owned())), &[id]),
        ("all", role(Role::All, user()), &[]),
    ] {
        let daemon = Daemon::start_for(&access, Limits::default());
        let socket = socket_in(&daemon.scratch);
        let ask_all = || {
            let mut refused = Vec::new();
            for (call_name, call) in calls.iter().filter(|(name, _)| !is_endless(name)) {
                let mut client = Client::connect(&socket).unwrap().expect("somebody listens");
                match ask(&mut client, call).unwrap() {
                    Err(refusal) if refusal.message.starts_with("this call needs the role") => {
                        assert_eq!(refusal.kind, RefusalKind::No);
                        assert!(refusal.message.contains(&format!("has {name}: add the user")), "{refusal}");
                        refused.push(call_name.clone());
                    }
                    _ => {}
                }
            }
            refused
        };
        let refused = as_nobody(groups, ask_all);
        let expected: Vec<_> = calls
            .iter()
            .filter(|(name, call)| !is_endless(name) && !access.roles.grants[0].role.includes(required(call)))
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(refused, expected, "{name}");
        assert_eq!(refused.is_empty(), name == "all");
    }
}

/// The test daemon answers these without end, or not at all.
fn is_endless(name: &str) -> bool {
    ["top", "events", "in-force"].contains(&name)
}

#[test]
fn whoever_has_no_role_cannot_connect_though_others_have_one() {
    let Some((group, id)) = group().filter(|_| is_root()) else { return };
    let daemon = Daemon::start_for(&role(Role::Read, Member::Group(group.to_owned())), Limits::default());
    let socket = socket_in(&daemon.scratch);
    assert_eq!(as_nobody(&[id], || status(&socket)).unwrap(), Ok(()));
    let error = as_nobody(&[], || status(&socket)).unwrap_err();
    assert!(matches!(error, ClientError::NoAccess { group: None, .. }), "{error:?}");
    assert_eq!(mode(&socket) & 0o007, 0);
}

#[test]
fn the_group_gets_in_beside_those_with_roles() {
    let Some((group, id)) = group().filter(|_| is_root()) else { return };
    let Some(nobody) = accounts::user_name(NOBODY).unwrap() else {
        return skipped("nobody has no name here");
    };
    let access = Access { group: Some(group.to_owned()), ..role(Role::Feed, Member::User(nobody)) };
    let daemon = Daemon::start_for(&access, Limits::default());
    let socket = socket_in(&daemon.scratch);
    assert_eq!(as_nobody(&[id], || status(&socket)).unwrap(), Ok(()));
    let refusal = as_nobody(&[], || status(&socket)).unwrap().unwrap_err();
    assert!(refusal.message.starts_with("this call needs the role read, and "), "{refusal}");
}

#[test]
fn somebody_else_is_turned_away_even_where_the_file_lets_them_in() {
    if !is_root() {
        return;
    }
    let daemon = Daemon::start(Limits { clients: 2, ..Limits::default() });
    let socket = socket_in(&daemon.scratch);
    let error = as_nobody(&[], || status(&socket)).unwrap_err();
    assert!(matches!(error, ClientError::NoAccess { group: None, .. }), "{error:?}");
    assert!(error.to_string().ends_with("control.sock: try again with sudo"), "{error}");

    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let refusal = as_nobody(&[0], || status(&socket)).unwrap().unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::No);
    assert!(refusal.message.starts_with("uid 65534 may not use the control socket"), "{refusal}");
    // And takes no seat of another client.
    let _waiting = as_nobody(&[], || [(); 4].map(|()| Client::connect(&socket).unwrap()));
    daemon.assert_serves();
}

#[test]
fn a_member_of_the_group_gets_in() {
    let Some((name, id)) = group().filter(|_| is_root()) else { return };
    let daemon = Daemon::start_for(&of_group(name), Limits::default());
    let socket = socket_in(&daemon.scratch);
    assert_eq!(as_nobody(&[id], || status(&socket)).unwrap(), Ok(()));
    let error = as_nobody(&[], || status(&socket)).unwrap_err();
    assert!(error.to_string().contains(&format!("only root and the group {name} may use")), "{error}");
    assert!(error.to_string().contains(&format!("usermod -aG {name} USER")), "{error}");
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let runtime = runtime();
    let _context = runtime.enter();
    let scratch = Scratch::new("control");
    let lock = DaemonLock::take(scratch.path()).unwrap();

    let live = UnixListener::bind(socket_in(&scratch)).unwrap();
    let error = ControlSocket::open(&socket_in(&scratch), Admission::of_root(), &lock).unwrap_err();
    assert!(
        matches!(error, ControlSocketError::Running { pid } if pid == std::process::id() as i32),
        "{error:?}"
    );
    assert!(socket_in(&scratch).exists());

    drop(live);
    let control_socket = ControlSocket::open(&socket_in(&scratch), Admission::of_root(), &lock).unwrap();
    assert!(Client::connect(&socket_in(&scratch)).unwrap().is_some());
    drop(control_socket);
    assert!(!socket_in(&scratch).exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let runtime = runtime();
    let _context = runtime.enter();
    let scratch = Scratch::new("control");
    let lock = DaemonLock::take(scratch.path()).unwrap();
    fs::write(socket_in(&scratch), "precious").unwrap();
    let error = ControlSocket::open(&socket_in(&scratch), Admission::of_root(), &lock).unwrap_err();
    assert!(matches!(error, ControlSocketError::InTheWay { .. }), "{error:?}");
    assert_eq!(fs::read(socket_in(&scratch)).unwrap(), b"precious");
}

#[test]
fn there_is_one_daemon() {
    let scratch = Scratch::new("control");
    let directory = scratch.path().join("run/sipward");
    assert!(!DaemonLock::is_held(&directory).unwrap());
    let lock = DaemonLock::take(&directory).unwrap();
    assert_eq!(mode(&directory), 0o755);
    for _ in 0..2 {
        assert!(DaemonLock::is_held(&directory).unwrap());
        let error = DaemonLock::take(&directory).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("another sipward daemon runs (pid {})", std::process::id()))
        );
    }
    drop(lock);
    assert!(!DaemonLock::is_held(&directory).unwrap());
    DaemonLock::take(&directory).unwrap();
}

#[test]
fn a_runtime_directory_that_others_can_write_is_refused() {
    let scratch = Scratch::new("control");
    for exposed in [0o775, 0o777, 0o1777] {
        fs::set_permissions(scratch.path(), Permissions::from_mode(exposed)).unwrap();
        let error = DaemonLock::take(scratch.path()).unwrap_err();
        assert!(matches!(error, LockError::Exposed { .. }), "{error:?}");
    }
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o700)).unwrap();
    DaemonLock::take(scratch.path()).unwrap();
}
