//! Text that came from outside, made safe to show: no control character reaches the terminal, and no character that
//! is not seen changes how the others are read.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// One line of it: line ends are escaped, too.
pub fn printable(text: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(text), is_hidden)
}

/// The same for text that may have several lines.
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| c != '\n' && is_hidden(c))
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, line separators, and Unicode's format characters that leave no mark of their own: among them are
/// those that turn the direction of writing.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Writes a value as JSON that means the same to programs, and can be shown on a terminal.
pub fn write_json(to: impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(to, PrintableJson))?)
}

struct PrintableJson;

impl Formatter for PrintableJson {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_hidden(*c)) {
            CompactFormatter.write_string_fragment(writer, &fragment[plain..at])?;
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            plain = at + c.len_utf8();
        }
        CompactFormatter.write_string_fragment(writer, &fragment[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_cannot_speak_to_the_terminal() {
        assert_eq!(printable(b"OPTIONS sip:a\x1b[2J\x07"), "OPTIONS sip:a\\u{1b}[2J\\u{7}");
        assert_eq!(printable("é\u{9b}\t\u{ff}".as_bytes()), "é\\u{9b}\\t\u{ff}");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
        assert_eq!(printable(b"one\ntwo"), "one\\ntwo");
    }

    #[test]
    fn what_is_not_seen_does_not_change_how_the_rest_is_read() {
        for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2029}', '\u{e0041}', '\u{ad}'] {
            let shown = printable(format!("a{hidden}b").as_bytes());
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(hidden)));
        }
        assert_eq!(printable("שלום, 电话 – ñ".as_bytes()), "שלום, 电话 – ñ");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("one\n\x1btwo\r\n"), "one\n\\u{1b}two\\r\n");
    }

    #[test]
    fn json_means_the_same_and_shows_nothing_hidden() {
        let text = "a\u{1b}\u{9b}\u{202e}\u{7f}\u{e0041}\n\"\\é";
        let mut written = Vec::new();
        write_json(&mut written, &[text]).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(!written.chars().any(is_hidden), "{written:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
        assert!(written.contains("\\u202e") && written.contains('é'), "{written}");
    }
}
