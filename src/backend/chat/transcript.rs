//! The raw transcript: what was said and done, line by line, for people.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{Gone, Link, Report};
use crate::event::Failure;
use crate::file::Secrets;

/// An open transcript.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
    bytes: u64,
    secrets: Arc<Secrets>,
}

impl Transcript {
    /// Opens the transcript for appending. None of `secrets` is written.
    pub(super) fn open(path: &Path, secrets: Arc<Secrets>) -> Result<Self, Failure> {
        let opened = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
            let file = File::options().append(true).create(true).open(path)?;
            let bytes = file.metadata()?.len();
            Ok(Self { file, bytes, secrets })
        });
        opened
            .map_err(|error| Failure::of_disk(&error, format!("failed to open {}: {error}", path.display())))
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a headed block and says how long the transcript is by now.
    pub(super) async fn block(&mut self, head: &str, body: &str, link: &Link) -> Result<(), Gone> {
        let mut text = format!("## {head}\n{body}");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let text = self.secrets.redact_str(&text).0;
        // The journal has all that a resume needs; a full disk shows there, and with a better message.
        if self.file.write_all(text.as_bytes()).is_ok() {
            self.bytes += text.len() as u64;
        }
        link.tell(Report::Transcript(self.bytes)).await
    }
}
