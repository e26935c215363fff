//! The fold of a run of many cells into rows: what a verdict, a certificate and every table of cells are made of.
//!
//! A row is small and there is one for each cell; everything else is counted. The first answer of a cell stands, whichever
//! process gave it; what came later counts as cost. A cell that was missing is replaced by one that is not.

mod arena;
mod cases;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ArmName, CellEnded, CellIndex, CellScored, Event, FaultClass, Kind, MissingReason, Origin, PlanFixed,
    ScoreName, Scored, Seq, ShardMerged, ShardName, Spend, Trial, VerdictReached,
};

pub use cases::{Cases, PlannedCase};
pub use rows::{Marks, Row};

use rows::Rows;

/// Where a cell belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index into the plan's arms.
    pub arm: usize,
    /// Index into the cases.
    pub case: usize,
    /// Which repetition; starts at 1.
    pub trial: Trial,
}

/// What a score came to in one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mark {
    /// A finite number; `None` is missing.
    pub value: Option<f64>,
    /// Whether it counts as passed; `None` is missing.
    pub passed: Option<bool>,
}

impl Mark {
    /// A scorer's NaN is no value: nothing can be counted with it.
    fn of(scored: &Scored) -> Self {
        Self { value: scored.value.filter(|value| value.is_finite()), passed: scored.passed }
    }
}

/// What an arm came to so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmTotals {
    /// Cells with an answer.
    pub answered: u64,
    /// Those of them whose answer was cut at the output limit.
    pub cut: u64,
    /// Cells without, by reason.
    pub missing: BTreeMap<MissingReason, u64>,
    /// The same by the class of the failure too.
    pub classes: BTreeMap<(MissingReason, Option<FaultClass>), u64>,
    /// What its agents consumed, failed attempts and later results included.
    pub spend: Spend,
    /// Requests, failed ones included.
    pub attempts: u64,
}

/// The rows of a run, and what they add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    plan: Option<PlanFixed>,
    cases: Cases,
    rows: Rows,
    /// What each of several judgements said, by cell and the place of the score; only where there were several.
    judgements: BTreeMap<(CellIndex, usize), BTreeMap<String, Vec<f64>>>,
    open: BTreeMap<CellIndex, u64>,
    arms: Vec<ArmTotals>,
    /// What judges consumed.
    judges: Spend,
    /// What treatments consumed.
    treatments: Spend,
    /// Treatments that are asked for.
    treating: u64,
    /// Treatments that were asked for and cut off: what they have spent is not known.
    lost_treatments: u64,
    /// Cells that were begun and cut off: what they have spent is not known.
    lost: u64,
    /// Results of cells that had an answer already.
    late: u64,
    /// Results whose case, arm or trial is not the one that the plan has at their place.
    strange: u64,
    /// Of each shard: the last event that was taken over.
    taken: BTreeMap<ShardName, Seq>,
    /// Of each shard that nobody writes any more: the bytes of its journal that were looked at.
    merged: BTreeMap<ShardName, u64>,
    /// What has run cells and is not the program that the plan was made with.
    binaries: BTreeSet<String>,
    verdict: Option<VerdictReached>,
}

impl Sheet {
    /// Folds one event in. Events of one journal come in their order; journals in any.
    ///
    /// Says whether the row of a cell is made of it now: its end in place of what was there, or a score that came later.
    pub fn apply(&mut self, event: &Event) -> bool {
        match &event.kind {
            Kind::PlanFixed(plan) => {
                self.arms = vec![ArmTotals::default(); plan.arms.len()];
                self.cases.expect(usize::try_from(plan.cases).unwrap_or(0));
                self.plan = Some(plan.clone());
            }
            Kind::CasesFixed(fixed) if fixed.from == self.cases.len() as u64 => {
                fixed.cases.iter().for_each(|case| self.cases.push(case));
            }
            Kind::CellStarted(started) => *self.open.entry(started.cell).or_default() += 1,
            Kind::CellEnded(ended) if self.is_new(ended.origin.as_ref()) => return self.ended(ended),
            Kind::CellScored(scored) if self.is_new(scored.origin.as_ref()) => return self.scored(scored),
            Kind::ShardMerged(merged) => self.merge(merged),
            Kind::TreatmentStarted(_) => self.treating += 1,
            Kind::TreatmentApplied(applied) => {
                self.treating = 0;
                if applied.attempts > 0 {
                    self.treatments.bill(applied.usage.as_ref());
                }
            }
            Kind::RunResumed(resumed) => {
                self.binaries.extend(resumed.binary.clone());
                self.lost_treatments += self.treating;
                self.treating = 0;
                self.lost += self.open.values().sum::<u64>();
                self.open.clear();
                // It goes on: what an earlier process made of the rows is not the last word any more.
                self.verdict = None;
            }
            Kind::VerdictReached(verdict) => self.verdict = Some(verdict.clone()),
            _ => {}
        }
        false
    }

    /// The plan.
    pub fn plan(&self) -> Option<&PlanFixed> {
        self.plan.as_ref()
    }

    /// The cases, in the order of the plan.
    pub fn cases(&self) -> &Cases {
        &self.cases
    }

    /// The rows of the cells that have ended.
    pub fn rows(&self) -> impl Iterator<Item = (CellIndex, Place, Row<'_>)> {
        self.rows.iter().filter_map(|(cell, row)| Some((cell, self.place(cell)?, row)))
    }

    /// The row of a cell, if it has ended.
    pub fn row(&self, cell: CellIndex) -> Option<Row<'_>> {
        self.rows.get(cell)
    }

    /// What each of several judgements of a cell said, by dimension; `None` where it was judged once, or not at all.
    pub fn judgements(&self, cell: CellIndex, score: usize) -> Option<&BTreeMap<String, Vec<f64>>> {
        self.judgements.get(&(cell, score))
    }

    /// The row at a place.
    pub fn at(&self, place: Place) -> Option<Row<'_>> {
        self.row(self.cell(place)?)
    }

    /// Where a cell belongs.
    pub fn place(&self, cell: CellIndex) -> Option<Place> {
        let plan = self.plan.as_ref()?;
        let (arms, trials) = (plan.arms.len() as u64, plan.trials);
        let place = Place {
            arm: usize::try_from(cell.0.checked_rem(arms)?).ok()?,
            case: usize::try_from(cell.0.checked_div(arms * trials)?).ok()?,
            trial: Trial((cell.0 / arms) % trials + 1),
        };
        (place.case < usize::try_from(plan.cases).ok()?).then_some(place)
    }

    /// Which cell is at a place.
    pub fn cell(&self, place: Place) -> Option<CellIndex> {
        let plan = self.plan.as_ref()?;
        let (arms, trials) = (plan.arms.len() as u64, plan.trials);
        Some(CellIndex(
            (place.case as u64 * trials + place.trial.0.checked_sub(1)?) * arms + place.arm as u64,
        ))
    }

    /// The place of a score among those of the plan.
    pub fn score(&self, name: &ScoreName) -> Option<usize> {
        self.plan.as_ref()?.scores.iter().position(|score| score == name)
    }

    /// The place of an arm.
    pub fn arm(&self, name: &ArmName) -> Option<usize> {
        self.plan.as_ref()?.arms.iter().position(|arm| arm.name == *name)
    }

    /// What each arm came to.
    pub fn arms(&self) -> &[ArmTotals] {
        &self.arms
    }

    /// What judges consumed.
    pub fn judges(&self) -> &Spend {
        &self.judges
    }

    /// What treatments consumed.
    pub fn treatments(&self) -> &Spend {
        &self.treatments
    }

    /// Cells that were begun and cut off by the death of a process.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Treatments that were asked for and cut off by the death of a process.
    pub fn lost_treatments(&self) -> u64 {
        self.lost_treatments
    }

    /// Results of cells that had an answer already.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Results whose case, arm or trial is not the one that the plan has at their place. They are in no row.
    pub fn strange(&self) -> u64 {
        self.strange
    }

    /// The last event of a shard that was taken over; 0 while none was.
    pub fn taken(&self, shard: &ShardName) -> Seq {
        self.taken.get(shard).copied().unwrap_or_default()
    }

    /// The shards of which anything was taken over, each with the last event of it.
    pub fn shards(&self) -> impl Iterator<Item = (&ShardName, Seq)> {
        self.taken.iter().map(|(shard, seq)| (shard, *seq))
    }

    /// The shards that nobody writes any more, as far as they were taken over.
    pub fn merged_shards(&self) -> impl Iterator<Item = &ShardName> {
        self.merged.keys()
    }

    /// Bytes of a shard's journal that were looked at when nobody wrote it any more; absent before that.
    pub fn merged(&self, shard: &ShardName) -> Option<u64> {
        self.merged.get(shard).copied()
    }

    /// What has run cells and is not the program that the plan was made with: version and hash of each.
    pub fn binaries(&self) -> impl Iterator<Item = &str> {
        self.binaries.iter().map(String::as_str)
    }

    /// The verdict; absent where the run has gone on since.
    pub fn verdict(&self) -> Option<&VerdictReached> {
        self.verdict.as_ref()
    }

    /// All that was consumed.
    pub fn spend(&self) -> Spend {
        let mut all = self.judges;
        for spend in self.arms.iter().map(|arm| &arm.spend).chain([&self.treatments]) {
            all.join(spend);
        }
        all
    }

    /// Whether an event is the run's own, or one of a shard that was not taken over before.
    fn is_new(&mut self, origin: Option<&Origin>) -> bool {
        let Some(origin) = origin else { return true };
        if origin.seq <= self.taken(&origin.shard) {
            return false;
        }
        self.taken.insert(origin.shard.clone(), origin.seq);
        if let Some(binary) = &origin.binary {
            self.binaries.insert(binary.clone());
        }
        true
    }

    fn merge(&mut self, merged: &ShardMerged) {
        // What was lost is lost once, however often the shard is looked at.
        if self.merged.insert(merged.shard.clone(), merged.bytes).is_none() {
            self.lost += merged.lost.len() as u64;
        }
    }

    fn ended(&mut self, ended: &CellEnded) -> bool {
        let Some(place) = self.place(ended.cell) else { return false };
        let Some(plan) = &self.plan else { return false };
        let is_its_own = plan.arms.get(place.arm).is_some_and(|arm| arm.name == ended.arm)
            && self.cases.get(place.case).is_none_or(|case| case.id == ended.case.as_str())
            && place.trial == ended.trial;
        if !is_its_own {
            self.strange += 1;
            return false;
        }
        if ended.origin.is_none()
            && let Some(count) = self.open.get_mut(&ended.cell)
        {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&ended.cell);
            }
        }
        let Some((arm, fixed)) = self.arms.get_mut(place.arm).zip(plan.arms.get(place.arm)) else {
            return false;
        };
        if ended.attempts > 0 && !ended.stored {
            arm.spend.bill_of(fixed.offline, ended.usage.as_ref());
            arm.attempts += ended.attempts;
        }
        let before = self.rows.get(ended.cell).map(|row| (row.missing, row.class));
        if let Some((None, _)) = before {
            self.late += 1;
            return false;
        }
        if let Some((Some(reason), class)) = before {
            one_less(&mut arm.missing, &reason);
            one_less(&mut arm.classes, &(reason, class));
        }
        match &ended.missing {
            None => {
                arm.answered += 1;
                arm.cut += u64::from(ended.cut);
            }
            Some(missing) => {
                *arm.missing.entry(missing.reason).or_default() += 1;
                *arm.classes.entry((missing.reason, missing.class)).or_default() += 1;
            }
        }
        for (at, name) in plan.scores.iter().enumerate() {
            judged(&mut self.judgements, (ended.cell, at), ended.scores.get(name));
        }
        self.rows.put(ended, &plan.scores);
        true
    }

    fn scored(&mut self, scored: &CellScored) -> bool {
        if scored.attempts > 0 {
            self.judges.bill_of(scored.offline, scored.usage.as_ref());
        }
        let Some(at) = self.score(&scored.score) else { return false };
        let Some(row) = self.rows.get(scored.cell) else { return false };
        // What a shard says is of the answer that it has itself, and what was scored since then stands.
        let stands = scored
            .origin
            .as_ref()
            .is_none_or(|origin| row.shard == Some(&origin.shard) && row.value(at).is_none());
        if stands {
            judged(&mut self.judgements, (scored.cell, at), Some(&scored.scored));
            self.rows.mark(scored.cell, at, &scored.scored);
        }
        stands
    }
}

/// Counts one down, and forgets what is none.
fn one_less<K: Ord>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Keeps what several judgements said, in place of what was kept before.
fn judged(
    kept: &mut BTreeMap<(CellIndex, usize), BTreeMap<String, Vec<f64>>>,
    at: (CellIndex, usize),
    scored: Option<&Scored>,
) {
    match scored.filter(|scored| !scored.judgements.is_empty()) {
        Some(scored) => drop(kept.insert(at, scored.judgements.clone())),
        None => drop(kept.remove(&at)),
    }
}
