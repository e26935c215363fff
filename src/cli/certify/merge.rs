//! Takes over what other processes have written of a run: each end of a cell and each score once, in one order, with the
//! texts that they name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::certify::Plan;
use crate::cli::error::{CliError, environment};
use crate::engine::Emitter;
use crate::event::{
    CellEnded, CellIndex, CellScored, Event, Kind, Origin, Sha256, ShardMerged, ShardName, ShardStarted,
    Sheet, Stored as Kept,
};
use crate::journal::{self, Reader, RunDir, Texts};

use super::drive::Course;

/// A shard, as far as it was not taken over yet.
pub(super) struct Shard {
    pub(super) name: ShardName,
    dir: RunDir,
    started: ShardStarted,
    /// Whether somebody writes it.
    pub(super) live: bool,
    /// Ends and scores, each with the time that orders it: no earlier than the one before.
    fresh: Vec<(Timestamp, Event)>,
    /// Cells that were begun and not ended.
    open: BTreeSet<CellIndex>,
    torn_bytes: u64,
    bytes: u64,
}

/// Reads the shards of a run.
///
/// # Errors
///
/// One is of another plan, or a line of one cannot be read: what it holds is not known, and nothing is taken over in part.
pub(super) fn read(run: &RunDir, plan_sha256: &Sha256, sheet: &Sheet) -> Result<Vec<Shard>, CliError> {
    let mut shards = Vec::new();
    for (name, dir) in journal::shards(run).map_err(environment)? {
        // A process that could not begin any cell takes its shard away again.
        let Ok(about) = std::fs::metadata(dir.journal()) else { continue };
        if sheet.merged(&name) == Some(about.len()) {
            continue;
        }
        shards.extend(read_one(name, dir, plan_sha256, sheet)?);
    }
    Ok(shards)
}

/// `None` where its process was killed before it said what it is.
fn read_one(
    name: ShardName,
    dir: RunDir,
    plan_sha256: &Sha256,
    sheet: &Sheet,
) -> Result<Option<Shard>, CliError> {
    // Asked first: what ends while it is read is at worst taken for live.
    let live = dir.is_live().map_err(environment)?;
    let taken = sheet.taken(&name);
    let mut reader = Reader::open(&dir).map_err(|error| unreadable(&name, error))?;
    let mut started = None;
    let (mut fresh, mut open) = (Vec::new(), BTreeSet::new());
    let mut latest = Timestamp::MIN;
    for event in reader.by_ref() {
        let event = event.map_err(|error| unreadable(&name, error))?;
        if started.is_none() {
            let Kind::ShardStarted(first) = event.kind else {
                return Err(CliError::unavailable(format!("{} is no shard", dir.path().display())));
            };
            if first.plan_sha256 != *plan_sha256 {
                return Err(CliError::unavailable(format!("the shard {name} is of another plan"))
                    .hint(format!("take {} away", dir.path().display())));
            }
            started = Some(first);
            continue;
        }
        latest = latest.max(event.at);
        match &event.kind {
            Kind::CellStarted(begun) => {
                open.insert(begun.cell);
            }
            Kind::CellEnded(ended) => {
                open.remove(&ended.cell);
            }
            Kind::CellScored(_) => {}
            _ => continue,
        }
        if event.seq > taken && !matches!(event.kind, Kind::CellStarted(_)) {
            fresh.push((latest, event));
        }
    }
    let (torn_bytes, bytes) = (reader.torn_bytes(), reader.offset() + reader.torn_bytes());
    Ok(started.map(|started| Shard { name, dir, started, live, fresh, open, torn_bytes, bytes }))
}

fn unreadable(name: &ShardName, error: journal::JournalError) -> CliError {
    environment(error).hint(format!(
        "nothing of the shard {name} was taken over; take its directory away to run its cells again"
    ))
}

/// What the shards hold, in the order in which it counts: by time, then by the shard's name. Of one shard nothing
/// changes its order.
pub(super) fn in_order(shards: &mut [Shard]) -> Vec<(usize, Event)> {
    let mut all = Vec::new();
    for (index, shard) in shards.iter_mut().enumerate() {
        all.extend(shard.fresh.drain(..).map(|(at, event)| (at, index, event)));
    }
    all.sort_by_key(|(at, index, event)| (*at, *index, event.seq));
    all.into_iter().map(|(_, index, event)| (index, event)).collect()
}

/// An event of a shard, as the run has it that takes it over.
fn taken_over(shard: &Shard, event: &Event, sheet: &Sheet) -> Option<Event> {
    let Shard { name: shard, started, .. } = shard;
    let binary = &started.binary;
    let origin = |late| {
        Some(Origin { shard: shard.clone(), seq: event.seq, at: event.at, late, binary: binary.clone() })
    };
    let answered = |cell| sheet.row(cell).filter(|row| row.missing.is_none());
    let kind = match &event.kind {
        Kind::CellEnded(ended) => {
            let late = answered(ended.cell).is_some();
            let transcript = ended.transcript.as_ref().map(|path| format!("shards/{shard}/{path}"));
            Kind::CellEnded(CellEnded { origin: origin(late), transcript, ..ended.clone() })
        }
        Kind::CellScored(scored) => {
            let late = answered(scored.cell).is_none_or(|row| row.shard != Some(shard));
            Kind::CellScored(CellScored { origin: origin(late), ..scored.clone() })
        }
        _ => return None,
    };
    Some(Event { kind, ..event.clone() })
}

/// What the run and all of its shards hold together, without anything being written.
pub(super) fn together(run: &RunDir, plan: &Plan) -> Result<Sheet, CliError> {
    let mut sheet = Sheet::default();
    for event in Reader::open(run).map_err(environment)? {
        sheet.apply(&event.map_err(environment)?);
    }
    let plan_sha256 = plan.sha256();
    match sheet.plan() {
        Some(fixed) if fixed.plan_sha256 == plan_sha256 => {}
        Some(_) => {
            let path = run.plan();
            return Err(CliError::unavailable(format!(
                "{} is not the plan that was fixed when the run began",
                path.display()
            )));
        }
        None => return Err(unplanned(run)),
    }
    if sheet.cases().len() as u64 != plan.cases {
        return Err(unplanned(run));
    }
    let mut shards = read(run, &plan_sha256, &sheet)?;
    for (index, event) in in_order(&mut shards) {
        if let Some(event) = taken_over(&shards[index], &event, &sheet) {
            sheet.apply(&event);
        }
    }
    Ok(sheet)
}

fn unplanned(run: &RunDir) -> CliError {
    CliError::usage(format!("the plan of {} is not whole on record", run.path().display()))
        .hint("`provost certify --plan` with the same arguments goes on with it")
}

impl Course<'_> {
    /// Takes over what the shards hold and is not here yet.
    pub(super) fn take_in_shards(&mut self, plan: &Plan) -> Result<(), CliError> {
        let mut shards = read(&self.dir, &plan.sha256(), &self.sheet)?;
        if shards.is_empty() {
            return Ok(());
        }
        for shard in shards.iter().filter(|shard| shard.live && !shard.open.is_empty()) {
            let Shard { name, started: ShardStarted { pid, host, .. }, open, .. } = shard;
            if !self.common.quiet {
                crate::cli::say(&format!(
                    "the shard {name} is still written by process {pid} on {host}; its cells in flight ({}) are not waited for\n",
                    open.len()
                ));
            }
        }
        let mut texts = BTreeMap::new();
        for (index, event) in in_order(&mut shards) {
            let shard = &shards[index];
            let Some(event) = taken_over(shard, &event, &self.sheet) else { continue };
            let texts = match texts.entry(index) {
                std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(Texts::open(&shard.dir).map_err(environment)?)
                }
            };
            copy(&mut self.emitter, event, &shard.name, texts)?;
            self.fold();
        }
        for shard in shards.into_iter().filter(|shard| !shard.live) {
            if self.sheet.merged(&shard.name) == Some(shard.bytes) {
                continue;
            }
            let merged = ShardMerged {
                shard: shard.name,
                host: shard.started.host,
                pid: shard.started.pid,
                lost: shard.open.into_iter().collect(),
                torn_bytes: shard.torn_bytes,
                bytes: shard.bytes,
            };
            self.emitter.emit(merged).map_err(environment)?;
            self.fold();
        }
        self.emitter.sync().map_err(environment)
    }
}

/// Puts one event on record, with its texts. Where a text holds a value that is a secret here, it has another name than
/// there, and the event says that one.
fn copy(emitter: &mut Emitter, event: Event, shard: &ShardName, texts: &Texts) -> Result<(), CliError> {
    let mut one = |kind: Kept, name: &Sha256| {
        let Some(bytes) = texts.get(kind, name) else {
            let what = if kind == Kept::Prompt { "prompt" } else { "answer" };
            return Err(CliError::unavailable(format!(
                "the shard {shard} lacks the {what} {name}, or that is not what its name says"
            ))
            .hint("take the directory of the shard away to run its cells again"));
        };
        emitter.store(kind, &bytes).map_err(environment)
    };
    let kind = match event.kind {
        Kind::CellEnded(mut ended) => {
            for name in &mut ended.prompts {
                *name = one(Kept::Prompt, name)?;
            }
            if let Some(name) = &mut ended.output_sha256 {
                *name = one(Kept::Blob, name)?;
            }
            Kind::CellEnded(ended)
        }
        Kind::CellScored(mut scored) => {
            for name in &mut scored.prompts {
                *name = one(Kept::Prompt, name)?;
            }
            for name in &mut scored.replies {
                *name = one(Kept::Blob, name)?;
            }
            Kind::CellScored(scored)
        }
        other => other,
    };
    emitter.emit_of(event.node, kind).map_err(environment)
}
