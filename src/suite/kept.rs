//! What is kept of a part while it is played: its texts, what it consumed, and what did not go smoothly.

use std::path::Path;
use std::time::Duration;

use crate::event::{Event, Failure, Kind, Record, RunEnded, RunOutcome, Sha256, Stored, Usage};

use super::play::{Played, Text};

/// So much of what did not go smoothly is kept of one part; the counts have the rest.
const NOTABLE: usize = 64;

/// The memory of a part.
#[derive(Debug, Default)]
pub(super) struct Kept {
    prompts: Vec<Text>,
    notable: Vec<Event>,
    usage: Option<Usage>,
    /// Whether something ran whose price or size nobody said.
    unknown: bool,
    /// Whether the attempt that is open has reported what it consumed.
    reported: bool,
    /// Whether it had a turn.
    turned: bool,
    /// Whether any attempt can have been charged for: all but those that were turned away at once.
    charged: bool,
    attempts: u64,
    model: Option<String>,
    failure: Option<Failure>,
    check: Option<(bool, Option<f64>, String)>,
    transcript: Option<String>,
    rounds: u64,
    /// Whether the last attempt's answer was cut.
    cut: bool,
}

impl Kept {
    /// Takes what the engine hands out.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Bytes(Stored::Prompt, sha256, bytes) => self.prompt(sha256, bytes),
            Record::Event(event) => self.event(event),
            // The answer comes with the end; steps are for a run that is taken up again, and a part never is.
            Record::Bytes(Stored::Blob, ..) | Record::Sync | Record::Live(_) => {}
        }
    }

    fn prompt(&mut self, sha256: &Sha256, bytes: &[u8]) {
        if !self.prompts.iter().any(|text| text.sha256 == *sha256) {
            self.prompts.push(Text { sha256: sha256.clone(), bytes: bytes.to_vec() });
        }
    }

    fn event(&mut self, event: &Event) {
        match &event.kind {
            Kind::RoundStarted(started) => {
                self.rounds += 1;
                self.transcript = Some(format!("rounds/{}-{}.log", event.node, started.round));
            }
            Kind::AttemptStarted(_) => {
                self.attempts += 1;
                (self.reported, self.turned, self.cut) = (false, false, false);
            }
            Kind::AttemptAccepted(accepted) if accepted.model.is_some() => {
                self.model.clone_from(&accepted.model);
            }
            Kind::TurnEnded(turn) => {
                self.turned = true;
                self.consumed(turn.usage.as_ref());
            }
            Kind::UsageReported(reported) => self.consumed(Some(&reported.usage)),
            Kind::AttemptFailed(failed) => {
                // A request that was refused has consumed nothing; one that was at work has, and nobody says how much.
                let worked = failed.failure.emitted_output || failed.failure.maybe_accepted;
                self.unknown |= worked && !self.reported;
                self.charged |= self.turned || !failed.failure.is_refusal();
                self.note(event);
            }
            Kind::AttemptFinished(finished) => {
                self.unknown |= self.usage.is_some() && !self.reported;
                self.charged = true;
                self.cut = finished.is_cut();
            }
            Kind::RoundEnded(ended) => self.failure.clone_from(&ended.failure),
            Kind::CheckEnded(ended) => {
                self.check = Some((ended.delivered, ended.score, ended.evidence.clone()));
                self.note(event);
            }
            Kind::FallbackSwitched(_) | Kind::AlertRaised(_) | Kind::BudgetRefused(_) => self.note(event),
            _ => {}
        }
    }

    fn note(&mut self, event: &Event) {
        if self.notable.len() < NOTABLE {
            self.notable.push(event.clone());
        }
    }

    fn consumed(&mut self, usage: Option<&Usage>) {
        let Some(usage) = usage else { return };
        self.reported = true;
        let all = self.usage.get_or_insert(Usage { usd: Some(0.0), ..Usage::default() });
        all.input = all.input.saturating_add(usage.input);
        all.output = all.output.saturating_add(usage.output);
        all.cache_read = all.cache_read.saturating_add(usage.cache_read);
        all.cache_write = all.cache_write.saturating_add(usage.cache_write);
        all.usd = all.usd.zip(usage.usd).map(|(all, one)| all + one);
    }

    /// How it went. `directory` is the run's.
    pub(super) fn played(self, ended: RunEnded, duration: Duration, directory: &Path) -> Played {
        let answered = matches!(
            ended.outcome,
            RunOutcome::Settled | RunOutcome::Delivered | RunOutcome::CheckFailed | RunOutcome::Stuck
        ) && self.failure.is_none();
        // Where every request was turned away, nobody says so, and yet it is known: nothing.
        let nothing = || Usage { usd: Some(0.0), ..Usage::default() };
        let usage = self.usage.or_else(|| (self.attempts > 0 && !self.charged).then(nothing));
        let usage = usage.map(|usage| Usage { usd: usage.usd.filter(|_| !self.unknown), ..usage });
        let output = ended.output.filter(|_| answered);
        Played {
            outcome: ended.outcome,
            failure: self.failure,
            cut: self.cut && output.is_some(),
            output,
            check: self.check,
            usage,
            attempts: self.attempts,
            rounds: self.rounds,
            model: self.model,
            prompts: self.prompts,
            notable: self.notable,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            transcript: self.transcript.filter(|path| directory.join(path).exists()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::Spend;

    /// What a part that went so has consumed.
    fn usage(kinds: &[Value]) -> Option<Usage> {
        let mut kept = Kept::default();
        let event = |(seq, kind): (u64, &Value)| -> Event {
            let mut line = json!({"seq": seq, "at": "2026-11-28T21:00:00Z", "node": "root"});
            line.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
            serde_json::from_value(line).unwrap()
        };
        for event in (1..).zip(kinds).map(event) {
            kept.take(&Record::Event(&event));
        }
        let ended = json!({"run": "20261128T210000Z-run-aaaa", "verb": "run", "outcome": RunOutcome::AgentFailed, "exit_code": 1,
            "delivered": false, "rounds": 1, "spend": Spend::default()});
        let ended: RunEnded = serde_json::from_value(ended).unwrap();
        kept.played(ended, Duration::ZERO, Path::new("/nowhere")).usage
    }

    fn failed(more: &Value) -> Value {
        let mut failed = json!({"kind": "attempt.failed", "attempt": 1, "class": "overloaded", "scope": "provider",
            "evidence": "", "emitted_output": false, "rule": "http"});
        failed.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        failed
    }

    #[test]
    fn what_was_turned_away_costs_nothing_and_what_has_worked_nobody_knows_what() {
        let begun = json!({"kind": "attempt.started", "round": 1, "attempt": 1});
        let turn = json!({"kind": "turn.ended", "turn": 1, "preview": "", "tool_calls": 1});
        let refused = failed(&json!({"status": 529}));
        let nothing = Some(Usage { usd: Some(0.0), ..Usage::default() });
        assert_eq!(usage(&[begun.clone(), refused.clone(), begun.clone(), refused.clone()]), nothing);
        for other in [
            failed(&json!({})),
            failed(&json!({"status": 529, "emitted_output": true})),
            failed(&json!({"status": 529, "maybe_accepted": true})),
            json!({"kind": "attempt.finished", "attempt": 1}),
        ] {
            assert_eq!(
                usage(&[begun.clone(), refused.clone(), begun.clone(), other.clone()]),
                None,
                "{other}"
            );
        }
        assert_eq!(usage(&[begun, turn, refused]), None);
        assert_eq!(usage(&[]), None, "nobody was asked");
    }
}
