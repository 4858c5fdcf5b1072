//! Sets of bytes.

use regex_syntax::hir::Class;

/// The bytes that separate words: a run of these, a folded line included, counts as one space.
pub(super) const BLANKS: [u8; 4] = *b" \t\r\n";

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const fn has(&self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] & (1 << (byte & 63)) != 0
    }

    pub(super) const fn add(&mut self, byte: u8) {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
    }

    pub(super) const fn remove(&mut self, byte: u8) {
        self.0[(byte >> 6) as usize] &= !(1 << (byte & 63));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        let set = *self;
        (0..=u8::MAX).filter(move |byte| set.has(*byte))
    }

    /// The bytes that the class matches in a text whose blanks are single spaces.
    pub(super) fn of_class(class: &Class) -> Self {
        let mut set: Self = match class {
            Class::Bytes(class) => class.iter().flat_map(|range| range.start()..=range.end()).collect(),
            // `pattern` refuses those with more than ASCII.
            Class::Unicode(class) => class
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .filter_map(|character| u8::try_from(character).ok().filter(u8::is_ascii))
                .collect(),
        };
        for blank in BLANKS.into_iter().filter(|blank| *blank != b' ') {
            set.remove(blank);
        }
        set
    }
}

impl FromIterator<u8> for ByteSet {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut set = Self::default();
        bytes.into_iter().for_each(|byte| set.add(byte));
        set
    }
}
