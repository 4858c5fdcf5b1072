//! SipHash-1-3 over bytes of a packet. Nobody who does not know the key can make two texts with one hash.

use core::ops::RangeInclusive;

use crate::bytes::{Bytes, opaque};

/// Bytes of a word.
const WORD: usize = 8;
/// Bytes that are hashed in one go, but for the last ones. The verifier goes through the end once for each length.
const STEP: usize = 256;
/// Steps of [`chained`]: more than any message has.
const STEPS: u32 = 32;
/// The lengths of texts that [`chained`] hashes.
pub const LENGTHS: RangeInclusive<u32> = WORD as u32..=STEPS * STEP as u32;

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

/// The hash of `length` bytes, which are one of [`LENGTHS`]. Each [`STEP`] is hashed under the hash of those before. `hash`
/// is [`hash`] of so many bytes from there on, which the kernel verifies as a function by itself.
#[inline(always)]
pub fn chained(length: u32, key: [u64; 2], hash: impl Fn(u32, u32, [u64; 2]) -> u64) -> u64 {
    const STEP: u32 = self::STEP as u32;
    let [key, mut before] = key;
    let (mut at, mut steps) = (0, 1);
    // The last one has a word, at least.
    while steps < STEPS && length - at >= STEP + WORD as u32 {
        before = hash(at, STEP, [key, before]);
        at += STEP;
        steps += 1;
    }
    hash(at, length - at, [key, before])
}

/// The hash of the first `most` bytes of `payload`: of a word at least, and of less than a word more than [`STEP`].
#[inline(always)]
pub fn hash(payload: Bytes<'_>, most: u32, key: [u64; 2]) -> u64 {
    let mut state = State::new(key);
    let mut at = 0;
    while at < STEP {
        if opaque(at + WORD) > most as usize {
            break;
        }
        let Some(word) = payload.chunk::<WORD>(at) else { break };
        state.add(u64::from_le_bytes(*word));
        at += WORD;
    }
    // Of the word that the text ends with, those bytes that are not hashed yet.
    let end = payload.skip(most.wrapping_sub(WORD as u32) as usize & (2 * STEP - 1));
    let last = end.chunk::<WORD>(0).map_or(0, |word| u64::from_le_bytes(*word));
    state.add(last >> 8 >> (56 - 8 * (most & 7)) | (most as u64) << 56);
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
        fn it_is_siphash_1_3(text in proptest::collection::vec(any::<u8>(), WORD..STEP + WORD)) {
            let mut hasher = std::hash::DefaultHasher::new();
            std::hash::Hasher::write(&mut hasher, &text);
            prop_assert_eq!(of(&text, [0, 0]), std::hash::Hasher::finish(&hasher));
        }

        /// Each byte counts, wherever it is.
        #[test]
        fn long_texts_that_differ_have_two_hashes(
            text in proptest::collection::vec(any::<u8>(), WORD + 1..2_000),
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
                long(&(0..LENGTHS.end() / unit as u32).flat_map(unit_at).collect::<Vec<_>>(), key)
            };
            prop_assert_ne!(of(0), of(1));
        }

        #[test]
        fn another_key_gives_another_hash(text in proptest::collection::vec(any::<u8>(), WORD..STEP), key: [u64; 2]) {
            prop_assert_ne!(of(&text, key), of(&text, [key[0] ^ 1, key[1]]));
            prop_assert_ne!(of(&text, key), of(&text, [key[0], key[1] ^ 1]));
        }
    }

    #[test]
    fn what_lies_behind_the_end_does_not_count() {
        assert_eq!(hash(Bytes::of(b"0123456789abcdef"), 11, [1, 2]), of(b"0123456789a", [1, 2]));
    }
}
