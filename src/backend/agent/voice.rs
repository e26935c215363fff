//! The way to an agent that is spoken to while it runs: its standard input, one line at a time.
//!
//! Nobody waits for an agent that does not read. Lines queue up to a bound, and a task of its own writes them; beyond
//! the bound the agent asks more than it listens, and the attempt has failed.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::file::Secrets;

/// How many lines wait for an agent that does not read.
const QUEUE: usize = 1024;

/// Speaks to one agent process. Cheap to clone; the last words are said by [`Voice::close`].
#[derive(Clone)]
pub(super) struct Voice {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    lines: Option<mpsc::Sender<Vec<u8>>>,
    path: PathBuf,
    log: Option<File>,
    secrets: Arc<Secrets>,
    redacted: u64,
}

impl Voice {
    /// Speaks into `pipe`, and keeps what is said in the file at `path`, without the values of secrets.
    pub(super) fn new(mut pipe: pipe::Sender, path: &Path, secrets: Arc<Secrets>) -> Self {
        let (lines, mut said) = mpsc::channel::<Vec<u8>>(QUEUE);
        tokio::spawn(async move {
            while let Some(line) = said.recv().await {
                // An agent that has gone hears nothing; that it has gone is told by its exit.
                if pipe.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        let inner = Inner { lines: Some(lines), path: path.to_owned(), log: None, secrets, redacted: 0 };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says a line, which has no newline yet. False when the agent does not listen: too many lines wait for it.
    pub(super) fn say(&self, mut line: Vec<u8>) -> bool {
        line.push(b'\n');
        let mut inner = self.inner();
        let Some(lines) = inner.lines.clone() else { return true };
        inner.keep(&line);
        !matches!(lines.try_send(line), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Nothing more will be said: once all is written, the agent's input ends.
    pub(super) fn close(&self) {
        self.inner().lines = None;
    }

    /// How many values of secrets were taken out of what is kept.
    pub(super) fn redacted(&self) -> u64 {
        self.inner().redacted
    }
}

impl Inner {
    /// A record that cannot be written is no reason to end the work: the prompt itself is stored elsewhere.
    fn keep(&mut self, line: &[u8]) {
        let (clear, count) = self.secrets.redact(line);
        self.redacted += count;
        if self.log.is_none() {
            self.log = OpenOptions::new().create(true).append(true).open(&self.path).ok();
        }
        if let Some(log) = &mut self.log {
            let _ = log.write_all(&clear);
        }
    }
}
