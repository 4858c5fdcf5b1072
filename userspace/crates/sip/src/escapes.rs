//! Texts that a PBX writes in another way than it has read them.

/// A branch or a tag, however it comes back: PJSIP writes other escapes than it has read, and leaves out comments and
/// tags that are empty.
pub fn echoed(value: &[u8]) -> Vec<u8> {
    let value = value.split(|&byte| byte == b'(').next().unwrap_or_default();
    let mut bytes = unescaped(value.trim_ascii());
    // A quoted text has escapes instead when it comes back.
    if let [b'"', inner @ .., b'"'] = &bytes[..] {
        bytes = inner.to_vec();
    }
    bytes
}

/// Without `%` escapes.
pub fn unescaped(mut value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    while let [first, rest @ ..] = value {
        let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
        let escaped = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        bytes.push(escaped.map_or(*first, |(high, low)| (high << 4 | low) as u8));
        value = if escaped.is_some() { &rest[2..] } else { rest };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_known_again() {
        for (sent, back) in [
            ("z9hG4bKa", "z9hG4bKa"),
            ("z9hG4bK:a", "z9hG4bK%3aa"),
            ("f1", "%22f1%22"),
            ("f1(comment)", "f1"),
            ("f1 (comment)", "f1"),
            ("%", "%"),
            ("100%x", "100%x"),
        ] {
            assert_eq!(echoed(sent.as_bytes()), echoed(back.as_bytes()), "{sent}");
        }
        assert_ne!(echoed(b"z9hG4bKa"), echoed(b"z9hG4bKb"));
    }
}
