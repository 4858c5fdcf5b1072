//! INVITEs in a dialog that the edge has answered itself. The To tag of such an answer is that of the other end, so it does
//! not say that the ACK ends here.

use sipward_types::fifo_map::FifoMap;

use crate::{
    answer::{TAG, transaction_signature},
    keys::Keys,
    message::Message,
};

/// Of more at once, the ACKs of the oldest go on to the PBX, which knows nothing of them.
const REQUESTS: usize = 4_096;

#[derive(Debug)]
pub(super) struct AnsweredInvites(FifoMap<[u8; TAG], ()>);

impl Default for AnsweredInvites {
    fn default() -> Self {
        Self(FifoMap::new(REQUESTS))
    }
}

impl AnsweredInvites {
    pub(super) fn add(&mut self, invite: &Message<'_>, keys: &Keys) {
        self.0.insert(transaction_signature(invite, keys), ());
    }

    /// True: the ACK is of the same transaction. That of a 2xx is one of its own.
    pub(super) fn is_acknowledged(&self, ack: &Message<'_>, keys: &Keys) -> bool {
        self.0.get(&transaction_signature(ack, keys)).is_some()
    }
}
