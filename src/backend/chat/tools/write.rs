//! `write`: a whole file, replaced in one step.

use std::io::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pub(super) path: String,
    content: String,
}

pub(super) fn run(root: &Path, arguments: &Arguments) -> Result<String, String> {
    let file = path::resolve(root, &arguments.path).map_err(|error| error.to_string())?;
    replace(&file, arguments.content.as_bytes()).map_err(|error| format!("`{}`: {error}", arguments.path))?;
    Ok(format!("wrote {} bytes to {}", arguments.content.len(), arguments.path))
}

/// Replaces a file so that a reader sees the old or the new one, and keeps its permissions.
pub(super) fn replace(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let before = match std::fs::metadata(file) {
        Ok(data) if !data.is_file() => return Err(std::io::Error::other("not a regular file")),
        Ok(data) => Some(data.permissions()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let parent = file.parent().ok_or_else(|| std::io::Error::other("not a regular file"))?;
    std::fs::create_dir_all(parent)?;
    let mut options = tempfile::Builder::new();
    options.prefix(".provost-");
    // A temporary file is private by default, which would be a surprise for a file of the workspace.
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut temporary = options.permissions(mode).tempfile_in(parent)?;
    temporary.write_all(content)?;
    if let Some(permissions) = before {
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}
