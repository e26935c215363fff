//! The fresh workspace of a cell: nothing of another cell is in it, and nothing of it is left when the cell is scored.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::event::{CellIndex, Sha256};
use crate::suite::Case;

/// The workspace of a cell, taken away once its agent and all who score it have done with it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) path: PathBuf,
    /// Whether it stays.
    pub(super) keep: bool,
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.keep {
            // What stays of it is taken away by whoever runs the cell again.
            let _ = remove(&self.path);
        }
    }
}

/// Makes the workspace of a cell below the run directory: a copy of `base`, then the files of the case. What an earlier
/// process has left of the same cell is taken away first.
pub(super) fn prepare(
    directory: &Path,
    cell: CellIndex,
    base: Option<&Path>,
    case: &Case,
) -> io::Result<PathBuf> {
    let workspace = place(directory, cell);
    remove(&workspace)?;
    fs::create_dir_all(&workspace)?;
    if let Some(base) = base {
        copy_dir(base, &workspace)?;
    }
    for file in &case.files {
        let to = workspace.join(&file.to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        if file.from.is_dir() {
            fs::create_dir_all(&to)?;
            copy_dir(&file.from, &to)?;
        } else {
            fs::copy(&file.from, &to).map_err(|error| named(&error, &file.from))?;
        }
    }
    Ok(workspace)
}

/// Takes away what an earlier process has left of cells that will not be run again.
pub(super) fn tidy(directory: &Path, over: impl Fn(CellIndex) -> bool) {
    let Ok(entries) = fs::read_dir(directory.join("work")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix('c')).and_then(|name| name.parse().ok());
        if number.is_some_and(|number| over(CellIndex(number))) {
            let _ = remove(&entry.path());
        }
    }
}

/// Where the workspace of a cell is.
fn place(directory: &Path, cell: CellIndex) -> PathBuf {
    directory.join("work").join(format!("c{cell}"))
}

/// Takes a workspace away, with what an agent made unreadable in it.
fn remove(workspace: &Path) -> io::Result<()> {
    match fs::remove_dir_all(workspace) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(named(&error, workspace)),
    }
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from).map_err(|error| named(&error, from))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy_dir(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)
                .map_err(|error| named(&error, &target))?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(|error| named(&error, &source))?;
        }
    }
    Ok(())
}

/// Bytes of a directory that are hashed; of files beyond that only the names and sizes count.
const HASHED: u64 = 1 << 30;

/// Names what is in a directory that is copied into each workspace: of every entry its path, what it is, whether it can be
/// executed, and what is in it. A file that does not fit into what is left of the first GiB (files in the order of their
/// paths) counts with its size.
///
/// # Errors
///
/// Something in it cannot be read.
pub fn workspace_sha256(base: &Path) -> io::Result<Sha256> {
    let (mut text, mut left) = (Vec::new(), HASHED);
    list(base, Path::new(""), &mut text, &mut left)?;
    Ok(Sha256::of(&text))
}

/// Three fields for each entry, in the order of their names; each ended by a NUL, which no path holds.
fn list(dir: &Path, below: &Path, text: &mut Vec<u8>, left: &mut u64) -> io::Result<()> {
    let entries = fs::read_dir(dir).map_err(|error| named(&error, dir))?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(|error| named(&error, dir))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, place) = (entry.path(), below.join(entry.file_name()));
        let failed = |error: io::Error| named(&error, &path);
        let mut put = |what: &str, more: &[u8]| {
            for part in [what.as_bytes(), place.as_os_str().as_bytes(), more] {
                text.extend_from_slice(part);
                text.push(0);
            }
        };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            put("directory", b"");
            list(&path, &place, text, left)?;
        } else if kind.is_symlink() {
            put("link", fs::read_link(&path).map_err(failed)?.as_os_str().as_bytes());
        } else if kind.is_file() {
            let about = entry.metadata().map_err(failed)?;
            let what = if about.permissions().mode() & 0o100 == 0 { "file" } else { "program" };
            let size = about.len();
            if size <= *left {
                *left -= size;
                put(what, contents(&path).map_err(failed)?.hex().as_str().as_bytes());
            } else {
                put(what, size.to_string().as_bytes());
            }
        }
    }
    Ok(())
}

/// Names what is in a file, a stretch at a time.
fn contents(path: &Path) -> io::Result<Sha256> {
    let mut hashing = Sha256::hashing();
    io::copy(&mut fs::File::open(path)?, &mut hashing)?;
    Ok(hashing.done())
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::write_atomic_unsynced;

    fn write(path: &Path, text: &str) {
        write_atomic_unsynced(path, text.as_bytes()).unwrap();
    }

    #[test]
    fn every_change_of_a_workspace_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        fs::create_dir_all(base.join("a/b")).unwrap();
        write(&base.join("a/b/one"), "1");
        write(&base.join("two"), "2");
        let mut seen = vec![workspace_sha256(base).unwrap()];
        assert_eq!(workspace_sha256(base).unwrap(), seen[0]);
        let mut changed = |what: &str| {
            let now = workspace_sha256(base).unwrap();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        write(&base.join("a/b/one"), "3");
        changed("what is in a file");
        fs::rename(base.join("a/b/one"), base.join("a/one")).unwrap();
        changed("where it is");
        fs::create_dir(base.join("empty")).unwrap();
        changed("an empty directory");
        fs::set_permissions(base.join("two"), fs::Permissions::from_mode(0o755)).unwrap();
        changed("a program");
        std::os::unix::fs::symlink("two", base.join("link")).unwrap();
        changed("a link");
        assert!(workspace_sha256(&base.join("absent")).unwrap_err().to_string().contains("absent"));
    }

    #[test]
    fn beyond_the_bound_sizes_count() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write(&dir.path().join(name), text);
        let listed = |mut left: u64| {
            let mut text = Vec::new();
            list(dir.path(), Path::new(""), &mut text, &mut left).unwrap();
            text
        };
        write("a", "12345");
        write("b", "12345");
        let (bounded, whole) = (listed(5), listed(10));
        write("b", "54321");
        assert_eq!(listed(5), bounded, "it is not looked into");
        assert_ne!(listed(10), whole);
        write("b", "123456");
        assert_ne!(listed(5), bounded);
        write("b", "12345");
        write("a", "54321");
        assert_ne!(listed(5), bounded);
    }
}
