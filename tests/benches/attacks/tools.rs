//! SIPVicious, from a host of its own.

use std::fs;

use sipward_tests::{
    attack::SCANNER,
    command::Done,
    namespace::{Namespace, v4},
    scratch::Scratch,
    tool::tool,
};

use crate::guardian::Post;

/// What it says, and the datagrams that came back meanwhile.
pub(crate) fn sipvicious(post: &Post, program: &str, options: &[&str]) -> (String, u64) {
    let host = post.site.scanner();
    let home = Scratch::new(host);
    let before = received(host);
    let mut command = host.command("timeout");
    command
        .arg("60")
        .arg(tool(program))
        .env("HOME", &home.0)
        .args(["-x", &v4(SCANNER)])
        .args(options)
        .arg(v4(1));
    let Done { stdout, stderr, .. } = Done::of(&mut command);
    (stdout + &stderr, received(host) - before)
}

/// Datagrams, by the kernel's count.
fn received(host: &Namespace) -> u64 {
    let table = host.enter(|| fs::read_to_string("/proc/thread-self/net/snmp")).unwrap_or_default();
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let names = lines.next().unwrap_or_default().split(' ');
    let values = lines.next().unwrap_or_default().split(' ');
    let column = names.zip(values).find(|(name, _)| *name == "InDatagrams");
    column.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
}
