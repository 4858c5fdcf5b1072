//! Requests that show whether packets reach the PBX.

use std::{collections::BTreeMap, net::UdpSocket, time::Duration};

use sipward_tests::{
    message::clean,
    namespace::{Namespace, v4, v6},
};

/// The PBX's SIP port, and whether what others send reaches it.
pub(crate) struct Reachability {
    pbx: [UdpSocket; 2],
    /// One port for each host and family: many would be a flood.
    senders: BTreeMap<(String, usize), UdpSocket>,
    sent: u32,
}

impl Reachability {
    pub(crate) fn new(pbx: &Namespace) -> Self {
        let pbx = [v4(1), format!("[{}]", v6(1))].map(|address| pbx.udp(&format!("{address}:5060")));
        Self { pbx, senders: BTreeMap::new(), sent: 0 }
    }

    /// Sends by IPv4 (`1`) or IPv6 (`2`).
    pub(crate) fn say(&mut self, host: &Namespace, family: usize, message: &str) {
        let sender = self.senders.entry((host.name().to_owned(), family));
        let sender = sender.or_insert_with(|| host.udp(["0.0.0.0:0", "[::]:0"][family - 1]));
        sender.send_to(message.as_bytes(), self.pbx[family - 1].local_addr().unwrap()).unwrap();
    }

    /// Returns true if a harmless request arrives. Between two namespaces it arrives at once or never.
    pub(crate) fn from(&mut self, host: &Namespace, family: usize) -> bool {
        self.sent += 1;
        let message = clean("SUBSCRIBE").replace("a84b4c76e66710", &format!("call-{}", self.sent));
        self.say(host, family, &message);
        let socket = &self.pbx[family - 1];
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut buffer = [0; 2048];
        while let Ok(length) = socket.recv(&mut buffer) {
            if buffer[..length] == *message.as_bytes() {
                return true;
            }
        }
        false
    }
}
