//! The phone at a server that the test plays itself, which loses messages, and does what no server should.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use sipward_tests::{
    message::{answer, header},
    namespace::Namespace,
    sip_phone::{ContactAddress, Edit, Incoming, Outcome, Phone, Settings, State, Transport},
};

/// For what is on the wire already.
const AT_ONCE: Duration = Duration::from_millis(50);

struct Server {
    _host: Namespace,
    socket: UdpSocket,
    phone: Phone,
}

impl Server {
    fn start() -> Self {
        let host = Namespace::new("phone");
        let socket = host.udp("127.0.0.1:5060");
        let server = socket.local_addr().unwrap();
        let settings = Settings::new(Transport::Udp, server, "201", "secret");
        let phone = Phone::start(&host, "127.0.0.1:0".parse().unwrap(), settings);
        Self { _host: host, socket, phone }
    }

    fn receive(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("the phone has sent something");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn send(&mut self, message: &str) {
        self.socket.send_to(message.as_bytes(), self.phone.local()).unwrap();
        self.phone.poll(AT_ONCE);
    }

    /// The outcome of OPTIONS whose answer is changed so.
    fn options(&mut self, change: impl Fn(String) -> String) -> Outcome {
        let id = self.phone.send("OPTIONS", "sip:600@127.0.0.1", Edit::none());
        let request = self.receive();
        self.send(&change(answer(&request, "200 OK", "")));
        self.phone.outcome(id).clone()
    }

    /// An INVITE as a server sends it. The phone's port is in its URI.
    fn invite(&self, branch: &str, more: &str) -> String {
        format!(
            "INVITE sip:201@{} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:600@pbx>;tag=server\r\nTo: <sip:201@pbx>\r\nCall-ID: {branch}\r\nCSeq: 1 INVITE\r\n\
             {more}Content-Length: 0\r\n\r\n",
            self.phone.local()
        )
    }
}

#[test]
fn answers_that_are_not_those_of_the_request_are_complained_about() {
    let mut server = Server::start();
    assert_eq!(server.options(|answer| answer).status(), Some(200));
    assert_eq!(server.phone.complaints(), [] as [String; 0]);
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 9] = [
        ("another From", |answer| answer.replace("From: <sip:201", "From: <sip:202")),
        ("another To", |answer| answer.replace("To: <sip:600", "To: <sip:601")),
        ("no tag", |answer| answer.replace(";tag=pbx", "")),
        ("two CSeq", |answer| answer.replace("CSeq", "CSeq: 9 OPTIONS\r\nCSeq")),
        ("two Via", |answer| answer.replace("Via", "Via: SIP/2.0/UDP 192.0.2.1;branch=x\r\nVia")),
        ("a Via below", |answer| answer.replace("From", "Via: SIP/2.0/UDP 192.0.2.1\r\nFrom")),
        ("another branch", |answer| answer.replace("z9hG4bK", "z9hG4bKx")),
        ("another length", |answer| answer.replace("Length: 0", "Length: 1")),
        ("no message", |_| "hello".to_owned()),
    ];
    for (index, (change, apply)) in changes.into_iter().enumerate() {
        server.options(apply);
        assert_eq!(server.phone.complaints().len(), index + 1, "{change}: {:?}", server.phone.complaints());
    }
}

#[test]
fn requests_that_lack_a_header_are_complained_about() {
    let mut server = Server::start();
    let contact = "Contact: <sip:600@127.0.0.1>\r\n";
    server.send(&server.invite("z9hG4bK1", contact));
    assert_eq!(server.phone.complaints(), [] as [String; 0]);
    let wrong = [
        server.invite("z9hG4bK2", ""),
        server.invite("z9hG4bK3", contact).replace("Max-Forwards: 70\r\n", ""),
        server.invite("z9hG4bK4", contact).replace("From", "From: <sip:x@y>\r\nFrom"),
        server.invite("z9hG4bK5", contact).replace(";tag=server", ""),
        server.invite("z9hG4bK6", contact).replace("INVITE", "ACK"),
    ];
    for (index, invite) in wrong.iter().enumerate() {
        server.send(invite);
        assert_eq!(server.phone.complaints().len(), index + 1, "{invite}\n{:?}", server.phone.complaints());
    }
}

#[test]
fn requests_are_repeated_until_they_are_answered() {
    let mut server = Server::start();
    for (method, provisional) in [("OPTIONS", false), ("INVITE", false), ("INVITE", true)] {
        let id = server.phone.send(method, "sip:600@127.0.0.1", Edit::none());
        let first = server.receive();
        if provisional {
            server.send(&answer(&first, "180 Ringing", ""));
        }
        while server.phone.poll(Duration::from_millis(700)) {}
        let repeated = server.phone.outcome(id).repeated;
        assert_eq!(
            repeated,
            usize::from(!provisional),
            "{method}: after half a second, and not again before one more"
        );
        if !provisional {
            assert_eq!(server.receive(), first, "the same bytes");
        }
        server.send(&answer(&first, "486 Busy Here", ""));
        assert_eq!(server.phone.outcome(id).status(), Some(486));
        if method == "INVITE" {
            let ack = server.receive();
            assert!(ack.starts_with("ACK sip:600@127.0.0.1 SIP/2.0\r\n"), "{ack}");
            assert_eq!(header(&ack, "Via"), header(&first, "Via"), "it is of the same transaction");
            server.send(&answer(&first, "486 Busy Here", ""));
            assert_eq!(server.receive(), ack, "the answer came again, because the ACK was lost");
        }
    }
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_200_is_repeated_until_its_ack() {
    let mut server = Server::start();
    server.phone.settings.incoming = Incoming::Accept;
    let invite = server.invite("z9hG4bK1", "Contact: <sip:600@127.0.0.1:5060>\r\n");
    server.send(&invite);
    let accepted = server.receive();
    assert!(accepted.starts_with("SIP/2.0 200 OK\r\n"), "{accepted}");
    server.send(&invite);
    assert_eq!(server.receive(), accepted);
    assert_eq!(server.phone.calls().count(), 1);
    while server.phone.poll(Duration::from_millis(700)) {}
    assert_eq!(server.receive(), accepted, "without an ACK");
    let call = server.phone.incoming().unwrap();
    assert_eq!(server.phone.call(call).state, State::Accepted);
    let ack = invite.replace("INVITE", "ACK").replace("z9hG4bK1\r\nMax", "z9hG4bK2\r\nMax");
    server.send(&ack.replace("<sip:201@pbx>", header(&accepted, "To").unwrap()));
    assert_eq!(server.phone.call(call).state, State::Established);
    assert_eq!(server.phone.complaints(), [] as [String; 0]);

    let to = header(&accepted, "To").unwrap();
    let info = invite.replace("INVITE", "INFO").replace("<sip:201@pbx>", to);
    server.send(&info.replace("z9hG4bK1\r\nMax", "z9hG4bK3\r\nMax"));
    assert!(server.receive().starts_with("SIP/2.0 500 "));
    assert_eq!(server.phone.complaints().len(), 1, "its CSeq is not higher than that of the INVITE");
}

#[test]
fn a_repeated_200_gets_the_same_ack_and_revives_no_call() {
    let mut server = Server::start();
    let call = server.phone.invite("600");
    let invite = server.receive();
    let more = "Record-Route: <sip:127.0.0.1:5060;lr;n=2>, <sip:127.0.0.1:5060;lr;n=1>\r\n\
                Contact: <sip:600@192.0.2.9>\r\n";
    let accepted = answer(&invite, "200 OK", more);
    server.send(&accepted);
    let ack = server.receive();
    assert!(ack.starts_with("ACK sip:600@192.0.2.9 SIP/2.0\r\n"), "{ack}");
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"), "it is a transaction of its own");
    assert_eq!(header(&ack, "CSeq"), Some("1 ACK"));
    let routes = ack.lines().filter(|line| line.starts_with("Route: ")).collect::<Vec<_>>();
    assert_eq!(routes, ["Route: <sip:127.0.0.1:5060;lr;n=1>", "Route: <sip:127.0.0.1:5060;lr;n=2>"]);
    server.send(&accepted);
    assert_eq!(server.receive(), ack);

    let id = server.phone.hang_up(call);
    let bye = server.receive();
    assert_eq!((header(&bye, "CSeq"), header(&bye, "To")), (Some("2 BYE"), header(&accepted, "To")));
    server.send(&answer(&bye.replace(";tag=pbx", ""), "200 OK", ""));
    assert_eq!(server.phone.outcome(id).status(), Some(200));
    server.send(&accepted);
    assert_eq!(server.receive(), ack);
    assert_eq!(server.phone.call(call).state, State::Ended);
    assert_eq!(server.phone.complaints(), [] as [String; 0]);
    let outcome = server.phone.outcome(server.phone.call(call).invite.unwrap());
    assert_eq!((outcome.statuses(), outcome.answers.len()), (vec![200], 3));
    server.send(&accepted.replace(";tag=pbx", ";tag=other"));
    assert_eq!(server.phone.complaints().len(), 1);
}

#[test]
fn routes_lead_to_the_addresses_of_their_names_and_to_no_other_transport() {
    let mut server = Server::start();
    server.phone.settings.names = vec![("edge.example.com".to_owned(), "127.0.0.1".parse().unwrap())];
    let routes = ["sip:edge.example.com;lr", "sip:unknown.example.com;lr", "sip:127.0.0.1;transport=tcp;lr"];
    for (complaints, route) in routes.into_iter().enumerate() {
        server.phone.invite("600");
        let invite = server.receive();
        server.send(&answer(&invite, "200 OK", &format!("Record-Route: <{route}>\r\n")));
        let ack = server.receive();
        assert_eq!(header(&ack, "Route"), Some(&format!("<{route}>")[..]));
        assert_eq!(server.phone.complaints().len(), complaints, "{route}: {:?}", server.phone.complaints());
    }
}

#[test]
fn a_stale_nonce_is_answered_again_and_a_refusal_is_not() {
    let mut server = Server::start();
    let id = server.phone.send("OPTIONS", "sip:600@127.0.0.1", Edit::none());
    for (nonce, more) in [("1", ""), ("2", ", stale=true"), ("3", ", stale=TRUE"), ("4", "")] {
        let request = server.receive();
        let challenge = format!("Proxy-Authenticate: Digest realm=\"a\", nonce=\"{nonce}\"{more}\r\n");
        server.send(&answer(&request, "407 Proxy Authentication Required", &challenge));
    }
    let outcome = server.phone.outcome(id);
    assert_eq!((outcome.statuses(), outcome.status(), outcome.is_over), (vec![407; 4], Some(407), true));
    let nonces = outcome.sent.iter().map(|sent| {
        let text = String::from_utf8_lossy(sent).into_owned();
        let credentials = header(&text, "Proxy-Authorization").map(str::to_owned);
        credentials.and_then(|value| Some(value.split("nonce=\"").nth(1)?.get(..1)?.to_owned()))
    });
    assert_eq!(
        nonces.collect::<Vec<_>>(),
        [None, Some("1"), Some("2"), Some("3")].map(|n| n.map(str::to_owned))
    );
}

#[test]
fn a_challenge_and_then_silence_is_no_answer() {
    let mut server = Server::start();
    let id = server.phone.send("OPTIONS", "sip:600@127.0.0.1", Edit::none());
    let request = server.receive();
    let challenge = "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\"\r\n";
    server.send(&answer(&request, "401 Unauthorized", challenge));
    server.phone.settings.patience = AT_ONCE;
    let outcome = server.phone.wait(id);
    assert_eq!((outcome.statuses(), outcome.status(), outcome.sent.len()), (vec![401], None, 2));
}

#[test]
fn a_phone_of_tcp_notices_that_its_server_hangs_up_and_connects_anew() {
    let host = Namespace::new("phone");
    let listener = host.enter(|| TcpListener::bind("127.0.0.1:5060").unwrap());
    let server = listener.local_addr().unwrap();
    let settings = Settings::new(Transport::Tcp, server, "201", "secret");
    let mut phone = Phone::start(&host, "127.0.0.1:0".parse().unwrap(), settings);
    let (stream, from) = listener.accept().unwrap();
    assert_eq!((phone.local(), phone.is_connected()), (from, true));
    drop(stream);
    phone.poll(AT_ONCE);
    assert!(!phone.is_connected());
    let id = phone.send("OPTIONS", "sip:600@127.0.0.1", Edit::none());
    let (mut stream, from) = listener.accept().unwrap();
    assert_eq!(phone.local(), from);
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).unwrap();
    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert_eq!(header(&request, "Contact"), Some(&format!("<sip:201@{from};transport=tcp>")[..]));
    // The answer comes in pieces.
    for piece in answer(&request, "200 OK", "").as_bytes().chunks(50) {
        stream.write_all(piece).unwrap();
        phone.poll(AT_ONCE);
    }
    assert_eq!(phone.outcome(id).status(), Some(200));
}

#[test]
fn the_contact_is_the_address_that_the_server_saw_if_the_settings_say_so() {
    let mut server = Server::start();
    server.phone.settings.contact = ContactAddress::Seen;
    server.options(|answer| answer.replace(";rport", ";received=192.0.2.7;rport=40000"));
    let seen: SocketAddr = "192.0.2.7:40000".parse().unwrap();
    assert_eq!(server.phone.seen(), Some(seen));
    server.phone.send("OPTIONS", "sip:600@127.0.0.1", Edit::none());
    assert_eq!(header(&server.receive(), "Contact"), Some("<sip:201@192.0.2.7:40000>"));
}
