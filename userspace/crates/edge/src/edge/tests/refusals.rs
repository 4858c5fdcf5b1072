//! Refusals as they are handed in.

use super::*;
use crate::{message::FramingError, refusals::Refusal};

/// The refusal and the status of its answer.
fn handed_in(received: &Received, from: Link) -> (Option<Refusal>, Option<u16>) {
    (received.refusal(from), received.status())
}

fn refusal(cause: Cause, account: &str, is_proven: bool) -> Option<Refusal> {
    let source = PHONE.parse::<SocketAddr>().unwrap().ip();
    Some(Refusal { cause, account: Account::new(account.as_bytes()), source, is_proven })
}

#[test]
fn a_refusal_names_the_account_and_is_proven_where_only_that_address_can_have_sent_it() {
    let mut edge = TestEdge::new();
    let request = Request::register("201");
    let wrong = edge.try_password(PHONE, &request, "wrong");
    assert_eq!(handed_in(&wrong, udp(PHONE)), (refusal(Cause::WrongPassword, "201", true), Some(401)));
    let challenged = edge.receive(udp(PHONE), &request.text(""));
    assert_eq!(challenged.refusal(udp(PHONE)), None, "every phone begins so");
    let foreign = request.text(&request.credentials("nonce=\"x\"", PASSWORD));
    let stale = edge.receive(udp(PHONE), &foreign);
    assert_eq!(handed_in(&stale, udp(PHONE)), (refusal(Cause::StaleNonces, "201", false), Some(401)));
    let tcp = Link { transport: Transport::Tcp, ..udp(PHONE) };
    let stale = edge.receive(tcp, &foreign);
    assert_eq!(stale.refusal(tcp), refusal(Cause::StaleNonces, "201", false), "it proves no name");
    let http = edge.edge.unframed(FramingError::Http);
    let source = PHONE.parse::<SocketAddr>().unwrap().ip();
    let expected = Refusal { cause: Cause::NotSip, account: None, source, is_proven: true };
    assert_eq!(http.refusal(tcp), Some(expected));
    let nobodys = request.text(&request.credentials("nonce=\"x\"", PASSWORD).replace("\"201\"", "\"\""));
    let received = edge.receive(udp(PHONE), &nobodys);
    assert_eq!((received.account, received.evidence), (None, Vec::new()), "From is somebody else, maybe");
    let name = Account::new(b"201").unwrap();
    edge.edge.in_force().lock(name, true, KernelTime::FOREVER);
    let locked = edge.receive(udp(PHONE), &request.text(""));
    assert_eq!(handed_in(&locked, udp(PHONE)), (refusal(Cause::LockedByGuard, "201", false), Some(403)));
}

#[test]
fn a_refusal_without_a_look_at_credentials_names_the_sender() {
    let mut edge = TestEdge::new();
    let invite = Request { method: "INVITE", account: "201", number: 1 };
    let invented = invite.text("").replace("<sip:600@192.0.2.1>", "<sip:600@192.0.2.1>;tag=invented");
    let received = edge.receive(udp(PHONE), &invented);
    assert_eq!(handed_in(&received, udp(PHONE)), (refusal(Cause::NoDialog, "201", false), Some(481)));
    let mut silent = TestEdge::with(Settings { is_silent: true, ..settings() });
    let received = silent.receive(udp(PHONE), &invented);
    assert_eq!(handed_in(&received, udp(PHONE)), (refusal(Cause::NoDialog, "201", false), None));
}
