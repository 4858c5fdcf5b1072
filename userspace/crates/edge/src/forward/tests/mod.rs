//! Whole flows, and the faults that others have.

mod breaks;
mod flows;

use std::net::SocketAddr;

use proptest::prelude::*;
use sipward_testkit::message::{Request, header};
use sipward_types::{flow::Transport, time::WallSeconds};

use super::*;
use crate::{
    link::{Advertised, Side},
    message::{Carrier, Header, Message},
};

const NOW: WallSeconds = WallSeconds::new(1_800_000_000);
const PHONE: Link = link(Side::Outer, Transport::Udp, 0, SocketAddr::new(v4([203, 0, 113, 7]), 40_000));
const PBX: Link = link(Side::Inner, Transport::Udp, 0, SocketAddr::new(v4([10, 0, 0, 2]), 5060));

const fn v4([a, b, c, d]: [u8; 4]) -> std::net::IpAddr {
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

const fn link(side: Side, transport: Transport, listener: u8, peer: SocketAddr) -> Link {
    Link { side, listener, transport, peer, connection: 0 }
}

fn listener(transport: Transport, address: &str, host: &str) -> Listener {
    let address: SocketAddr = address.parse().unwrap();
    let advertised = Advertised { transport, host: host.to_owned(), port: address.port() };
    Listener { address, advertised }
}

fn settings(reach: Reach) -> Settings {
    Settings {
        outer: vec![
            listener(Transport::Udp, "198.51.100.1:5060", "198.51.100.1"),
            listener(Transport::Tcp, "198.51.100.1:5060", "edge.example"),
            listener(Transport::Udp, "[2001:db8::1]:5060", "[2001:db8::1]"),
            listener(Transport::Tcp, "[2001:db8::1]:5060", "[2001:db8::1]"),
        ],
        inner: vec![
            listener(Transport::Udp, "10.0.0.1:5070", "10.0.0.1"),
            listener(Transport::Tcp, "10.0.0.1:5070", "10.0.0.1"),
            listener(Transport::Udp, "[fd00::1]:5070", "[fd00::1]"),
            listener(Transport::Tcp, "[fd00::1]:5070", "[fd00::1]"),
        ],
        pbx: PBX.peer,
        reach,
        realm: "edge.example".to_owned(),
    }
}

fn edge(reach: Reach) -> Forwarder {
    Forwarder::new(settings(reach), Keys::new([7; 32], None))
}

fn read(text: &str) -> Message<'_> {
    Message::read(text.as_bytes(), Carrier::Datagram).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

fn text(forwarded: Forwarded) -> String {
    let text = String::from_utf8(forwarded.bytes).unwrap();
    read(&text);
    text
}

impl Forwarder {
    /// `account`: the one that its credentials were right for.
    fn pass_to_pbx(
        &self,
        request: &Message<'_>,
        from: Link,
        account: Option<&str>,
    ) -> Result<Forwarded, Refusal> {
        self.to_pbx(request, from, LetIn { account, former: &[] }, NOW)
    }

    /// While no phone has moved.
    fn pass_to_phone(&self, request: &Message<'_>, from: Link) -> Result<Forwarded, Refusal> {
        self.to_phone(request, from, |phone| phone.link, NOW)
    }

    fn text_to_pbx(&self, request: &str, from: Link) -> String {
        text(
            self.pass_to_pbx(&read(request), from, None)
                .unwrap_or_else(|error| panic!("{error:?}: {request}")),
        )
    }

    fn text_to_phone(&self, request: &str, from: Link) -> String {
        text(self.pass_to_phone(&read(request), from).unwrap_or_else(|error| panic!("{error:?}: {request}")))
    }

    fn text_back(&self, answer: &str, from: Link) -> Option<String> {
        self.answer_back(&read(answer), from).map(text)
    }
}

/// All values of a header.
fn values(message: &str, header: Header) -> Vec<String> {
    let message = read(message);
    message.listed(header).map(|listed| String::from_utf8_lossy(listed.value).into_owned()).collect()
}

/// The answer of a user agent, with what it has to repeat.
fn answer(request: &str, status: &str, headers: &str) -> String {
    let lines = |header: Header, name: &str| -> String {
        values(request, header).iter().map(|value| format!("{name}: {value}\r\n")).collect()
    };
    let [from, to, call_id, sequence] =
        ["From", "To", "Call-ID", "CSeq"].map(|name| header(request, name).unwrap());
    let tag = if to.contains(";tag=") { "" } else { ";tag=callee" };
    format!(
        "SIP/2.0 {status}\r\n{}{}From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {sequence}\r\n\
         {headers}Content-Length: 0\r\n\r\n",
        lines(Header::Via, "Via"),
        lines(Header::RecordRoute, "Record-Route"),
    )
}

/// The Route headers of one end of a dialog: as they are recorded, or in reverse for the end that has begun it.
fn routes(message: &str, has_begun: bool) -> String {
    let mut routes = values(message, Header::RecordRoute);
    if has_begun {
        routes.reverse();
    }
    routes.iter().map(|route| format!("Route: {route}\r\n")).collect()
}

fn invite() -> Request<'static> {
    Request {
        method: "INVITE",
        uri: "sip:202@edge.example",
        sent_by: "10.9.9.9:5062",
        to: "<sip:202@edge.example>",
        body: "v=0\r\n",
        ..Request::default()
    }
}

/// Nobody on the way may change these.
fn essence<'a>(message: &Message<'a>) -> impl PartialEq + std::fmt::Debug + use<'a> {
    (message.from(), message.to(), message.call_id(), message.sequence(), message.uri(), message.body())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_clear_message_is_sent_on_as_a_clear_message(
        bytes in crate::message::tests::nearly_clear(),
        reach in prop::sample::select(vec![Reach::PathAlways, Reach::Contact]),
    ) {
        let Ok(message) = Message::read(&bytes, Carrier::Datagram) else { return Ok(()) };
        let edge = edge(reach);
        let Ok(at_pbx) = edge.pass_to_pbx(&message, PHONE, Some("201")) else { return Ok(()) };
        let at_pbx = Message::read(&at_pbx.bytes, Carrier::Datagram).map_err(|error| error.cause).unwrap();
        prop_assert_eq!(essence(&at_pbx), essence(&message));
        prop_assert_eq!(at_pbx.listed(Header::Via).count(), message.listed(Header::Via).count() + 1);
        let answer = [b"SIP/2.0 200 OK\r\n", &at_pbx.bytes()[at_pbx.lines()[0].whole.start..]].concat();
        let answer = Message::read(&answer, Carrier::Datagram).map_err(|error| error.cause).unwrap();
        let back = edge.answer_back(&answer, PBX).expect("our own branch");
        prop_assert_eq!(back.to, message.reply_to(PHONE));
        let back = Message::read(&back.bytes, Carrier::Datagram).map_err(|error| error.cause).unwrap();
        let contacts = |message: &Message<'_>| -> Vec<Vec<u8>> {
            message.listed(Header::Contact).map(|contact| contact.uri().to_vec()).collect()
        };
        prop_assert_eq!(contacts(&back), contacts(&message));
        prop_assert_eq!(back.listed(Header::Via).count(), message.listed(Header::Via).count());
    }
}
