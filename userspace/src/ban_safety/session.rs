//! The address of the operator's SSH session.

use std::{fs, net::IpAddr, os::unix::process::parent_id};

use super::address;

const SSH: &str = "SSH_CONNECTION";
/// Deeper than any real session. Processes that start and end meanwhile could otherwise lead the search in a circle.
const GENERATIONS: usize = 64;

/// The address that this process's ssh session comes from. `sudo` removes the variable with it, but not
/// from the shell that it was typed in: where it is not set, the processes above are asked, the nearest first.
pub fn session() -> Option<IpAddr> {
    match std::env::var(SSH) {
        Ok(text) => client(&text),
        Err(_) => nearest(parent_id()),
    }
}

/// Of a process or of the nearest one above it that has one, as far as this user may see.
fn nearest(process: u32) -> Option<IpAddr> {
    let parent = |&process: &u32| {
        let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
        parent_in(&String::from_utf8_lossy(&stat))
    };
    std::iter::successors(Some(process), parent)
        .take_while(|&process| process != 0)
        .take(GENERATIONS)
        .filter_map(|process| fs::read(format!("/proc/{process}/environ")).ok())
        .find_map(|environment| client(variable(&environment, SSH)?))
}

/// `SSH_CONNECTION`: client, its port, server, its port.
fn client(text: &str) -> Option<IpAddr> {
    address(text.split_whitespace().next()?)
}

/// `/proc/PID/stat`: number, name in parentheses, state, parent, … The name may have anything in it,
/// parentheses too.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// `/proc/PID/environ`: `NAME=VALUE`, a NUL behind each.
fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a str> {
    environment
        .split(|&byte| byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn the_session_is_where_ssh_says() {
        assert_eq!(client("198.51.100.9 50412 192.0.2.1 22"), "198.51.100.9".parse().ok());
        assert_eq!(client("fe80::1%eth0 50412 fe80::2%eth0 22"), "fe80::1".parse().ok());
        assert_eq!(client(""), None);
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        for (stat, parent) in [
            ("812 (bash) S 811 812 812 34816", Some(811)),
            ("812 (a) R 1 (b) S 5 (c)) S 77 812 812", Some(77)),
            ("1 (init) S 0 1 1", Some(0)),
            ("812 (bash", None),
            ("812 (bash) S", None),
            ("", None),
        ] {
            assert_eq!(parent_in(stat), parent, "{stat}");
        }
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment =
            b"MY_SSH_CONNECTION=1\0\xff=\0SSH_CONNECTION_2=2\0SSH_CONNECTION=3 = 4\0SHELL=/bin/sh\0";
        for (name, value) in [(SSH, Some("3 = 4")), ("SHELL", Some("/bin/sh")), ("SSH", None)] {
            assert_eq!(variable(environment, name), value, "{name}");
        }
        assert_eq!(variable(b"", SSH), None);
    }

    /// The number of a process below two shells, of which it gets the environment that `env` leaves; it lives
    /// until the pipe is closed.
    fn grandchild(connection: Option<&str>, env: &str) -> (std::process::Child, u32) {
        // The colon keeps each shell from becoming what it starts.
        let script = format!("{env} sh -c 'echo $$; cat; :'; :");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove(SSH);
        command.envs(connection.map(|connection| (SSH, connection)));
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().parse().unwrap())
    }

    #[test]
    fn a_session_is_that_of_the_nearest_process_that_has_one() {
        for (connection, env, expected) in [
            (Some("198.51.100.9 1 192.0.2.1 22"), "env", "198.51.100.9".parse().ok()),
            // As `sudo` does.
            (Some("198.51.100.9 1 192.0.2.1 22"), "env -i PATH=\"$PATH\"", "198.51.100.9".parse().ok()),
            (
                Some("198.51.100.9 1 192.0.2.1 22"),
                "env SSH_CONNECTION='2001:db8::9 1 ::1 22'",
                "2001:db8::9".parse().ok(),
            ),
            (Some("nonsense"), "env", nearest(std::process::id())),
            (None, "env", nearest(std::process::id())),
        ] {
            let (mut child, process) = grandchild(connection, env);
            assert_eq!(nearest(process), expected, "{connection:?} {env}");
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_process_that_is_not_there_has_no_session() {
        assert_eq!(nearest(u32::MAX), None);
        assert_eq!(nearest(0), None);
    }
}
