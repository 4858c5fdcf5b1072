//! The output of commands: text for people, or JSON, one object a line. Only printable characters reach the terminal,
//! whatever names, keys and notes contain.

use std::{
    fmt::Display,
    io::{self, BufWriter, Stdout, Write},
};

use serde::Serialize;

use sipward_types::printable::{printable, printable_lines, write_json};

#[derive(Debug)]
pub(super) struct Output {
    json: bool,
    stdout: BufWriter<Stdout>,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout()) }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people; nothing with `--json`.
    pub(super) fn say(&mut self, line: impl Display) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.stdout, "{}", printable_lines(&line.to_string())) }
    }

    /// An object for programs; nothing without `--json`.
    pub(super) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        write_json(&mut self.stdout, object)?;
        writeln!(self.stdout)
    }

    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        self.part(table, &table.widths(), true)
    }

    /// A part of a table whose other parts have the same widths; with the names of the columns, or without.
    pub(super) fn part(&mut self, table: &Table, widths: &[usize], names: bool) -> io::Result<()> {
        if self.json { Ok(()) } else { table.write(&mut self.stdout, widths, usize::from(!names)) }
    }

    /// Something to know besides, which is no part of the answer.
    pub(super) fn warn(&mut self, notice: &str) -> io::Result<()> {
        self.stdout.flush()?;
        writeln!(io::stderr(), "sipward: {}", printable_lines(notice))
    }

    pub(super) fn writer(&mut self) -> &mut impl Write {
        &mut self.stdout
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    Left,
    Right,
}

/// Columns as wide as what stands in them.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(columns: [(&str, Align); N]) -> Self {
        let (names, columns): (Vec<_>, Vec<_>) =
            columns.into_iter().map(|(name, align)| (name.to_owned(), align)).unzip();
        Self { columns, rows: vec![names] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.map(|cell| printable(cell.as_bytes())).into());
    }

    /// No row but the names of the columns.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// As wide as what stands in each column.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (0..self.columns.len()).map(width).collect()
    }

    fn write(&self, to: &mut impl Write, widths: &[usize], skip: usize) -> io::Result<()> {
        for row in self.rows.iter().skip(skip) {
            let cells =
                row.iter().zip(&self.columns).zip(widths).map(|((cell, align), &width)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                });
            writeln!(to, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The number of lines that decide the widths of the columns of a long table.
const SAMPLE: usize = 1_000;

/// A table of any length, of which no more than some lines are in memory.
#[derive(Debug)]
pub(super) struct LongTable {
    part: Table,
    widths: Option<Vec<usize>>,
}

impl LongTable {
    /// Its first lines, or none yet.
    pub(super) const fn new(part: Table) -> Self {
        Self { part, widths: None }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N], output: &mut Output) -> io::Result<()> {
        self.part.row(cells);
        if self.part.rows.len() > SAMPLE { self.flush(output) } else { Ok(()) }
    }

    fn flush(&mut self, output: &mut Output) -> io::Result<()> {
        let first = self.widths.is_none();
        let widths = self.widths.get_or_insert_with(|| self.part.widths());
        output.part(&self.part, widths, first)?;
        self.part.rows.truncate(1);
        Ok(())
    }

    /// Prints the remaining lines, or `empty` if there were none.
    pub(super) fn finish(mut self, nothing: impl Display, output: &mut Output) -> io::Result<()> {
        if self.part.is_empty() && self.widths.is_none() { output.say(nothing) } else { self.flush(output) }
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|&digit| char::from(digit)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table =
            Table::new([("reason", Align::Left), ("packets", Align::Right), ("note", Align::Left)]);
        table.row(["ban".into(), "1,234".into(), String::new()]);
        table.row(["options-stranger".into(), "5".into(), "é".into()]);
        let expected = "\
reason            packets  note
ban                 1,234
options-stranger        5  é
";
        let mut text = Vec::new();
        table.write(&mut text, &table.widths(), 0).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_cell_is_as_wide_as_what_is_shown_of_it() {
        let mut table = Table::new([("name", Align::Left), ("n", Align::Left)]);
        table.row(["a\x1b[2J".into(), "1".into()]);
        let mut text = Vec::new();
        table.write(&mut text, &table.widths(), 0).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "name        n\na\\u{1b}[2J  1\n");
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
