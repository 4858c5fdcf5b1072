//! The table of results: a row for each attack, a column for each guardian.

use std::fmt::Write as _;

use crate::{
    guardian::{GUARDIANS, Guardian},
    rows::Row,
};

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Less is better.
    pub(crate) rank: f64,
}

#[derive(Default)]
pub(crate) struct Table(Vec<(&'static Row, [Option<Cell>; GUARDIANS.len()])>);

impl Table {
    pub(crate) fn put(&mut self, row: &'static Row, guardian: Guardian, cell: Cell) {
        println!("  {:<44} {:<16} {}", row.name, guardian.name(), cell.text);
        let column = GUARDIANS.iter().position(|other| *other == guardian).expect("one of them");
        let place = match self.0.iter().position(|(other, _)| other.name == row.name) {
            Some(place) => place,
            None => {
                self.0.push((row, Default::default()));
                self.0.len() - 1
            }
        };
        self.0[place].1[column] = Some(cell);
    }

    /// The best of each row is bold, and nothing where it is as good.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("| |");
        for guardian in GUARDIANS {
            // Infallible: a string.
            let _ = write!(text, " {} |", guardian.name());
        }
        text += "\n|---|";
        text += &"---|".repeat(GUARDIANS.len());
        for (row, cells) in &self.0 {
            let best = best(cells);
            let _ = write!(text, "\n| {} |", row.name);
            for cell in cells {
                let _ = match cell {
                    Some(cell) if cell.rank <= best => write!(text, " **{}** |", cell.text),
                    Some(cell) => write!(text, " {} |", cell.text),
                    None => write!(text, " |"),
                };
            }
        }
        text
    }

    pub(crate) fn summary(&self) -> String {
        let own = |cells: &[Option<Cell>]| cells[0].as_ref().map_or(f64::INFINITY, |cell| cell.rank);
        let behind: Vec<_> =
            self.0.iter().filter(|(_, cells)| own(cells) > best(cells)).map(|(row, _)| row.name).collect();
        let rows = self.0.len();
        let said =
            format!("sipward is best, or as good as the best, in {} of {rows} rows", rows - behind.len());
        if behind.is_empty() { format!("{said}.") } else { format!("{said}; not in: {}.", behind.join("; ")) }
    }
}

/// Of those that guard: without any guardian crowds are served and passwords found.
fn best(cells: &[Option<Cell>; GUARDIANS.len()]) -> f64 {
    let guarded = cells.iter().zip(GUARDIANS).filter(|(_, guardian)| *guardian != Guardian::Nothing);
    guarded.filter_map(|(cell, _)| Some(cell.as_ref()?.rank)).fold(f64::INFINITY, f64::min)
}
