//! Scores of the cells of a grid: those that are known at once, those that take a program or a judge, and those that
//! need the baseline's answer first.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::event::{
    ArmRole, CellIndex, CellScored, NodeId, Place, ScoreName, Scored, Scores, Stored, Trial, billed,
};

use super::workspace::Work;
use super::{Cell, Grid, Landed};
use crate::suite::{Answered, Case, Later};

/// A score that has come.
pub(super) struct Judged {
    cell: CellIndex,
    score: ScoreName,
    later: Later,
}

/// What a check of a cell said.
type Checked = (bool, Option<f64>, String);

/// An answer that is to be scored.
#[derive(Clone)]
struct Due {
    cell: CellIndex,
    score: ScoreName,
    output: String,
    workspace: Option<Arc<Work>>,
    check: Option<Checked>,
}

/// Answers that are compared with each other, by case and trial: until both are there.
#[derive(Default)]
pub(super) struct Rivals {
    /// Of the baseline; `None` where it has no answer.
    baseline: BTreeMap<(usize, Trial), Option<String>>,
    waiting: BTreeMap<(usize, Trial), Vec<Due>>,
}

impl Grid<'_> {
    pub(super) fn score_at_once(
        &self,
        cell: &Cell,
        case: &Case,
        output: &str,
        workspace: Option<&Arc<Work>>,
        check: Option<&Checked>,
    ) -> Scores {
        self.setting.scorers.at_once(&Answered {
            case,
            output,
            workspace: workspace.map(|work| work.path.as_path()),
            check,
            cell: cell.index,
            trial: cell.place.trial,
            seed: cell.seed,
            rival: None,
        })
    }

    /// An answer of an earlier process, of which scores are wanted that it does not have.
    pub(super) fn score_stored(&mut self, cell: CellIndex, output: &str) -> io::Result<()> {
        let Some(place) = self.sheet.place(cell) else { return Ok(()) };
        let Some(case) = self.setting.cases.get(place.case)? else { return Ok(()) };
        let answered = Answered {
            case: &case,
            output,
            workspace: None,
            check: None,
            cell,
            trial: place.trial,
            seed: self.setting.seed(&case, place.trial),
            rival: None,
        };
        for (score, scored) in self.setting.scorers.at_once(&answered) {
            let row = self.sheet.row(cell);
            let at = self.sheet.score(&score);
            let there = row.zip(at).is_some_and(|(row, at)| row.value(at).is_some());
            if there && !self.setting.rescore {
                continue;
            }
            self.record(cell, score, Later { scored, ..Later::default() })?;
        }
        self.score_later(cell, &case, Some(output), None, None)
    }

    /// Begins the scores that take their time. `output` is `None` where the cell is missing.
    pub(super) fn score_later(
        &mut self,
        cell: CellIndex,
        case: &Case,
        output: Option<&str>,
        workspace: Option<&Arc<Work>>,
        check: Option<&Checked>,
    ) -> io::Result<()> {
        let Some(place) = self.sheet.place(cell) else { return Ok(()) };
        let scorers = Arc::clone(&self.setting.scorers);
        let names: Vec<ScoreName> = scorers.names_later().cloned().collect();
        let compared = names.iter().any(|name| scorers.needs_rival(name));
        let is_baseline = self.role(place) == Some(ArmRole::Baseline);
        for score in names {
            let Some(output) = output.map(str::to_owned) else { continue };
            if !scorers.applies(&score, case) || (self.setting.alone && scorers.needs_rival(&score)) {
                continue;
            }
            let at = self.sheet.score(&score);
            let row = self.sheet.row(cell).zip(at);
            if !self.setting.rescore && row.is_some_and(|(row, at)| row.value(at).is_some()) {
                continue;
            }
            let due = Due { cell, score, output, workspace: workspace.cloned(), check: check.cloned() };
            if !scorers.needs_rival(&due.score) {
                self.score(due, None)?;
            } else if is_baseline {
                // It is what the others are compared with: neither better nor worse than itself.
                let scored = Scored {
                    value: Some(0.5),
                    why: Some("the baseline itself".to_owned()),
                    ..Scored::default()
                };
                self.record(cell, due.score, Later { scored, ..Later::default() })?;
            } else {
                match self.rivals.baseline.get(&(place.case, place.trial)).cloned() {
                    Some(rival) => self.against(due, rival)?,
                    None => self.rivals.waiting.entry((place.case, place.trial)).or_default().push(due),
                }
            }
        }
        if compared && is_baseline {
            for due in self.rivals.waiting.remove(&(place.case, place.trial)).unwrap_or_default() {
                self.against(due, output.map(str::to_owned))?;
            }
            self.rivals.baseline.insert((place.case, place.trial), output.map(str::to_owned));
        }
        Ok(())
    }

    /// Those whose baseline never came are missing, each with its reason.
    pub(super) fn without_rivals(&mut self) -> io::Result<()> {
        for due in std::mem::take(&mut self.rivals.waiting).into_values().flatten() {
            self.against(due, None)?;
        }
        Ok(())
    }

    fn against(&mut self, due: Due, rival: Option<String>) -> io::Result<()> {
        let Some(rival) = rival else {
            let why = Some("the baseline has no answer to compare with".to_owned());
            return self.record(
                due.cell,
                due.score,
                Later { scored: Scored { why, ..Scored::default() }, ..Later::default() },
            );
        };
        self.score(due, Some(rival))
    }

    fn role(&self, place: Place) -> Option<ArmRole> {
        self.sheet.plan()?.arms.get(place.arm).map(|arm| arm.role)
    }

    fn score(&mut self, due: Due, rival: Option<String>) -> io::Result<()> {
        let Some(place) = self.sheet.place(due.cell) else { return Ok(()) };
        let Some(case) = self.setting.cases.get(place.case)? else { return Ok(()) };
        let seed = self.setting.seed(&case, place.trial);
        let scorers = Arc::clone(&self.setting.scorers);
        self.flights.push(Box::pin(async move {
            let answered = Answered {
                case: &case,
                output: &due.output,
                workspace: due.workspace.as_ref().map(|work| work.path.as_path()),
                check: due.check.as_ref(),
                cell: due.cell,
                trial: place.trial,
                seed,
                rival: rival.as_deref(),
            };
            let later = scorers.later(&answered, &due.score).await;
            Landed::Judged(Box::new(Judged { cell: due.cell, score: due.score, later }))
        }));
        Ok(())
    }

    pub(super) fn judged(&mut self, judged: Judged) -> io::Result<()> {
        if judged.later.cut_off {
            // Somebody wanted the end: it is scored when the run goes on.
            return Ok(());
        }
        for event in &judged.later.notable {
            self.emitter.emit_of(NodeId::cell(judged.cell), event.kind.clone())?;
        }
        let later = &judged.later;
        let usage = billed(later.offline, later.usage);
        self.pool.bill(!later.replies.is_empty() && usage.is_none(), usage.as_ref());
        self.record(judged.cell, judged.score, judged.later)
    }

    fn record(&mut self, cell: CellIndex, score: ScoreName, later: Later) -> io::Result<()> {
        for text in &later.prompts {
            self.emitter.store(Stored::Prompt, &text.bytes)?;
        }
        for text in &later.replies {
            self.emitter.store(Stored::Blob, &text.bytes)?;
        }
        let scorer_sha256 = self.setting.scorers.scorer_sha256(&score);
        let scored = CellScored {
            cell,
            score,
            scorer_sha256,
            scored: later.scored,
            usage: later.usage,
            offline: later.offline,
            attempts: later.attempts,
            prompts: later.prompts.into_iter().map(|text| text.sha256).collect(),
            replies: later.replies.into_iter().map(|text| text.sha256).collect(),
            model: later.model,
            origin: None,
        };
        self.emitter.emit_of(NodeId::cell(cell), scored)?;
        self.fold();
        Ok(())
    }
}
