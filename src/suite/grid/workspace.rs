//! The fresh workspace of a cell: nothing of another cell is in it, and nothing of it is left when the cell is scored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::event::CellIndex;
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

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
