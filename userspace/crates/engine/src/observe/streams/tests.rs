use proptest::prelude::*;
use sipward_types::time::KernelTime;

use super::*;

const PHONE: &str = "192.0.2.7:40001";
const PBX: &str = "198.51.100.5:5060";
const START: u32 = u32::MAX - 100;

fn text(n: u32, body: &str) -> String {
    format!("REGISTER sip:{n} SIP/2.0\r\nCall-ID: {n}\r\nCSeq: 1 REGISTER\r\nl: {}\r\n\r\n{body}", body.len())
}

/// Packets of the phone, of which the observer sees `seen` bytes at most.
struct Tap {
    streams: Streams,
    at: KernelTime,
    seen: usize,
    /// By all segments.
    acknowledged: Option<u32>,
    /// Bytes of the PBX.
    answers: u32,
    heard: Vec<String>,
}

impl Tap {
    fn new() -> Self {
        Self {
            streams: Streams::new(64),
            at: KernelTime::START,
            seen: usize::MAX,
            acknowledged: None,
            answers: 0,
            heard: Vec::new(),
        }
    }

    fn see(&mut self, offset: usize, bytes: &[u8]) {
        self.segment(Direction::In, START.wrapping_add(offset as u32), bytes, false);
    }

    fn begin(&mut self) {
        self.segment(Direction::In, START, b"", true);
    }

    fn segment(&mut self, direction: Direction, sequence: u32, bytes: &[u8], begins: bool) {
        self.packet(PHONE.parse().unwrap(), direction, sequence, bytes, begins);
    }

    fn packet(
        &mut self,
        remote: SocketAddr,
        direction: Direction,
        sequence: u32,
        bytes: &[u8],
        begins: bool,
    ) {
        // A SYN acknowledges nothing.
        let acknowledged = self.acknowledged.filter(|_| !begins || direction == Direction::Out);
        let segment = TcpSegment { sequence, acknowledged, begins, ends: false };
        self.see_it(remote, direction, segment, bytes);
    }

    /// A RST of the phone's.
    fn end(&mut self, sequence: u32) {
        let segment = TcpSegment { sequence, acknowledged: None, begins: false, ends: true };
        self.see_it(PHONE.parse().unwrap(), Direction::In, segment, b"");
    }

    fn see_it(&mut self, remote: SocketAddr, direction: Direction, segment: TcpSegment, bytes: &[u8]) {
        let packet = Tapped {
            at: self.at,
            direction,
            remote,
            local: PBX.parse().unwrap(),
            tcp: Some(segment),
            length: bytes.len() as u32,
            part: false,
            charged: None,
            listed: false,
            payload: &bytes[..bytes.len().min(self.seen)],
        };
        let heard = &mut self.heard;
        self.streams.see(&packet, segment, |message, _| {
            heard.push(String::from_utf8(message.call_id.to_vec()).unwrap());
        });
    }
}

fn three() -> String {
    [
        "\r\n\r\n",
        &text(1, ""),
        &text(2, "REGISTER sip:no SIP/2.0\r\nCall-ID: no\r\n\r\n"),
        "\r\n\r\n\0",
        &text(3, "x"),
    ]
    .concat()
}

#[test]
fn messages_are_found_wherever_the_stream_is_cut() {
    let stream = three().into_bytes();
    for first in 0..=stream.len() {
        for with_syn in [true, false] {
            let mut tap = Tap::new();
            if with_syn {
                tap.begin();
            }
            // One before, as a kernel that gives the number of the SYN itself would.
            tap.see(1, &stream[..first]);
            tap.see(1 + first, &stream[first..]);
            assert_eq!(tap.heard, ["1", "2", "3"], "{first} {with_syn}");
            assert_eq!(tap.streams.out_of_step, 0);
        }
    }
    let mut tap = Tap::new();
    tap.begin();
    stream.iter().enumerate().for_each(|(offset, byte)| tap.see(offset, &[*byte]));
    assert_eq!(tap.heard, ["1", "2", "3"]);
}

#[test]
fn it_goes_on_behind_a_gap() {
    let stream = three().into_bytes();
    let second = 4 + text(1, "").len();
    let mut tap = Tap::new();
    tap.begin();
    tap.see(0, &stream[..second + 9]);
    // Of the second one's header a part is lost, and the rest waits for it in vain.
    tap.see(second + 20, &stream[second + 20..]);
    assert_eq!(tap.heard, ["1"]);
    tap.at = KernelTime::from_nanos(3_000_000_000);
    tap.see(stream.len(), text(4, "").as_bytes());
    assert!(tap.heard.ends_with(&["3".into(), "4".into()]), "{:?}", tap.heard);
    assert_eq!(tap.streams.out_of_step, 1);
}

#[test]
fn what_the_tap_cuts_off_a_body_does_no_harm() {
    let mut tap = Tap::new();
    tap.seen = 200;
    let long = text(1, &"REGISTER sip:no SIP/2.0\r\nCall-ID: no\r\n\r\n".repeat(50));
    tap.see(0, long.as_bytes());
    tap.see(long.len(), text(2, "").as_bytes());
    assert_eq!((&tap.heard[..], tap.streams.out_of_step), (&["1".to_owned(), "2".to_owned()][..], 0));
    // But off a header it does.
    let long = text(3, "").replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(300)));
    tap.see(5_000, long.as_bytes());
    tap.see(5_000 + long.len(), text(4, "").as_bytes());
    tap.at = KernelTime::from_nanos(3_000_000_000);
    tap.see(5_000 + long.len() + text(4, "").len(), text(5, "").as_bytes());
    assert_eq!(tap.heard, ["1", "2", "4", "5"]);
}

#[test]
fn lies_about_lengths_and_endless_headers_end() {
    for nonsense in [
        text(1, "").replace("l: 0", "l: 4294967295"),
        text(1, "").replace("l: 0", "l: 99999999999999999999"),
        format!("REGISTER sip:1 SIP/2.0\r\nCall-ID: 1\r\nX: {}", "x".repeat(60_000)),
        "\u{1}\u{2}binary\n".repeat(5_000),
        "x".repeat(60_000),
    ] {
        let mut tap = Tap::new();
        let mut at = 0;
        for piece in nonsense.as_bytes().chunks(1_460) {
            tap.see(at, piece);
            at += piece.len();
        }
        tap.see(at, b"\r\n");
        tap.see(at + 2, text(2, "").as_bytes());
        assert_eq!(tap.heard.last().map(String::as_str), Some("2"), "{}", &nonsense[..20]);
    }
}

#[test]
fn segments_from_nowhere_do_not_stop_the_stream() {
    let mut tap = Tap::new();
    tap.begin();
    tap.see(0, text(1, "").as_bytes());
    let at = text(1, "").len();
    for n in 0..100_u32 {
        tap.segment(
            Direction::In,
            START.wrapping_add(0x4000_0000 + n * 7_777),
            text(99, "").as_bytes(),
            false,
        );
    }
    tap.see(at, text(2, "").as_bytes());
    assert_eq!(tap.heard, ["1", "2"]);
    // A new connection with the same ports, of which the SYN was not seen, is understood with its second segment.
    let other = START.wrapping_add(0x7000_0000);
    tap.segment(Direction::In, other, text(3, "").as_bytes(), false);
    tap.segment(Direction::In, other.wrapping_add(at as u32), text(4, "").as_bytes(), false);
    assert_eq!(tap.heard, ["1", "2", "4"]);
}

#[test]
fn half_open_connections_push_out_half_open_ones_only() {
    let mut tap = Tap::new();
    let (half, rest) = ("REGISTER sip:1 SIP/2.0\r\nCall-ID: 1\r\n", "CSeq: 1 REGISTER\r\n\r\n");
    tap.begin();
    tap.segment(Direction::Out, 7, b"\r\n", false);
    tap.see(0, half.as_bytes());
    for port in 1..10_000 {
        tap.packet(([203, 0, 113, 9], port).into(), Direction::In, 1, b"", true);
    }
    tap.see(half.len(), rest.as_bytes());
    assert_eq!(tap.heard, ["1"]);
    assert_eq!(tap.streams.forgotten, 9_999 - 64);
    // Unfinished messages are bounded as well; a part that was forgotten is not put together wrongly.
    tap.see(half.len() + rest.len(), half.as_bytes());
    for port in 1..1_000 {
        tap.packet(([203, 0, 113, 9], port).into(), Direction::In, 1, half.as_bytes(), false);
    }
    tap.see(2 * half.len() + rest.len(), rest.as_bytes());
    assert_eq!(tap.heard, ["1"]);
    tap.see(2 * (half.len() + rest.len()), text(2, "").as_bytes());
    assert_eq!(tap.heard, ["1", "2"]);
}

/// Of a connection on which the PBX has spoken: so far it has read `offset` bytes.
fn answered(tap: &mut Tap, offset: usize) {
    tap.acknowledged = Some(START.wrapping_add(offset as u32));
    tap.segment(Direction::Out, 7, b"", true);
    tap.answer(offset);
}

impl Tap {
    fn answer(&mut self, offset: usize) {
        self.acknowledged = Some(START.wrapping_add(offset as u32));
        let before = self.answers;
        self.answers += 2;
        self.segment(Direction::Out, 7 + before, b"\r\n", false);
    }
}

#[test]
fn what_the_pbx_has_read_goes_on_behind_a_gap_at_once() {
    let [first, second] = [text(1, ""), text(2, "")];
    let mut tap = Tap::new();
    tap.begin();
    answered(&mut tap, 0);
    tap.see(0, &first.as_bytes()[..50]);
    // A piece was lost to the tap, and nobody waits for it longer than the PBX did.
    tap.see(first.len(), second.as_bytes());
    tap.at = KernelTime::from_nanos(10_000_000_000);
    tap.see(first.len(), second.as_bytes());
    assert_eq!(tap.heard, [""; 0], "the PBX may still wait for it");
    tap.answer(first.len() + second.len());
    assert_eq!(tap.heard, ["2"]);
    // So it was with all of a message.
    let end = first.len() + second.len();
    tap.answer(end + 100);
    tap.see(end + 100, text(3, "").as_bytes());
    assert_eq!(tap.heard, ["2", "3"]);
}

#[test]
fn segments_that_the_kernel_drops_do_not_move_the_stream() {
    let [first, second] = [text(1, ""), text(2, "")];
    let end = first.len() + second.len();
    let mut tap = Tap::new();
    tap.begin();
    answered(&mut tap, 0);
    tap.see(0, first.as_bytes());
    for far in [0x4000_0000, 0x9000_0000] {
        let at = START.wrapping_add(far);
        // Two that fit each other, a SYN, a RST.
        tap.segment(Direction::In, at, first.as_bytes(), false);
        tap.segment(Direction::In, at.wrapping_add(first.len() as u32), text(9, "").as_bytes(), false);
        tap.segment(Direction::In, at, b"", true);
        tap.end(at);
    }
    // Ahead, as much as there is room for.
    for n in 0..100 {
        tap.see(end + 10_000 + n * 1_000, text(9, "").as_bytes());
    }
    tap.see(first.len(), second.as_bytes());
    assert_eq!(tap.heard, ["1", "2"]);
    // Its own end is one.
    tap.end(START.wrapping_add(end as u32));
    assert!(tap.streams.connections.remove(&(PHONE.parse().unwrap(), PBX.parse().unwrap())).is_none());
}

#[test]
fn of_two_segments_in_one_place_both_are_told() {
    let (decoy, real) = (text(1, "").replace("l: 0", "l: 99999"), text(2, ""));
    for pair in [[&decoy, &real], [&real, &decoy]] {
        let mut tap = Tap::new();
        tap.begin();
        answered(&mut tap, 0);
        pair.into_iter().for_each(|segment| tap.see(0, segment.as_bytes()));
        tap.heard.sort();
        assert_eq!(tap.heard, ["1", "2"]);
        // Whatever the one in front says of its length, what follows is told too.
        tap.see(real.len(), text(3, "").as_bytes());
        assert_eq!(tap.heard[2..], ["3"]);
        // Bytes that were read are settled.
        tap.answer(real.len());
        let heard = tap.heard.len();
        tap.see(0, text(4, "").as_bytes());
        assert_eq!(tap.heard.len(), heard);
    }
}

#[test]
fn where_a_message_ends_is_told() {
    let stream = three().into_bytes();
    for first in 1..stream.len() {
        let mut streams = Streams::new(64);
        let mut ends = Vec::new();
        for (offset, piece) in [(0, &stream[..first]), (first, &stream[first..])] {
            let sequence = START.wrapping_add(offset as u32);
            let segment = TcpSegment { sequence, acknowledged: None, begins: offset == 0, ends: false };
            let packet = Tapped {
                at: KernelTime::START,
                direction: Direction::In,
                remote: PHONE.parse().unwrap(),
                local: PBX.parse().unwrap(),
                tcp: Some(segment),
                length: piece.len() as u32,
                part: false,
                charged: None,
                listed: false,
                payload: piece,
            };
            if offset == 0 {
                streams.see(&Tapped { length: 0, payload: b"", ..packet }, segment, |_, _| {});
            }
            let segment = TcpSegment { begins: false, ..segment };
            streams.see(&packet, segment, |_, place| match place {
                Place::Theirs(end) => ends.push(end.before.wrapping_sub(START) as usize),
                Place::Ours { .. } => panic!("nobody has answered"),
            });
        }
        let headers: Vec<usize> =
            ends.iter().map(|end| stream[..*end].ends_with(b"\r\n\r\n").into()).collect();
        assert_eq!(headers, [1; 3], "{first}: {ends:?}");
    }
}

proptest! {
    #[test]
    fn order_and_repetition_of_segments_do_not_matter(
        cuts in prop::collection::btree_set(1..150_usize, 0..7),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        overlap in 0..20_usize,
    ) {
        let stream = three().into_bytes();
        let mut ends: Vec<usize> = cuts.into_iter().collect();
        ends.push(stream.len());
        let starts: Vec<usize> = [0].into_iter().chain(ends.iter().copied()).collect();
        let mut tap = Tap::new();
        tap.begin();
        for piece in order.iter().filter(|piece| **piece < ends.len()) {
            let start = starts[*piece].saturating_sub(overlap);
            tap.see(start, &stream[start..ends[*piece]]);
            tap.see(start, &stream[start..ends[*piece]]);
        }
        prop_assert_eq!(tap.heard, ["1", "2", "3"]);
        prop_assert_eq!(tap.streams.out_of_step, 0);
    }

    #[test]
    fn garbage_is_survived(
        segments in prop::collection::vec((any::<u32>(), any::<Vec<u8>>(), any::<bool>()), 0..60),
        near: bool,
    ) {
        let mut tap = Tap::new();
        for (sequence, bytes, begins) in segments {
            let sequence = if near { sequence % 300 } else { sequence };
            tap.segment(Direction::In, sequence, &bytes, begins);
        }
    }
}
