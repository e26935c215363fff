//! `edit`: one text in one file replaced by another.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::{open_file, path, write};

/// A file that is edited is held in memory whole.
const LIMIT: u64 = 16 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pub(super) path: String,
    old: String,
    new: String,
}

/// Replaces `old`, which must be there exactly once. With `again`, an edit that was made already counts as made.
pub(super) fn run(root: &Path, arguments: &Arguments, again: bool) -> Result<String, String> {
    let Arguments { path: given, old, new } = arguments;
    if old.is_empty() {
        return Err("`old` must not be empty; use `write` for a new file".to_owned());
    }
    let file = path::resolve(root, given).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    open_file(&file, given)?
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("`{given}`: {error}"))?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("`{given}` is larger than {LIMIT} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("`{given}` is not UTF-8 text"))?;
    // `new` may contain `old`; then only the count of `new` tells whether the edit was made.
    if again
        && !new.is_empty()
        && text.contains(new.as_str())
        && (new.contains(old.as_str()) || !text.contains(old.as_str()))
    {
        return Ok(format!("edited {given}"));
    }
    match text.matches(old.as_str()).count() {
        1 => {}
        0 if again && new.is_empty() => return Ok(format!("edited {given}")),
        0 => return Err(format!("`old` is not in `{given}`; it must be there exactly once")),
        found => return Err(format!("`old` is in `{given}` {found} times; it must be there exactly once")),
    }
    write::replace(&file, text.replacen(old.as_str(), new, 1).as_bytes())
        .map_err(|error| format!("`{given}`: {error}"))?;
    Ok(format!("edited {given}"))
}
