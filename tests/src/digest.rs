//! Digest authentication (RFC 2617) as a client computes it, for tests that know the password.

/// The values from which a digest response is computed.
#[derive(Clone, Copy, Debug)]
pub struct Secret<'a> {
    pub username: &'a [u8],
    pub realm: &'a [u8],
    pub password: &'a str,
}

/// Of the request that the response is for, as they stand in the credentials; no qop is an empty one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub nonce: &'a [u8],
    pub count: &'a [u8],
    pub cnonce: &'a [u8],
    pub qop: &'a [u8],
}

pub fn response(secret: &Secret<'_>, asked: &Asked<'_>) -> String {
    let joined = |parts: &[&[u8]]| hex(&parts.join(&b':'));
    let a1 = joined(&[secret.username, secret.realm, secret.password.as_bytes()]);
    let a2 = joined(&[asked.method, asked.uri]);
    if asked.qop.is_empty() {
        return joined(&[a1.as_bytes(), asked.nonce, a2.as_bytes()]);
    }
    joined(&[a1.as_bytes(), asked.nonce, asked.count, asked.cnonce, asked.qop, a2.as_bytes()])
}

fn hex(bytes: &[u8]) -> String {
    md5(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 1321.
fn md5(bytes: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut message = bytes.to_vec();
    message.push(0x80);
    message.resize((message.len() + 8).next_multiple_of(64) - 8, 0);
    message.extend((bytes.len() as u64 * 8).to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in message.chunks_exact(64) {
        let word = |at: usize| u32::from_le_bytes(block[4 * at..4 * at + 4].try_into().expect("four bytes"));
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, at) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sine = (f64::from(step as u32 + 1).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(word(at));
            let turned = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4]));
            (a, b, c, d) = (d, turned, b, c);
        }
        for (word, add) in state.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(add);
        }
    }
    let mut digest = [0; 16];
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_rfc_1321() {
        assert_eq!(hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(b"message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
        let long = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(hex(long), "57edf4a22be3c955ac49da2e2107b67a");
    }

    /// RFC 2617 §3.5.
    #[test]
    fn a_response_is_that_of_rfc_2617() {
        let secret = Secret { username: b"Mufasa", realm: b"testrealm@host.com", password: "Circle Of Life" };
        let asked = Asked {
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count: b"00000001",
            cnonce: b"0a4f113b",
            qop: b"auth",
        };
        assert_eq!(response(&secret, &asked), "6629fae49393a05397450978507c4ef1");
    }
}
