//! Daemons that end, and sockets without a daemon.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

use super::daemon::{ask, socket_in};
use crate::control::{Client, ClientError};
use sipward_api::Call;
use sipward_testkit::scratch::Scratch;

/// The result of a client whose daemon reads one request, answers with this and ends.
fn after(said: &'static str, call: &Call) -> ClientError {
    let scratch = Scratch::new("control");
    let listener = UnixListener::bind(socket_in(&scratch)).unwrap();
    let daemon = thread::spawn(move || {
        let mut stream: UnixStream = listener.accept().unwrap().0;
        BufReader::new(&stream).read_line(&mut String::new()).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
    });
    let mut client = Client::connect(&socket_in(&scratch)).unwrap().unwrap();
    let error = ask(&mut client, call).unwrap_err();
    daemon.join().unwrap();
    error
}

#[test]
fn a_daemon_that_goes_away_leaves_it_open_whether_the_change_was_made() {
    for said in ["", "{\"item\":1}\n", "{\"item\":1}\n{\"no", "\"done\""] {
        let error = after(said, &Call::Reload);
        assert!(matches!(error, ClientError::Lost { change: true }), "{said:?}: {error:?}");
        let message = error.to_string();
        assert!(message.contains("it is not known whether the change was made: look with"), "{message}");

        let error = after(said, &Call::Status);
        assert!(matches!(error, ClientError::Lost { change: false }), "{said:?}: {error:?}");
        assert!(!error.to_string().contains("change"), "{error}");
    }
}

#[test]
fn somebody_else_on_the_socket_is_not_understood() {
    for said in ["220 mail.example ESMTP\r\n", "\"finished\"\n", "\n", "{}\n", "\u{1b}[2J\n"] {
        let error = after(said, &Call::Reload);
        assert!(matches!(error, ClientError::Garbled { .. }), "{said:?}: {error:?}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[test]
fn no_daemon_is_no_error() {
    let scratch = Scratch::new("control");
    assert!(Client::connect(&socket_in(&scratch)).unwrap().is_none());
    drop(UnixListener::bind(socket_in(&scratch)).unwrap());
    assert!(socket_in(&scratch).exists());
    assert!(Client::connect(&socket_in(&scratch)).unwrap().is_none());
}
