//! The policy of `run`, as a table: what is on record, and the step that follows.

use super::*;
use crate::event::{
    CheckEnded, Event, Failure, Kind, NodeId, RoundEnded, RoundNumber, RoundStarted, RunId, RunStarted, Seq,
    Sha256,
};

/// One round's end and its check: `(failure class, emitted output, check passed, name of the failure)`.
type Row = (Option<FaultClass>, bool, Option<bool>, &'static str);

fn tally(checked: bool, rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    let mut apply = |kind: Kind| {
        let seq = Seq(tally.last_seq.0 + 1);
        tally.apply(&Event { seq, at: jiff::Timestamp::UNIX_EPOCH, node: NodeId::root(), kind });
    };
    apply(Kind::RunStarted(RunStarted {
        run: RunId::new("r"),
        verb: "run".to_owned(),
        profile: "p".to_owned(),
        harness: "scripted".to_owned(),
        model: None,
        task_sha256: Sha256::of(b""),
        task: String::new(),
        seed: 0,
        budget: BudgetCeilings::default(),
        checked,
        pid: 1,
    }));
    for (index, (class, emitted, check, name)) in rows.iter().enumerate() {
        let round = RoundNumber(index as u64 + 1);
        apply(RoundStarted::plain(round).into());
        let failure = class.map(|class| Failure { emitted_output: *emitted, ..Failure::ours(class, *name) });
        let outcome = match class {
            None => RoundOutcome::Answered,
            Some(FaultClass::UserAbort) => RoundOutcome::Stopped,
            Some(_) => RoundOutcome::Failed,
        };
        apply(RoundEnded { round, outcome, duration_ms: 1, output_sha256: None, failure }.into());
        if let Some(delivered) = *check {
            apply(Kind::CheckEnded(CheckEnded {
                round,
                delivered,
                score: None,
                evidence: (*name).to_owned(),
                exit_code: Some(i32::from(!delivered)),
                output_sha256: None,
                failure_sha256: (!delivered).then(|| Sha256::of(name.as_bytes())),
                duration_ms: 1,
            }));
        }
    }
    tally
}

fn rounds(rounds: u64) -> BudgetCeilings {
    BudgetCeilings { rounds: Some(rounds), ..BudgetCeilings::default() }
}

fn outcome(step: &Step) -> Option<RunOutcome> {
    match step {
        Step::End(outcome, _) => Some(*outcome),
        _ => None,
    }
}

#[test]
fn nothing_yet_starts_the_first_round() {
    assert_eq!(next(&tally(true, &[]), &rounds(3), true, 0.0), Step::Round(Order::plain(RoundNumber(1))));
}

#[test]
fn an_answer_is_checked_and_only_the_check_delivers() {
    let answered = tally(true, &[(None, true, None, "")]);
    assert_eq!(next(&answered, &rounds(3), true, 0.0), Step::Check(RoundNumber(1)));
    let passed = tally(true, &[(None, true, Some(true), "")]);
    assert_eq!(outcome(&next(&passed, &rounds(3), true, 0.0)), Some(RunOutcome::Delivered));
    let unchecked = tally(false, &[(None, true, None, "")]);
    assert_eq!(outcome(&next(&unchecked, &rounds(3), false, 0.0)), Some(RunOutcome::Settled));
}

#[test]
fn rows() {
    use FaultClass as C;
    use RunOutcome as O;
    let rows: &[(&str, &[Row], u64, Option<RunOutcome>)] = &[
        ("one round, check failed", &[(None, true, Some(false), "a")], 1, Some(O::CheckFailed)),
        ("more rounds, check failed", &[(None, true, Some(false), "a")], 3, None),
        (
            "rounds used up",
            &[(None, true, Some(false), "a"), (None, true, Some(false), "b")],
            2,
            Some(O::BudgetExhausted),
        ),
        (
            "same failure three times",
            &[(None, true, Some(false), "a"), (None, true, Some(false), "a"), (None, true, Some(false), "a")],
            9,
            Some(O::Stuck),
        ),
        (
            "another failure between",
            &[(None, true, Some(false), "a"), (None, true, Some(false), "b"), (None, true, Some(false), "a")],
            9,
            None,
        ),
        ("auth ends the run at once", &[(Some(C::Auth), false, None, "401")], 9, Some(O::Unavailable)),
        ("a crash with nothing done goes on", &[(Some(C::AgentCrash), false, None, "x")], 9, None),
        ("a crash in the only round", &[(Some(C::AgentCrash), false, None, "x")], 1, Some(O::AgentFailed)),
        ("a round that a person stopped is made again", &[(Some(C::UserAbort), true, None, "2")], 1, None),
    ];
    for (name, on_record, ceiling, wanted) in rows {
        let step = next(&tally(true, on_record), &rounds(*ceiling), true, 0.0);
        assert_eq!(outcome(&step), *wanted, "{name}: {step:?}");
    }
}

#[test]
fn unknown_spend_stops_under_a_ceiling_in_dollars() {
    let mut on_record = tally(true, &[(None, true, Some(false), "a")]);
    on_record.spend.usd_known = false;
    let budget = BudgetCeilings { usd: Some(5.0), ..rounds(9) };
    assert_eq!(outcome(&next(&on_record, &budget, true, 0.0)), Some(RunOutcome::SpendUnknown));
}

#[test]
fn the_wall_and_the_tokens_end_it() {
    let mut on_record = tally(true, &[(None, true, Some(false), "a")]);
    let wall = BudgetCeilings { wall_s: Some(10.0), ..rounds(9) };
    assert_eq!(outcome(&next(&on_record, &wall, true, 10.0)), Some(RunOutcome::BudgetExhausted));
    on_record.spend.input = 100;
    let tokens = BudgetCeilings { tokens: Some(100), ..rounds(9) };
    assert_eq!(outcome(&next(&on_record, &tokens, true, 0.0)), Some(RunOutcome::BudgetExhausted));
}
