//! `peek --json`: the fold as one object, and `--select`: one value of it.

use serde_json::{Value, json};

use super::PageView;
use super::grid::glance;
use super::human::style;
use crate::event::{BudgetCeilings, OpenRound, Phase, Tally};

/// What this layout is called; a key may come, none goes or changes its meaning.
const SCHEMA: u64 = 1;
/// Names that a message about a wrong path lists.
const LISTED_KEYS: usize = 32;

/// Everything the page says, for programs. Texts are as the journal has them; what is not known is `null`.
pub fn snapshot(view: &PageView<'_>) -> Value {
    let tally = view.tally;
    let started = tally.started.as_ref();
    let rounds: Vec<Value> = tally.settled.iter().map(|round| json!(round)).collect();
    // A list, because the keys have dots, and a path of `--select` could not reach them.
    let deadlines: Vec<Value> =
        view.deadlines.iter().map(|(key, left)| json!({"key": key, "left_s": left.as_secs_f64()})).collect();
    let mut value = json!({
        "schema": SCHEMA,
        "run": started.map(|started| &started.run),
        "verb": started.map(|started| &started.verb),
        "state": view.state.word(),
        "profile": started.map(|started| &started.profile),
        "harness": started.map(|started| &started.harness),
        "model": started.and_then(|started| started.model.as_ref()),
        "goes_on_with": tally.goes_on_with,
        "served_model": tally.served_model,
        "task": view.task(),
        "workspace": view.workspace,
        "labels": view.labels,
        "run_dir": view.run_dir,
        "phase": phase(tally.phase),
        "checked": started.map(|started| started.checked),
        "started_at": tally.started_at,
        "last_at": tally.last_at,
        "resumes": tally.resumes,
        "rounds_started": tally.rounds,
        "outcomes": tally.outcomes,
        "turns": tally.turns,
        "tools": tally.tools,
        "rounds": rounds,
        "cells": glance(tally, view.now, view.state == super::RunState::Live).map(|seen| seen.json()),
        "round": tally.open.as_ref().map(|open| open_round(open, view)),
        "wait": tally
            .wait
            .as_ref()
            .map(|(reason, until)| json!({"reason": reason, "until": until, "cause": tally.wait_cause})),
        "in_doubt": if view.state == super::RunState::Live { Vec::new() } else { tally.in_doubt() },
        "failure": tally.failure,
        "same_failures": tally.same_failures,
        "spend": spend(view),
        "budget": started.map(|started| &started.budget),
        "left": started.map(|started| left(&started.budget, view)),
        "deadlines": deadlines,
        "check": tally.check,
        "alerts": tally.alerts,
        "result": tally.ended,
        "events": tally.last_seq,
        "torn_bytes": view.torn_bytes,
        "bad_lines": view.bad_lines,
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, of_the_loop(tally)) {
        fields.extend(more);
    }
    value
}

/// What the loop of `supervise` knows beside that.
fn of_the_loop(tally: &Tally) -> Value {
    json!({
        "waited": tally.waited,
        "streak": tally.streak,
        "settled_at": tally.settled_at,
        "tree": tally.tree,
        "orphan": tally.orphan,
        "steers": tally.steers,
        "host": tally.host,
        "conversations": tally.conversations,
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Empty => "empty",
        Phase::Deciding => "deciding",
        Phase::Round => "round",
        Phase::Checking => "checking",
        Phase::Waiting => "waiting",
        Phase::Ended => "ended",
    }
}

fn open_round(open: &OpenRound, view: &PageView<'_>) -> Value {
    let mut value = json!(open);
    if let Value::Object(fields) = &mut value {
        let age = |since| style::between(since, view.now).as_secs_f64();
        fields.insert("tool_count".to_owned(), json!(view.tally.round_tools));
        fields.insert("elapsed_s".to_owned(), json!(age(open.started_at)));
        fields.insert("silent_s".to_owned(), json!(age(open.last_event_at)));
    }
    value
}

fn spend(view: &PageView<'_>) -> Value {
    let spend = view.spend();
    json!({
        "input": spend.input,
        "output": spend.output,
        "cache_read": spend.cache_read,
        "cache_write": spend.cache_write,
        "tokens": spend.charged_tokens(),
        "tokens_known": spend.tokens_known,
        "usd": spend.usd_known.then_some(spend.usd),
        "usd_known": spend.usd_known,
        "usd_at_least": spend.usd,
        "wall_s": spend.wall_s,
    })
}

/// What is left of each ceiling; `null` without one, and where what was used is not known.
fn left(budget: &BudgetCeilings, view: &PageView<'_>) -> Value {
    let (tally, spend) = (view.tally, view.spend());
    let wall = budget.wall_s.zip(tally.started_at).map(|(wall, since)| {
        let until = tally.ended.as_ref().and(tally.last_at).unwrap_or(view.now);
        (wall - style::between(since, until).as_secs_f64()).max(0.0)
    });
    json!({
        "rounds": budget.rounds.map(|rounds| rounds.saturating_sub(tally.rounds.0)),
        "tokens": budget
            .tokens
            .filter(|_| spend.tokens_known)
            .map(|tokens| tokens.saturating_sub(spend.charged_tokens())),
        "usd": budget.usd.filter(|_| spend.usd_known).map(|usd| (usd - spend.usd).max(0.0)),
        "wall_s": wall,
    })
}

/// One value by its dotted path; a negative index counts from the end: `spend.usd`, `rounds.-1.exit_code`.
///
/// The error names the first segment that leads nowhere, and what is there instead.
pub fn select(value: &Value, path: &str) -> Result<Value, String> {
    let mut here = value;
    let mut walked: Vec<&str> = Vec::new();
    for segment in path.split('.') {
        let next = match here {
            Value::Object(fields) => fields.get(segment),
            Value::Array(items) => index(segment, items.len()).and_then(|at| items.get(at)),
            _ => None,
        };
        here = next.ok_or_else(|| missing(segment, &walked, here))?;
        walked.push(segment);
    }
    Ok(here.clone())
}

fn index(segment: &str, len: usize) -> Option<usize> {
    match segment.strip_prefix('-') {
        Some(back) => back.parse().ok().filter(|back| *back > 0).and_then(|back| len.checked_sub(back)),
        None => segment.parse().ok(),
    }
}

fn missing(segment: &str, walked: &[&str], here: &Value) -> String {
    let place = if walked.is_empty() { "the snapshot".to_owned() } else { format!("`{}`", walked.join(".")) };
    let there = match here {
        Value::Object(fields) => {
            let mut keys: Vec<&str> = fields.keys().take(LISTED_KEYS).map(String::as_str).collect();
            if fields.len() > LISTED_KEYS {
                keys.push("...");
            }
            format!("it has: {}", keys.join(", "))
        }
        Value::Array(items) if items.is_empty() => "it is an empty list".to_owned(),
        Value::Array(items) => {
            format!("it is a list of {0}: use 0 to {1}, or -1 to -{0}", items.len(), items.len() - 1)
        }
        Value::Null => "it is null".to_owned(),
        Value::Bool(_) => "it is true or false".to_owned(),
        Value::Number(_) => "it is a number".to_owned(),
        Value::String(_) => "it is a text".to_owned(),
    };
    format!("no `{segment}` in {place}; {there}")
}
