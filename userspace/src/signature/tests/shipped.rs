//! The signatures that come with sipward.

use super::{
    super::{Judge, SignatureSet},
    Both,
};

#[test]
fn every_shipped_signature_compiles_and_says_where_it_is_from() {
    let set = SignatureSet::shipped();
    let compiled = set.compile().unwrap();
    assert_eq!(compiled.names.len(), set.iter().filter(|signature| signature.in_kernel()).count());
    eprintln!("{:?}", compiled.size);
    for signature in set.iter() {
        assert!(signature.note.len() > 20, "{} has no note", signature.name);
    }
}
