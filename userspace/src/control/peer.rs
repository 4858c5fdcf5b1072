//! The process at the other end of a socket, as reported by the kernel.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd as _},
};

use super::accounts;
use crate::caller::Who;

/// The one who connected, as it was at that moment; of a listener's end, the one who listens.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: i32,
    /// All of them, supplementary ones too.
    pub(super) groups: Vec<u32>,
}

impl Peer {
    pub(super) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let unknown = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
        let mut credentials = [unknown];
        get_option(socket, libc::SO_PEERCRED, &mut credentials)?;
        let [libc::ucred { pid, uid, gid }] = credentials;
        let mut groups = supplementary_groups(socket)?;
        groups.push(gid);
        Ok(Self { uid, pid, groups })
    }

    /// Asks the host for names, which may take its time where these are on a network.
    pub(super) fn who(&self) -> Who {
        let login = login(self.pid).filter(|login| *login != self.uid);
        let user = name_of(self.uid);
        let name = match login {
            Some(login) => format!("{user} ({})", name_of(login)),
            None => user,
        };
        Who { uid: self.uid, pid: self.pid, name }
    }

    /// Without names.
    pub(super) fn nameless(&self) -> Who {
        Who { uid: self.uid, pid: self.pid, name: self.uid.to_string() }
    }
}

/// This process itself, for what it does without a daemon.
pub fn this_process() -> Who {
    // SAFETY: no arguments, cannot fail.
    let uid = unsafe { libc::getuid() };
    Peer { uid, pid: std::process::id() as i32, groups: Vec::new() }.who()
}

fn name_of(uid: u32) -> String {
    accounts::user_name(uid).ok().flatten().unwrap_or_else(|| uid.to_string())
}

/// The login user of the process, however often it has changed its user since.
fn login(pid: i32) -> Option<u32> {
    /// No login: a service.
    const UNSET: u32 = u32::MAX;
    let text = fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != UNSET)
}

fn supplementary_groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 32];
    loop {
        match get_option(socket, libc::SO_PEERGROUPS, &mut groups) {
            Ok(count) => {
                groups.truncate(count);
                return Ok(groups);
            }
            // The most that Linux lets a process have is 65,536.
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && groups.len() < 1 << 16 => {
                groups.resize(groups.len() * 4, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Fills `values` from the start, and returns the number of values.
fn get_option<T: Copy>(socket: &impl AsFd, option: libc::c_int, values: &mut [T]) -> io::Result<usize> {
    let mut length = size_of_val(values) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `values`; the options that this is
    // used for consist of plain integers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(length as usize / size_of::<T>()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::MetadataExt as _, net::UnixStream};

    use super::*;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = Peer::of(&here).unwrap();
        let own = fs::metadata("/proc/self").unwrap();
        assert_eq!((peer.uid, peer.pid), (own.uid(), std::process::id() as i32));
        assert!(peer.groups.contains(&own.gid()));
        let who = peer.who();
        assert_eq!((who.uid, who.pid), (peer.uid, peer.pid));
        assert!(who.name.starts_with(&name_of(own.uid())), "{who:?}");
    }

    #[test]
    fn somebody_without_a_name_is_a_number() {
        let peer = Peer { uid: 3_999_999_999, pid: 0, groups: vec![] };
        assert_eq!(peer.who().name, "3999999999");
        assert_eq!(peer.nameless(), peer.who());
    }
}
