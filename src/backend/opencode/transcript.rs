//! The raw transcript of a round: what the server said, one JSON value a line, without the values of secrets.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::event::Failure;
use crate::file::Secrets;

/// An open transcript.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
    secrets: Secrets,
    bytes: u64,
}

impl Transcript {
    /// Opens the transcript for appending.
    ///
    /// # Errors
    ///
    /// A failure of this machine.
    pub(super) fn open(path: &Path, secrets: &Secrets) -> Result<Self, Failure> {
        let opened = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
            let file = File::options().append(true).create(true).open(path)?;
            let bytes = file.metadata()?.len();
            Ok(Self { file, secrets: secrets.clone(), bytes })
        });
        opened
            .map_err(|error| Failure::of_disk(&error, format!("failed to open {}: {error}", path.display())))
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let (clear, _) = self.secrets.redact(line);
        let mut whole = clear.into_owned();
        // A line stays one, whatever the server sends.
        whole.retain(|byte| *byte != b'\n');
        whole.push(b'\n');
        // The journal has all that is decided on; a full disk shows there, and with a better message.
        if self.file.write_all(&whole).is_ok() {
            self.bytes += whole.len() as u64;
        }
    }
}
