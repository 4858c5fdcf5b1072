//! Secrets of accounts: typed without an echo, or read from standard input where that is no terminal. No option takes
//! one, because every user of a host can read its command lines.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read, Write},
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _},
};

use super::failure::{Failure, wrong};

/// In bytes. A terminal passes no longer line.
const LONGEST: usize = 4_095;
const CTRL_C: u8 = 3;

/// True: on a terminal the secret is typed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Twice(pub(super) bool);

/// Asks for a secret on a terminal; else it is the next line of standard input. `what` is its name in messages.
pub(super) fn ask_secret(what: &str, Twice(twice): Twice) -> Result<String, Failure> {
    let stdin = io::stdin();
    // Read without a buffer, which could take more than this line, and would be one more copy of it.
    let mut file = File::from(stdin.as_fd().try_clone_to_owned().map_err(unread)?);
    if !stdin.is_terminal() {
        return secret(line(&mut file, None)?, what);
    }
    let mut prompts = io::stderr();
    let first = secret(typed(&mut file, what, &mut prompts)?, what)?;
    if twice && typed(&mut file, "The same again", &mut prompts)? != first.as_bytes() {
        return Err(wrong("the two are not the same: nothing was changed, try again"));
    }
    Ok(first)
}

fn secret(bytes: Vec<u8>, what: &str) -> Result<String, Failure> {
    if bytes.is_empty() {
        let problem =
            "there is none, so nothing was changed: type it, or give it as a line of standard input";
        return Err(wrong(format_args!("{what}: {problem}")));
    }
    String::from_utf8(bytes)
        .map_err(|_| wrong(format_args!("{what}: it is no text in UTF-8, so nothing was changed")))
}

/// A line from a terminal that does not show it.
fn typed(terminal: &mut File, what: &str, prompts: &mut impl Write) -> Result<Vec<u8>, Failure> {
    let hidden = Hidden::begin(terminal).map_err(unread)?;
    // Standard error may be closed; it can be typed all the same.
    let _ = write!(prompts, "{what}: ").and_then(|()| prompts.flush());
    let typed = line(terminal, Some(CTRL_C));
    drop(hidden);
    let mut bytes = typed?;
    if bytes.pop_if(|last| *last == CTRL_C).is_some() {
        return Err(Failure::No("interrupted: nothing was changed".to_owned()));
    }
    Ok(bytes)
}

/// The next line, without its end. It ends behind `stop`, too.
fn line(from: &mut impl Read, stop: Option<u8>) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while from.read(&mut byte).map_err(unread)? > 0 && byte != [b'\n'] {
        bytes.extend(byte);
        if stop == Some(byte[0]) {
            break;
        }
        if bytes.len() > LONGEST {
            return Err(wrong(format_args!("a secret has at most {LONGEST} bytes: nothing was changed")));
        }
    }
    bytes.pop_if(|last| *last == b'\r');
    Ok(bytes)
}

/// A terminal that shows nothing but the ends of lines, until this is dropped.
struct Hidden {
    terminal: File,
    before: libc::termios,
}

impl Hidden {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let mut before = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open, and there is room for one `termios`.
        checked(unsafe { libc::tcgetattr(terminal.as_raw_fd(), before.as_mut_ptr()) })?;
        // SAFETY: the call has succeeded, so it has filled it in.
        let before = unsafe { before.assume_init() };
        let mut hidden = before;
        // No signal may end the process while the terminal is like this; Ctrl-C ends the line instead.
        hidden.c_lflag &= !(libc::ECHO | libc::ISIG);
        hidden.c_lflag |= libc::ECHONL | libc::ICANON;
        hidden.c_cc[libc::VEOL] = CTRL_C;
        // SAFETY: the descriptor is open, and `hidden` is a `termios` that the system has given.
        checked(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, &raw const hidden) })?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // SAFETY: as above. A terminal that is gone needs nothing.
        unsafe { libc::tcsetattr(self.terminal.as_raw_fd(), libc::TCSADRAIN, &raw const self.before) };
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn unread(error: io::Error) -> Failure {
    wrong(format_args!("standard input cannot be read, so nothing was changed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{
        os::fd::{FromRawFd as _, OwnedFd},
        ptr, thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// The two ends of a terminal: that of the person, and that of the program.
    fn terminal() -> (File, File) {
        let (mut person, mut program) = (0, 0);
        // SAFETY: room for two descriptors; name, settings and size are not asked for.
        let result = unsafe {
            libc::openpty(&raw mut person, &raw mut program, ptr::null_mut(), ptr::null(), ptr::null())
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        // SAFETY: the call has made both, and nothing else has them.
        let own = |descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) };
        (own(person).into(), own(program).into())
    }

    fn echoes(terminal: &File) -> bool {
        let mut settings = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open; the settings are read only if they were filled in.
        unsafe {
            checked(libc::tcgetattr(terminal.as_raw_fd(), settings.as_mut_ptr())).unwrap();
            settings.assume_init().c_lflag & libc::ECHO != 0
        }
    }

    /// The answer to what is typed when the terminal is ready for it, and all that the terminal has shown.
    fn answer(keys: &'static [u8]) -> (Result<Vec<u8>, Failure>, Vec<u8>) {
        let (mut person, mut program) = terminal();
        let watched = program.try_clone().unwrap();
        let mut hand = person.try_clone().unwrap();
        let typing = thread::spawn(move || {
            let end = Instant::now() + Duration::from_secs(30);
            while echoes(&watched) {
                assert!(Instant::now() < end, "the terminal goes on echoing");
                thread::sleep(Duration::from_millis(1));
            }
            hand.write_all(keys).unwrap();
        });
        let mut prompts = Vec::new();
        let answer = typed(&mut program, "Password", &mut prompts);
        assert_eq!(prompts, b"Password: ");
        typing.join().unwrap();
        assert!(echoes(&program), "the terminal is as it was");
        program.write_all(b"$").unwrap();
        let mut shown = Vec::new();
        while shown.last() != Some(&b'$') {
            let mut byte = [0];
            person.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        (answer, shown)
    }

    #[test]
    fn a_terminal_does_not_show_what_is_typed() {
        let (answer, shown) = answer(b"s3cret word\n");
        assert_eq!(answer.unwrap(), b"s3cret word");
        assert_eq!(shown, b"\r\n$");
    }

    #[test]
    fn ctrl_c_ends_the_question_and_gives_the_terminal_back() {
        let (answer, shown) = answer(b"s3c\x03");
        assert!(matches!(answer, Err(Failure::No(_))), "{answer:?}");
        assert_eq!(shown, b"$");
    }

    #[test]
    fn a_secret_is_one_line_and_no_message_contains_it() {
        let long = [vec![b'x'; LONGEST + 1], b"\n".to_vec()].concat();
        for (given, expected) in [
            (&b"one\ntwo\n"[..], Ok("one")),
            (b"one\r\n", Ok("one")),
            (b"no end", Ok("no end")),
            (b" blanks stay ", Ok(" blanks stay ")),
            (b"s3cret\x03\n", Ok("s3cret\x03")),
            (b"\n", Err("Password: there is none")),
            (b"", Err("Password: there is none")),
            (b"s3cret\xff\n", Err("Password: it is no text")),
            (&long, Err("at most 4095 bytes")),
        ] {
            let read = line(&mut &given[..], None).and_then(|line| secret(line, "Password"));
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected),
                (Err(Failure::Wrong(error)), Err(expected)) => {
                    assert!(error.starts_with(expected) || error.contains(expected), "{error}");
                    assert!(!error.contains("s3cret"), "{error}");
                }
                (read, _) => panic!("{read:?}, not {expected:?}"),
            }
        }
    }
}
