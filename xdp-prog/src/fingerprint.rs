//! The fingerprint of a request. The same request sent again has the same one; without the key, no other request with
//! that fingerprint can be written.
//!
//! Each block is hashed by NH, which is the first layer of UMAC (RFC 4418): a sum of products of 32-bit words, to each
//! of which a secret number was added. These sums are the coefficients of a polynomial, and the fingerprint is its
//! value at the key. Two texts share a fingerprint with a probability of about 2^-32, regardless of how they were
//! chosen.

use crate::bytes::{Bytes, opaque};

/// Bytes that NH takes at once. A text that is shorter has no fingerprint.
pub const BLOCK: usize = 64;
/// Bytes that one separately verified function takes.
const STEP: usize = 8 * BLOCK;
/// Steps, more than any message has.
const STEPS: u32 = 16;
/// The longest text that has a fingerprint.
pub const LENGTH_MAX: u32 = STEPS * STEP as u32;

/// True: a text of that length has a fingerprint.
#[inline(always)]
pub const fn is_long_enough(length: u32) -> bool {
    length >= BLOCK as u32 && length <= LENGTH_MAX
}

/// The key of a fingerprint, from the one of the policy.
#[inline(always)]
pub const fn key(policy_key: u32) -> u64 {
    let mixed = (policy_key as u64 ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Odd: a polynomial at an even number forgets its first coefficients.
    (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1
}

/// The fingerprint of `length` bytes. `blocks` is [`blocks`] of so many bytes from there on, which the kernel verifies as a
/// function by itself. The last block ends with the text.
#[inline(always)]
pub fn of(length: u32, key: u64, seed: u64, blocks: impl Fn(u32, u32, u64) -> u64) -> u64 {
    let mut value = seed.wrapping_mul(key).wrapping_add(length as u64);
    let mut steps = 0;
    while steps < STEPS {
        let at = steps * STEP as u32;
        if at + BLOCK as u32 > length {
            break;
        }
        value = blocks(at, length - at, value);
        steps += 1;
    }
    match length % BLOCK as u32 {
        0 => value,
        _ => blocks(length.saturating_sub(BLOCK as u32), BLOCK as u32, value),
    }
}

/// Continues the polynomial with all whole blocks among the first `most` bytes of `payload`, of at most `STEP` of them.
#[inline(always)]
pub fn blocks(payload: Bytes<'_>, most: u32, key: u64, before: u64) -> u64 {
    let (mut value, mut secret) = (before, key);
    let mut at = 0;
    while at < STEP {
        if opaque(at + BLOCK) > most as usize {
            break;
        }
        let Some(block) = payload.chunk::<BLOCK>(at) else { break };
        let sum;
        (sum, secret) = nh(block, secret);
        value = value.wrapping_mul(key).wrapping_add(sum);
        at += BLOCK;
    }
    value
}

/// NH of a block, and the secret that the next one begins with. The secrets are made on the way, as there is no room on
/// the stack for a table of them. How far two of them are apart depends on the key, so a moved word cannot be made up
/// for.
#[inline(always)]
const fn nh(block: &[u8; BLOCK], mut secret: u64) -> (u64, u64) {
    let (words, _) = block.as_chunks::<8>();
    let mut sum = 0u64;
    let mut at = 0;
    while at < words.len() {
        let word = u64::from_le_bytes(words[at]);
        secret = secret.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x2b);
        let low = (word as u32).wrapping_add(secret as u32);
        let high = ((word >> 32) as u32).wrapping_add((secret >> 32) as u32);
        sum = sum.wrapping_add(low as u64 * high as u64);
        at += 1;
    }
    (sum, secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fingerprint(text: &[u8], policy_key: u32, seed: u64) -> u64 {
        let key = key(policy_key);
        of(text.len() as u32, key, seed, |at, most, before| {
            blocks(Bytes::of(text).skip(at as usize), most, key, before)
        })
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), BLOCK..2_000)
    }

    proptest! {
        /// Each bit counts, wherever it is.
        #[test]
        fn texts_that_differ_have_two_fingerprints(text in text(), at: proptest::sample::Index, bit in 0..8u32) {
            let mut other = text.clone();
            other[at.index(text.len())] ^= 1u8 << bit;
            prop_assert_ne!(fingerprint(&text, 1, 2), fingerprint(&other, 1, 2));
            prop_assert_ne!(fingerprint(&text, 1, 2), fingerprint(&text[1..], 1, 2));
        }

        /// A change in one place is made up for by none in another.
        #[test]
        fn two_changes_do_not_cancel_out(
            text in text(),
            places: [proptest::sample::Index; 2],
            bits in [0..8u32, 0..8],
            policy_key: u32,
        ) {
            let mut other = text.clone();
            for (place, bit) in places.iter().zip(bits) {
                other[place.index(text.len())] ^= 1u8 << bit;
            }
            prop_assume!(other != text);
            prop_assert_ne!(fingerprint(&text, policy_key, 0), fingerprint(&other, policy_key, 0));
        }

        #[test]
        fn words_and_blocks_in_another_order_are_another_text(
            text in text(), places: [proptest::sample::Index; 2], size in prop_oneof![Just(4), Just(8), Just(BLOCK)]
        ) {
            let [one, two] = places.map(|place| size * place.index(text.len() / size));
            let mut other = text.clone();
            for byte in 0..size {
                other.swap(one + byte, two + byte);
            }
            prop_assume!(other != text);
            prop_assert_ne!(fingerprint(&text, 3, 0), fingerprint(&other, 3, 0));
        }

        #[test]
        fn another_key_or_seed_gives_another_fingerprint(text in text(), policy_key: u32, seed: u64) {
            prop_assert_ne!(fingerprint(&text, policy_key, seed), fingerprint(&text, policy_key ^ 1, seed));
            prop_assert_ne!(fingerprint(&text, policy_key, seed), fingerprint(&text, policy_key, seed ^ 1));
        }
    }

    #[test]
    fn no_two_of_many_texts_share_a_fingerprint() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..200_000u32 {
            let text = format!(
                "{:<100}response=\"{number:032x}\"{:<90}",
                "REGISTER sip:pbx SIP/2.0", "Max-Forwards: 70"
            );
            assert!(seen.insert(fingerprint(text.as_bytes(), 7, 0)), "{number}");
        }
    }

    #[test]
    fn bytes_behind_the_end_do_not_count() {
        let long = [b'x'; 200];
        let of_some = |text: &[u8]| {
            of(100, key(1), 2, |at, most, before| {
                blocks(Bytes::of(text).skip(at as usize), most, key(1), before)
            })
        };
        assert_eq!(of_some(&long), of_some(&long[..100]));
    }

    #[test]
    fn the_longest_text_has_one_and_its_end_counts() {
        let text = vec![b'x'; LENGTH_MAX as usize];
        let mut other = text.clone();
        *other.last_mut().unwrap() = b'y';
        assert_ne!(fingerprint(&text, 1, 2), fingerprint(&other, 1, 2));
    }
}
