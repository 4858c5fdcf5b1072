//! The first line of a packet's payload, as people want to see it.

use xdp_prog::{
    bytes::Bytes,
    frame::{self, Packet},
};

/// More than any interface hands over in one piece.
const LARGEST_FRAME: usize = 1 << 16;

/// The first line that is not empty, of a frame of which `head` was kept.
pub fn first_line(head: &[u8], frame_length: u32) -> Option<&[u8]> {
    // Bytes that were not kept are zeros: headers that speak of more than there is would not be believed.
    let mut whole = head.to_vec();
    whole.resize((frame_length as usize).min(LARGEST_FRAME).max(head.len()), 0);
    let frame = Bytes::of(&whole);
    let mut packet = Packet::default();
    frame::parse(frame, |offset, protocol| frame::extension_headers(frame, offset, protocol), &mut packet);
    let payload = head.get(packet.offset as usize..).filter(|_| packet.offset > 0)?;
    let mut lines = payload.split(|&byte| matches!(byte, b'\r' | b'\n'));
    lines.find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::forecast::frame::{ACK, tcp, udp};

    #[test]
    fn the_first_line_is_found_behind_all_headers() {
        const LINE: &[u8] = b"OPTIONS sip:a SIP/2.0";
        let message = [b"\r\n\r\n", LINE, b"\r\nVia: x\r\n\r\n"].concat();
        for (from, headers) in [("192.0.2.9:5060", 42), ("[2001:db8::9]:5060", 62)] {
            let from = from.parse().unwrap();
            for (frame, line) in [
                (udp(from, 5060, &message), Some(LINE)),
                (tcp(from, 5060, ACK, &message), Some(LINE)),
                (udp(from, 5060, b"\r\n\r\n"), None),
                (udp(from, 5060, b""), None),
            ] {
                assert_eq!(first_line(&frame, frame.len() as u32), line);
            }
            let frame = udp(from, 5060, &message);
            // Of what was cut off, only the length is known.
            for (kept, line) in
                [(headers + 30, Some(LINE)), (headers + 11, Some(&LINE[..7])), (headers, None)]
            {
                assert_eq!(first_line(&frame[..kept], frame.len() as u32), line);
            }
        }
        assert_eq!(first_line(&[0; 60], 60), None, "no IP");
    }

    proptest! {
        #[test]
        fn any_head_has_a_line_of_its_own_or_none(head: Vec<u8>, length: u32) {
            if let Some(line) = first_line(&head, length) {
                prop_assert!(head.windows(line.len()).any(|window| window == line));
            }
        }
    }
}
