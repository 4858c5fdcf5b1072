mod captures;
mod crowds;
mod flows;
mod frames;
mod hostile;
mod limits;
mod reports;
mod rfc4475;
mod verdicts;
mod written;

use std::sync::{Arc, LazyLock};

use xdp_prog::abi::Signatures;

use super::Memory;
use crate::policy::Config;
use sipward_signature::SignatureSet;

/// Compiled once: every test starts with a filter of its own.
static SHIPPED: LazyLock<Arc<Signatures>> =
    LazyLock::new(|| SignatureSet::shipped().compile().unwrap().tables.into());

/// A filter with the configuration `text` and the shipped signatures.
fn filter(text: &str) -> Memory {
    let resolved = Config::parse(text, "test").unwrap().resolve().unwrap();
    let mut memory = Memory::new(resolved.policy.clone(), Arc::clone(&SHIPPED));
    resolved.entries().for_each(|(net, entry)| memory.insert(net, entry));
    memory
}

/// The name of the reason for the verdict over `frame`.
fn reason(memory: &Memory, frame: &[u8]) -> &'static str {
    memory.judge(frame).0.reason.name()
}
