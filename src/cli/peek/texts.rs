//! What the cells of a run were sent and what came back, byte for byte, from the packs beside the journal.

use std::collections::HashSet;
use std::io::Write;

use super::{CliError, data, environment};
use crate::event::{CellEnded, CellIndex, CellScored, Event, Kind, NodeId, Sha256, Stored};
use crate::journal::{Reader, RunDir, Texts};

/// Reads `17`, `c17` or `root.c17`.
pub(super) fn cell(word: &str) -> Result<CellIndex, String> {
    let number = word.strip_prefix("root.").unwrap_or(word);
    let number = number.strip_prefix('c').unwrap_or(number);
    number.parse().map(CellIndex).map_err(|_| "a cell is its number, as in `17` or `root.c17`".to_owned())
}

/// The events of a cell; each of them where there is none.
fn events(dir: &RunDir, cell: Option<CellIndex>) -> Result<Vec<Event>, CliError> {
    // One bad line never stops a reader from showing the rest.
    let all = Reader::open(dir).map_err(environment)?.filter_map(Result::ok);
    let Some(cell) = cell else { return Ok(all.collect()) };
    let node = NodeId::cell(cell);
    let is_its_own = |event: &Event| {
        event.node == node
            || match &event.kind {
                Kind::CellStarted(started) => started.cell == cell,
                Kind::CellEnded(ended) => ended.cell == cell,
                Kind::CellScored(scored) => scored.cell == cell,
                _ => false,
            }
    };
    let events: Vec<Event> = all.filter(is_its_own).collect();
    if events.is_empty() {
        return Err(CliError::usage(format!("cell {cell} has no event in {}", dir.path().display())));
    }
    Ok(events)
}

/// The events of a cell, as they are in the journal.
pub(super) fn one_cell(dir: &RunDir, cell: CellIndex) -> Result<u8, CliError> {
    let mut text = String::new();
    for event in events(dir, Some(cell))? {
        text.push_str(&serde_json::to_string(&event).map_err(environment)?);
        text.push('\n');
    }
    data(&text)
}

/// The transcript of a cell's last try, relative to the run directory.
pub(super) fn transcript(dir: &RunDir, cell: CellIndex) -> Result<String, CliError> {
    let last = events(dir, Some(cell))?.into_iter().rev().find_map(|event| match event.kind {
        Kind::CellEnded(ended) => ended.transcript,
        _ => None,
    });
    last.ok_or_else(|| {
        CliError::usage(format!("cell {cell} has no transcript"))
            .hint("`--prompts` and `--outputs` show its texts")
    })
}

/// The texts of one kind: of a cell all of them, else each once, where it is named first.
pub(super) fn texts(dir: &RunDir, cell: Option<CellIndex>, stored: Stored) -> Result<u8, CliError> {
    let texts = Texts::open(dir).map_err(environment)?;
    let mut printer =
        Printer { texts: &texts, stored, seen: HashSet::new(), once: cell.is_none(), closed: false };
    for event in events(dir, cell)? {
        match &event.kind {
            Kind::CellEnded(ended) => printer.ended(ended)?,
            Kind::CellScored(judged) => printer.scored(judged)?,
            Kind::TreatmentApplied(applied) if stored == Stored::Prompt => {
                let head = |what| format!("treatment {} · {what}", applied.treatment);
                printer.print(&head("before"), &applied.before_sha256)?;
                printer.print(&head("after"), &applied.after_sha256)?;
            }
            _ => {}
        }
        if printer.closed {
            return Ok(0);
        }
    }
    if cell.is_none() {
        // What no cell has named yet: of a dry run, and of cells in flight.
        for name in texts.names(stored).map_err(environment)? {
            printer.print("of no cell that has ended", &name)?;
        }
    }
    Ok(0)
}

struct Printer<'a> {
    texts: &'a Texts,
    stored: Stored,
    seen: HashSet<Sha256>,
    once: bool,
    /// Nobody reads what we print.
    closed: bool,
}

impl Printer<'_> {
    fn ended(&mut self, ended: &CellEnded) -> Result<(), CliError> {
        let head = format!("cell {} · {} · {} · trial {}", ended.cell, ended.arm, ended.case, ended.trial);
        match self.stored {
            // A stored cell was sent its prompts in another run, which has them.
            Stored::Prompt if ended.stored => Ok(()),
            Stored::Prompt => ended.prompts.iter().try_for_each(|name| self.print(&head, name)),
            Stored::Blob => ended.output_sha256.iter().try_for_each(|name| self.print(&head, name)),
        }
    }

    fn scored(&mut self, scored: &CellScored) -> Result<(), CliError> {
        let head = format!("cell {} · judge of {}", scored.cell, scored.score);
        let names = if self.stored == Stored::Prompt { &scored.prompts } else { &scored.replies };
        names.iter().try_for_each(|name| self.print(&head, name))
    }

    fn print(&mut self, head: &str, name: &Sha256) -> Result<(), CliError> {
        if self.closed || (!self.seen.insert(name.clone()) && self.once) {
            return Ok(());
        }
        let bytes = self.texts.get(self.stored, name);
        let size = bytes.as_ref().map_or_else(|| "gone".to_owned(), |bytes| format!("{} bytes", bytes.len()));
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "--- {head} · {size} · {name}")
            .and_then(|()| out.write_all(&bytes.unwrap_or_default()))
            .and_then(|()| out.write_all(b"\n"));
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => self.closed = true,
            other => other.map_err(environment)?,
        }
        Ok(())
    }
}

/// One text alone, without a byte before or after it. `name` is its hash, or the beginning that no other text has.
pub(super) fn text(dir: &RunDir, name: &str) -> Result<u8, CliError> {
    let texts = Texts::open(dir).map_err(environment)?;
    let mut found: Vec<(Stored, Sha256)> = Vec::new();
    for stored in [Stored::Prompt, Stored::Blob] {
        let all = texts.names(stored).map_err(environment)?.into_iter();
        found.extend(all.filter(|text| text.hex().as_str().starts_with(name)).map(|text| (stored, text)));
    }
    // The same text may be a prompt and an answer.
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found.dedup_by(|a, b| a.1 == b.1);
    let [(stored, sha256)] = found.as_slice() else {
        let what = if found.is_empty() { "no text".to_owned() } else { format!("{} texts", found.len()) };
        return Err(CliError::usage(format!("{what} of {} begins with `{name}`", dir.path().display()))
            .hint("`--prompts` and `--outputs` name the texts"));
    };
    let Some(bytes) = texts.get(*stored, sha256) else {
        return Err(CliError::unavailable(format!("the text {sha256} is not what its name says")));
    };
    match std::io::stdout().lock().write_all(&bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(environment(error)),
        _ => Ok(0),
    }
}
