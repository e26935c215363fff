//! Where a tool may go: inside the workspace, after every link and every `..` is resolved.

use std::path::{Component, Path, PathBuf};

/// Why a path is not for a tool; the text goes back to the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("`{0}` is outside the workspace")]
    Outside(String),
    #[error("`{path}`: {source}")]
    Io { path: String, source: std::io::Error },
}

/// Resolves `given` to a path without links below `root`. What does not exist yet is allowed as the tail.
pub(super) fn resolve(root: &Path, given: &str) -> Result<PathBuf, PathError> {
    let io = |source| PathError::Io { path: given.to_owned(), source };
    let root = root.canonicalize().map_err(io)?;
    // A link that points nowhere is followed by hand, and links can form a ring.
    let mut links = 0_u32;
    let mut todo: Vec<PathBuf> = parts(Path::new(given));
    let mut at = root.clone();
    while let Some(part) = todo.pop() {
        if part.is_absolute() {
            at = PathBuf::from("/");
            continue;
        }
        if part.as_os_str() == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match next.symlink_metadata() {
            Ok(data) if data.file_type().is_symlink() => {
                links += 1;
                if links > 40 {
                    return Err(io(std::io::Error::other("too many levels of symbolic links")));
                }
                todo.extend(parts(&next.read_link().map_err(io)?));
            }
            Ok(_) => at = next,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => at = next,
            Err(error) => return Err(io(error)),
        }
    }
    if at.starts_with(&root) { Ok(at) } else { Err(PathError::Outside(given.to_owned())) }
}

/// The components in reverse, so that the next one is popped.
fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir | Component::Prefix(_)))
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as a person would")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_dots_do_not_lead_outside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("ws");
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink(dir.path().join("not-there"), root.join("dangling")).unwrap();
        symlink("ring", root.join("ring")).unwrap();
        symlink("src", root.join("inside")).unwrap();
        for outside in
            ["../secret", "/etc/passwd", "up/secret", "dangling", "src/../../secret", "new/../../x"]
        {
            assert!(matches!(resolve(&root, outside), Err(PathError::Outside(_))), "{outside}");
        }
        assert!(matches!(resolve(&root, "ring"), Err(PathError::Io { .. })));
        let real = root.canonicalize().unwrap();
        assert_eq!(resolve(&root, "inside/new/file").unwrap(), real.join("src/new/file"));
        assert_eq!(resolve(&root, "src/../a").unwrap(), real.join("a"));
        assert_eq!(resolve(&root, real.join("a").to_str().unwrap()).unwrap(), real.join("a"));
        assert_eq!(resolve(&root, ".").unwrap(), real);
    }
}
