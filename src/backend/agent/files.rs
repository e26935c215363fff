//! Files that an agent CLI needs beside its arguments, below `harness/` in the run directory.

use std::path::Path;

use crate::backend::Request;
use crate::event::{Failure, FaultClass, FaultScope, Sha256};
use crate::file::{ensure_private_dir, write_atomic_unsynced};

/// A failure of this machine or of the profile.
pub(super) fn local(text: impl Into<String>) -> Failure {
    let mut failure = Failure::ours(FaultClass::ConfigMissing, text);
    failure.scope = FaultScope::Local;
    failure
}

/// Makes a directory that is its owner's alone, parents included.
pub(super) fn directory(path: &Path) -> Result<(), Failure> {
    ensure_private_dir(path).map_err(|error| local(format!("failed to make {}: {error}", path.display())))
}

/// Writes a file that is its owner's alone.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomic_unsynced(path, bytes)
        .map(drop)
        .map_err(|error| local(format!("failed to write {}: {error}", path.display())))
}

/// Sees that the system prompt may be in a file: that nothing had to be hidden in the one that is on record.
pub(super) fn may_be_kept(request: &Request, system: &str) -> Result<(), Failure> {
    let stored = request.directory.join("prompts").join(format!("{}.txt", Sha256::of(system.as_bytes())));
    if std::fs::read(stored).is_ok_and(|stored| stored != system.as_bytes()) {
        return Err(local(
            "the system prompt holds a secret, and this agent CLI takes it from a file only; take the secret out of \
             it, or name its variable instead",
        ));
    }
    Ok(())
}
