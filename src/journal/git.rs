//! Which commit a workspace is at, read from the files of the repository: no process, no waiting.

use std::fs;
use std::path::{Path, PathBuf};

/// HEAD of the repository that `dir` lies in; `None` outside of one, or when there is no commit yet.
pub fn git_head(dir: &Path) -> Option<String> {
    let git = dir.ancestors().map(|dir| dir.join(".git")).find(|git| git.exists())?;
    let git = if git.is_file() { linked(&git)? } else { git };
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return commit(&head) };
    // Branches of a linked worktree are in the repository that it belongs to.
    let common =
        fs::read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    [&git, &common]
        .iter()
        .find_map(|git| commit(&fs::read_to_string(git.join(name)).ok()?))
        .or_else(|| packed(&common, name))
}

/// `.git` of a linked worktree or a submodule is a file that says where the real one is.
fn linked(git: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(git).ok()?;
    Some(git.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

fn packed(git: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(git.join("packed-refs")).ok()?;
    text.lines().find_map(|line| commit(line.strip_suffix(name)?.strip_suffix(' ')?))
}

fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_packed_and_none() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        let write = |path: &Path, text: &str| crate::file::write_atomic(path, text.as_bytes()).unwrap();
        assert_eq!(git_head(dir.path()), None);
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        assert_eq!(git_head(dir.path()), None);
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        write(&git.join("packed-refs"), &format!("# pack-refs with: peeled\n{one} refs/heads/main\n"));
        assert_eq!(git_head(&dir.path().join("deep/er")), Some(one));
        write(&git.join("refs/heads/main"), &format!("{two}\n"));
        assert_eq!(git_head(dir.path()), Some(two));
    }
}
