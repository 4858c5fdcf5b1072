//! Reading captures: what an independent writer wrote, what other tools write, and what is broken.

use std::{borrow::Cow, time::Duration};

use pcap_file::{
    DataLink, Endianness, TsResolution,
    pcap::{PcapHeader, PcapPacket, PcapWriter},
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            simple_packet::SimplePacketBlock,
        },
    },
};
use proptest::prelude::*;

use super::{super::capture::Capture, frames::*};

const AT: Duration = Duration::new(1_700_000_000, 123_456_789);

const ETHERNET: u32 = 1;
const COOKED: u32 = 113;
const COOKED2: u32 = 276;

/// A classic capture.
pub(super) fn pcap(
    link: u32,
    nanoseconds: bool,
    endianness: Endianness,
    packets: &[(Duration, &[u8])],
) -> Vec<u8> {
    let ts_resolution = if nanoseconds { TsResolution::NanoSecond } else { TsResolution::MicroSecond };
    let header =
        PcapHeader { datalink: DataLink::from(link), ts_resolution, endianness, ..Default::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for (at, packet) in packets {
        writer.write_packet(&PcapPacket::new(*at, packet.len() as u32, packet)).unwrap();
    }
    writer.into_writer()
}

fn interface(
    link: u32,
    options: Vec<InterfaceDescriptionOption<'static>>,
) -> InterfaceDescriptionBlock<'static> {
    InterfaceDescriptionBlock { linktype: DataLink::from(link), snaplen: 0, options }
}

/// A packet block; `units` is the time as the file counts it.
fn block(interface_id: u32, units: u64, packet: &[u8]) -> EnhancedPacketBlock<'_> {
    EnhancedPacketBlock {
        interface_id,
        timestamp: Duration::from_nanos(units),
        original_len: packet.len() as u32,
        data: Cow::Borrowed(packet),
        options: Vec::new(),
    }
}

/// Nanoseconds, Ethernet frame, and whether this host sent it.
type Read = (Option<u64>, Vec<u8>, bool);

fn nanos(at: Duration) -> u64 {
    at.as_nanos() as u64
}

/// The packets, and the error that ended them.
fn read(capture: &[u8]) -> (Vec<Read>, Option<String>) {
    let mut packets = Vec::new();
    let capture = match Capture::open(capture) {
        Ok(capture) => capture,
        Err(error) => return (packets, Some(error.to_string())),
    };
    for packet in capture {
        match packet {
            Ok(packet) => packets.push((packet.at.map(nanos), packet.frame(), packet.outgoing)),
            Err(error) => return (packets, Some(error.to_string())),
        }
    }
    (packets, None)
}

fn cooked(kind: u8, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&[0, kind, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0], &ethertype[..], packet].concat()
}

fn cooked2(kind: u8, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&ethertype[..], &[0, 0, 0, 0, 0, 3, 0, 1, kind, 6, 2, 2, 2, 2, 2, 2, 0, 0], packet].concat()
}

/// The frame without its addresses, which raw and cooked captures do not have.
fn ip_of(frame: &[u8]) -> &[u8] {
    &frame[12..]
}

#[test]
fn every_link_type_gives_the_same_frame() {
    for packet in [datagram(PHONE, PBX, &request("INVITE")), segment(PHONE6, PBX6, ACK, &request("INVITE"))] {
        let version = packet[0] >> 4;
        let raw_of_family = if version == 4 { 228 } else { 229 };
        for (link, captured) in [
            (ETHERNET, ethernet(&packet)),
            (COOKED, cooked(0, &packet)),
            (COOKED2, cooked2(0, &packet)),
            (101, packet.clone()),
            (12, packet.clone()),
            (14, packet.clone()),
            (raw_of_family, packet.clone()),
        ] {
            let classic = pcap(link, true, Endianness::Little, &[(AT, &captured)]);
            let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
            writer.write_pcapng_block(interface(link, vec![])).unwrap();
            writer.write_pcapng_block(block(0, 5, &captured)).unwrap();
            for capture in [classic, writer.into_inner()] {
                let (packets, error) = read(&capture);
                assert_eq!(error, None, "link {link}");
                assert_eq!(packets.len(), 1, "link {link}");
                assert_eq!(ip_of(&packets[0].1), ip_of(&ethernet(&packet)), "link {link}");
                assert!(!packets[0].2, "link {link}");
            }
        }
    }
}

#[test]
fn a_vlan_tag_behind_a_cooked_header_stays() {
    let packet = datagram(PHONE, PBX, &request("OPTIONS"));
    let mut captured = cooked(0, &packet);
    captured[14..16].copy_from_slice(&[0x81, 0x00]);
    captured.splice(16..16, [0, 5, 8, 0]);
    let (packets, _) = read(&pcap(COOKED, false, Endianness::Little, &[(AT, &captured)]));
    assert_eq!(super::reason(&super::filter(""), &packets[0].1), "options-stranger");
}

#[test]
fn what_this_host_sent_is_told_where_the_capture_says_so() {
    let packet = datagram(PBX, PHONE, &request("OPTIONS"));
    for (link, captured) in [(COOKED, cooked(4, &packet)), (COOKED2, cooked2(4, &packet))] {
        let (packets, _) = read(&pcap(link, false, Endianness::Little, &[(AT, &captured)]));
        assert!(packets[0].2, "link {link}");
    }
    let frame = ethernet(&packet);
    for (flags, outgoing) in [(0b00, false), (0b01, false), (0b10, true)] {
        let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
        writer.write_pcapng_block(interface(ETHERNET, vec![])).unwrap();
        let options = vec![EnhancedPacketOption::Comment("x".into()), EnhancedPacketOption::Flags(flags)];
        writer.write_pcapng_block(EnhancedPacketBlock { options, ..block(0, 0, &frame) }).unwrap();
        assert_eq!(read(&writer.into_inner()).0[0].2, outgoing, "{flags:b}");
    }
}

#[test]
fn times_are_right_in_every_format_and_byte_order() {
    let frame = ethernet(&datagram(PHONE, PBX, b"\r\n"));
    for endianness in [Endianness::Little, Endianness::Big] {
        for (nanoseconds, expected) in [(true, 1_700_000_000_123_456_789), (false, 1_700_000_000_123_456_000)]
        {
            let (packets, _) = read(&pcap(ETHERNET, nanoseconds, endianness, &[(AT, &frame)]));
            assert_eq!(packets, [(Some(expected), frame.clone(), false)]);
        }
        for (what, options, units, expected) in [
            ("microseconds by default", vec![], 1_700_000_000_123_456, 1_700_000_000_123_456_000),
            (
                "nanoseconds",
                vec![InterfaceDescriptionOption::IfTsResol(9)],
                1_700_000_000_123_456_789,
                1_700_000_000_123_456_789,
            ),
            ("seconds", vec![InterfaceDescriptionOption::IfTsResol(0)], 17, 17_000_000_000),
            ("halves", vec![InterfaceDescriptionOption::IfTsResol(0x81)], 3, 1_500_000_000),
            ("an offset", vec![InterfaceDescriptionOption::IfTsOffset(100)], 1, 100_000_001_000),
            (
                "an offset before the beginning",
                vec![InterfaceDescriptionOption::IfTsOffset((-100i64) as u64)],
                1,
                0,
            ),
            ("units that no clock has", vec![InterfaceDescriptionOption::IfTsResol(0x7f)], u64::MAX, 0),
            ("the end of time", vec![InterfaceDescriptionOption::IfTsResol(0)], u64::MAX, i64::MAX as u64),
        ] {
            let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
            writer.write_pcapng_block(interface(ETHERNET, options)).unwrap();
            writer.write_pcapng_block(block(0, units, &frame)).unwrap();
            assert_eq!(read(&writer.into_inner()).0, [(Some(expected), frame.clone(), false)], "{what}");
        }
    }
}

#[test]
fn interfaces_and_sections_are_told_apart() {
    let packet = datagram(PHONE, PBX, &request("INVITE"));
    let (frame, cooked) = (ethernet(&packet), cooked(0, &packet));
    let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
    writer.write_pcapng_block(interface(ETHERNET, vec![])).unwrap();
    writer.write_pcapng_block(interface(COOKED, vec![])).unwrap();
    // Of a kind that is not known; there is no packet of it.
    writer.write_pcapng_block(interface(189, vec![])).unwrap();
    writer.write_pcapng_block(block(1, 1, &cooked)).unwrap();
    writer.write_pcapng_block(block(0, 2, &frame)).unwrap();
    let simple = SimplePacketBlock { original_len: frame.len() as u32, data: Cow::Borrowed(&frame) };
    writer.write_pcapng_block(simple).unwrap();
    let mut capture = writer.into_inner();
    let mut second = PcapNgWriter::with_endianness(Vec::new(), Endianness::Little).unwrap();
    second.write_pcapng_block(interface(COOKED, vec![])).unwrap();
    second.write_pcapng_block(block(0, 3, &cooked)).unwrap();
    capture.extend(second.into_inner());

    let (packets, error) = read(&capture);
    assert_eq!(error, None);
    assert_eq!(
        packets.iter().map(|(at, ..)| *at).collect::<Vec<_>>(),
        [Some(1000), Some(2000), None, Some(3000)]
    );
    assert!(packets.iter().all(|(_, bytes, _)| ip_of(bytes) == ip_of(&frame)));
}

#[test]
fn a_packet_that_was_cut_short_has_its_length_back() {
    let frame = ethernet(&datagram(PHONE, PBX, &request("OPTIONS")));
    let mut capture = pcap(ETHERNET, false, Endianness::Little, &[(AT, &frame[..96])]);
    capture[24 + 12..24 + 16].copy_from_slice(&(frame.len() as u32).to_le_bytes());
    let (packets, _) = read(&capture);
    let whole = &packets[0].1;
    assert_eq!((whole.len(), &whole[..96]), (frame.len(), &frame[..96]));
    assert!(whole[96..].iter().all(|byte| *byte == 0));
    assert_eq!(super::reason(&super::filter(""), whole), "options-stranger");
}

#[test]
fn a_packet_that_claims_gigabytes_gets_no_more_than_a_packet_can_have() {
    let frame = ethernet(&datagram(PHONE, PBX, b"\r\n"));
    let mut capture = pcap(ETHERNET, false, Endianness::Little, &[(AT, &frame)]);
    capture[24 + 12..24 + 16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&capture).0[0].1.len() < 70_000);
}

#[test]
fn a_broken_capture_says_where_after_what_it_had() {
    let frame = ethernet(&datagram(PHONE, PBX, b"\r\n"));
    let good = pcap(ETHERNET, false, Endianness::Little, &[(AT, &frame), (AT, &frame)]);
    let second = 24 + 16 + frame.len();
    let with = |at: usize, bytes: &[u8]| {
        let mut capture = good.clone();
        capture[at..at + bytes.len()].copy_from_slice(bytes);
        capture
    };
    for (what, capture, packets, expected) in [
        ("nothing", vec![], 0, "this is no pcap or pcapng file, as `tcpdump -w` writes".to_owned()),
        ("text", b"interface = \"eth0\"".to_vec(), 0, "this is no pcap or pcapng file, as `tcpdump -w` writes".to_owned()),
        ("gzip", vec![0x1f, 0x8b, 8, 0, 0], 0, "this is compressed; unpack it with gunzip first".to_owned()),
        (
            "half a header",
            good[..20].to_vec(),
            0,
            "the file is cut off, its last part is not whole (byte 0, before the first packet)".to_owned(),
        ),
        (
            "half a packet header",
            good[..second + 7].to_vec(),
            1,
            format!("the file is cut off, its last part is not whole (byte {second}, after packet 1)"),
        ),
        (
            "half a packet",
            good[..good.len() - 1].to_vec(),
            1,
            format!("the file is cut off, its last part is not whole (byte {second}, after packet 1)"),
        ),
        (
            "a huge packet",
            with(second + 8, &[0xff; 4]),
            1,
            format!(
                "a packet claims 4294967295 bytes, which no capture holds (byte {second}, after packet 1)"
            ),
        ),
        (
            "another link type",
            with(20, &[127, 0]),
            0,
            "link type 127 is not supported; capture on Ethernet, Linux cooked or raw IP (byte 0, before the first packet)"
                .to_owned(),
        ),
    ] {
        let (read, error) = read(&capture);
        assert_eq!((read.len(), error), (packets, Some(expected)), "{what}");
    }
}

/// A small capture in the newer format, of two packets.
fn pcapng() -> Vec<u8> {
    let frame = ethernet(&datagram(PHONE, PBX, b"\r\n"));
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Little).unwrap();
    writer.write_pcapng_block(interface(ETHERNET, vec![InterfaceDescriptionOption::IfTsResol(9)])).unwrap();
    writer.write_pcapng_block(block(0, 1, &frame)).unwrap();
    writer.write_pcapng_block(block(0, 2, &frame)).unwrap();
    writer.into_inner()
}

#[test]
fn a_broken_pcapng_says_where() {
    let good = pcapng();
    let length = |at: usize| u32::from_le_bytes(good[at + 4..at + 8].try_into().unwrap()) as usize;
    let interface = length(0);
    let first = interface + length(interface);
    let second = first + length(first);
    let with = |at: usize, bytes: &[u8]| {
        let mut capture = good.clone();
        capture[at..at + bytes.len()].copy_from_slice(bytes);
        capture
    };
    for (what, capture, packets, expected) in [
        (
            "no byte order",
            with(8, &[0; 4]),
            0,
            "a section of unknown byte order (byte 0, before the first packet)".to_owned(),
        ),
        (
            "a short section",
            with(4, &[12, 0, 0, 0]),
            0,
            "a section header of 12 bytes (byte 0, before the first packet)".to_owned(),
        ),
        (
            "no interface",
            with(second + 8, &[7]),
            1,
            format!("a packet of interface 7, which is not described (byte {second}, after packet 1)"),
        ),
        (
            "a short block",
            with(second + 4, &[8, 0, 0, 0]),
            1,
            format!("a block of 8 bytes (byte {second}, after packet 1)"),
        ),
        (
            "an odd block",
            with(second + 4, &[33]),
            1,
            format!("a block of 33 bytes (byte {second}, after packet 1)"),
        ),
        (
            "a huge block",
            with(second + 4, &[0xfc, 0xff, 0xff, 0xff]),
            1,
            format!(
                "a packet's block claims 4294967284 bytes, which no capture holds (byte {second}, after packet 1)"
            ),
        ),
        (
            "two lengths",
            with(good.len() - 4, &[1]),
            1,
            format!("a block with two different lengths (byte {second}, after packet 1)"),
        ),
        (
            "a packet beyond its block",
            with(second + 20, &[0xff, 0xff]),
            1,
            format!("a packet claims 65535 bytes, more than its block holds (byte {second}, after packet 1)"),
        ),
        (
            "half a block",
            good[..good.len() - 1].to_vec(),
            1,
            format!("the file is cut off, its last part is not whole (byte {second}, after packet 1)"),
        ),
    ] {
        let (read, error) = read(&capture);
        assert_eq!((read.len(), error), (packets, Some(expected)), "{what}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_capture_or_an_error(
        head in prop::sample::select(vec![
            vec![], pcapng()[..4].to_vec(), pcapng(), vec![0xd4, 0xc3, 0xb2, 0xa1],
            pcap(ETHERNET, false, Endianness::Big, &[])
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        read(&[head, rest].concat());
    }

    #[test]
    fn a_capture_with_a_few_bytes_changed_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        classic: bool,
    ) {
        let frame = ethernet(&datagram(PHONE, PBX, b"\r\n"));
        let classic = classic.then(|| pcap(ETHERNET, true, Endianness::Big, &[(AT, &frame[..]); 3]));
        let mut capture = classic.unwrap_or_else(pcapng);
        for (index, byte) in changes {
            let at = index.index(capture.len());
            capture[at] = byte;
        }
        for (_, frame, _) in read(&capture).0 {
            prop_assert!(frame.len() < 300_000);
        }
    }
}
