//! Deeds of a phone that is broken or hostile.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{Phone, message::Message, open, outcome::RequestId};

impl Phone {
    /// Sends these bytes to its server.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.send_raw_to(bytes, self.settings.server);
    }

    /// The same to another place.
    pub fn send_raw_to(&mut self, bytes: &[u8], to: SocketAddr) {
        self.has_sent_raw = true;
        self.send_bytes(bytes, to);
    }

    /// Sends these bytes to its server. Returns everything that comes until then: answers, requests, or nothing.
    pub fn provoke(&mut self, bytes: &[u8], patience: Duration) -> Vec<Message> {
        let (before, end) = (self.received.len(), Instant::now() + patience);
        self.send_raw(bytes);
        while self.poll(end.saturating_duration_since(Instant::now())) {}
        self.received[before..].to_vec()
    }

    /// Sends the last bytes of a request once more. Their answers come to its outcome, as the first ones did.
    pub fn repeat(&mut self, id: RequestId) {
        let outcome = &mut self.outcomes[id.0];
        outcome.repeated += 1;
        let (bytes, to) = (outcome.last_sent().to_vec(), outcome.to);
        self.send_bytes(&bytes, to);
    }

    /// Goes on from another address, as a phone behind a router that has forgotten it; a phone of TCP connects anew. It says
    /// nothing to anybody: its calls and its registration go on.
    pub fn move_to(&mut self, local: SocketAddr) {
        self.sockets = open(&self.inside, local, &self.settings);
        self.seen = None;
    }
}
