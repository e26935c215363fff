//! All that a report of a run of many cells is made of.

use std::collections::BTreeMap;

use crate::event::{
    CellEnded, CellIndex, CellScored, Certified, RunEnded, ScoreName, Scored, Sha256, Sheet, TreatmentApplied,
};

/// All that a report of a run of many cells is made of; the caller has read it from the journal and the files beside it.
pub struct GridView<'a> {
    /// The fold of the journal: plan, cases, rows, spend and verdict.
    pub sheet: &'a Sheet,
    /// The figures of a run that has no gate, and so no verdict to hold them.
    pub measured: Option<&'a Certified>,
    /// The end of the run; absent while it goes on, and where it was cut off.
    pub ended: Option<&'a RunEnded>,
    /// The labels of the run.
    pub labels: &'a BTreeMap<String, String>,
    /// The text that a hash names: a prompt, an answer, what a judge said; `None` where it cannot be had.
    pub texts: &'a dyn Fn(&Sha256) -> Option<String>,
    /// Every end of a cell, in the order of the journal; more than one of a cell that was tried again.
    pub cells: &'a [CellEnded],
    /// Every later score, in the order of the journal.
    pub scored: &'a [CellScored],
    /// What treatments did.
    pub treatments: &'a [TreatmentApplied],
    /// Where the run is. Transcripts are relative to it.
    pub run_dir: String,
}

/// What stands of one cell, by the rules of [`Sheet`]: the first answer; without one the last reason why it is missing.
#[derive(Clone, Debug)]
pub struct Stands<'a> {
    /// Its end.
    pub ended: &'a CellEnded,
    /// The scores that came later, in their order.
    later: Vec<&'a CellScored>,
}

impl<'a> Stands<'a> {
    /// What a score says: the last word of it.
    pub fn score(&self, name: &ScoreName) -> Option<&'a Scored> {
        self.judged(name).map(|later| &later.scored).or_else(|| self.ended.scores.get(name))
    }

    /// The later score of that name that stands, with what the judge was sent and said.
    pub fn judged(&self, name: &ScoreName) -> Option<&'a CellScored> {
        self.later.iter().rev().find(|later| later.score == *name).copied()
    }

    /// Its scores by their names.
    pub fn scores(&self) -> BTreeMap<&'a ScoreName, &'a Scored> {
        let later = self.later.iter().map(|later| (&later.score, &later.scored));
        self.ended.scores.iter().chain(later).collect()
    }
}

impl<'a> GridView<'a> {
    /// The figures: those of the verdict, else those that were measured without one.
    pub fn figures(&self) -> Option<&'a Certified> {
        self.sheet.verdict().map(|reached| &reached.certified).or(self.measured)
    }

    /// What stands of each cell that has ended, in the order of the plan.
    pub fn standing(&self) -> BTreeMap<CellIndex, Stands<'a>> {
        let mut standing: BTreeMap<CellIndex, Stands<'a>> = BTreeMap::new();
        for ended in self.cells.iter().filter(|ended| self.sheet.place(ended.cell).is_some()) {
            let answered = standing.get(&ended.cell).is_some_and(|stands| stands.ended.missing.is_none());
            if !answered {
                standing.insert(ended.cell, Stands { ended, later: Vec::new() });
            }
        }
        for scored in self.scored.iter().filter(|scored| self.sheet.score(&scored.score).is_some()) {
            if let Some(stands) = standing.get_mut(&scored.cell) {
                stands.later.push(scored);
            }
        }
        standing
    }
}
