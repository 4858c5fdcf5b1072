//! Answers of the edge in a dialog.

use super::*;

/// Its To tag is that of the other end: the branch alone says which INVITE the ACK is of.
#[test]
fn breaks_12_the_ack_to_a_challenge_in_a_dialog_ends_at_the_edge_and_that_to_a_200_goes_on() {
    const ELSEWHERE: &str = "198.51.100.7:6000";
    let mut edge = TestEdge::new();
    let request = Request { method: "INVITE", account: "201", number: 1 };
    let received = edge.try_password(PHONE, &request, PASSWORD);
    let invite = String::from_utf8(received.sends[0].bytes.clone()).unwrap();
    let routes = invite.split_once("Record-Route: ").unwrap().1.split_once("\r\n").unwrap().0;
    let (inner, outer) = routes.split_once(',').unwrap();
    let in_dialog = |method: &str, branch: &str| {
        format!(
            "{method} sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7:6000;branch={branch};rport\r\n\
             From: <sip:201@192.0.2.1>;tag=f\r\nTo: <sip:600@192.0.2.1>;tag=t\r\nCall-ID: 201-1\r\nCSeq: 2 {method}\r\n\
             Contact: <sip:201@10.0.0.7:6000>\r\nRoute: {outer},{inner}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let asked = edge.receive(udp(ELSEWHERE), &in_dialog("INVITE", "z9hG4bKa"));
    assert_eq!((status(&asked), asked.cause), (401, Some(Cause::Challenged)));
    for _ in 0..2 {
        let received = edge.receive(udp(ELSEWHERE), &in_dialog("ACK", "z9hG4bKa"));
        assert!(received.sends.is_empty() && received.cause.is_none(), "{received:?}");
    }
    let received = edge.receive(udp(ELSEWHERE), &in_dialog("ACK", "z9hG4bKb"));
    assert!(is_sent_on(&received), "{received:?}");
    // From where the phone was, its INVITE goes on, and so does the ACK to the refusal of the other end.
    for method in ["INVITE", "ACK"] {
        assert!(is_sent_on(&edge.receive(udp(PHONE), &in_dialog(method, "z9hG4bKc"))), "{method}");
    }
}
