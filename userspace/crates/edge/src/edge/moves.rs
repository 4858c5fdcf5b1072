//! The places of phones that were let in elsewhere before: what the PBX has of a call, or of a registration, says where
//! the phone was then.

use std::collections::HashMap;

use crate::{
    link::Link,
    token::{AccountMark, Phone},
};

/// Moves of one account. Of more, its own oldest are forgotten: calls that began before those lose their phone.
const OF_AN_ACCOUNT: usize = 32;

/// There are no more accounts here than the operator has made.
#[derive(Debug, Default)]
pub(super) struct Moves(HashMap<AccountMark, Vec<Move>>);

#[derive(Clone, Copy, Debug)]
struct Move {
    from: Link,
    to: Link,
}

impl Moves {
    /// The phone has shown at `to` that it is of the account. `marks`: those of the account.
    pub(super) fn add(&mut self, marks: impl Iterator<Item = AccountMark>, from: Link, to: Link) {
        for account in marks {
            let moves = self.0.entry(account).or_default();
            // It is at `to`: no earlier move leads on from there.
            moves.retain(|earlier| earlier.from != from && earlier.from != to);
            if from != to {
                moves.drain(..(moves.len() + 1).saturating_sub(OF_AN_ACCOUNT));
                moves.push(Move { from, to });
            }
            if moves.is_empty() {
                self.0.remove(&account);
            }
        }
    }

    /// The place of the phone now. Over another transport it is not reached: nobody would send again what is lost there.
    pub(super) fn place(&self, phone: Phone) -> Link {
        let Some(moves) = self.0.get(&phone.account) else { return phone.link };
        let next = |place: &Link| Some(moves.iter().find(|after| after.from == *place)?.to);
        let places = std::iter::successors(Some(phone.link), next).take(1 + OF_AN_ACCOUNT);
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

    #[test]
    fn an_account_that_moves_without_end_costs_others_nothing() {
        let mut moves = Moves::default();
        moved(&mut moves, 2, at(1), at(2));
        (1..1_000).for_each(|port| moved(&mut moves, 1, at(port), at(port + 1)));
        assert_eq!(moves.place(phone(2, 1)), at(2));
        assert_eq!((moves.place(phone(1, 990)), moves.place(phone(1, 1))), (at(1_000), at(1)));
        assert_eq!(moves.0[&[1; 3]].len(), OF_AN_ACCOUNT);
        moved(&mut moves, 2, at(1), at(1));
        assert!(!moves.0.contains_key(&[2; 3]));
    }
}
