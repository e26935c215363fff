//! A Prometheus text file of one run or of several: the fold as numbers, for whoever watches from outside.
//!
//! The file is written by a thread of its own, at most once a second and soon after something has happened; a disk that is
//! slow or full holds up nothing. While nothing happens nothing is done.

mod families;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Reporter;
use crate::event::{Event, RunId, Tally};
use crate::file::write_atomic_readable;
use families::Facts;

/// The file is written at most this often, but for the end.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// What all runs that share a file put on it.
#[derive(Debug, Default)]
struct Shown {
    runs: BTreeMap<RunId, Facts>,
    /// Whether something has come since the file was written.
    fresh: bool,
    /// How often it could not be written.
    failures: u64,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    shown: Mutex<Shown>,
    news: Condvar,
    /// One writes at a time, so that what is older never replaces what is newer.
    pen: Mutex<()>,
}

impl Shared {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> io::Result<()> {
        let _pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut shown = self.shown();
            shown.fresh = false;
            families::text(&shown.runs, shown.failures)
        };
        let written = write_atomic_readable(&self.path, text.as_bytes());
        if written.is_err() {
            let mut shown = self.shown();
            shown.failures = shown.failures.saturating_add(1);
        }
        written
    }

    /// Writes what is new, until the board is taken down.
    fn keep(&self) {
        let mut shown = self.shown();
        while !shown.closed {
            if !shown.fresh {
                shown = self.news.wait(shown).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(shown);
            // It is counted; the next one may go better.
            let _ = self.write();
            shown = self.shown();
            let rested = self.news.wait_timeout_while(shown, AT_MOST_EVERY, |shown| !shown.closed);
            shown = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The file, which the members of a fleet write together. The last state stays in it when the board is taken down.
#[derive(Debug)]
pub struct Board {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

impl Board {
    /// Puts up a board at `path`, which is written at once, with mode 0644: it is for others to read.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. Later on that is counted in `provost_metrics_write_errors_total` and nothing else.
    pub fn new(path: &Path) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            shown: Mutex::default(),
            news: Condvar::new(),
            pen: Mutex::default(),
        });
        shared.write()?;
        let keeps = Arc::clone(&shared);
        let keeper = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || keeps.keep())?;
        Ok(Arc::new(Self { shared, keeper: Some(keeper) }))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.shared.shown().closed = true;
        self.shared.news.notify_all();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        if self.shared.shown().fresh {
            let _ = self.shared.write();
        }
    }
}

/// Puts one run on a [`Board`].
#[derive(Debug)]
pub struct Metrics {
    board: Arc<Board>,
    labels: Vec<(String, String)>,
}

impl Metrics {
    /// Puts a run with these labels, as the manifest has them, on `board`.
    pub fn new(board: Arc<Board>, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { board, labels: labels.into_iter().collect() }
    }

    fn show(&self, tally: &Tally) {
        let Some(started) = &tally.started else { return };
        let mut shown = self.board.shared.shown();
        if let Some(facts) = shown.runs.get_mut(&started.run) {
            facts.update(tally);
        } else {
            let facts = Facts::new(started, &self.labels, tally);
            shown.runs.insert(started.run.clone(), facts);
        }
        if !shown.fresh {
            shown.fresh = true;
            self.board.shared.news.notify_all();
        }
    }
}

/// It never fails: what watches a run must not end it.
impl Reporter for Metrics {
    fn event(&mut self, _event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        self.show(tally);
        Ok(())
    }

    fn finish(&mut self, tally: &Tally) -> io::Result<()> {
        self.show(tally);
        let _ = self.board.shared.write();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
