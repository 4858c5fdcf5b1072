//! Measuring several things side by side.

use crate::figures::median;

/// The number of turns of each thing.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    pub rounds: usize,
    /// So many turns in a round; the one in the middle is the round's figure, so that an interruption is not.
    pub each: usize,
}

impl Turns {
    /// Measures all things in turn, round by round, and returns the values. Every other round runs backwards, so that
    /// no thing always follows the same one.
    pub fn take<T, E>(
        self,
        things: &mut [T],
        mut measure: impl FnMut(&mut T) -> Result<f64, E>,
    ) -> Result<Vec<Vec<f64>>, E> {
        let mut rounds = vec![Vec::new(); things.len()];
        for _ in 0..self.rounds {
            let mut turns = vec![Vec::new(); things.len()];
            for turn in 0..self.each {
                let there = 0..things.len();
                let order: Vec<_> = if turn % 2 == 0 { there.collect() } else { there.rev().collect() };
                for index in order {
                    turns[index].push(measure(&mut things[index])?);
                }
            }
            rounds.iter_mut().zip(turns).for_each(|(round, turns)| round.push(median(turns)));
        }
        Ok(rounds)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn every_thing_has_its_turn_in_every_round_and_one_interruption_does_not_count() {
        let mut things = [(1.0, 0), (2.0, 0)];
        let turns = Turns { rounds: 2, each: 3 };
        let Ok(rounds) = turns.take(&mut things, |(cost, turn)| {
            *turn += 1;
            Ok::<_, Infallible>(if *turn == 2 { 900.0 } else { *cost })
        });
        assert_eq!(rounds, [[1.0, 1.0], [2.0, 2.0]]);
        assert_eq!(things.map(|(_, turns)| turns), [6, 6]);
    }
}
