//! The cases of a suite, as they are read from its file, and everything that is wrong with them at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{CaseId, Sha256};
use crate::profile::{Cases, Check};

mod error;
mod files;
mod read;
mod set;
mod shape;

pub use error::{CaseErrors, CaseProblem};
pub use set::CaseSet;

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
        let mut cases = Vec::new();
        let mut sink = |case| cases.push(case);
        let mut reading = Reading::new(Path::new(""), &mut sink);
        reading.take(None, json);
        let errors = reading.end();
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

/// Reads the cases of a suite, in the order of the file and no more than its limit, and puts away those that are `wanted`.
///
/// JSON lines, a JSON list, CSV, TSV or a YAML list, by the extension.
///
/// # Errors
///
/// Everything that is wrong with them, each with file and line.
pub fn read_cases(cases: &Cases, mut wanted: impl FnMut(&Case) -> bool) -> Result<CaseSet, CaseErrors> {
    let mut gathering = set::Gathering::default();
    let mut trouble = None;
    let mut errors = read(cases, &mut |case| {
        if trouble.is_none() && wanted(&case) {
            trouble = gathering.add(&case).err();
        }
    });
    let gathered = trouble.map_or_else(|| gathering.done(), Err);
    let gathered = gathered.map_err(|error| CaseProblem {
        file: cases.file.clone(),
        line: None,
        what: format!("the cases cannot be put away: {error}"),
        remedy: "they need room in the directory for temporary files".to_owned(),
    });
    match gathered {
        Ok(set) if errors.problems.is_empty() => return Ok(set),
        Ok(_) => {}
        Err(problem) => errors.problems.push(problem),
    }
    Err(errors)
}

/// All cases that can be read, beside what is wrong with others: for a report that tells all at once.
pub fn survey_cases(cases: &Cases) -> (Vec<Case>, CaseErrors) {
    let mut found = Vec::new();
    let errors = read(cases, &mut |case| found.push(case));
    (found, errors)
}

fn read(cases: &Cases, sink: &mut dyn FnMut(Case)) -> CaseErrors {
    let mut reading = Reading::new(&cases.file, sink);
    let limit =
        if cases.limit == 0 { usize::MAX } else { usize::try_from(cases.limit).unwrap_or(usize::MAX) };
    read::rows(&cases.file, limit, &mut reading);
    reading.end()
}

/// Cases as they come, and what was wrong so far.
struct Reading<'a> {
    file: &'a Path,
    sink: &'a mut dyn FnMut(Case),
    /// The line of each, by the hash of its name: for the second one of the same name.
    names: HashMap<[u8; 16], Option<u64>>,
    problems: Vec<CaseProblem>,
    digests: files::Digests,
}

impl<'a> Reading<'a> {
    fn new(file: &'a Path, sink: &'a mut dyn FnMut(Case)) -> Self {
        let digests = files::Digests::default();
        Self { file, sink, names: HashMap::new(), problems: Vec::new(), digests }
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
                match self.names.entry(Sha256::of(case.id.as_str().as_bytes()).half()) {
                    Entry::Occupied(first) => {
                        let first = *first.get();
                        self.again(&case, line, first);
                    }
                    Entry::Vacant(place) => drop(place.insert(line)),
                }
                (self.sink)(case);
            }
            Err(wrong) => wrong.into_iter().for_each(|(what, remedy)| self.refuse(line, what, remedy)),
        }
    }

    /// The name of a case is there already.
    fn again(&mut self, case: &Case, line: Option<u64>, first: Option<u64>) {
        let there = first.map_or(String::new(), |line| format!(", as in line {line}"));
        if case.has_own_id() {
            let what = format!("the id `{}` is there twice{there}", case.id);
            self.refuse(line, what, "give each case an id of its own");
        } else {
            let what = format!("the same case is there twice{there}");
            self.refuse(line, what, "remove one, or give each an `id`");
        }
    }

    fn end(mut self) -> CaseErrors {
        if self.names.is_empty() && self.problems.is_empty() {
            self.refuse(None, "there is no case in it", "add one; a suite needs at least one");
        }
        self.problems.sort_by_key(|problem| problem.line);
        CaseErrors { problems: self.problems }
    }
}

#[cfg(test)]
mod tests;
