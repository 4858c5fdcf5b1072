//! The parser against another one, ezk-sip-types: both read the same where the message is a valid one. That one unescapes
//! users and stumbles over some of RFC 4475's messages; such things are left out here.

use bytes::Bytes;
use ezk_sip_types::{
    Headers, Name,
    header::typed::{AuthResponse, CSeq, CallID, FromTo, Username, Via},
    msg::{Line, MessageLine, PullParser},
    parse::Parse,
    uri::SipUriUserPart,
};
use proptest::prelude::*;

use super::{Message, Start};

/// The parts of a message that both readings report.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    start: String,
    branch: String,
    user: String,
    tag: String,
    call_id: String,
    sequence: String,
    /// User name, realm and nonce.
    credentials: Vec<[String; 3]>,
}

fn ours(bytes: &[u8]) -> Read {
    let message = Message::parse(bytes, false).expect("SIP");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Read {
        start: match message.start {
            Start::Request { method, .. } => text(method),
            Start::Answer { status } => status.to_string(),
        },
        branch: text(message.via.branch),
        user: text(message.from.uri.user),
        tag: text(message.from.tag.unwrap_or_default()),
        call_id: text(message.call_id),
        sequence: format!("{} {}", message.sequence.number, text(message.sequence.method)),
        credentials: message
            .credentials
            .iter()
            .map(|it| [it.username, it.realm, it.nonce].map(text))
            .collect(),
    }
}

fn theirs(bytes: &[u8]) -> Read {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut parser = PullParser::new(&bytes, 0);
    let line = |line| std::str::from_utf8(line).expect("text");
    let start = line(parser.next().expect("a line").expect("a whole line"));
    let start = match MessageLine::parse(&bytes)(start).expect("a start line").1 {
        MessageLine::Request(request) => request.method.to_string(),
        MessageLine::Response(answer) => answer.code.into_u16().to_string(),
    };
    let mut headers = Headers::new();
    for header in parser {
        let (_, header) = Line::parse(&bytes, line(header.expect("a whole line"))).expect("a header");
        headers.insert(header.name, header.value);
    }
    let vias: Vec<Via> = headers.get_named().expect("Via");
    let from: FromTo = headers.get(Name::FROM).expect("From");
    let CallID(call_id) = headers.get_named().expect("Call-ID");
    let sequence: CSeq = headers.get_named().expect("CSeq");
    let credentials = headers.try_get::<Vec<AuthResponse>>(Name::AUTHORIZATION);
    let digest = |response| match response {
        AuthResponse::Digest(digest) => {
            let (Username::Username(name) | Username::UsernameNonASCII(name)) = digest.username;
            Some([name, digest.realm, digest.nonce].map(|value| value.to_string()))
        }
        AuthResponse::Other(_) => None,
    };
    Read {
        start,
        branch: vias[0].params.get_val("branch").map(ToString::to_string).unwrap_or_default(),
        user: match from.uri.uri.user_part {
            SipUriUserPart::Empty => String::new(),
            SipUriUserPart::User(user) => user.to_string(),
            SipUriUserPart::UserPw(both) => both.user.to_string(),
        },
        tag: from.tag.map(|tag| tag.to_string()).unwrap_or_default(),
        call_id: call_id.to_string(),
        sequence: format!("{} {}", sequence.cseq, sequence.method),
        credentials: credentials
            .map(|all| all.expect("credentials"))
            .unwrap_or_default()
            .into_iter()
            .filter_map(digest)
            .collect(),
    }
}

/// A valid message, in one of the ways that one may write it.
fn message() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        "(REGISTER|INVITE|OPTIONS|XYZZY) sip:[a-z]{1,8} SIP/2\\.0",
        "SIP/2\\.0 [2-6][0-9]{2} [A-Za-z ]{0,12}",
    ];
    let via = "(Via|v|VIA)[ \t]?: ?SIP/2\\.0/(UDP|TCP) [a-z][a-z0-9]{0,7}(\\.example)?(:[1-9][0-9]{0,3})?;(rport;)?branch=z9hG4bK[a-zA-Z0-9.-]{0,20}";
    let from = "(From|f|fROM): ?(\"[a-zA-Z <;,@]{0,12}\" )?<sips?:[a-z0-9+._-]{1,10}(:[a-z0-9]{1,5})?@[a-z]{1,10}(:5060)?(;user=phone)?>;tag=[a-z0-9]{1,10}";
    let to = "(To|t): <sip:[a-z0-9]{1,10}@[a-z]{1,10}>(;tag=[a-z0-9]{1,9})?";
    let call_id = "(Call-ID|i|CALL-ID): ?[a-zA-Z0-9.@-]{1,30}";
    let sequence = "CSeq: ?[1-9][0-9]{0,8} (REGISTER|INVITE|XYZZY)";
    let credentials = "Authorization: Digest username=\"[a-z0-9.]{1,12}\", ?(\r\n )?realm=\"[a-z .,=;]{1,12}\", ?nonce=\"[a-zA-Z0-9+/=]{1,20}\", ?uri=\"sip:[a-z]{1,8}\", ?response=\"[0-9a-f]{32}\"";
    let headers = (via, from, to, call_id, sequence, prop::collection::vec(credentials, 0..3));
    (start, headers).prop_flat_map(|(start, (via, from, to, call_id, sequence, credentials))| {
        let headers = [vec![via, from, to, call_id, sequence], credentials].concat();
        Just(headers)
            .prop_shuffle()
            .prop_map(move |headers| format!("{start}\r\n{}\r\n\r\n", headers.join("\r\n")))
    })
}

proptest! {
    #[test]
    fn both_read_valid_messages_alike(message in message()) {
        prop_assert_eq!(ours(message.as_bytes()), theirs(message.as_bytes()));
    }
}
