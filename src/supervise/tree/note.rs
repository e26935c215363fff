//! What is noted while git of ours may hold the lock of the index: provost can be killed then, and its git with it, and the
//! next one must know whose the lock is that they have left.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that is there while git of ours works.
#[derive(Debug)]
pub(super) struct Note(Option<PathBuf>);

impl Note {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// git of ours begins to work.
    pub(super) fn begin(&self) {
        let Some(path) = &self.0 else { return };
        // Made anew, so that its time is that of this call. Without it the lock counts as somebody else's.
        let _ = std::fs::remove_file(path);
        let _ = std::fs::File::create_new(path).and_then(|mut file| file.write_all(b"git works\n"));
    }

    /// git of ours has ended, and what it leaves was seen to.
    pub(super) fn end(&self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Whether an earlier provost was killed while its git worked.
    pub(super) fn is_there(&self) -> bool {
        self.0.as_ref().is_some_and(|path| path.exists())
    }

    /// Whether an earlier provost was killed while its git worked, and this lock was taken then: after that call began, and
    /// no later than it could have run.
    pub(super) fn tells_of(&self, lock: &Path, bound: Duration) -> bool {
        let time = |path: &Path| -> Option<SystemTime> { path.symlink_metadata().ok()?.modified().ok() };
        let Some(began) = self.0.as_deref().and_then(time) else { return false };
        let taken = time(lock).and_then(|taken| taken.duration_since(began).ok());
        taken.is_some_and(|after| after <= bound)
    }
}
