//! A PBX: Kamailio, and behind it a phone that takes every call.
//!
//! ```text
//!   eth0 5060 ── Kamailio ── 127.0.0.1:5070 sipp
//! ```

use crate::{
    namespace::Namespace,
    scratch::Scratch,
    tool::{Running, tool},
};

const SIP: u16 = 5060;
const PHONE: u16 = 5070;
/// Its accounts.
pub const EXTENSIONS: [&str; 2] = ["201", "202"];

#[derive(Debug)]
pub struct Pbx {
    kamailio: Running,
    _phone: Running,
    _directory: Scratch,
}

impl Pbx {
    /// On the first host of a LAN.
    pub fn start(host: &Namespace) -> Self {
        let directory = Scratch::new(host);
        let path = directory.0.join("kamailio");
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/kamailio.cfg");
        let mut kamailio = host.command(tool("kamailio"));
        // In the foreground, complaints to standard error, little memory: many of them run at the same time.
        kamailio.args(["-DD", "-E", "-m", "16", "-M", "4", "-f", config, "-Y"]).arg(&directory.0);
        let mut kamailio = Running::start(&mut kamailio, &path);
        kamailio.wait_until("Kamailio listens", || {
            ["udp", "udp6", "tcp", "tcp6"].into_iter().all(|table| listens(host, table, SIP))
        });
        let mut phone = host.command(tool("sipp"));
        phone.args(["-sn", "uas", "-i", "127.0.0.1", "-p", &PHONE.to_string(), "-nostdin", "-skip_rlimit"]);
        let mut phone = Running::start(&mut phone, &directory.0.join("phone"));
        phone.wait_until("the phone listens", || listens(host, "udp", PHONE));
        Self { kamailio, _phone: phone, _directory: directory }
    }

    /// The number of requests of a method that have reached the PBX from an address.
    pub fn heard(&self, method: &str, from: &str) -> usize {
        let line = format!("request {method} from {from}");
        self.kamailio.log().lines().filter(|logged| logged.ends_with(&line)).count()
    }
}

/// Returns true if a socket has the port, by the kernel's table of sockets.
pub(crate) fn listens(host: &Namespace, table: &str, port: u16) -> bool {
    let path = format!("/proc/thread-self/net/{table}");
    let sockets = host.enter(|| std::fs::read_to_string(&path).expect("the kernel's table of sockets"));
    let port = format!(":{port:04X}");
    sockets.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|local| local.ends_with(&port))
}
