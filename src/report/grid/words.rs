//! The closed lists of a verdict in words: what each reason says, and what can be done about it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{ArmRole, FaultClass, GateMode, MissingReason, Reason, Reliability, Sheet, Verdict};
use crate::report::human::style::Ink;

const MENDED: &str = "Look at the cases that were lost, mend the candidate and certify it again.";
const GO_ON: &str = "Call the same command again with the same --out: it does only what is missing.";
const RAISED: &str = "Raise the budget and call the same command again: what was paid for is kept.";
const MORE_CASES: &str = "Add cases. More trials help only against the noise within a case.";
const SHIP: &str = "It may ship.";

/// What a reason says, and what can be done: a sentence each.
pub fn words(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::Significant => ("The lift is above the margin, at the stated error rate.", SHIP),
        Reason::NonInferior => ("The loss is within the margin, at the stated error rate.", SHIP),
        Reason::NonInferiorAndCheaper => ("The loss is within the margin, and it costs less.", SHIP),
        Reason::AboveThreshold => ("The bound of the rate is above the threshold.", SHIP),
        Reason::Worse => ("It is worse than the baseline, or its lift is below the margin.", MENDED),
        Reason::Inferior => ("Its loss is larger than the margin.", MENDED),
        Reason::BelowThreshold => ("The rate is below the threshold.", MENDED),
        Reason::GuardRegressed => (
            "A score that must not become worse has become worse.",
            "Mend what the guard names, and certify it again.",
        ),
        Reason::IdenticalChampion => {
            ("Candidate and baseline are the same.", "Name another candidate, or another baseline.")
        }
        Reason::FewTasks => (
            "Fewer than six independent units were answered on both arms.",
            "Add cases. Trials of one case, and cases of one group, are one unit.",
        ),
        Reason::IncompleteCoverage => {
            ("Part of the cells has no answer, and `gate.coverage` demands more.", GO_ON)
        }
        Reason::MissingDecides => {
            ("The verdict would change with what the missing cells might have been.", GO_ON)
        }
        Reason::StubCells => (
            "Cells have an answer and no reported usage, and nobody said that the agent is offline.",
            "Set `agent.offline` in its profile if it costs nothing, or give --allow-stubs; else find out why it reports nothing.",
        ),
        Reason::NoMargin => ("The lift may be above the margin or not.", MORE_CASES),
        Reason::NonInferiorityUnproven => {
            ("Whether the loss is within the margin is not proven.", MORE_CASES)
        }
        Reason::NotCheaper => (
            "It is not inferior, and whether it costs less is not proven.",
            "Set [prices] where the spend is unknown, add cases, or do without `gate.cheaper`.",
        ),
        Reason::ThresholdUnproven => ("The rate may be above the threshold or not.", MORE_CASES),
        Reason::GuardUnproven => ("Whether a guarded score became worse is not known.", MORE_CASES),
        Reason::NoEvidence => (
            "There was no answer to measure on an arm.",
            "See why the cells are missing, mend that and call the same command again.",
        ),
        Reason::BudgetExhausted => ("The budget ended before the evidence was there.", RAISED),
        Reason::Interrupted => ("Somebody ended it before the evidence was there.", GO_ON),
        Reason::Underpowered => (
            "The plan cannot see the effect that it was asked to see.",
            "Add cases, or ask for a larger --effect or a lower --min-power.",
        ),
    }
}

/// What can be done about a reason in this run. Where cells are missing, that is a matter of why they are.
pub(super) fn remedy(reason: Reason, sheet: &Sheet) -> String {
    let usual = words(reason).1;
    let by_cells = [Reason::IncompleteCoverage, Reason::MissingDecides, Reason::NoEvidence];
    if !by_cells.contains(&reason) {
        return usual.to_owned();
    }
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for ((reason, class), count) in sheet.arms().iter().flat_map(|arm| &arm.classes) {
        *counts.entry(mends(*reason, *class)).or_default() += count;
    }
    let mut remedies: Vec<_> = counts.into_iter().collect();
    // What most are missing for is told first.
    remedies.sort_by_key(|(remedy, count)| (std::cmp::Reverse(*count), *remedy));
    let remedies: Vec<&str> = remedies.into_iter().map(|(remedy, _)| remedy).collect();
    if remedies.is_empty() { usual.to_owned() } else { remedies.join(" ") }
}

/// What brings an answer of a cell that has none.
fn mends(reason: MissingReason, class: Option<FaultClass>) -> &'static str {
    match (reason, class) {
        (_, Some(FaultClass::OutputLimit)) => {
            "Raise `model.max_output_tokens`, with another --out: the same call meets the same limit."
        }
        (_, Some(FaultClass::ContextOverflow)) => {
            "Shorten what is sent, or choose a model that takes more, with another --out."
        }
        (_, Some(FaultClass::ContentPolicy)) => {
            "Where the model refuses, the same call is refused again: change the prompt, the cases or the model, with another --out."
        }
        (MissingReason::Agent, _) => {
            "See why the agent gave no answer, and mend its profile, with another --out; the same call only asks it again."
        }
        (MissingReason::Timeout, _) => {
            "Call the same command again with the same --out; where the agent needs longer, raise the times of [round], with another --out."
        }
        (MissingReason::Budget, _) => RAISED,
        (
            _,
            Some(
                FaultClass::Auth
                | FaultClass::Forbidden
                | FaultClass::ConfigMissing
                | FaultClass::ModelNotFound
                | FaultClass::QuotaExhausted
                | FaultClass::RequestInvalid,
            ),
        ) => "Mend what the missing cells name, and call the same command again with the same --out.",
        _ => GO_ON,
    }
}

/// What an agreement of judges with themselves means.
pub(super) fn reliability(means: Reliability) -> &'static str {
    match means {
        Reliability::Reliable => "reliable",
        Reliability::Tentative => "good for tentative conclusions only",
        Reliability::Unreliable => "unreliable; its grades are noise for the most part",
    }
}

/// The word of a verdict and what it means; `None` is a run that only measured.
pub(super) fn verdict(verdict: Option<Verdict>) -> (&'static str, Ink) {
    match verdict {
        Some(Verdict::Pass) => ("pass", Ink::Good),
        Some(Verdict::Fail) => ("fail", Ink::Bad),
        Some(Verdict::Inconclusive) => ("inconclusive", Ink::Warn),
        None => ("measured", Ink::Plain),
    }
}

/// What is claimed: the name of the figure.
pub(super) fn effect(mode: GateMode) -> &'static str {
    match mode {
        GateMode::Superiority | GateMode::NonInferiority => "lift",
        GateMode::Threshold => "rate",
    }
}

/// The role of an arm.
pub(super) fn role(role: ArmRole) -> &'static str {
    match role {
        ArmRole::Candidate => "candidate",
        ArmRole::Baseline => "baseline",
    }
}

/// Why a cell is missing.
pub fn missing(reason: MissingReason) -> &'static str {
    match reason {
        MissingReason::Infrastructure => "infrastructure",
        MissingReason::Timeout => "timeout",
        MissingReason::Agent => "agent",
        MissingReason::Budget => "budget",
        MissingReason::Judge => "judge",
        MissingReason::NotRun => "not run",
        MissingReason::Unknown => "unknown",
    }
}

/// The same with the class of the failure: `agent: output_limit`.
pub(super) fn gone(reason: MissingReason, class: Option<FaultClass>) -> String {
    class.map_or_else(|| missing(reason).to_owned(), |class| format!("{}: {class}", missing(reason)))
}

/// The word that the journal has for one of a closed list: `no-margin`, `not_run`.
pub(super) fn key(of: impl Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All reasons, by the schema that readers are given.
    fn reasons() -> Vec<Reason> {
        let schema = schemars::schema_for!(Reason);
        let variants = schema.as_value()["oneOf"].as_array().unwrap().clone();
        let word = |variant: &serde_json::Value| variant["const"].clone();
        variants.iter().map(|variant| serde_json::from_value(word(variant)).unwrap()).collect()
    }

    #[test]
    fn each_reason_has_a_sentence_and_a_remedy() {
        let reasons = reasons();
        assert_eq!(reasons.len(), 22);
        for reason in reasons {
            let (title, remedy) = words(reason);
            for sentence in [title, remedy] {
                assert!(sentence.ends_with('.') && sentence.len() > 10, "{reason:?}: {sentence}");
            }
            assert!(!key(reason).contains('_') && !key(reason).is_empty(), "{reason:?}");
        }
    }

    /// The reasons of all that is missing, each with how many, and what is to be done.
    #[test]
    fn the_remedy_of_missing_cells_is_that_of_why_they_are() {
        use FaultClass::{Auth, NoPayload, OutputLimit, Overloaded};
        use MissingReason::{Agent, Infrastructure, Timeout};
        let remedies = |classes: &[(MissingReason, Option<FaultClass>)]| {
            classes.iter().map(|(reason, class)| mends(*reason, *class)).collect::<Vec<_>>()
        };
        let [limit, empty, busy, key, slow] = remedies(&[
            (Agent, Some(OutputLimit)),
            (Agent, Some(NoPayload)),
            (Infrastructure, Some(Overloaded)),
            (Infrastructure, Some(Auth)),
            (Timeout, None),
        ])[..] else {
            unreachable!()
        };
        assert!(limit.contains("`model.max_output_tokens`") && !limit.contains("same --out"), "{limit}");
        assert!(empty.contains("mend its profile"), "{empty}");
        assert_eq!(busy, GO_ON);
        assert!(key.contains("Mend what the missing cells name"), "{key}");
        assert!(slow.contains("[round]"), "{slow}");
        // A run of which nothing is known has the usual one, and so has every other reason.
        assert_eq!(remedy(Reason::IncompleteCoverage, &Sheet::default()), GO_ON);
        assert_eq!(remedy(Reason::NoMargin, &Sheet::default()), MORE_CASES);
    }

    #[test]
    fn only_a_pass_may_ship() {
        let ships = reasons().into_iter().filter(|reason| words(*reason).1 == SHIP).count();
        assert_eq!(ships, 4);
    }
}
