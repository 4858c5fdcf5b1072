//! SipHash-1-3 over bytes of a packet. Nobody who does not know the key can make two texts with one hash.

use crate::bytes::{Bytes, opaque};

/// Bytes that are hashed in one go. The verifier goes through the end once for each length.
pub const STEP: usize = 256;
/// Steps of [`chained`]: more than any message has.
const STEPS: u32 = 32;
/// Bytes that [`chained`] has room for.
pub const CHAINED_MAX: u32 = STEPS * STEP as u32;

struct State([u64; 4]);

impl State {
    #[inline(always)]
    const fn new(key: [u64; 2]) -> Self {
        Self([
            key[0] ^ 0x736f_6d65_7073_6575,
            key[1] ^ 0x646f_7261_6e64_6f6d,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    const fn round(&mut self) {
        let Self([a, b, c, d]) = self;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*b);
        *a = a.wrapping_add(*d);
        *b = b.rotate_left(17) ^ *c;
        *d = d.rotate_left(21) ^ *a;
        *c = c.rotate_left(32);
    }

    #[inline(always)]
    const fn add(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    const fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

/// The hash of `length` bytes, of which each [`STEP`] is hashed under the hash of those before. `hash` is [`hash`] of so
/// many bytes from there on, which the kernel verifies as a function by itself.
#[inline(always)]
pub fn chained(length: u32, key: [u64; 2], hash: impl Fn(u32, u32, [u64; 2]) -> u64) -> u64 {
    let [key, mut before] = key;
    let mut steps = 0;
    while steps < STEPS {
        let at = steps * STEP as u32;
        if at >= length {
            break;
        }
        before = hash(at, length - at, [key, before]);
        steps += 1;
    }
    before
}

/// The hash of the first `most` bytes of `payload`, of at most [`STEP`] of them.
#[inline(always)]
pub fn hash(payload: Bytes<'_>, most: u32, key: [u64; 2]) -> u64 {
    const WORD: usize = 8;
    let most = if most > STEP as u32 { STEP as u32 } else { most };
    let mut state = State::new(key);
    let mut at = 0;
    while at < STEP {
        if opaque(at + WORD) > most as usize {
            break;
        }
        let Some(chunk) = payload.chunk::<WORD>(at) else { break };
        state.add(u64::from_le_bytes(*chunk));
        at += WORD;
    }
    let rest = payload.skip(at);
    let mut last = (most as u64) << 56;
    let mut byte = 0;
    while byte < WORD - 1 {
        if opaque(at + byte) >= most as usize {
            break;
        }
        let Some(value) = rest.byte(byte) else { break };
        last |= (value as u64) << (8 * byte);
        byte += 1;
    }
    state.add(last);
    state.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &[u8], key: [u64; 2]) -> u64 {
        hash(Bytes::of(text), text.len() as u32, key)
    }

    fn long(text: &[u8], key: [u64; 2]) -> u64 {
        chained(text.len() as u32, key, |at, most, key| hash(Bytes::of(text).skip(at as usize), most, key))
    }

    proptest! {
        /// The standard library's default hasher is the same function with a key of zeros.
        #[test]
        fn it_is_siphash_1_3(text in proptest::collection::vec(any::<u8>(), 0..=STEP)) {
            let mut hasher = std::hash::DefaultHasher::new();
            std::hash::Hasher::write(&mut hasher, &text);
            prop_assert_eq!(of(&text, [0, 0]), std::hash::Hasher::finish(&hasher));
        }

        /// Each byte counts, wherever it is.
        #[test]
        fn long_texts_that_differ_have_two_hashes(
            text in proptest::collection::vec(any::<u8>(), 1..2_000),
            at: proptest::sample::Index,
        ) {
            let mut other = text.clone();
            other[at.index(text.len())] ^= 1;
            prop_assert_ne!(long(&text, [1, 2]), long(&other, [1, 2]));
            prop_assert_ne!(long(&text, [1, 2]), long(&text[1..], [1, 2]));
        }

        /// Two texts of the same two words, one of them in the order of Thue and Morse, the other the other way round: they
        /// cancel out in polynomials that count in 64 bits, of which one was here once.
        #[test]
        fn words_in_an_order_that_cancels_out_have_two_hashes(
            word: [u8; 8],
            bit in 0..64u32,
            unit in prop_oneof![Just(8), Just(64), Just(512)],
            key: [u64; 2],
        ) {
            let words = [word, (u64::from_le_bytes(word) ^ 1u64 << bit).to_le_bytes()];
            let of = |first: u32| {
                let unit_at = |at: u32| words[((at.count_ones() ^ first) & 1) as usize].repeat(unit / 8);
                long(&(0..CHAINED_MAX / unit as u32).flat_map(unit_at).collect::<Vec<_>>(), key)
            };
            prop_assert_ne!(of(0), of(1));
        }

        #[test]
        fn another_key_gives_another_hash(text: Vec<u8>, key: [u64; 2]) {
            prop_assert_ne!(of(&text, key), of(&text, [key[0] ^ 1, key[1]]));
            prop_assert_ne!(of(&text, key), of(&text, [key[0], key[1] ^ 1]));
        }
    }

    #[test]
    fn what_lies_behind_the_end_does_not_count() {
        assert_eq!(hash(Bytes::of(b"0123456789abcdef"), 11, [1, 2]), of(b"0123456789a", [1, 2]));
    }
}
