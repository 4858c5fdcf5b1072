//! Packets that lie, break off, or are no packets: always a verdict, and never a drop of what is not for SIP.

use proptest::prelude::*;
use xdp_prog::reason::{Action, Reason};

use sipward_testkit::frame::{Frame, tcp, udp};

use super::{filter, frames::*, reason};

/// One of each kind, all for SIP ports.
fn valid() -> Vec<Vec<u8>> {
    let extended = |frame: Frame| frame.from(PHONE6).to(PBX6).extension(0, 8).extension(60, 8);
    let message = request("INVITE");
    let packets = [
        datagram(PHONE, PBX, &message),
        datagram(PHONE6, PBX6, &message),
        segment(PHONE, PBX, ACK, &message),
        segment(PHONE6, PBX6, ACK, &[message.clone(), request("BYE")].concat()),
        extended(udp()).carrying(&message).packet(),
        extended(tcp()).flags(SYN).packet(),
        fragments(PHONE, &message, 256)[0][14..].to_vec(),
        udp().from(PHONE6).to(PBX6).carrying(&message).fragment(1, 0, true).packet(),
    ];
    packets.iter().flat_map(|packet| [ethernet(packet), tagged(&[0x88a8, 0x8100], packet)]).collect()
}

#[test]
fn a_packet_cut_anywhere_has_a_verdict() {
    for frame in valid() {
        let memory = filter("");
        for length in 0..frame.len() {
            let (verdict, _) = memory.judge(&frame[..length]);
            assert!(
                matches!(verdict.reason, Reason::NotIp | Reason::BadIp),
                "{} of {} bytes: {:?}",
                length,
                frame.len(),
                verdict.reason
            );
        }
        assert_eq!(memory.judge(&frame).0.action(), Action::Pass);
    }
}

#[test]
fn a_chain_of_ipv6_headers_hides_nothing() {
    let options = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let payload = datagram(PHONE6, PBX6, &request("OPTIONS"))[40..].to_vec();
    for count in [1, 2, 50, 120] {
        let mut chain: Vec<u8> = (1..count).flat_map(|_| options(60)).collect();
        chain.extend(options(UDP));
        let packet = ip(PHONE6, PBX6, 60, &[&chain, &payload[..]].concat());
        assert_eq!(reason(&filter(""), &ethernet(&packet)), "options-stranger", "{count} headers");
    }
    // A chain that never ends, or points beyond the packet.
    let endless: Vec<u8> = (0..170).flat_map(|_| options(60)).collect();
    assert_eq!(reason(&filter(""), &ethernet(&ip(PHONE6, PBX6, 60, &endless))), "bad-ip");
    assert_eq!(
        reason(&filter(""), &ethernet(&ip(PHONE6, PBX6, 60, &[UDP, 255, 0, 0, 0, 0, 0, 0]))),
        "bad-ip"
    );
}

#[test]
fn lengths_that_lie_are_told() {
    let udp = datagram(PHONE, PBX, &request("INVITE"));
    let tcp = segment(PHONE, PBX, ACK, &request("INVITE"));
    let with = |packet: &[u8], at: usize, bytes: &[u8]| {
        let mut packet = packet.to_vec();
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        ethernet(&packet)
    };
    for (what, frame, expected) in [
        ("IHL of 4", with(&udp, 0, &[0x44]), "bad-ip"),
        ("IHL beyond the packet", with(&udp[..36], 0, &[0x4f, 0, 0, 36]), "bad-ip"),
        ("IP version 5", with(&udp, 0, &[0x55]), "bad-ip"),
        ("IP total below its header", with(&udp, 2, &[0, 19]), "bad-ip"),
        ("IP total beyond the frame", with(&udp, 2, &[0xff, 0xff]), "bad-ip"),
        ("IP total that leaves no UDP header", with(&udp, 2, &[0, 27]), "bad-ip"),
        ("UDP length of 0", with(&udp, 24, &[0, 0]), "malformed"),
        ("UDP length of 7", with(&udp, 24, &[0, 7]), "malformed"),
        ("UDP length beyond IP", with(&udp, 24, &[0xff, 0xff]), "malformed"),
        ("UDP length of just its header", with(&udp, 24, &[0, 8]), "keepalive"),
        ("TCP header of 16 bytes", with(&tcp, 32, &[0x40]), "malformed"),
        ("TCP header beyond IP", with(&segment(PHONE, PBX, ACK, b""), 32, &[0xf0]), "malformed"),
    ] {
        assert_eq!(reason(&filter(""), &frame), expected, "{what}");
    }
}

#[test]
fn padding_behind_the_packet_is_no_payload() {
    let padded = |packet: &[u8], padding: &[u8]| [&ethernet(packet)[..], padding].concat();
    let memory = filter("");
    assert_eq!(reason(&memory, &padded(&segment(PHONE, PBX, ACK, b""), &[0; 6])), "tcp-control");
    assert_eq!(reason(&memory, &padded(&datagram(PHONE, PBX, b"\r\n"), &request("OPTIONS"))), "keepalive");
}

#[test]
fn a_first_fragment_too_small_to_show_what_it_is_is_dropped() {
    let memory = filter("");
    let parts = fragments(PHONE, &request("INVITE"), 64);
    assert_eq!(reason(&memory, &parts[0]), "fragment-tiny");
    assert_eq!(reason(&memory, &parts[1]), "fragment", "it cannot become a packet");
    let parts = tcp().from(PHONE).to(PBX).carrying(request("INVITE")).fragments(7, 8);
    assert_eq!(reason(&memory, &parts[0]), "fragment-tiny", "not even the whole TCP header");
}

#[test]
fn a_filter_without_signatures_finds_none() {
    use xdp_prog::abi::Signatures;
    let policy = crate::policy::Config::default().resolve().unwrap().policy;
    let tables = Box::<Signatures>::new_zeroed();
    // SAFETY: integers only; zero is a valid value of each.
    let memory = super::Memory::new(policy, unsafe { tables.assume_init() });
    let both = [request("INVITE"), request("BYE")].concat();
    for packet in [datagram(PHONE, PBX, &both), segment(PHONE, PBX, ACK, &both)] {
        assert_eq!(reason(&memory, &ethernet(&packet)), "request");
    }
}

/// A drop is only ever for a SIP port, or for the rest of a packet that was.
fn only_sip_is_dropped(frame: &[u8]) -> Result<(), TestCaseError> {
    let (verdict, packet) = filter("").judge(frame);
    let sip = packet.destination_port == 5060 || packet.destination_port == 5061;
    prop_assert!(verdict.action() == Action::Pass || sip, "{verdict:?} {packet:?}");
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_have_a_verdict(frame in prop::collection::vec(any::<u8>(), 0..400)) {
        only_sip_is_dropped(&frame)?;
    }

    #[test]
    fn any_packet_with_some_bytes_changed_has_a_verdict(
        frame in prop::sample::select(valid()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        headers_only: bool,
        cut in any::<prop::sample::Index>(),
        trim: bool,
    ) {
        let mut frame = frame;
        for (index, byte) in changes {
            let within = if headers_only { frame.len().min(80) } else { frame.len() };
            frame[index.index(within)] = byte;
        }
        if trim {
            frame.truncate(cut.index(frame.len()));
        }
        only_sip_is_dropped(&frame)?;
    }

    #[test]
    fn any_payload_of_either_transport_has_a_verdict(payload in prop::collection::vec(any::<u8>(), 0..3000)) {
        let memory = filter("");
        for packet in [datagram(PHONE, PBX, &payload), segment(PHONE, PBX, ACK, &payload)] {
            let (verdict, packet) = memory.judge(&ethernet(&packet));
            prop_assert_eq!(packet.length as usize, payload.len());
            prop_assert!(!matches!(verdict.reason, Reason::NotIp | Reason::BadIp | Reason::OtherPort));
        }
    }
}
