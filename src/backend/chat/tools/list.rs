//! `list`: the entries of a directory.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::{OUTPUT_LIMIT, path};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default = "here")]
    pub(super) path: String,
}

fn here() -> String {
    ".".to_owned()
}

pub(super) fn run(root: &Path, arguments: &Arguments) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", arguments.path);
    let dir = path::resolve(root, &arguments.path).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let mark = if kind.is_dir() {
            "/"
        } else if kind.is_symlink() {
            "@"
        } else {
            ""
        };
        names.push(format!("{}{mark}", entry.file_name().to_string_lossy()));
    }
    // The order of a directory is an accident of the file system.
    names.sort_unstable();
    let mut text = String::new();
    for (shown, name) in names.iter().enumerate() {
        if text.len() + name.len() > OUTPUT_LIMIT {
            let _ = write!(text, "[cut: {} more entries]", names.len() - shown);
            break;
        }
        text.push_str(name);
        text.push('\n');
    }
    Ok(if text.is_empty() { "[empty]".to_owned() } else { text })
}
