//! The cases of a suite, as they are read from its file, and everything that is wrong with them at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{CaseId, Sha256};
use crate::profile::{Cases, Check};

mod error;
mod files;
mod read;
mod shape;

pub use error::{CaseErrors, CaseProblem};

/// One input of a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its name; from its content where the file gives none.
    pub id: CaseId,
    /// A text, or messages: a list of objects with `role` and `content`.
    pub input: Value,
    /// What is expected; absent where nothing is.
    pub expected: Option<Value>,
    /// Words that slices are made by.
    pub tags: Vec<String>,
    /// What it is counted together with.
    pub group: Option<String>,
    /// What is copied into its workspace.
    pub files: Vec<CaseFile>,
    /// Its own completion oracle, which stands in for that of the profile.
    pub check: Option<Box<Check>>,
    /// Every field of it, as the file has it: what a template can name.
    pub fields: Map<String, Value>,
    /// Names its content, the bytes of its files included, whatever the order of its fields.
    pub sha256: Sha256,
}

/// A file of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFile {
    /// Where it is; absolute where the suite's own path is.
    pub from: PathBuf,
    /// Where it goes, relative to the workspace and within it.
    pub to: PathBuf,
}

impl Case {
    /// Makes a case of one JSON object, without a file around it: it can name no files by relative paths.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn from_json(json: Value) -> Result<Self, CaseErrors> {
        let mut reading = Reading::new(Path::new(""));
        reading.take(None, json);
        let (mut cases, errors) = reading.end();
        cases.pop().ok_or(errors)
    }

    /// Whether the file gives its id; else it is made from its content.
    pub fn has_own_id(&self) -> bool {
        self.fields.get("id").is_some_and(|id| !id.is_null())
    }

    /// What it is counted as: its group, or itself.
    pub fn unit(&self) -> &str {
        self.group.as_deref().unwrap_or(self.id.as_str())
    }
}

/// Reads the cases of a suite, in the order of the file, and no more than its limit.
///
/// JSON lines, a JSON list, CSV, TSV or a YAML list, by the extension.
///
/// # Errors
///
/// Everything that is wrong with them, each with file and line.
pub fn read_cases(cases: &Cases) -> Result<Vec<Case>, CaseErrors> {
    let (cases, errors) = survey_cases(cases);
    if errors.problems.is_empty() { Ok(cases) } else { Err(errors) }
}

/// The same, with the cases that can be read beside what is wrong with others: for a report that tells all at once.
pub fn survey_cases(cases: &Cases) -> (Vec<Case>, CaseErrors) {
    let mut reading = Reading::new(&cases.file);
    let limit =
        if cases.limit == 0 { usize::MAX } else { usize::try_from(cases.limit).unwrap_or(usize::MAX) };
    read::rows(&cases.file, limit, &mut reading);
    reading.end()
}

/// Cases as they come, and what was wrong so far.
struct Reading<'a> {
    file: &'a Path,
    cases: Vec<Case>,
    /// Line of each, for the second one of the same name.
    lines: Vec<Option<u64>>,
    problems: Vec<CaseProblem>,
    digests: files::Digests,
}

impl<'a> Reading<'a> {
    fn new(file: &'a Path) -> Self {
        let digests = files::Digests::default();
        Self { file, cases: Vec::new(), lines: Vec::new(), problems: Vec::new(), digests }
    }

    fn refuse(&mut self, line: Option<u64>, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.problems.push(CaseProblem { file: self.file.to_owned(), line, what, remedy });
    }

    /// Takes a row in, or what is wrong with it.
    fn take(&mut self, line: Option<u64>, row: Value) {
        let Value::Object(fields) = row else {
            self.refuse(
                line,
                "this is not a case",
                "write an object with `input`, and `id`, `expected` and others as needed",
            );
            return;
        };
        let dir = self.file.parent().unwrap_or(Path::new(""));
        match shape::case(fields, dir, &mut self.digests) {
            Ok(case) => {
                self.cases.push(case);
                self.lines.push(line);
            }
            Err(wrong) => wrong.into_iter().for_each(|(what, remedy)| self.refuse(line, what, remedy)),
        }
    }

    fn end(mut self) -> (Vec<Case>, CaseErrors) {
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(self.cases.len());
        let mut twice = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            match seen.get(case.id.as_str()) {
                Some(first) => twice.push((*first, index)),
                None => {
                    seen.insert(case.id.as_str(), index);
                }
            }
        }
        for (first, index) in twice {
            let there = self.lines[first].map_or(String::new(), |line| format!(", as in line {line}"));
            let (what, remedy) = if self.cases[index].has_own_id() {
                (
                    format!("the id `{}` is there twice{there}", self.cases[index].id),
                    "give each case an id of its own",
                )
            } else {
                (format!("the same case is there twice{there}"), "remove one, or give each an `id`")
            };
            self.refuse(self.lines[index], what, remedy);
        }
        if self.cases.is_empty() && self.problems.is_empty() {
            self.refuse(None, "there is no case in it", "add one; a suite needs at least one");
        }
        self.problems.sort_by_key(|problem| problem.line);
        (self.cases, CaseErrors { problems: self.problems })
    }
}

#[cfg(test)]
mod tests;
