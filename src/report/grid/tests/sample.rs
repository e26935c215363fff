//! Runs of many cells, written by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::{CellIndex, Certified, Event, Kind, RunEnded, Sha256, Sheet, Tally, TreatmentApplied};
use crate::report::grid::{GridView, Standing, Stands};
use crate::report::samples::event;

/// A run, as a report gets it.
pub(super) struct Sample {
    pub(super) events: Vec<Event>,
    pub(super) sheet: Sheet,
    pub(super) tally: Tally,
    pub(super) labels: BTreeMap<String, String>,
    measured: Option<Certified>,
    ended: Option<RunEnded>,
    stands: Box<dyn Fn(CellIndex) -> Option<Stands>>,
    treatments: Vec<TreatmentApplied>,
    texts: fn(&Sha256) -> Option<String>,
}

impl Sample {
    pub(super) fn of(kinds: &[(i64, Value)]) -> Self {
        let events: Vec<Event> =
            kinds.iter().zip(1..).map(|((seconds, kind), seq)| event(seq, *seconds, kind)).collect();
        let mut sample = Self {
            sheet: Sheet::default(),
            tally: Tally::default(),
            labels: BTreeMap::from([("model".to_owned(), "m-1".to_owned())]),
            measured: None,
            ended: None,
            stands: Box::new(|_| None),
            treatments: Vec::new(),
            texts: |sha256| {
                let answers = ["ok", "wrong <b>|`answer`</b> key sk-abcdef0123456789ghij \u{1b}[31mred"];
                answers.into_iter().find(|answer| Sha256::of(answer.as_bytes()) == *sha256).map(str::to_owned)
            },
            events: Vec::new(),
        };
        let mut standing = Standing::default();
        for (at, event) in (0..).zip(&events) {
            if sample.sheet.apply(event) {
                standing.put(event, at);
            }
            sample.tally.apply(event);
            match &event.kind {
                Kind::TreatmentApplied(applied) => sample.treatments.push(applied.clone()),
                Kind::RunEnded(ended) => sample.ended = Some(ended.clone()),
                _ => {}
            }
        }
        sample.events = events.clone();
        let read = move |at: u64| events.get(usize::try_from(at).ok()?).cloned();
        sample.stands = Box::new(move |cell| standing.of(cell, &read));
        sample
    }

    pub(super) fn ended(&self) -> Option<&RunEnded> {
        self.ended.as_ref()
    }

    pub(super) fn view(&self) -> GridView<'_> {
        GridView {
            sheet: &self.sheet,
            measured: self.measured.as_ref(),
            ended: self.ended.as_ref(),
            labels: &self.labels,
            texts: &self.texts,
            stands: &self.stands,
            treatments: &self.treatments,
            run_dir: ".provost/runs/x".to_owned(),
        }
    }
}

/// How a cell comes out.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Comes {
    Passed,
    Failed,
    Missing,
    NotRun,
}

fn sha(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_string()
}

fn start() -> Value {
    json!({"kind": "run.started", "run": "20261121T024501Z-certify-k3f9", "verb": "certify", "profile": "fixer-v2",
        "harness": "chat", "model": "local/m-1", "task_sha256": sha("t"), "task": "", "seed": 7,
        "budget": {"usd": 5.0}, "checked": true, "pid": 7})
}

fn arm(name: &str, role: &str, more: &Value) -> Value {
    let mut arm = json!({"name": name, "role": role, "profile": name, "profile_sha256": sha(name), "harness": "chat",
        "model": "local/m-1", "provenance_sha256": sha(&format!("of {name}"))});
    arm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arm
}

/// The plan: a baseline and two candidates, the second of them with a treatment.
pub(super) fn plan(cases: u64, trials: u64, gate: &Value) -> Value {
    let mut plan = json!({"kind": "plan.fixed", "plan_sha256": sha("plan"), "suite": "triage",
        "arms": [arm("fixer", "baseline", &json!({})), arm("fixer-v2", "candidate", &json!({})),
            arm("fixer-v2+half", "candidate", &json!({"profile": "fixer-v2", "treatment": "half"}))],
        "cases": cases, "units": 4, "trials": trials, "cells": cases * trials * 3, "part": "test", "uses": 2,
        "scores": ["exact", "tone"], "mde": 0.077, "mde_assumes": "with 0.15 of the cases discordant",
        "expected_usd": 1.2, "seed": 7});
    if !gate.is_null() {
        plan.as_object_mut().unwrap().insert("gate".to_owned(), gate.clone());
    }
    plan
}

pub(super) fn gate() -> Value {
    json!({"score": "exact", "also": ["tone"], "guard": {"tone": 0.05}, "mode": "superiority", "alpha": 0.05,
        "margin": 0.0, "coverage": 0.95})
}

fn cases(count: u64) -> Value {
    let case = |at: u64| {
        let mut case =
            json!({"id": format!("case-{at}"), "sha256": sha(&format!("case {at}")), "tags": ["long"]});
        if at < 2 {
            case.as_object_mut().unwrap().insert("group".to_owned(), json!("thread-1"));
        }
        case
    };
    json!({"kind": "cases.fixed", "from": 0, "cases": (0..count).map(case).collect::<Vec<_>>()})
}

fn cell(index: u64, arm: &str, case: u64, trial: u64, comes: Comes) -> Value {
    let mut cell = json!({"kind": "cell.ended", "cell": index, "key": sha(&format!("key {index}")), "arm": arm,
        "case": format!("case-{case}"), "trial": trial, "attempts": 1, "rounds": 1, "duration_ms": 1200,
        "usage": {"input": 100, "output": 20, "usd": 0.0004}});
    let more = match comes {
        Comes::Passed => {
            json!({"output_sha256": sha("ok"), "scores": {"exact": {"value": 1.0, "passed": true}}})
        }
        Comes::Failed => json!({
            "output_sha256": sha("wrong <b>|`answer`</b> key sk-abcdef0123456789ghij \u{1b}[31mred"),
            "scores": {"exact": {"value": 0.0, "passed": false, "why": "expected `refund`, got <b>|other & more"}}}),
        _ => json!({"missing": {"reason": "infrastructure", "class": "overloaded",
            "evidence": "529 Overloaded, key sk-abcdef0123456789ghij"}, "attempts": 4}),
    };
    cell.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cell
}

/// The cells of three arms, by what each comes to; one is begun, and then ends.
fn cells(cases: u64, trials: u64, comes: impl Fn(u64, u64, u64) -> Comes) -> Vec<(i64, Value)> {
    let mut kinds = Vec::new();
    for case in 0..cases {
        for trial in 1..=trials {
            for (arm, name) in (0..).zip(["fixer", "fixer-v2", "fixer-v2+half"]) {
                let index = (case * trials + trial - 1) * 3 + arm;
                let comes = comes(arm, case, trial);
                if comes == Comes::NotRun {
                    continue;
                }
                let at = i64::try_from(index).unwrap() * 2;
                kinds.push((at, json!({"kind": "cell.started", "cell": index})));
                kinds.push((at + 1, cell(index, name, case, trial, comes)));
                if comes != Comes::Missing {
                    let value = json!({"value": 0.75, "why": "friendly enough", "agreement": 0.9});
                    let mut scored = json!({"kind": "cell.scored", "cell": index, "score": "tone",
                        "scorer_sha256": sha("tone"), "usage": {"input": 50, "output": 5, "usd": null}, "attempts": 1});
                    scored.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
                    kinds.push((at + 1, scored));
                }
            }
        }
    }
    kinds
}

fn estimate(mean: f64, low: f64, high: f64) -> Value {
    json!({"mean": mean, "low": low, "high": high})
}

fn claim(score: &str, effect: &Value, more: &Value) -> Value {
    let mut claim = json!({"score": score, "units": 40, "effect": effect, "worst": effect, "best": effect, "wins": 22,
        "losses": 9, "test": "sign-flip permutation, exact", "interval": "cluster bootstrap, 2000 resamples",
        "mde": 0.071});
    claim.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claim
}

fn arm_figures(arm: &str, score: &str, mean: &Value, answered: u64) -> Value {
    json!({"arm": arm, "score": score, "dealt": 15, "answered": answered, "mean": mean, "interval": "t, 3 df",
        "stable_pass": 3, "flaky": 1, "stable_fail": 1, "pass_at": [0.8, 0.85, 0.9], "pass_all": [0.8, 0.7, 0.6],
        "trial_share": 0.2})
}

/// The verdict on two candidates: one passes, the other is what `second` says.
fn verdict(overall: &str, first: (&str, &str), second: (&str, &str)) -> Value {
    let good = claim("exact", &estimate(0.06, 0.011, 0.109), &json!({"p": 0.009, "p_adjusted": 0.018}));
    let unsure = claim(
        "exact",
        &estimate(0.02, -0.03, 0.07),
        &json!({"p": 0.31, "p_adjusted": 0.31, "wins": 12,
        "losses": 10, "units_needed": 469, "worst": estimate(-0.01, -0.06, 0.04), "best": estimate(0.04, -0.01, 0.09)}),
    );
    let bad = claim("exact", &estimate(-0.4, -0.52, -0.28), &json!({"p": 1.0, "wins": 0, "losses": 16}));
    let of = |word: &str| match word {
        "pass" => good.clone(),
        "fail" => bad.clone(),
        _ => unsure.clone(),
    };
    let guard = claim("tone", &estimate(0.0, -0.02, 0.02), &json!({"wins": 0, "losses": 0, "mde": null}));
    let candidate = |arm: &str, (word, reason): (&str, &str), guards: Vec<&Value>, savings: &Value| {
        json!({"arm": arm, "verdict": word, "reasons": [reason], "claims": [of(word)], "guards": guards,
            "savings_usd": savings, "matched": 13, "candidate_only": 1, "baseline_only": 0})
    };
    json!({"kind": "verdict.reached", "verdict": overall, "plan_sha256": sha("plan"), "evidence_sha256": sha("evidence"),
        "certified": {
            "reasons": [if overall == first.0 { first.1 } else { second.1 }],
            "candidates": [candidate("fixer-v2", first, vec![&guard], &Value::Null),
                candidate("fixer-v2+half", second, Vec::new(), &estimate(0.0002, 0.0001, 0.0003))],
            "arms": [arm_figures("fixer", "exact", &estimate(0.78, 0.731, 0.824), 15),
                arm_figures("fixer-v2", "exact", &estimate(0.84, 0.79, 0.88), 14),
                arm_figures("fixer-v2+half", "exact", &estimate(0.8, 0.74, 0.85), 13),
                arm_figures("fixer", "tone", &estimate(0.75, 0.75, 0.75), 15)],
            "slices": [
                {"tag": "long", "arm": "fixer-v2", "score": "exact", "cases": 5, "effect": estimate(0.06, -0.01, 0.13), "q": 0.2},
                {"tag": "german", "arm": "fixer-v2", "score": "exact", "cases": 2, "effect": estimate(-0.1, -0.3, 0.1), "q": 0.04}],
            "remarks": ["the judge of tone agrees with itself at 0.62"]}})
}

fn end(outcome: &str, code: u8) -> Value {
    json!({"kind": "run.ended", "run": "20261121T024501Z-certify-k3f9", "verb": "certify", "outcome": outcome,
        "exit_code": code, "delivered": code == 0, "rounds": 0,
        "spend": {"input": 4500, "output": 900, "usd": 0.018, "usd_known": false, "tokens_known": true, "wall_s": 92.0}})
}

fn treatments() -> Vec<(i64, Value)> {
    let applied = |before: u64, after: u64, more: &Value| {
        let mut applied = json!({"kind": "treatment.applied", "treatment": "half", "before_sha256": sha("a"),
            "after_sha256": sha("b"), "words_before": before, "words_target": before / 2, "words_after": after,
            "attempts": 1, "duration_ms": 900, "model": "openai/gpt-5-mini",
            "usage": {"input": 300, "output": 150, "usd": 0.002}});
        applied.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        applied
    };
    let skipped = json!({"skipped": "it has 8 words, and under 10 there is nothing to leave out", "attempts": 0,
        "usage": null, "model": null});
    vec![(0, applied(200, 104, &json!({}))), (0, applied(8, 8, &skipped))]
}

/// Five cases with three trials: candidate one loses nothing, two cases are flaky, some cells are missing, two never ran.
fn mixed(arm: u64, case: u64, trial: u64) -> Comes {
    match (arm, case, trial) {
        (0, 1, _) | (1, 1, 1) | (2, 1 | 2, _) => Comes::Failed,
        (1, 2, 2) | (2, 3, _) => Comes::Missing,
        (2, 4, 2 | 3) => Comes::NotRun,
        _ => Comes::Passed,
    }
}

fn run(verdict: Value, outcome: &str, code: u8) -> Vec<(i64, Value)> {
    let mut kinds = vec![(0, start()), (0, plan(5, 3, &gate())), (0, cases(5))];
    kinds.extend(treatments());
    kinds.extend(cells(5, 3, mixed));
    kinds.extend([(92, verdict), (92, end(outcome, code))]);
    kinds
}

/// The first candidate passes, the second cannot be decided.
pub(super) fn inconclusive() -> Sample {
    let verdict = verdict("inconclusive", ("pass", "significant"), ("inconclusive", "missing-decides"));
    Sample::of(&run(verdict, "inconclusive", 3))
}

/// Both fail.
pub(super) fn fail() -> Sample {
    let verdict = verdict("fail", ("fail", "worse"), ("fail", "worse"));
    Sample::of(&run(verdict, "not_certified", 1))
}

/// Both pass.
pub(super) fn pass() -> Sample {
    let verdict = verdict("pass", ("pass", "significant"), ("pass", "significant"));
    Sample::of(&run(verdict, "certified", 0))
}

/// A run that was cut off after its first cells.
pub(super) fn cut_off() -> Sample {
    let mut kinds = vec![(0, start()), (0, plan(5, 3, &gate())), (0, cases(5))];
    kinds.extend(cells(1, 3, |_, _, _| Comes::Passed));
    Sample::of(&kinds)
}

/// One that only measures, one trial a case.
pub(super) fn measured() -> Sample {
    let mut kinds = vec![(0, start()), (0, plan(3, 1, &Value::Null)), (0, cases(3))];
    kinds.extend(cells(3, 1, |arm, case, _| if arm == case { Comes::Failed } else { Comes::Passed }));
    kinds.push((30, end("measured", 0)));
    let reached = pass();
    let certified = reached.sheet.verdict().map(|reached| reached.certified.clone()).unwrap();
    let measured = Certified { candidates: Vec::new(), slices: Vec::new(), reasons: Vec::new(), ..certified };
    Sample { measured: Some(measured), ..Sample::of(&kinds) }
}

/// Each of `cases` cases is missing on each arm, for one reason.
pub(super) fn outage(cases: u64) -> Sample {
    let mut kinds = vec![(0, start()), (0, plan(cases, 1, &gate())), (0, self::cases(cases))];
    kinds.extend(cells(cases, 1, |_, _, _| Comes::Missing));
    kinds.push((cases_end(cases), end("unavailable", 4)));
    Sample::of(&kinds)
}

fn cases_end(cases: u64) -> i64 {
    i64::try_from(cases * 6).unwrap()
}

/// One whose first cell has this value.
pub(super) fn with_value(value: f64) -> Sample {
    let mut first = cell(0, "fixer", 0, 1, Comes::Passed);
    first["scores"]["exact"]["value"] = json!(value);
    Sample::of(&[(0, start()), (0, plan(1, 1, &gate())), (0, cases(1)), (1, first)])
}
