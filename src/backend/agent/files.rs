//! Files that an agent CLI needs beside its arguments, below `harness/` in the run directory.

use std::path::{Path, PathBuf};

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
    ensure_private_dir(path)
        .map_err(|error| Failure::of_disk(&error, format!("failed to make {}: {error}", path.display())))
}

/// Writes a file that is its owner's alone.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomic_unsynced(path, bytes)
        .map(drop)
        .map_err(|error| Failure::of_disk(&error, format!("failed to write {}: {error}", path.display())))
}

/// The file with a prompt that is on record, which it is before the agent starts. Where the record hides a secret of it,
/// there is no file with what the agent is to read, and there must be none.
pub(super) fn stored_prompt(request: &Request, prompt: &str) -> Result<PathBuf, Failure> {
    let sha256 = Sha256::of(prompt.as_bytes());
    let path = request.directory.join("prompts").join(format!("{sha256}.txt"));
    if path.exists() {
        return Ok(path);
    }
    Err(local(
        "the prompt holds the value of a secret, which is written to no file: take it out, or use \
         `prompt_via = \"stdin\"` where the harness has it",
    ))
}
