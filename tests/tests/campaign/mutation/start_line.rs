//! The start line, and what comes before it.

use sipward_tests::rng::Rng;

use super::{pick, shown};
use crate::draft::{Draft, Header, Value};

pub(super) fn version(draft: &mut Draft, rng: &mut Rng) -> String {
    let versions: [&[u8]; 22] = [
        b"sip/2.0",
        b"SIP / 2.0",
        b"SIP/ 2.0",
        b"SIP /2.0",
        b"SIP/2.00",
        b"SIP/2.0x",
        b"SIP/2.0 x",
        b"SIP/3.0",
        b"SIP/2",
        b"SIP/2.0 ",
        b"SIP/2.0\t",
        b"SIP/2.0\0",
        b"SIP/2.0;x",
        b"",
        b"HTTP/1.1",
        b"SIP/2. 0",
        b"SIP/02.0",
        b"\"SIP/2.0\"",
        b"SIP/2.0 SIP/2.0",
        b"SIP\\2.0",
        b"SIP/2.0\r",
        b"SIP/2.0\x0b",
    ];
    draft.version = pick(rng, &versions).to_vec();
    format!("version {}", shown(&draft.version))
}

pub(super) fn method(draft: &mut Draft, rng: &mut Rng) -> String {
    let own = draft.method.clone();
    let methods: [Vec<u8>; 12] = [
        own.to_ascii_lowercase(),
        b"FOO".to_vec(),
        b"SIP/X".to_vec(),
        b"SIP/2.0x".to_vec(),
        b"SIP".to_vec(),
        b"!interesting-Method0123456789_*+`.%indeed'~".to_vec(),
        [&own[..], b"X"].concat(),
        [b"\0", &own[..]].concat(),
        [&own[..], b"\0"].concat(),
        b"\"REGISTER\"".to_vec(),
        b"M".repeat(100),
        b"\xc3\xbc".to_vec(),
    ];
    let method = rng.pick(&methods).clone();
    let sequence_too = !rng.one_in(3);
    if sequence_too && let Some(Header { value: Value::Text(text), .. }) = draft.named("CSeq") {
        let digits = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
        *text = [&text[..digits], b" ", &method].concat();
    }
    draft.method = method.clone();
    format!("method {}, in CSeq too {sequence_too}", shown(&method))
}

pub(super) fn leading(draft: &mut Draft, rng: &mut Rng) -> String {
    let leads: [&[u8]; 18] = [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b" \r\n",
        b"\0",
        b"\0\0\0\0",
        b"\x0b",
        b"\xef\xbb\xbf",
        b"\xff",
        b"x\r\n",
        b"\r\n \r\n",
        b":\r\n",
        b"X: y\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"\x01",
    ];
    draft.leading =
        if rng.one_in(8) { b"\r\n".repeat(*rng.pick(&[40, 200, 300])) } else { pick(rng, &leads).to_vec() };
    format!("leading {}", shown(&draft.leading))
}

pub(super) fn start_line(draft: &mut Draft, rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => {
            let gaps: [&[u8]; 11] = [
                b"  ",
                b"\t",
                b" \t ",
                b"\r\n ",
                b"\n ",
                b"\r",
                b"\0",
                b"\x0b",
                b"",
                b"\n",
                b"                ",
            ];
            let gap = pick(rng, &gaps);
            let at = rng.below(2);
            draft.gaps[at] = gap.to_vec();
            format!("gap {at} of the start line {}", shown(gap))
        }
        1 => {
            let uris: [&[u8]; 14] = [
                b"sips:pbx",
                b"SIP:pbx",
                b"<sip:pbx>",
                b"\"sip:pbx\"",
                b"tel:999",
                b"sip:999@pbx;x=y?a=b",
                b"sip: 999@pbx",
                b"sip:999 @pbx",
                b"sip:99 9@pbx",
                b"*",
                b"sip:%39@pbx",
                b"pbx",
                b"sip:999@pbx\0",
                b"sip:\xc3\xbc@pbx",
            ];
            draft.uri = pick(rng, &uris).to_vec();
            format!("URI {}", shown(&draft.uri))
        }
        2 => {
            let end = pick(
                rng,
                &[
                    b"\n", b"\r", b" \r\n", b"\t\r\n", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n:",
                    b"\0\r\n",
                ],
            );
            draft.start_end = end.to_vec();
            format!("start line ends {}", shown(end))
        }
        _ => {
            draft.uri = format!("sip:{}@pbx", "9".repeat(*rng.pick(&[100, 250, 500, 1000]))).into_bytes();
            format!("URI of {}", draft.uri.len())
        }
    }
}
