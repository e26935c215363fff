//! The files of a case: where they are, where they go, and what is in them.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::CaseFile;
use crate::event::Sha256;

/// What is in the files that cases name; many cases often name the same one.
#[derive(Default)]
pub(super) struct Digests(HashMap<PathBuf, Result<Sha256, String>>);

impl Digests {
    pub(super) fn of(&mut self, path: &Path) -> Result<Sha256, String> {
        if let Some(known) = self.0.get(path) {
            return known.clone();
        }
        let digest = match std::fs::read(path) {
            Ok(bytes) => Ok(Sha256::of(&bytes)),
            Err(_) if path.is_dir() => Err("this is a directory".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err("there is no such file".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        self.0.insert(path.to_owned(), digest.clone());
        digest
    }
}

/// What is wrong, and what to do.
type Wrong = (String, String);

/// Reads `files`: a list of paths, a list of `{from, to}`, or a table of targets with their sources.
pub(super) fn read(value: &Value, dir: &Path) -> Result<Vec<CaseFile>, Vec<Wrong>> {
    let form = || {
        let remedy = "write a list such as `[\"data/a.txt\", {\"from\": \"data/b.txt\", \"to\": \"b.txt\"}]`";
        vec![("`files` is not a list of files".to_owned(), remedy.to_owned())]
    };
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for item in items {
                let pair = match item {
                    Value::String(path) => Some((path.as_str(), path.as_str())),
                    Value::Object(table) if table.keys().all(|key| key == "from" || key == "to") => {
                        let from = table.get("from").and_then(Value::as_str);
                        from.map(|from| (from, table.get("to").and_then(Value::as_str).unwrap_or(from)))
                    }
                    _ => None,
                };
                pairs.push(pair.ok_or_else(form)?);
            }
        }
        Value::Object(table) => {
            for (to, from) in table {
                pairs.push((from.as_str().ok_or_else(form)?, to));
            }
        }
        _ => return Err(form()),
    }
    let (mut files, mut wrong): (Vec<CaseFile>, Vec<Wrong>) = (Vec::new(), Vec::new());
    for (from, to) in pairs {
        match target(to) {
            Ok(to) if files.iter().any(|file| file.to == to) => {
                let what = format!("two files go to `{}`", to.display());
                wrong.push((what, "give each a `to` of its own".to_owned()));
            }
            Ok(to) => files.push(CaseFile { from: dir.join(from), to }),
            Err(why) => {
                let remedy = "name a path within the workspace, as `{\"from\": …, \"to\": \"name\"}`";
                wrong.push((format!("a file cannot go to `{to}`: {why}"), remedy.to_owned()));
            }
        }
    }
    if wrong.is_empty() { Ok(files) } else { Err(wrong) }
}

/// A path that stays within the workspace, without `.` in it.
fn target(to: &str) -> Result<PathBuf, &'static str> {
    let mut path = PathBuf::new();
    for part in Path::new(to).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err("it leaves the workspace"),
            Component::RootDir | Component::Prefix(_) => return Err("it is absolute"),
        }
    }
    if path.as_os_str().is_empty() { Err("it names no file") } else { Ok(path) }
}
