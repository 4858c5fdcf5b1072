//! Signature sets of any size.

use std::fmt::Write as _;

use sipward_signature::SignatureSet;

/// Two that are wanted most, and as many more as it takes.
pub fn many(count: usize) -> SignatureSet {
    let mut text = String::new();
    for index in 0..count {
        let word = match index {
            0 => "friendly-scanner".to_owned(),
            1 => "sipvicious".to_owned(),
            _ => format!("scanner-{:06x}", index.wrapping_mul(0x9e_3779) & 0xff_ffff),
        };
        let _ = writeln!(
            text,
            "[[signature]]\nname = \"s{index}\"\nin = \"User-Agent\"\ncontains = \"{word}\"\nnote = \"many\""
        );
    }
    SignatureSet::parse(&text, "many signatures").expect("a valid set")
}

/// A file that switches off all that come with sipward.
pub fn none() -> String {
    let mut text = String::new();
    for signature in SignatureSet::shipped().iter() {
        let name = &signature.name;
        let _ = writeln!(
            text,
            "[[signature]]\nname = '{name}'\nin = 'Via'\ncontains = 'nothing-such'\non = false"
        );
    }
    text
}
