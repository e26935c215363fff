//! Places of cells in a plan, as array engines write them: `3,7-9`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::event::CellIndex;

/// Some cells of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexes {
    /// From, and to; both are part of it.
    ranges: Vec<(u64, u64)>,
}

impl Indexes {
    /// The largest of them.
    pub(super) fn last(&self) -> u64 {
        self.ranges.iter().map(|(_, to)| *to).max().unwrap_or_default()
    }

    /// Each of them once, in their order.
    pub(super) fn cells(&self) -> BTreeSet<CellIndex> {
        self.ranges.iter().flat_map(|(from, to)| *from..=*to).map(CellIndex).collect()
    }
}

impl FromStr for Indexes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits);
            number.ok_or_else(|| format!("`{text}` is no place of a cell; write `3`, or `3,7-9`"))
        };
        let range = |part: &str| match part.split_once('-') {
            None => number(part).map(|one| (one, one)),
            Some((from, to)) => match (number(from)?, number(to)?) {
                (from, to) if from <= to => Ok((from, to)),
                (from, to) => Err(format!("the range {from}-{to} goes backwards")),
            },
        };
        text.split(',').map(|part| range(part.trim())).collect::<Result<_, _>>().map(|ranges| Self { ranges })
    }
}

impl FromIterator<CellIndex> for Indexes {
    /// From cells in their order; those that follow each other become a range.
    fn from_iter<I: IntoIterator<Item = CellIndex>>(cells: I) -> Self {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for CellIndex(cell) in cells {
            match ranges.last_mut() {
                Some((_, to)) if to.checked_add(1) == Some(cell) => *to = cell,
                _ => ranges.push((cell, cell)),
            }
        }
        Self { ranges }
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (from, to)) in self.ranges.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            if from == to {
                write!(f, "{comma}{from}")?;
            } else {
                write!(f, "{comma}{from}-{to}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for (text, cells) in [("3", vec![3]), ("3,7-9", vec![3, 7, 8, 9]), ("0-1,3-4", vec![0, 1, 3, 4])] {
            let read: Indexes = text.parse().unwrap();
            assert_eq!(read.cells().into_iter().map(|cell| cell.0).collect::<Vec<_>>(), cells);
            let printed: Indexes = cells.into_iter().map(CellIndex).collect();
            assert_eq!(printed.to_string(), text);
            assert_eq!(printed, read);
        }
        assert_eq!("9, 7-8,7".parse::<Indexes>().unwrap().cells().len(), 3);
        assert_eq!(Indexes::default().to_string(), "");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "-", "3,", "a", "3-", "-3", "9-7", "1.5", "+3", "99999999999999999999999"] {
            text.parse::<Indexes>().unwrap_err();
        }
    }
}
