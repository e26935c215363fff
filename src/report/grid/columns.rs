//! A table of texts on a terminal, as wide as what is in it and no wider than the place for it.

use crate::report::human::style::{self, Ink, Look};

/// Between two columns.
const GAP: usize = 2;
/// A column of names is not made narrower than this.
const LEAST_NAME: usize = 8;

/// How a column behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Names: to the left, and cut where there is no room.
    Name,
    /// Text that is not cut: to the left.
    Text,
    /// Figures: to the right.
    Figure,
    /// Figures that are left out where names would have to be cut short, the last one first.
    Spare,
    /// The same with names.
    SpareName,
}

/// Rows under a head.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    head: Vec<(String, Column)>,
    rows: Vec<(Ink, Vec<String>)>,
}

impl Columns {
    /// A table with these columns.
    pub(super) fn new(head: &[(&str, Column)]) -> Self {
        Self {
            head: head.iter().map(|(name, column)| ((*name).to_owned(), *column)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; a cell for each column.
    pub(super) fn row(&mut self, ink: Ink, cells: Vec<String>) {
        self.rows.push((ink, cells));
    }

    /// Whether there is nothing under the head.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, the head first. Columns in which every cell is empty are left out.
    pub(super) fn lines(&self, look: Look, width: usize) -> Vec<String> {
        let mut shown: Vec<usize> = (0..self.head.len())
            .filter(|at| {
                self.rows.iter().any(|(_, cells)| cells.get(*at).is_some_and(|cell| !cell.is_empty()))
            })
            .collect();
        let spare = |at: &usize| matches!(self.head[*at].1, Column::Spare | Column::SpareName);
        let needed = |shown: &[usize]| shown.iter().map(|at| self.widest(*at) + GAP).sum::<usize>();
        while needed(&shown) > width + GAP
            && let Some(at) = shown.iter().rposition(spare)
        {
            shown.remove(at);
        }
        let widths = self.widths(&shown, width);
        let line = |ink: Ink, cell: &dyn Fn(usize) -> String| {
            let cells = shown.iter().zip(&widths).map(|(at, width)| {
                let text = cell(*at);
                let fitted = style::cell(&text, *width, look);
                if matches!(self.head[*at].1, Column::Figure | Column::Spare) {
                    let used = console::measure_text_width(&text).min(*width);
                    format!("{}{}", " ".repeat(width - used), style::fit(&text, *width, look))
                } else {
                    fitted
                }
            });
            let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
            look.paint(ink, &style::fit(line.trim_end(), width, look))
        };
        let head = line(Ink::Faint, &|at| self.head[at].0.clone());
        let rows =
            self.rows.iter().map(|(ink, cells)| line(*ink, &|at| cells.get(at).cloned().unwrap_or_default()));
        std::iter::once(head).chain(rows).collect()
    }

    fn widest(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(at));
        let head = std::iter::once(&self.head[at].0);
        head.chain(cells).map(|cell| console::measure_text_width(cell)).max().unwrap_or(0)
    }

    fn widths(&self, shown: &[usize], width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = shown.iter().map(|at| self.widest(*at)).collect();
        let gaps = shown.len().saturating_sub(1) * GAP;
        // The widest name gives way first.
        while widths.iter().sum::<usize>() + gaps > width {
            let names = shown
                .iter()
                .zip(&mut widths)
                .filter(|(at, _)| matches!(self.head[**at].1, Column::Name | Column::SpareName));
            match names.map(|(_, width)| width).max() {
                Some(widest) if *widest > LEAST_NAME => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// `text` in lines of at most `width` columns, broken between words; lines after the first begin with `indent` spaces.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    // The indentation of the first line is the caller's.
    let lead = text.len() - text.trim_start_matches(' ').len();
    line.push_str(&text[..lead]);
    let mut empty = true;
    for word in text.split_whitespace() {
        let used =
            console::measure_text_width(&line) + usize::from(!empty) + console::measure_text_width(word);
        if !empty && used > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { colour: false, unicode: true };

    #[test]
    fn names_give_way_and_figures_do_not() {
        let mut table =
            Columns::new(&[("arm", Column::Name), ("mean", Column::Figure), ("empty", Column::Text)]);
        table.row(Ink::Plain, vec!["a-candidate-with-a-name".into(), "0.840".into(), String::new()]);
        table.row(Ink::Plain, vec!["b".into(), "12.500".into(), String::new()]);
        assert_eq!(
            table.lines(LOOK, 80),
            [
                "arm                        mean",
                "a-candidate-with-a-name   0.840",
                "b                        12.500"
            ]
        );
        assert_eq!(
            table.lines(LOOK, 20),
            ["arm             mean", "a-candidate…   0.840", "b             12.500"]
        );
        assert!(table.lines(LOOK, 4).iter().all(|line| console::measure_text_width(line) <= 4));
    }

    #[test]
    fn what_can_be_spared_goes_first() {
        let mut table = Columns::new(&[("name", Column::Name), ("a", Column::Spare), ("b", Column::Spare)]);
        table.row(Ink::Plain, vec!["a-candidate".into(), "1".into(), "2".into()]);
        assert_eq!(table.lines(LOOK, 17), ["name         a  b", "a-candidate  1  2"]);
        assert_eq!(table.lines(LOOK, 16), ["name         a", "a-candidate  1"]);
        assert_eq!(table.lines(LOOK, 9), ["name", "a-candid…"]);
    }

    #[test]
    fn long_sentences_are_broken_between_words() {
        assert_eq!(wrap("  one two three four", 10, 4), ["  one two", "    three", "    four"]);
        assert_eq!(wrap("averylongword", 4, 2), ["averylongword"]);
        assert_eq!(wrap("", 4, 2), [""]);
    }
}
