//! All that a report of a run of many cells is made of.

use std::collections::BTreeMap;

use crate::event::{
    CellEnded, CellIndex, CellScored, Certified, Event, Kind, RunEnded, ScoreName, Scored, Sha256, Sheet,
    TreatmentApplied,
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
    /// What stands of a cell; `None` where it has not ended, or what it ended with cannot be read any more.
    pub stands: &'a dyn Fn(CellIndex) -> Option<Stands>,
    /// What treatments did.
    pub treatments: &'a [TreatmentApplied],
    /// Where the run is. Transcripts are relative to it.
    pub run_dir: String,
}

/// What stands of one cell, by the rules of [`Sheet`]: the first answer; without one the last reason why it is missing.
#[derive(Clone, Debug)]
pub struct Stands {
    /// Its end.
    pub ended: CellEnded,
    /// The scores that came later, in their order.
    later: Vec<CellScored>,
}

impl Stands {
    /// What a score says: the last word of it.
    pub fn score(&self, name: &ScoreName) -> Option<&Scored> {
        self.judged(name).map(|later| &later.scored).or_else(|| self.ended.scores.get(name))
    }

    /// The later score of that name that stands, with what the judge was sent and said.
    pub fn judged(&self, name: &ScoreName) -> Option<&CellScored> {
        self.later.iter().rev().find(|later| later.score == *name)
    }

    /// Its scores by their names.
    pub fn scores(&self) -> BTreeMap<&ScoreName, &Scored> {
        let later = self.later.iter().map(|later| (&later.score, &later.scored));
        self.ended.scores.iter().chain(later).collect()
    }
}

/// Where what stands of each cell is to be found. A run has many cells, and a report looks at them one after the other.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    ends: BTreeMap<CellIndex, u64>,
    later: BTreeMap<CellIndex, Vec<u64>>,
}

impl Standing {
    /// Takes an event that the row of its cell is made of, as [`Sheet::apply`] has said; `at` finds it again.
    pub fn put(&mut self, event: &Event, at: u64) {
        match &event.kind {
            Kind::CellEnded(ended) => {
                self.ends.insert(ended.cell, at);
                self.later.remove(&ended.cell);
            }
            Kind::CellScored(scored) => self.later.entry(scored.cell).or_default().push(at),
            _ => {}
        }
    }

    /// What stands of a cell; `read` gives the event that was found at a place.
    pub fn of(&self, cell: CellIndex, read: impl Fn(u64) -> Option<Event>) -> Option<Stands> {
        let Kind::CellEnded(ended) = read(*self.ends.get(&cell)?)?.kind else { return None };
        let scored = |at: &u64| match read(*at)?.kind {
            Kind::CellScored(scored) => Some(scored),
            _ => None,
        };
        let later = self.later.get(&cell).into_iter().flatten();
        Some(Stands { ended, later: later.filter_map(scored).collect() })
    }
}

impl<'a> GridView<'a> {
    /// The figures: those of the verdict, else those that were measured without one.
    pub fn figures(&self) -> Option<&'a Certified> {
        self.sheet.verdict().map(|reached| &reached.certified).or(self.measured)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::samples::event;

    fn ended(cell: u64, key: &str, missing: bool) -> Value {
        let mut ended = json!({"kind": "cell.ended", "cell": cell, "key": Sha256::of(key.as_bytes()), "arm": "a",
            "case": "c", "trial": 1, "prompts": [], "attempts": 1, "rounds": 1, "duration_ms": 1});
        if missing {
            ended["missing"] = json!({"reason": "timeout", "evidence": "late"});
        }
        ended
    }

    fn scored(cell: u64, value: f64) -> Value {
        json!({"kind": "cell.scored", "cell": cell, "score": "s", "scorer_sha256": Sha256::of(b"s"), "value": value,
            "attempts": 0, "prompts": [], "replies": []})
    }

    #[test]
    fn an_end_that_takes_the_place_of_another_has_none_of_its_scores() {
        let kinds = [
            ended(3, "first", true),
            scored(3, 0.1),
            ended(3, "second", false),
            scored(3, 0.2),
            scored(3, 0.3),
        ];
        let events: Vec<Event> = (1..).zip(&kinds).map(|(seq, kind)| event(seq, 0, kind)).collect();
        let mut standing = Standing::default();
        for (at, event) in (0..).zip(&events) {
            standing.put(event, at);
        }
        let read = |at: u64| events.get(usize::try_from(at).unwrap()).cloned();
        let stands = standing.of(CellIndex(3), read).unwrap();
        assert_eq!(stands.ended.key, Sha256::of(b"second"));
        assert_eq!(
            stands.later.iter().map(|later| later.scored.value).collect::<Vec<_>>(),
            [Some(0.2), Some(0.3)]
        );
        assert_eq!(stands.score(&ScoreName::new("s")).unwrap().value, Some(0.3), "the last word");
        assert!(standing.of(CellIndex(4), read).is_none());
        assert!(standing.of(CellIndex(3), |_| None).is_none(), "what cannot be read any more does not stand");
    }
}
