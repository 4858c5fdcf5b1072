//! Tables of states.

use crate::bytes::{Bytes, opaque};

/// The next state for each state and byte. A table, because the verifier would go every way through a `match` again for
/// every byte.
#[repr(transparent)]
pub(super) struct Table<const SIZE: usize>(pub(super) [u8; SIZE]);

impl<const SIZE: usize> Table<SIZE> {
    const MASK: usize = {
        assert!(SIZE.is_power_of_two());
        SIZE - 1
    };

    #[inline(always)]
    pub(super) const fn next(&self, state: u8, byte: u8) -> u8 {
        self.0[((state as usize) << 8 | byte as usize) & Self::MASK]
    }

    /// Runs bytes through the table until a state of at least `stop`, and says which and how many bytes it took.
    #[inline(always)]
    pub(super) fn run(
        &self,
        payload: Bytes<'_>,
        most: u32,
        mut state: u8,
        stop: u8,
        max: usize,
    ) -> Option<(u8, u32)> {
        let mut at = 0;
        while at < max {
            if opaque(at) >= most as usize {
                break;
            }
            let byte = payload.byte(at)?;
            state = self.next(state, byte);
            at += 1;
            if state >= stop {
                return Some((state, at as u32));
            }
        }
        None
    }
}

/// Calls `$next` for every state and byte.
macro_rules! table {
    ($vis:vis $name:ident, $states:literal, $next:path) => {
        $vis static $name: $crate::account::table::Table<{ $states << 8 }> = {
            let mut table = [0; $states << 8];
            let mut index = 0;
            while index < table.len() {
                table[index] = $next((index >> 8) as u8, index as u8);
                index += 1;
            }
            $crate::account::table::Table(table)
        };
    };
}
pub(super) use table;
