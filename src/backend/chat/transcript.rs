//! The raw transcript: what was said and done, line by line, for people.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{Gone, Link, Report};
use crate::event::Failure;
use crate::file::Secrets;

/// An open transcript.
#[derive(Debug)]
pub(super) struct Transcript {
    place: Place,
    bytes: u64,
    secrets: Arc<Secrets>,
}

/// Where it is.
#[derive(Debug)]
enum Place {
    File(File),
    /// Not worth a file yet.
    Memory {
        path: PathBuf,
        text: String,
    },
}

impl Transcript {
    /// Opens the transcript for appending. None of `secrets` is written. One that is `terse` becomes a file once it is
    /// [kept](Self::keep).
    pub(super) fn open(path: &Path, terse: bool, secrets: Arc<Secrets>) -> Result<Self, Failure> {
        if terse {
            let place = Place::Memory { path: path.to_owned(), text: String::new() };
            return Ok(Self { place, bytes: 0, secrets });
        }
        let (file, bytes) = create(path)?;
        Ok(Self { place: Place::File(file), bytes, secrets })
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// There is more to read in it than one question and its answer.
    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        if let Place::Memory { path, text } = &self.place {
            let (mut file, bytes) = create(path)?;
            if file.write_all(text.as_bytes()).is_ok() {
                self.bytes = bytes + text.len() as u64;
            }
            self.place = Place::File(file);
        }
        Ok(())
    }

    /// Appends a headed block and says how long the transcript is by now.
    pub(super) async fn block(&mut self, head: &str, body: &str, link: &Link) -> Result<(), Gone> {
        let mut text = format!("## {head}\n{body}");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let text = self.secrets.redact_str(&text).0;
        // The journal has all that a resume needs; a full disk shows there, and with a better message.
        let written = match &mut self.place {
            Place::File(file) => file.write_all(text.as_bytes()).is_ok(),
            Place::Memory { text: kept, .. } => {
                kept.push_str(&text);
                true
            }
        };
        if written {
            self.bytes += text.len() as u64;
        }
        link.tell(Report::Transcript(self.bytes)).await
    }
}

fn create(path: &Path) -> Result<(File, u64), Failure> {
    let open = || File::options().append(true).create(true).open(path);
    // The directory is there, but for the first one in it.
    let file = open().or_else(|error| match path.parent() {
        Some(parent) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(parent).and_then(|()| open())
        }
        _ => Err(error),
    });
    file.and_then(|file| Ok((file.metadata()?.len(), file)))
        .map(|(bytes, file)| (file, bytes))
        .map_err(|error| Failure::of_disk(&error, format!("failed to open {}: {error}", path.display())))
}
