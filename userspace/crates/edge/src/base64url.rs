//! Bytes as text that is safe in a quoted string, a token and a URI: base64url without padding (RFC 4648 §5).

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every six bits become a digit.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digits = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = move |at| char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..=chunk.len()).map(digit)
    };
    bytes.chunks(3).flat_map(digits).collect()
}

/// Exactly so many bytes. `None`: the text is of another length, or it is not what [`encode`] makes of any bytes.
pub(crate) fn decode<const LENGTH: usize>(text: &[u8]) -> Option<[u8; LENGTH]> {
    if text.len() != (4 * LENGTH).div_ceil(3) {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (chunk, digits) in bytes.chunks_mut(3).zip(text.chunks(4)) {
        let bits = digits.iter().try_fold(0, |bits, digit| Some(bits << 6 | value(*digit)?))?;
        let bits = bits << (6 * (4 - digits.len()));
        let three = bits.to_be_bytes();
        let (used, rest) = three[1..].split_at(chunk.len());
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        chunk.copy_from_slice(used);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_without_their_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xfb, 0xff], "-_8"),
        ] {
            assert_eq!(encode(bytes), text);
        }
        assert_eq!(decode(b"Zm9vYmE"), Some(*b"fooba"));
    }

    #[test]
    fn a_text_that_no_bytes_become_is_refused() {
        for text in [&b"Zm9vYm"[..], b"Zm9vYmEA", b"Zm9vYm=", b"Zm9vYmF", b"Zm9v mE", b"Zm9v\xc3\xa9E"] {
            assert_eq!(decode::<5>(text), None, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: [u8; 27], shorter: [u8; 25], longer: [u8; 29]) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
            prop_assert_eq!(decode(encode(&shorter).as_bytes()), Some(shorter));
            prop_assert_eq!(decode(encode(&longer).as_bytes()), Some(longer));
        }

        #[test]
        fn no_two_texts_mean_the_same(text in "[A-Za-z0-9_-]{35}") {
            if let Some(bytes) = decode::<26>(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
