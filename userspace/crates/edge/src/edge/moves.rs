//! The places of phones that were let in elsewhere before: what the PBX has of a call, or of a registration, says where
//! the phone was then.

use sipward_types::fifo_map::FifoMap;

use crate::{
    link::Link,
    token::{AccountMark, Phone},
};

/// Of more, the oldest are forgotten: calls that began before those moves lose their phone.
const MOVES: usize = 32_768;
/// Moves of one phone in a row, in one call.
const STEPS: usize = 16;

#[derive(Debug)]
pub(super) struct Moves(FifoMap<Phone, Link>);

impl Default for Moves {
    fn default() -> Self {
        Self(FifoMap::new(MOVES))
    }
}

impl Moves {
    /// The phone has shown at `to` that it is of the account. `marks`: those of the account.
    pub(super) fn add(&mut self, marks: impl Iterator<Item = AccountMark>, from: Link, to: Link) {
        for account in marks {
            // It is there: no earlier move leads on from there.
            self.0.remove(&Phone { link: to, account });
            if from != to {
                self.0.insert(Phone { link: from, account }, to);
            }
        }
    }

    /// The place of the phone now. Over another transport it is not reached: nobody would send again what is lost there.
    pub(super) fn place(&self, phone: Phone) -> Link {
        let next = |place: &Link| self.0.get(&Phone { link: *place, ..phone }).copied();
        let places = std::iter::successors(Some(phone.link), next).take(STEPS);
        let is_reachable = |place: &Link| place.transport == phone.link.transport;
        places.filter(is_reachable).last().unwrap_or(phone.link)
    }
}

#[cfg(test)]
mod tests {
    use sipward_types::flow::Transport;

    use super::*;
    use crate::link::Side;

    fn at(port: u16) -> Link {
        let peer = ([198, 51, 100, 7], port).into();
        Link { side: Side::Outer, listener: 0, transport: Transport::Udp, peer, connection: 0 }
    }

    fn phone(account: u8, port: u16) -> Phone {
        Phone { link: at(port), account: [account; 3] }
    }

    fn moved(moves: &mut Moves, account: u8, from: Link, to: Link) {
        moves.add([[account; 3]].into_iter(), from, to);
    }

    #[test]
    fn a_phone_is_where_it_went_last_and_its_neighbour_is_where_it_was() {
        let mut moves = Moves::default();
        moved(&mut moves, 1, at(1), at(2));
        moved(&mut moves, 1, at(2), at(3));
        assert_eq!((moves.place(phone(1, 1)), moves.place(phone(1, 2))), (at(3), at(3)));
        assert_eq!(moves.place(phone(2, 1)), at(1), "another account at that port");
        // It goes back, and is there.
        moved(&mut moves, 1, at(3), at(1));
        assert_eq!([1, 2, 3].map(|port| moves.place(phone(1, port))), [at(1); 3]);
        moved(&mut moves, 1, at(1), at(1));
        assert_eq!(moves.place(phone(1, 3)), at(1));
    }

    #[test]
    fn a_phone_that_has_changed_its_transport_is_looked_for_where_it_was() {
        let mut moves = Moves::default();
        let tcp = Link { transport: Transport::Tcp, connection: 7, ..at(9) };
        moved(&mut moves, 1, at(1), tcp);
        assert_eq!(moves.place(phone(1, 1)), at(1));
        moved(&mut moves, 1, tcp, at(2));
        assert_eq!(moves.place(phone(1, 1)), at(2));
    }
}
