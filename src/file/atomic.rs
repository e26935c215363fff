//! Files that are there whole or not at all, for their owner alone.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Replaces `path` by a file of mode 0600 that holds `bytes`, and returns once that would survive a power failure.
///
/// Readers see the old file or the new one, never a part of either.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_from(path, bytes)
}

/// Like [`write_atomic`], with what `bytes` gives until its end.
pub fn write_atomic_from(path: &Path, bytes: impl io::Read) -> io::Result<()> {
    let temp = filled(path, bytes)?;
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|failed| failed.error)?;
    sync_dir(parent(path))
}

/// Like [`write_atomic`] but leaves it to the caller when to wait for the disk; the open file is for that.
pub fn write_atomic_unsynced(path: &Path, bytes: &[u8]) -> io::Result<File> {
    filled(path, bytes)?.persist(path).map_err(|failed| failed.error)
}

/// Like [`write_atomic_unsynced`], for what is written as it is made.
pub fn write_atomic_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let mut temp = beside(path)?;
    fill(temp.as_file_mut())?;
    temp.persist(path).map_err(|failed| failed.error)
}

/// Like [`write_atomic_unsynced`], for what other users of this machine are to read too: mode 0644.
pub fn write_atomic_readable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = filled(path, bytes)?;
    temp.as_file().set_permissions(Permissions::from_mode(0o644))?;
    temp.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// Creates the directory and what is missing above it with mode 0700; one that is there is made so.
pub fn ensure_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o777 == 0o700 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(0o700)) }
}

/// Makes the names in a directory durable; the content of a file is of no use without its name.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A temporary file beside `path`, since a rename is atomic only within one file system; mode 0600 is its default.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".tmp-").tempfile_in(parent(path))
}

/// The same, with something in it.
fn filled(path: &Path, mut bytes: impl io::Read) -> io::Result<NamedTempFile> {
    let mut temp = beside(path)?;
    io::copy(&mut bytes, &mut temp)?;
    Ok(temp)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_whole_file_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_atomic(&path, b"a long first text").unwrap();
        write_atomic(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_others_are_to_read_they_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_atomic_readable(&path, b"text").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing/x");
        assert!(write_atomic(&path, b"x").is_err());
    }

    #[test]
    fn directories_are_private_even_when_they_were_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        ensure_private_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        ensure_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(dir.path().join("a")).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
