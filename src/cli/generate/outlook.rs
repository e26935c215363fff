//! What each class of failure leads to, in words: found out by asking `decide` and `cooldown` themselves.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Failure, FaultScope};
use crate::fault::{self, Decision, History, Policy, Reach, Ways};

/// More retries than any class of its own account gives, so that a bound of the class shows.
const MANY: u32 = 10;

/// No decision depends on what time it is.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Each class with each scope that the table gives it, and what follows.
pub(super) fn table() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for class in fault::CLASSES {
        let mut scopes: Vec<FaultScope> = Vec::new();
        for rule in fault::rules().iter().filter(|rule| rule.class == class) {
            if !scopes.contains(&rule.scope) {
                scopes.push(rule.scope);
            }
        }
        if scopes.is_empty() {
            // Established by provost itself.
            scopes.push(FaultScope::Request);
        }
        for scope in scopes {
            let failure = Failure { scope, ..Failure::ours(class, "") };
            rows.push((format!("{class}, {}", word(scope)), follows(&failure)));
        }
    }
    rows
}

/// A scope as it stands in the journal.
pub(super) fn word(scope: FaultScope) -> String {
    serde_json::to_value(scope).ok().as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn follows(failure: &Failure) -> String {
    let (mut history, mut steps) = (History { ways: OPEN, ..History::default() }, Vec::new());
    loop {
        match fault::decide(failure, &history, &POLICY, NOW, 0) {
            Decision::RetrySame { .. } => history.retries += 1,
            Decision::FallBack { reach } => {
                steps.push(format!("another {}", differs(reach, &mut history.ways)));
            }
            Decision::Compact => {
                steps.push("a shorter conversation".to_owned());
                history.compacted = true;
            }
            Decision::Abort => return "Ends the run.".to_owned(),
            Decision::WaitUntil { .. } | Decision::GiveUp => break,
        }
    }
    let again = match history.retries {
        0 => "Not asked again".to_owned(),
        1 => "Asked again once".to_owned(),
        MANY => "Asked again `retry.same_model` times".to_owned(),
        times => format!("Asked again {times} times"),
    };
    let then = if steps.is_empty() { "no other candidate".to_owned() } else { steps.join(", then ") };
    format!("{again}; then {then}. {}", cooling(failure))
}

const POLICY: Policy =
    Policy { same_model: MANY, max_fallbacks: MANY, wait: Duration::from_hours(1), persistent: false };

/// Every way is open, and nobody has the patience that would hide an end.
const OPEN: Ways = Ways {
    model: true,
    account: true,
    provider: true,
    window: true,
    compact: true,
    repeatable: true,
    patient: false,
};

/// In what a candidate differs; that way is closed from here on.
fn differs(reach: Reach, ways: &mut Ways) -> &'static str {
    let (way, word) = match reach {
        Reach::Model => (&mut ways.model, "model"),
        Reach::Account => (&mut ways.account, "account"),
        Reach::Provider => (&mut ways.provider, "provider"),
        Reach::Window => (&mut ways.window, "candidate with a larger window"),
    };
    *way = false;
    word
}

/// What is left alone and for how long.
fn cooling(failure: &Failure) -> String {
    let told = 12_345;
    let asked = Failure { retry_after: Some(f64::from(told)), ..failure.clone() };
    let until_told = fault::cooldown(&asked, 0, NOW)
        .is_some_and(|cooling| cooling.until.duration_since(NOW).as_secs() == i64::from(told));
    // What cools from the second failure in a row only has no first wait.
    let first = fault::cooldown(failure, 0, NOW);
    let Some(cools) = first.or_else(|| fault::cooldown(failure, 1, NOW)) else {
        return "Nothing is left alone.".to_owned();
    };
    let seconds = cools.until.duration_since(NOW).as_secs();
    let length = match seconds {
        hours if hours % 86_400 == 0 => format!("{} days", hours / 86_400),
        hours if hours % 3600 == 0 => format!("{} h", hours / 3600),
        seconds => format!("{seconds} s"),
    };
    let until = if until_told { "until told, else " } else { "" };
    let kind = if cools.firm { "" } else { ", an estimate" };
    let from = if first.is_none() { ", from the second failure in a row" } else { "" };
    format!("The {} is left alone {until}for {length}{kind}{from}.", word(cools.scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_words() {
        let rows = table();
        let of = |key: &str| {
            let row = rows.iter().find(|(name, _)| name == key);
            row.unwrap_or_else(|| panic!("no {key}")).1.as_str()
        };
        assert_eq!(
            of("quota_exhausted, account"),
            "Not asked again; then another account, then another provider. The account is left alone until told, else \
             for 1 h, an estimate."
        );
        assert_eq!(
            of("transport, provider"),
            "Asked again `retry.same_model` times; then another provider, then another model. The provider is left \
             alone until told, else for 15 s, an estimate, from the second failure in a row."
        );
        assert_eq!(of("user_abort, request"), "Ends the run.");
        assert!(of("first_event_timeout, provider").starts_with("Asked again once; then"));
        assert!(
            of("context_overflow, request")
                .contains("a shorter conversation, then another candidate with a larger")
        );
        assert_eq!(
            of("unknown, request"),
            "Not asked again; then no other candidate. Nothing is left alone."
        );
    }
}
