//! Values packed into one machine word.
//!
//! Besides pointers, a function that the verifier checks separately takes and returns nothing but words.

/// A value that fits into one word.
pub trait Packed: Copy {
    /// `u32` or `u64`.
    type Word;

    fn pack(self) -> Self::Word;

    /// The value that was packed. Any other word gives some valid value as well.
    fn unpack(word: Self::Word) -> Self;
}

macro_rules! packed_integers {
    ($($integer:ty as $word:ty),+) => {$(
        impl Packed for $integer {
            type Word = $word;

            #[inline(always)]
            fn pack(self) -> $word {
                self as $word
            }

            #[inline(always)]
            fn unpack(word: $word) -> Self {
                word as Self
            }
        }
    )+};
}
packed_integers!(u8 as u32, u16 as u32, u32 as u32, u64 as u64);

/// The answer of a function that has none.
impl Packed for () {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        0
    }

    #[inline(always)]
    fn unpack(_: u32) {}
}

impl Packed for bool {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        word != 0
    }
}

/// Zero is `None`; every other word is the value plus one.
impl<T: Packed<Word = u32>> Packed for Option<T> {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        match self {
            None => 0,
            Some(value) => value.pack() + 1,
        }
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        match word {
            0 => None,
            word => Some(T::unpack(word - 1)),
        }
    }
}

/// Packs a fieldless enum as its discriminant. Any other number unpacks to the variant behind `or`.
macro_rules! packed_enum {
    ($name:ident: $($variant:ident)|+, or $default:ident) => {
        impl $crate::packed::Packed for $name {
            type Word = u32;

            #[inline(always)]
            fn pack(self) -> u32 {
                self as u32
            }

            #[inline(always)]
            fn unpack(word: u32) -> Self {
                $(if word == Self::$variant as u32 {
                    return Self::$variant;
                })+
                Self::$default
            }
        }

        // A variant that is missing in the list does not compile.
        const _: fn($name) = |value| match value {
            $($name::$variant)|+ => {}
        };
    };
}
pub(crate) use packed_enum;

/// Packs a newtype of a word as that word.
macro_rules! packed_newtype {
    ($name:ident, $word:ty) => {
        impl $crate::packed::Packed for $name {
            type Word = $word;

            #[inline(always)]
            fn pack(self) -> $word {
                self.0
            }

            #[inline(always)]
            fn unpack(word: $word) -> Self {
                Self(word)
            }
        }
    };
}
pub(crate) use packed_newtype;

#[cfg(test)]
mod tests;
