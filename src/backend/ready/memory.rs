//! Versions that programs have said, so that they are not asked before every run. Shared by all runs of a user.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file::{ensure_private_dir, write_atomic};

/// The version of the file's format.
const FORMAT: u32 = 1;
/// Bytes of the file; a larger one is none of ours.
const FILE_LIMIT: u64 = 256 * 1024;
/// Programs that are remembered.
const PROGRAMS_LIMIT: usize = 64;

/// What is known of programs from before. It is a convenience: when it cannot be read or written, a program is asked.
#[derive(Clone, Debug)]
pub struct Memory {
    directory: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    format: u32,
    programs: BTreeMap<PathBuf, Known>,
}

/// A program and the version it said when it looked like this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    /// A file that another one replaced in the same tick of the kernel's clock has all the same times.
    inode: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds of the last change of the file's place or mode.
    changed: (i64, i64),
    version: String,
}

impl Known {
    fn new(meta: &Metadata, version: &str) -> Self {
        Self {
            size: meta.size(),
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            version: version.to_owned(),
        }
    }
}

impl Memory {
    /// Keeps its file in `directory`, which is made when it is first needed, for its owner alone.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn file(&self) -> PathBuf {
        self.directory.join("versions.json")
    }

    fn read(&self) -> Stored {
        let read = || {
            let meta = std::fs::metadata(self.file()).ok()?;
            let bytes = if meta.is_file() && meta.len() <= FILE_LIMIT {
                std::fs::read(self.file()).ok()?
            } else {
                return None;
            };
            serde_json::from_slice(&bytes).ok().filter(|stored: &Stored| stored.format == FORMAT)
        };
        read().unwrap_or_default()
    }

    /// The version that this program said, if it has not changed since.
    pub(super) fn find(&self, program: &Path) -> Option<String> {
        // A launcher is often a link that stays while its target is replaced.
        let program = program.canonicalize().ok()?;
        let known = self.read().programs.remove(&program)?;
        let now = Known::new(&program.metadata().ok()?, &known.version);
        (known == now).then_some(known.version)
    }

    /// Remembers what a program said.
    pub(super) fn keep(&self, program: &Path, version: &str) {
        let Ok(program) = program.canonicalize() else { return };
        let Ok(meta) = program.metadata() else { return };
        let mut stored = self.read();
        stored.format = FORMAT;
        stored.programs.retain(|path, _| path.exists());
        while stored.programs.len() >= PROGRAMS_LIMIT {
            stored.programs.pop_first();
        }
        stored.programs.insert(program, Known::new(&meta, version));
        let Ok(bytes) = serde_json::to_vec_pretty(&stored) else { return };
        if ensure_private_dir(&self.directory).is_ok() {
            let _ = write_atomic(&self.file(), &bytes);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as a person would")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_program_is_known_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (program, link) = (dir.path().join("program"), dir.path().join("link"));
        std::fs::write(&program, "one").unwrap();
        symlink(&program, &link).unwrap();
        let memory = Memory::new(dir.path().join("state/provost"));
        assert_eq!(memory.find(&program), None);
        memory.keep(&link, "1.2.3");
        assert_eq!(memory.find(&program).as_deref(), Some("1.2.3"));
        assert_eq!(memory.find(&link).as_deref(), Some("1.2.3"));
        let mode = std::fs::metadata(dir.path().join("state/provost")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        std::fs::write(&program, "three").unwrap();
        assert_eq!(memory.find(&program), None, "its size has changed");
        memory.keep(&program, "1.2.4");
        let other = dir.path().join("other");
        std::fs::write(&other, "seven").unwrap();
        std::fs::rename(&other, &program).unwrap();
        assert_eq!(memory.find(&program), None, "it is another file");
        std::fs::remove_file(&program).unwrap();
        assert_eq!(memory.find(&program), None);
    }

    #[test]
    fn a_file_that_is_no_memory_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, "one").unwrap();
        let memory = Memory::new(dir.path());
        let huge = " ".repeat(300 * 1024) + "{}";
        for content in ["", "{", "[]", "{\"format\":2,\"programs\":{}}", "{\"format\":1}", "\u{0}", &huge] {
            std::fs::write(memory.file(), content).unwrap();
            assert_eq!(memory.find(&program), None);
            memory.keep(&program, "1.0.0");
            assert_eq!(memory.find(&program).as_deref(), Some("1.0.0"), "{content:.20}");
        }
        let nowhere = Memory::new(program.join("below/a/file"));
        nowhere.keep(&program, "1.0.0");
        assert_eq!(nowhere.find(&program), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path().join("state"));
        for index in 0..PROGRAMS_LIMIT + 3 {
            let program = dir.path().join(format!("p{index:03}"));
            std::fs::write(&program, "x").unwrap();
            memory.keep(&program, "1.0.0");
        }
        assert_eq!(memory.read().programs.len(), PROGRAMS_LIMIT);
        assert!(memory.find(&dir.path().join(format!("p{:03}", PROGRAMS_LIMIT + 2))).is_some());
    }
}
