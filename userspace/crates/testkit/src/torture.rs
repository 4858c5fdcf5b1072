//! The messages of RFC 4475. They are not part of this project: `SIPWARD_RFC4475` names a directory that has
//! them as `<name>.dat`.

use std::path::Path;

use crate::skipped::skipped;

/// RFC 4475 §3.1.1.
const VALID: [&str; 13] = [
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
];

/// RFC 4475 §3.1.2 to §3.4: some are wrong, and others are right and ask for what few can do.
const OTHERS: [&str; 36] = [
    "badinv01",
    "clerr",
    "ncl",
    "scalar02",
    "scalarlg",
    "quotbal",
    "ltgtruri",
    "lwsruri",
    "lwsstart",
    "trws",
    "escruri",
    "baddate",
    "regbadct",
    "badaspec",
    "baddn",
    "badvers",
    "mismatch01",
    "mismatch02",
    "bigcode",
    "badbranch",
    "insuf",
    "unkscm",
    "novelsc",
    "unksm2",
    "bext01",
    "invut",
    "regaut01",
    "multi01",
    "mcl01",
    "bcast",
    "zeromf",
    "cparam01",
    "cparam02",
    "regescrt",
    "sdp01",
    "inv2543",
];

/// Each valid message with its name. Where the variable is not set, there is none, and the test counts as skipped.
pub fn valid_messages() -> Vec<(&'static str, Vec<u8>)> {
    messages(&VALID)
}

/// All the others, in the same way.
pub fn other_messages() -> Vec<(&'static str, Vec<u8>)> {
    messages(&OTHERS)
}

fn messages(names: &[&'static str]) -> Vec<(&'static str, Vec<u8>)> {
    let Some(directory) = std::env::var_os("SIPWARD_RFC4475") else {
        skipped("SIPWARD_RFC4475 does not name a directory with the messages of RFC 4475");
        return Vec::new();
    };
    let read = |name| {
        let path = Path::new(&directory).join(format!("{name}.dat"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    names.iter().map(|name| (*name, read(name))).collect()
}
