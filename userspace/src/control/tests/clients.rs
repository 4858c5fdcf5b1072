//! Many clients, slow ones among them.

use std::{net::Shutdown, thread, time::Duration};

use super::daemon::{Daemon, ask, wait_until};
use crate::{
    control::{ClientError, Limits, Received},
    refusal::RefusalKind,
};
use sipward_api::{Answer, Audit, Call, Events};

const STATUS: &str = "{\"version\":1,\"call\":\"status\"}\n";
const FOLLOW: &str = "{\"version\":1,\"call\":\"events\",\"follow\":true}\n";
const TOP: &str = "{\"version\":1,\"call\":\"top\"}\n";

fn count_to(limit: u32) -> Call {
    Call::Audit(Audit { limit, source: None, account: None })
}

#[test]
fn two_clients_at_once_get_their_own_answers() {
    let daemon = Daemon::start(Limits::default());
    thread::scope(|scope| {
        for limit in [20_000, 30_000] {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut client = daemon.client();
                for _ in 0..2 {
                    let items = ask(&mut client, &count_to(limit)).unwrap().unwrap();
                    assert!(items.iter().map(|item| item["number"].as_u64()).eq((0..limit.into()).map(Some)));
                    assert_eq!(items.len(), limit as usize);
                }
            });
        }
    });
}

#[test]
fn a_refusal_is_an_answer_and_the_client_goes_on() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.client();
    let refusal = ask(&mut client, &Call::Confirm).unwrap().unwrap_err();
    assert_eq!((refusal.kind, refusal.message.as_str()), (RefusalKind::No, "there is nothing to confirm"));
    let status = ask(&mut client, &Call::Status).unwrap().unwrap();
    assert_eq!(status[0]["pid"], std::process::id());
}

#[test]
fn what_is_asked_ahead_is_answered_in_order() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    client.send(format!("{STATUS}nonsense\r\n{{\"version\":1,\"call\":\"confirm\"}}\r\n{STATUS}"));
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!(client.answer(), Some(Answer::Done));
    assert_eq!(client.failure().kind, RefusalKind::Wrong);
    assert_eq!(client.failure().kind, RefusalKind::No);
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!(client.answer(), Some(Answer::Done));
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_nobody_else_notices() {
    let daemon = Daemon::start(Limits { stall: Duration::from_millis(300), ..Limits::default() });
    let mut stalled = [daemon.raw(), daemon.raw(), daemon.raw()];
    for client in &mut stalled {
        client.send(TOP);
    }
    wait_until("all three are being told", || daemon.busy() == 3);
    let mut other = daemon.client();
    wait_until("they are given up", || {
        assert_eq!(ask(&mut other, &Call::Status).unwrap().unwrap().len(), 1);
        daemon.busy() == 0
    });
    for client in &mut stalled {
        // The earlier lines arrive complete, and then the stream ends within a line.
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(std::io::copy(&mut client.stream, &mut std::io::sink()).unwrap() > 0);
    }
}

/// A pager may wait for its reader as long as that likes.
#[test]
fn a_command_that_pauses_loses_nothing() {
    let daemon = Daemon::start(Limits { stall: Duration::from_millis(100), ..Limits::default() });
    let mut items = 0;
    let outcome = daemon.client().ask::<ClientError>(&count_to(50_000), |received| {
        assert!(matches!(received, Received::Item(_)));
        if items == 0 {
            wait_until("everything has been told while the first is looked at", || daemon.busy() == 0);
        }
        items += 1;
        Ok(())
    });
    assert_eq!(outcome.unwrap(), Ok(()));
    assert_eq!(items, 50_000);
}

#[test]
fn a_client_that_hangs_up_ends_its_call_though_nothing_happens() {
    let daemon = Daemon::start(Limits::default());
    // The second client has asked for more answers, which remain unread.
    for request in [FOLLOW.to_owned(), format!("{FOLLOW}{STATUS}")] {
        let mut client = daemon.raw();
        client.send(request);
        assert_eq!(client.answer(), Some(Answer::Notice("it begins".to_owned())));
        assert_eq!(daemon.busy(), 1);
        drop(client);
        wait_until("the call ends", || daemon.busy() == 0);
    }
}

#[test]
fn a_client_that_hangs_up_in_the_middle_of_a_stream_ends_it() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    client.send(TOP);
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    drop(client);
    wait_until("the call ends", || daemon.busy() == 0);
    daemon.assert_serves();
}

/// As `nc -N` and `socat` do.
#[test]
fn a_client_that_will_ask_no_more_still_gets_its_answers() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.raw();
    client.send(format!("{STATUS}{FOLLOW}"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!(client.answer(), Some(Answer::Done));
    assert_eq!(client.answer(), Some(Answer::Notice("it begins".to_owned())));
    assert_eq!(daemon.busy(), 1);
    drop(client);
    wait_until("the call ends", || daemon.busy() == 0);

    let mut client = daemon.raw();
    client.send(STATUS);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(client.answer(), Some(Answer::Item(_))));
    assert_eq!((client.answer(), client.answer()), (Some(Answer::Done), None));
}

#[test]
fn one_client_too_many_is_told_so_until_another_goes() {
    // SAFETY: no arguments, cannot fail.
    let uid = unsafe { libc::geteuid() };
    for (limits, expected) in [
        (Limits { clients: 2, ..Limits::default() }, "it has 2".to_owned()),
        (Limits { of_a_user: 2, ..Limits::default() }, format!("uid {uid} already has 2 connections")),
        (
            Limits { of_a_process: 2, ..Limits::default() },
            format!("process {} already has 2 connections", std::process::id()),
        ),
    ] {
        let daemon = Daemon::start(limits);
        let (first, mut second) = (daemon.client(), daemon.client());
        // A third may come before the second has a seat, but not before an answer to it.
        ask(&mut second, &Call::Status).unwrap().unwrap();
        let refusal = ask(&mut daemon.client(), &Call::Status).unwrap().unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Failed);
        assert_eq!(refusal.message, format!("the daemon accepts no more clients now: {expected}"));
        ask(&mut second, &Call::Status).unwrap().unwrap();
        drop(first);
        wait_until("there is room again", || ask(&mut daemon.client(), &Call::Status).unwrap().is_ok());
    }
}

#[test]
fn an_idle_client_has_to_go_and_a_following_one_may_stay() {
    let daemon = Daemon::start(Limits { idle: Duration::from_millis(500), ..Limits::default() });
    let mut following = daemon.raw();
    following.send(FOLLOW);
    assert_eq!(following.answer(), Some(Answer::Notice("it begins".to_owned())));

    let mut client = daemon.client();
    let mut silent = daemon.raw();
    let mut half = daemon.raw();
    half.send("{\"version\":1,");
    let mut one_request = daemon.raw();
    one_request.send(STATUS);
    assert!(matches!(one_request.answer(), Some(Answer::Item(_))));
    assert_eq!((one_request.answer(), one_request.answer()), (Some(Answer::Done), None));
    assert_eq!(silent.answer(), None);
    let refusal = half.failure();
    assert_eq!(refusal.kind, RefusalKind::Wrong);
    assert_eq!(refusal.message, "the request did not end within 0.5 seconds with a line feed");
    assert_eq!(half.answer(), None);
    assert_eq!(daemon.busy(), 1);
    // Came before those, and was closed before them.
    assert!(matches!(ask(&mut client, &Call::Status), Err(ClientError::NotAsked)));
}

#[test]
fn a_command_that_fails_to_print_ends_its_call() {
    let daemon = Daemon::start(Limits::default());
    let mut client = daemon.client();
    let failed = client.ask(&Call::Events(Events { follow: true }), |received| {
        assert_eq!(received, Received::Notice("it begins".to_owned()));
        Err(Unprinted)
    });
    assert_eq!(failed, Err(Unprinted));
    wait_until("the call ends", || daemon.busy() == 0);
    assert!(matches!(ask(&mut client, &Call::Status), Err(ClientError::NotAsked)));
}

#[derive(Debug, PartialEq, Eq)]
struct Unprinted;

impl From<ClientError> for Unprinted {
    fn from(error: ClientError) -> Self {
        panic!("{error}")
    }
}
