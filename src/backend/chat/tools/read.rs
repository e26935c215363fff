//! `read`: a part of a text file.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::{OUTPUT_LIMIT, open_file, path};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pub(super) path: String,
    /// First line, counted from 1.
    #[serde(default)]
    offset: Option<u64>,
    /// How many lines.
    #[serde(default)]
    limit: Option<u64>,
}

pub(super) fn run(root: &Path, arguments: &Arguments) -> Result<String, String> {
    let file = path::resolve(root, &arguments.path).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(open_file(&file, &arguments.path)?);
    let first = arguments.offset.unwrap_or(1).max(1);
    let last = arguments.limit.map_or(u64::MAX, |limit| first.saturating_add(limit).saturating_sub(1));
    let mut text = String::new();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let failed = |error| format!("`{}`: {error}", arguments.path);
        // One line can be the whole of a minified file; it is read in pieces of a bounded size.
        let read = std::io::Read::take(&mut reader, OUTPUT_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 {
            break;
        }
        number += 1;
        if number > last {
            let _ = write!(text, "[more lines follow; go on with offset {number}]");
            break;
        }
        if number < first {
            continue;
        }
        if text.len() + line.len() > OUTPUT_LIMIT {
            if text.is_empty() {
                text = String::from_utf8_lossy(&line[..OUTPUT_LIMIT]).into_owned();
                let _ = write!(text, "\n[cut: line {number} is longer than {OUTPUT_LIMIT} bytes]");
            } else {
                let _ = write!(text, "[cut at {OUTPUT_LIMIT} bytes; go on with offset {number}]");
            }
            break;
        }
        text.push_str(&String::from_utf8_lossy(&line));
    }
    if text.is_empty() && number < first && first > 1 {
        return Err(format!("`{}` has {number} lines; offset {first} is past its end", arguments.path));
    }
    Ok(text)
}
