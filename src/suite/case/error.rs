//! What is wrong with cases.

use std::fmt;
use std::path::PathBuf;

use crate::text::plural;

/// How many are written out.
const SHOWN: usize = 40;

/// One mistake in a file of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseProblem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; absent where it is about the whole file.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for CaseProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

/// Everything that is wrong with a file of cases, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseErrors {
    /// The mistakes.
    pub problems: Vec<CaseProblem>,
}

impl fmt::Display for CaseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {}", plural(more as u64, "further mistake")),
        }
    }
}

impl std::error::Error for CaseErrors {}
