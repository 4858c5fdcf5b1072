//! SIPVicious, from a host of its own.

use sipward_tests::{attack::SCANNER, command::Done, namespace::v4, scratch::Scratch, tool::tool};

use crate::guardian::Post;

/// Runs a tool of SIPVicious. Returns its output, and the number of datagrams that its host received meanwhile.
pub(crate) fn sipvicious(post: &Post, program: &str, options: &[&str]) -> (String, u64) {
    let host = post.site.scanner();
    let home = Scratch::new(host);
    let before = host.datagrams_received();
    let mut command = host.command("timeout");
    command
        .arg("60")
        .arg(tool(program))
        .env("HOME", &home.0)
        .args(["-x", &v4(SCANNER)])
        .args(options)
        .arg(v4(1));
    let Done { stdout, stderr, .. } = Done::of(&mut command);
    (stdout + &stderr, host.datagrams_received() - before)
}
