//! Text that came from outside, made safe to show.

/// Nothing in it may reach the terminal as a command.
pub fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            escaped.into_iter().flatten().chain((!c.is_control()).then_some(c))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_cannot_speak_to_the_terminal() {
        assert_eq!(printable(b"OPTIONS sip:a\x1b[2J\x07"), "OPTIONS sip:a\\u{1b}[2J\\u{7}");
        assert_eq!(printable("é\u{9b}\t\u{ff}".as_bytes()), "é\\u{9b}\\t\u{ff}");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }
}
