//! Files that `pcapng` writes are read back: by our own reader, by an independent one, and by tshark where there is one.

use std::{fs, process::Command, time::Duration};

use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{
        enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption,
        section_header::SectionHeaderOption,
    },
};
use proptest::prelude::*;
use sipward_testkit::skipped::skipped;

use super::{super::capture::Capture, frames::*};
use crate::pcapng::{Origin, Packet, Writer};

const ORIGIN: Origin<'_> =
    Origin { hardware: "x86_64", system: "Linux 6.1", application: "sipward of the test" };

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    at: Duration,
    interface: String,
    bytes: Vec<u8>,
    /// On the wire.
    length: u32,
    comment: String,
}

fn write(packets: &[Written]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &ORIGIN).unwrap();
    for Written { at, interface, bytes, length, comment } in packets {
        writer.packet(&Packet { at: *at, interface, bytes, length: *length, comment }).unwrap();
    }
    let written = writer.written();
    let file = writer.into_inner();
    assert_eq!(file.len() as u64, written);
    file
}

fn by_another(file: &[u8]) -> Vec<Written> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let section = &reader.section().options;
    for option in [
        SectionHeaderOption::Hardware(ORIGIN.hardware.into()),
        SectionHeaderOption::OS(ORIGIN.system.into()),
        SectionHeaderOption::UserApplication(ORIGIN.application.into()),
    ] {
        assert!(section.contains(&option), "{option:?} in {section:?}");
    }
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(block) = block.unwrap().into_owned() else { continue };
        let [EnhancedPacketOption::Comment(comment), EnhancedPacketOption::Flags(1)] =
            block.options.as_slice()
        else {
            panic!("{:?}", block.options);
        };
        let comment = comment.clone().into_owned();
        let interface = &reader.interfaces()[block.interface_id as usize];
        assert!(interface.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
        let name = interface.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
            _ => None,
        });
        packets.push(Written {
            at: block.timestamp,
            interface: name.unwrap(),
            bytes: block.data.into_owned(),
            length: block.original_len,
            comment,
        });
    }
    packets
}

fn some() -> Vec<Written> {
    let frame = |name| ethernet(&datagram(PHONE, PBX, &request(name)));
    let long = vec![0x5a; 2048];
    let at = |nanoseconds| Duration::new(1_700_000_000, nanoseconds);
    let whole = frame("INVITE").len() as u32;
    vec![
        Written {
            at: at(1),
            interface: "eth0".into(),
            bytes: frame("INVITE"),
            length: whole,
            comment: "ban".into(),
        },
        Written {
            at: at(999_999_999),
            interface: "eth0.100".into(),
            bytes: frame("OPTIONS"),
            length: 700,
            comment: "would drop: options-stranger".into(),
        },
        Written {
            at: at(2),
            interface: "eth0".into(),
            bytes: long,
            length: 9_000,
            comment: "signature:sipvicious – „Größe“ 🙂".into(),
        },
    ]
}

#[test]
fn what_was_written_is_read_back() {
    let packets = some();
    let file = write(&packets);
    assert_eq!(by_another(&file), packets);
    let ours: Vec<_> = Capture::open(&file[..]).unwrap().map(Result::unwrap).collect();
    assert_eq!(ours.len(), packets.len());
    for (read, Written { at, bytes, length, .. }) in ours.iter().zip(&packets) {
        assert_eq!(read.at, Some(*at));
        assert_eq!(read.frame()[..bytes.len()], bytes[..]);
        assert_eq!(read.truncated(), (*length as usize) > bytes.len());
        assert!(!read.outgoing);
    }
}

#[test]
fn tshark_shows_the_comments_and_the_bytes() {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("there is no tshark");
        return;
    }
    let packets = some();
    let path = std::env::temp_dir().join(format!("sipward-written-{}.pcapng", std::process::id()));
    fs::write(&path, write(&packets)).unwrap();
    let fields = ["frame.comment", "frame.time_epoch", "frame.interface_name", "frame.cap_len", "frame.len"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|"]);
    let output = tshark.args(fields.iter().flat_map(|field| ["-e", field])).output().unwrap();
    fs::remove_file(&path).unwrap();
    let read = String::from_utf8(output.stdout).unwrap();
    let expected: String = packets
        .iter()
        .map(|Written { at, interface, bytes, length, comment }| {
            let (seconds, nanoseconds) = (at.as_secs(), at.subsec_nanos());
            format!("{comment}|{seconds}.{nanoseconds:09}|{interface}|{}|{length}\n", bytes.len())
        })
        .collect();
    assert_eq!(read, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_comment_that_is_too_long_ends_between_two_letters() {
    let mut packets = some();
    packets[0].comment = "ö".repeat(40_000);
    let read = by_another(&write(&packets));
    assert_eq!(read[0].comment, "ö".repeat(32_767));
    assert_eq!(read[1..], packets[1..]);
}

proptest! {
    #[test]
    fn any_packet_with_any_comment_comes_back(
        packets in prop::collection::vec(
            (0..4_000_000_000u64, 0..1_000_000_000u32, "[a-z]{1,3}[0-9]", prop::collection::vec(any::<u8>(), 0..300), 0..9_000u32, "\\PC{1,80}"),
            0..20,
        )
    ) {
        let packets: Vec<Written> = packets
            .into_iter()
            .map(|(seconds, nanoseconds, interface, bytes, more, comment)| {
                let length = bytes.len() as u32 + more;
                Written { at: Duration::new(seconds, nanoseconds), interface, bytes, length, comment }
            })
            .collect();
        let file = write(&packets);
        prop_assert_eq!(&by_another(&file), &packets);
        let ours: Vec<_> = Capture::open(&file[..]).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(ours.len(), packets.len());
        for (read, Written { at, bytes, length, .. }) in ours.iter().zip(&packets) {
            prop_assert_eq!(read.at, Some(*at));
            prop_assert_eq!(&read.frame()[..bytes.len()], &bytes[..]);
            prop_assert_eq!(read.truncated(), *length as usize > bytes.len());
        }
    }
}
