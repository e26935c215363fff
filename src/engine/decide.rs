//! What a run does next. Pure: the tally in, one step out; the same for a run that goes on and one taken up again.

use crate::event::{BudgetCeilings, FaultClass, RoundOutcome, RoundSummary, RunOutcome, Tally};
use crate::fault;

use super::driver::{Driver, NextStep, Order, Step, View};

/// How often the same failure may repeat before more of the same would only cost.
pub(crate) const SAME_FAILURES: u64 = 3;

/// Drives one task: one round, or rounds until the check passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneTask;

impl Driver for OneTask {
    fn next<'a>(&'a mut self, view: View<'a>) -> NextStep<'a> {
        Box::pin(std::future::ready(next(view.tally, view.budget, view.checked, view.wall_s)))
    }
}

/// The next step.
pub(crate) fn next(tally: &Tally, budget: &BudgetCeilings, checked: bool, wall_s: f64) -> Step {
    if tally.open.is_some() {
        return Step::Reopen(Order::plain(tally.rounds));
    }
    let Some(last) = tally.last_round() else {
        return match exhausted(tally, budget, wall_s) {
            Some((outcome, why)) => Step::End(outcome, why),
            None => round(tally),
        };
    };
    if last.outcome == RoundOutcome::Stopped {
        return stopped(last, tally, budget, wall_s);
    }
    if checked && last.check.is_none() && worth_checking(last) {
        return Step::Check(last.round);
    }
    match (&last.check, &last.failure) {
        (Some(check), _) if check.delivered => {
            return Step::End(RunOutcome::Delivered, format!("the check passed after round {}", last.round));
        }
        (None, None) if !checked => {
            return Step::End(RunOutcome::Settled, "the agent answered; no check was asked for".to_owned());
        }
        _ => {}
    }
    let why = reason(last);
    if let Some(failure) = &last.failure
        && (!checked || fault::ends_run(failure.class))
    {
        return Step::End(failed(failure.class), why);
    }
    if let Some((outcome, over)) = exhausted(tally, budget, wall_s) {
        let single = budget.rounds.unwrap_or(1) == 1 && outcome == RunOutcome::BudgetExhausted;
        if single && tally.rounds.0 >= 1 && over.starts_with("rounds") {
            // One round was all that was asked for: what it came to is the answer.
            let outcome =
                last.failure.as_ref().map_or(RunOutcome::CheckFailed, |failure| failed(failure.class));
            return Step::End(outcome, why);
        }
        return Step::End(outcome, format!("{over}; {why}"));
    }
    if tally.same_failures >= SAME_FAILURES {
        let outcome = match &last.failure {
            Some(failure) if fault::unavailable(failure.class) => RunOutcome::Unavailable,
            _ => RunOutcome::Stuck,
        };
        return Step::End(outcome, format!("the same failure {} times in a row; {why}", tally.same_failures));
    }
    round(tally)
}

fn round(tally: &Tally) -> Step {
    Step::Round(Order::plain(tally.rounds.next()))
}

/// What a round came to, in words.
fn reason(last: &RoundSummary) -> String {
    match (&last.check, &last.failure) {
        (Some(check), None) if !check.delivered => {
            format!("the check did not pass after round {}", last.round)
        }
        (_, Some(failure)) => failure.combined(),
        _ => format!("round {} came to nothing", last.round),
    }
}

/// A result is worth checking when the agent answered, or had begun to work before it failed.
fn worth_checking(last: &RoundSummary) -> bool {
    match last.outcome {
        RoundOutcome::Answered => true,
        RoundOutcome::Failed | RoundOutcome::TimedOut => last
            .failure
            .as_ref()
            .is_some_and(|failure| failure.emitted_output && !fault::ends_run(failure.class)),
        RoundOutcome::Stopped | RoundOutcome::Interrupted => false,
    }
}

fn stopped(last: &RoundSummary, tally: &Tally, budget: &BudgetCeilings, wall_s: f64) -> Step {
    match &last.failure {
        Some(failure) if failure.class == FaultClass::BudgetLimit => {
            Step::End(RunOutcome::BudgetExhausted, failure.combined())
        }
        // A person who stops a round ends its run before anything is decided; so the run was taken up again.
        _ => match exhausted(tally, budget, wall_s) {
            Some((outcome, why)) => Step::End(outcome, why),
            None => round(tally),
        },
    }
}

fn failed(class: FaultClass) -> RunOutcome {
    if class == FaultClass::BudgetLimit {
        RunOutcome::BudgetExhausted
    } else if fault::unavailable(class) {
        RunOutcome::Unavailable
    } else {
        RunOutcome::AgentFailed
    }
}

/// Rounds that were begun and count: one that a person stopped is made again, and one that could not begin was none.
pub fn counted(tally: &Tally) -> u64 {
    tally.rounds.0.saturating_sub(tally.outcomes.stopped + tally.outcomes.environment)
}

/// Which ceiling of a run without end is reached, if any.
pub fn reached(view: &View<'_>) -> Option<(RunOutcome, String)> {
    let without_end = BudgetCeilings { rounds: Some(view.budget.rounds.unwrap_or(u64::MAX)), ..*view.budget };
    exhausted(view.tally, &without_end, view.wall_s)
}

/// Which ceiling is reached, if any.
fn exhausted(tally: &Tally, budget: &BudgetCeilings, wall_s: f64) -> Option<(RunOutcome, String)> {
    let spend = &tally.spend;
    if let Some(usd) = budget.usd {
        if !spend.usd_known {
            let why = format!("a ceiling of ${usd} is set and what was spent is not known");
            return Some((RunOutcome::SpendUnknown, why));
        }
        if spend.usd >= usd {
            return Some((
                RunOutcome::BudgetExhausted,
                format!("dollars: ${:.4} of ${usd} are spent", spend.usd),
            ));
        }
    }
    if let Some(tokens) = budget.tokens
        && spend.charged_tokens() >= tokens
    {
        let why = format!("tokens: {} of {tokens} are used", spend.charged_tokens());
        return Some((RunOutcome::BudgetExhausted, why));
    }
    if budget.wall_s.is_some_and(|ceiling| wall_s >= ceiling) {
        return Some((RunOutcome::BudgetExhausted, format!("wall: {wall_s:.1} s have passed")));
    }
    let rounds = budget.rounds.unwrap_or(1);
    (counted(tally) >= rounds)
        .then(|| (RunOutcome::BudgetExhausted, format!("rounds: {rounds} of {rounds} are used")))
}

#[cfg(test)]
mod tests;
