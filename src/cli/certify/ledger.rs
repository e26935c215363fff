//! The budget of a run that several processes write: what the others have spent and hold, before one more cell begins.
//!
//! Each look costs what was written since the last one. It is done under a lock, and the cell that is begun is on record
//! before the lock is let go, so that two processes do not both take the last share. The lock holds between processes of
//! one machine; between machines it holds where their file system keeps `flock` over the network.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::event::{ArmName, CellIndex, Event, Kind, Origin, PlanFixed, Seq, ShardName, Sheet, billed};
use crate::journal::{self, Follower, JournalError, RunDir, try_lock};
use crate::suite::{Elsewhere, Look, Turn};

/// The fold of all journals of a run but one's own.
pub(super) struct Ledger {
    run: RunDir,
    /// Our own shard; `None` for the run's own journal.
    own: Option<ShardName>,
    /// The run's own journal, where that is not ours.
    main: Option<Book>,
    shards: BTreeMap<ShardName, Book>,
    /// Of each shard: what was billed of it, there or where it was taken over.
    counted: BTreeMap<ShardName, Seq>,
    /// Cells that were lost in shards that were taken over.
    lost: BTreeMap<ShardName, u64>,
    billed: Elsewhere,
    /// The arms that are offline: what nobody says of them is nothing.
    offline: BTreeSet<ArmName>,
}

/// One journal.
#[derive(Default)]
struct Book {
    offset: u64,
    /// Cells that were begun and not ended.
    open: BTreeMap<CellIndex, u64>,
    /// Cells that an earlier process has left open.
    lost: u64,
}

impl Ledger {
    /// For the run itself, whose rows have all that was taken over already.
    pub(super) fn of_run(run: &RunDir, sheet: &Sheet) -> Self {
        let counted = sheet.shards().map(|(name, seq)| (name.clone(), seq)).collect();
        let merged = sheet.merged_shards().map(|name| (name.clone(), 0)).collect();
        let offline = sheet.plan().map(offline).unwrap_or_default();
        Self { counted, lost: merged, offline, ..Self::new(run, None) }
    }

    /// For a shard.
    pub(super) fn of_shard(run: &RunDir, own: ShardName) -> Self {
        Self { main: Some(Book::default()), ..Self::new(run, Some(own)) }
    }

    fn new(run: &RunDir, own: Option<ShardName>) -> Self {
        Self {
            run: run.clone(),
            own,
            main: None,
            shards: BTreeMap::new(),
            counted: BTreeMap::new(),
            lost: BTreeMap::new(),
            billed: Elsewhere::default(),
            offline: BTreeSet::new(),
        }
    }

    /// As a pool asks for it.
    pub(super) fn looking(mut self) -> Look {
        Box::new(move || self.look().map_err(io::Error::other))
    }

    fn look(&mut self) -> anyhow::Result<Option<(Elsewhere, Turn)>> {
        let path = self.run.path().join("budget.lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        if !try_lock(&file)? {
            return Ok(None);
        }
        let mut seen = Elsewhere::default();
        if let Some(mut book) = self.main.take() {
            let run = self.run.clone();
            self.read(&run, &mut book, None)?;
            count(&run, &book, &mut seen)?;
            self.main = Some(book);
        }
        for (name, dir) in journal::shards(&self.run)? {
            if self.own.as_ref() == Some(&name) {
                continue;
            }
            let mut book = self.shards.remove(&name).unwrap_or_default();
            self.read(&dir, &mut book, Some(&name))?;
            // What was lost in it was said when it was taken over.
            if !self.lost.contains_key(&name) {
                count(&dir, &book, &mut seen)?;
            }
            self.shards.insert(name, book);
        }
        seen.lost += self.lost.values().sum::<u64>();
        let mut all = self.billed;
        (all.open, all.lost) = (seen.open, seen.lost);
        Ok(Some((all, Box::new(file))))
    }

    /// Folds what has come to a journal since it was looked at.
    fn read(&mut self, dir: &RunDir, book: &mut Book, shard: Option<&ShardName>) -> Result<(), JournalError> {
        let length = std::fs::metadata(dir.journal()).map_or(0, |file| file.len());
        if length <= book.offset {
            return Ok(());
        }
        let mut follower = match Follower::open(dir, book.offset) {
            Ok(follower) => follower,
            // A process that could not begin any cell takes its shard away again.
            Err(_) if !dir.journal().exists() => return Ok(()),
            Err(error) => return Err(error),
        };
        loop {
            let lines = follower.poll()?;
            if lines.is_empty() {
                break;
            }
            for line in lines {
                // A bad line is told by whoever takes the shard over.
                if let Ok(event) = serde_json::from_slice::<Event>(&line) {
                    self.apply(&event, book, shard);
                }
            }
        }
        book.offset = follower.offset();
        Ok(())
    }

    fn apply(&mut self, event: &Event, book: &mut Book, shard: Option<&ShardName>) {
        match &event.kind {
            Kind::PlanFixed(plan) => self.offline = offline(plan),
            Kind::CellStarted(started) => *book.open.entry(started.cell).or_default() += 1,
            Kind::RunResumed(_) => {
                book.lost += book.open.values().sum::<u64>();
                book.open.clear();
            }
            Kind::CellEnded(ended) => {
                if ended.origin.is_none()
                    && let Some(count) = book.open.get_mut(&ended.cell)
                {
                    *count -= 1;
                    if *count == 0 {
                        book.open.remove(&ended.cell);
                    }
                }
                if !ended.stored && self.is_new(event.seq, ended.origin.as_ref(), shard) {
                    let usage = billed(self.offline.contains(&ended.arm), ended.usage);
                    self.billed.ended(ended.attempts > 0, usage.as_ref());
                }
            }
            Kind::CellScored(scored) if self.is_new(event.seq, scored.origin.as_ref(), shard) => {
                self.billed.bill(scored.attempts > 0, scored.usage.as_ref());
            }
            Kind::TreatmentApplied(applied) => {
                self.billed.bill(applied.attempts > 0, applied.usage.as_ref());
            }
            Kind::ShardMerged(merged) if self.own.as_ref() != Some(&merged.shard) => {
                self.lost.entry(merged.shard.clone()).or_insert(merged.lost.len() as u64);
            }
            _ => {}
        }
    }

    /// Whether an event was not billed before: it may stand in its shard, and in the run that has taken it over.
    fn is_new(&mut self, seq: Seq, origin: Option<&Origin>, shard: Option<&ShardName>) -> bool {
        let (shard, seq) = match (origin, shard) {
            (Some(origin), _) => (&origin.shard, origin.seq),
            (None, Some(shard)) => (shard, seq),
            (None, None) => return true,
        };
        if self.own.as_ref() == Some(shard) {
            return false;
        }
        let counted = self.counted.entry(shard.clone()).or_default();
        let new = seq > *counted;
        *counted = seq.max(*counted);
        new
    }
}

/// The arms of a plan that are offline.
fn offline(plan: &PlanFixed) -> BTreeSet<ArmName> {
    plan.arms.iter().filter(|arm| arm.offline).map(|arm| arm.name.clone()).collect()
}

/// Counts what a journal has open: in flight where somebody writes it, and else lost.
fn count(dir: &RunDir, book: &Book, seen: &mut Elsewhere) -> Result<(), JournalError> {
    seen.lost += book.lost;
    if book.open.is_empty() {
        return Ok(());
    }
    let open = book.open.values().sum::<u64>();
    if dir.is_live()? {
        seen.open += open;
    } else {
        seen.lost += open;
    }
    Ok(())
}
