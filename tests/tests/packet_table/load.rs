//! The size of the loaded programs, which leaves room for kernels that count in another way.

use sipward_tests::stack::Loaded;

/// In bytes, of 512 that Linux allows.
const STACK: u32 = 480;
/// Of a million that Linux follows.
const VERIFIED: u32 = 900_000;

#[test]
fn both_programs_are_loaded_with_room_to_spare() {
    for fixed in Loaded::both().unwrap() {
        println!("{fixed}");
        assert!(fixed.stack.deepest <= STACK, "{fixed}");
        assert!((1..=VERIFIED).contains(&fixed.verified), "{fixed}");
    }
}
