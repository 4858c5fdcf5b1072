//! Any bytes as frames, one after the other through the whole path. Each frame has its length in two bytes
//! before it.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sipward_engine::{policy::{Config, Resolved}, replay::Memory};
use xdp_prog::{
    abi::Signatures,
    bytes::Bytes,
    frame::{Depth, Packet, TCP, UDP, extension_headers, flag, parse},
    reason::{Action, Reason},
};

struct Fixture {
    resolved: Resolved,
    signatures: Arc<Signatures>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let config = "trusted = ['192.0.2.0/24', '2001:db8::/32']\nbanned = ['198.51.100.1', '198.18.0.0/15']";
    let resolved = Config::parse(config, "the fixture").and_then(|config| config.resolve()).expect("valid");
    let signatures = resolved.signatures.compile().expect("the shipped set compiles").tables.into();
    Fixture { resolved, signatures }
});

fuzz_target!(|data: &[u8]| {
    let Fixture { resolved, signatures } = &*FIXTURE;
    let mut memory = Memory::new(resolved.policy.clone(), Arc::clone(signatures));
    resolved.entries().for_each(|(net, entry)| memory.insert(net, entry));
    let mut rest = data;
    let mut now = 0;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (frame, after) = after.split_at(after.len().min(usize::from(u16::from_be_bytes(*length))));
        now += 1 << 24;
        memory.set_now(now);
        judge(&memory, frame);
        rest = after;
    }
});

fn judge(memory: &Memory, frame: &[u8]) {
    let (verdict, packet) = memory.judge(frame);
    let policy = &FIXTURE.resolved.policy;
    let port = packet.destination_port;
    let ours = match packet.protocol {
        UDP => policy.udp.has(port),
        TCP => policy.tcp.has(port) || policy.tls.has(port),
        _ => false,
    };
    let dropped = verdict.reason.action() == Action::Drop;
    assert!(!dropped || ours || verdict.reason == Reason::FragmentRest, "{verdict:?} {packet:?}");

    let mut packet = Packet::default();
    let bytes = Bytes::of(frame);
    let depth = parse(bytes, |offset, protocol| extension_headers(bytes, offset, protocol), &mut packet);
    let end = packet.offset as usize + packet.length as usize;
    assert!(depth != Depth::Ports || end <= frame.len(), "{packet:?} in {} bytes", frame.len());
    // A header that contradicts itself must not be read as anything else.
    assert!(!packet.is(flag::MALFORMED) || depth == Depth::Ports, "{packet:?} {depth:?}");
}
