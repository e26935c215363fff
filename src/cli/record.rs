//! Where engine, journal and reports meet: one sink, in one order. Journal, then machines, then people.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::registry::Secrets;
use crate::event::{Kind, Record, RunEnded};
use crate::journal::{JournalError, RunDir, Writer, redact_shapes, write_atomic_unsynced};
use crate::report::{Fanout, Reporter};

/// Takes what the engine hands out.
pub(crate) struct Recorder {
    writer: Writer,
    reports: Fanout,
    secrets: Arc<Secrets>,
    dir: RunDir,
    /// A reader of standard output that has gone; nothing more is printed.
    deaf: bool,
}

/// The recorder, shared by the engine's sink and the ticker of the display. Both live on one thread.
pub(crate) type Shared = Arc<Mutex<Recorder>>;

impl Recorder {
    /// Records into `writer`, then tells `reports`.
    pub(crate) fn new(writer: Writer, reports: Fanout, secrets: Arc<Secrets>, dir: RunDir) -> Shared {
        Arc::new(Mutex::new(Self { writer, reports, secrets, dir, deaf: false }))
    }

    /// Takes one record.
    pub(crate) fn take(&mut self, record: &Record<'_>) -> io::Result<()> {
        match record {
            Record::Bytes(stored, sha256, bytes) => self.writer.bytes(*stored, sha256, bytes).map_err(disk),
            Record::Sync => self.writer.sync().map_err(disk),
            Record::Live(live) => {
                self.tell(|reports, writer| reports.live(live, writer.tally()));
                Ok(())
            }
            Record::Event(event) => {
                let mut event = (*event).clone();
                let secrets = &self.secrets;
                event.kind.for_each_prose(|text| {
                    let known = secrets.redact_str(text).0.into_owned();
                    *text = redact_shapes(&known).into_owned();
                });
                let line = self.writer.append(&event).map_err(disk)?.to_vec();
                // The answer is what counts; a request that stays is known to be answered.
                let _ = match &event.kind {
                    Kind::StopAcknowledged(answer) => self.dir.close_stop(&answer.id),
                    Kind::SteerAcknowledged(answer) => self.dir.close_steer(&answer.id),
                    _ => Ok(()),
                };
                self.tell(|reports, writer| reports.event(&event, &line, writer.tally()));
                Ok(())
            }
        }
    }

    /// Lets the display move.
    pub(crate) fn tick(&mut self) {
        self.tell(|reports, writer| reports.tick(writer.tally()));
    }

    /// Writes the result file and closes the reports.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.writer.settle().map_err(disk)?;
        if let Some(ended) = &self.writer.tally().ended {
            write_result(&self.dir, ended)?;
        }
        self.tell(|reports, writer| reports.finish(writer.tally()));
        Ok(())
    }

    /// Reports never end a run: one that fails is not told any more.
    fn tell(&mut self, tell: impl FnOnce(&mut Fanout, &Writer) -> io::Result<()>) {
        if !self.deaf && tell(&mut self.reports, &self.writer).is_err() {
            self.deaf = true;
        }
    }
}

/// Writes the last event's object as the result file, where it is not there already. The disk is not waited for: the
/// file can be rebuilt from the journal at any time.
pub(crate) fn write_result(dir: &RunDir, ended: &RunEnded) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(ended)?;
    text.push(b'\n');
    if std::fs::read(dir.result()).is_ok_and(|held| held == text) {
        return Ok(());
    }
    write_atomic_unsynced(&dir.result(), &text).map(drop)
}

/// Locks the recorder; a panic elsewhere does not make what is recorded wrong.
pub(crate) fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Recorder> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn disk(error: JournalError) -> io::Error {
    io::Error::other(error)
}
