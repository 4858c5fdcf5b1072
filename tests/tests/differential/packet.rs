//! Frames of every kind around a payload, some of them broken.

use sipward_tests::{
    frame::{ACK, Frame, PSH, SYN, tcp, udp},
    rng::Rng,
};

use crate::message::payload;

/// The limits of a test run: not less than an Ethernet header, and a page without its head and tail room.
const SHORTEST: usize = 14;
const LONGEST: usize = 3000;

/// Addresses on the lists of the test, and beside them. Strangers are as many as it takes to meet some again.
const LISTED: [&str; 14] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.4",
    "192.0.2.5",
    "198.18.0.1",
    "198.18.7.1",
    "198.18.8.1",
    "2001:db8:1::1",
    "2001:db8:1::2",
    "2001:db8:2::1",
    "2001:db8:3::1",
    "2001:db8:3:1::1",
    "2001:db8:4::1",
];

/// One packet, or two whose fragments come as they like; in the order in which they arrive.
pub(crate) fn frames(rng: &mut Rng, id: u32) -> Vec<Vec<u8>> {
    let mut frames = if rng.one_in(5) {
        let mut frames = fragments(rng, id);
        if rng.one_in(3) {
            let other = if rng.one_in(2) { id } else { id + 1 };
            frames.extend(fragments(rng, other));
        }
        if rng.one_in(2) {
            rng.shuffle(&mut frames);
        }
        frames
    } else {
        vec![packet(rng).build()]
    };
    for frame in &mut frames {
        if rng.one_in(6) {
            damage(rng, frame);
        }
        frame.truncate(LONGEST);
    }
    frames
}

fn fragments(rng: &mut Rng, id: u32) -> Vec<Vec<u8>> {
    let size = *rng.pick(&[8, 16, 128, 136, 144, 256, 600, 1400]);
    let mut fragments = packet(rng).fragments(id, size);
    fragments.truncate(6);
    fragments
}

fn packet(rng: &mut Rng) -> Frame {
    let mut frame = if rng.one_in(3) { tcp() } else { udp() };
    frame = source(rng, frame).source_port(40_000 + rng.below(40) as u16).carrying(payload(rng));
    if rng.one_in(4) {
        frame = frame.flags(*rng.pick(&[SYN, ACK, SYN | ACK, ACK | PSH, 0, 0xff]));
    }
    if rng.one_in(6) {
        frame = frame.to_port(*rng.pick(&[5061, 5062, 53, 0, u16::MAX]));
    }
    if rng.one_in(12) {
        frame = frame.claiming_udp_length(*rng.pick(&[0, 7, 8, 9, 60, 1000, u16::MAX]));
    }
    if rng.one_in(6) {
        for _ in 0..1 + rng.below(3) {
            frame = frame.vlan(*rng.pick(&[0x8100, 0x88a8, 0x9100]));
        }
    }
    layers(rng, frame)
}

fn source(rng: &mut Rng, frame: Frame) -> Frame {
    if rng.one_in(4) {
        return frame.from(rng.pick::<&str>(&LISTED));
    }
    let (net, host) = (rng.below(6), rng.below(6));
    if rng.one_in(2) {
        frame.from(&format!("100.64.{net}.{host}"))
    } else {
        frame.from(&format!("2001:db8:100:{net}::{host}"))
    }
}

/// IPv4 options and IPv6 extension headers; of the two only those of its family reach the frame.
fn layers(rng: &mut Rng, mut frame: Frame) -> Frame {
    if rng.one_in(6) {
        frame = frame.ip_options(rng.below(11));
    }
    if rng.one_in(5) {
        for _ in 0..1 + rng.below(4) {
            let (kind, length) =
                *rng.pick(&[(0, 8), (60, 8), (60, 24), (43, 24), (51, 24), (51, 12), (44, 8)]);
            frame = frame.extension(kind, length);
        }
    }
    if rng.one_in(60) {
        frame = (0..170 + rng.below(40)).fold(frame, |frame, _| frame.extension(60, 8));
    }
    frame
}

/// Mostly in the headers, where each bit has a meaning.
fn damage(rng: &mut Rng, frame: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(3) {
        let end = if rng.one_in(4) { frame.len() } else { frame.len().min(80) };
        let at = rng.below(end);
        frame[at] = if rng.one_in(2) { rng.byte() } else { frame[at] ^ 1 << rng.below(8) };
    }
    if rng.one_in(3) {
        frame.truncate(SHORTEST + rng.below(frame.len() - SHORTEST + 1));
    } else if rng.one_in(3) {
        frame.resize(frame.len() + rng.below(40), 0);
    }
}
