//! An arm whose cells are taken from a stored run, as they are.

use std::collections::HashMap;

use crate::certify::{Plan, PlanArm};
use crate::cli::error::{CliError, environment};
use crate::event::{CellEnded, CellIndex, Kind, RunId, ScoreName, Sha256, Sheet, Trial};
use crate::journal::{Manifest, Reader, RunDir, Texts};

use super::draft::read_plan;

/// The cells of one arm of a stored run.
pub(super) struct Stored {
    run: RunId,
    plan: Plan,
    arm: usize,
    cells: HashMap<(Sha256, Trial), CellEnded>,
    texts: Texts,
}

impl Stored {
    /// Opens a stored run. Without a number the arm is its only candidate, or else its baseline.
    pub(super) fn open(dir: &RunDir, arm: Option<usize>) -> Result<Self, CliError> {
        let Some(plan) = read_plan(dir)? else {
            let path = dir.path().display();
            return Err(CliError::usage(format!("{path} has no plan, and so no cells")));
        };
        let manifest = Manifest::read(dir).map_err(environment)?;
        let candidates: Vec<usize> = plan
            .arms
            .iter()
            .enumerate()
            .filter(|(_, arm)| arm.fixed.role == crate::event::ArmRole::Candidate)
            .map(|(index, _)| index)
            .collect();
        let arm = match (arm, candidates.as_slice()) {
            (Some(arm), _) => arm,
            (None, [one]) => *one,
            (None, _) => {
                return Err(CliError::usage(format!("{} has several candidates", manifest.run))
                    .hint("name the profile itself with `--baseline`"));
            }
        };
        let mut sheet = Sheet::default();
        let mut ended: HashMap<CellIndex, CellEnded> = HashMap::new();
        for event in Reader::open(dir).map_err(environment)? {
            let event = event.map_err(environment)?;
            sheet.apply(&event);
            match event.kind {
                Kind::CellEnded(cell) => {
                    let before = ended.get(&cell.cell);
                    if before.is_none_or(|before| before.missing.is_some()) {
                        ended.insert(cell.cell, cell);
                    }
                }
                Kind::CellScored(scored) => {
                    if let Some(cell) = ended.get_mut(&scored.cell) {
                        cell.scores.insert(scored.score, scored.scored);
                    }
                }
                _ => {}
            }
        }
        let mut cells = HashMap::new();
        for (index, cell) in ended {
            let Some(place) = sheet.place(index).filter(|place| place.arm == arm) else { continue };
            if let Some(case) = sheet.cases().get(place.case) {
                cells.insert((case.sha256(), place.trial), cell);
            }
        }
        let texts = Texts::open(dir).map_err(environment)?;
        Ok(Self { run: manifest.run, plan, arm, cells, texts })
    }

    /// The run.
    pub(super) fn run(&self) -> &RunId {
        &self.run
    }

    /// Its plan.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Names its plan.
    pub(super) fn plan_sha256(&self) -> Sha256 {
        self.plan.sha256()
    }

    /// The arm.
    pub(super) fn arm(&self) -> &PlanArm {
        &self.plan.arms[self.arm]
    }

    /// The values of a score over the trials of a case that were answered.
    pub(super) fn values(&self, case: &Sha256, trials: u32, score: &ScoreName) -> Vec<f64> {
        let cell = |trial: u32| self.cells.get(&(case.clone(), Trial(u64::from(trial))));
        let value = |trial: u32| cell(trial)?.scores.get(score)?.value.filter(|value| value.is_finite());
        (1..=trials).filter_map(value).collect()
    }

    /// The cell of a case and trial, with the scores that were made in the same way.
    pub(super) fn cell(
        &self,
        case: &Sha256,
        trial: Trial,
        same: impl Fn(&ScoreName) -> bool,
    ) -> Option<(CellEnded, Option<Vec<u8>>)> {
        let cell = self.cells.get(&(case.clone(), trial))?;
        let mut cell = cell.clone();
        cell.scores.retain(same);
        let output =
            cell.output_sha256.as_ref().and_then(|sha256| self.texts.get(crate::event::Stored::Blob, sha256));
        Some((cell, output))
    }
}
