//! What names the round in a stash and in a commit, so that what was done is found again after a crash.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{PhaseName, RoundNumber, RunId};

/// A round of a run, settled at a time.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    subject: String,
    run: String,
    at: Timestamp,
}

impl Mark {
    pub(super) fn new(run: &RunId, round: RoundNumber, phase: Option<&PhaseName>, at: Timestamp) -> Self {
        let phase = phase.map_or_else(String::new, |phase| format!(" [{}]", one_line(phase.as_str())));
        Self { subject: format!("provost: round {round}{phase}"), run: one_line(run.as_str()), at }
    }

    /// `provost: round 3 [build]`
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// `Run: 20261121T024501Z-supervise-k3f9`, the body of a commit.
    pub(super) fn body(&self) -> String {
        format!("Run: {}", self.run)
    }

    /// The message of a stash.
    pub(super) fn message(&self) -> String {
        format!("{} of {} at {:.3}", self.subject, self.run, self.at)
    }

    /// How long before this mark the stash with this message was made, where it is one of the same round of the same run;
    /// zero where the clock has gone back since.
    pub(super) fn age(&self, message: &str) -> Option<Duration> {
        let place = message.find(&self.subject)?;
        let rest = message[place + self.subject.len()..].strip_prefix(" of ")?;
        let at: Timestamp = rest.strip_prefix(&self.run)?.strip_prefix(" at ")?.trim().parse().ok()?;
        Some(Duration::try_from(self.at.duration_since(at)).unwrap_or_default())
    }

    /// Whether a commit's message is that of the same round of the same run.
    pub(super) fn is_of(&self, message: &str) -> bool {
        let mut lines = message.lines();
        lines.next() == Some(self.subject()) && lines.any(|line| line == self.body())
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(run: &str, round: u64, at: &str) -> Mark {
        Mark::new(&RunId::new(run), RoundNumber(round), Some(&PhaseName::new("build")), at.parse().unwrap())
    }

    #[test]
    fn a_stash_is_known_by_run_and_round_and_tells_its_age() {
        let made = mark("run-a", 3, "2026-11-28T10:00:00.120Z");
        assert_eq!(made.message(), "provost: round 3 [build] of run-a at 2026-11-28T10:00:00.120Z");
        let message = format!("On main: {}", made.message());
        let later = mark("run-a", 3, "2026-11-28T10:00:04Z");
        assert_eq!(later.age(&message), Some(Duration::from_millis(3880)));
        assert_eq!(mark("run-a", 3, "2026-11-28T09:00:00Z").age(&message), Some(Duration::ZERO));
        assert_eq!(mark("run-a", 30, "2026-11-28T10:00:04Z").age(&message), None);
        assert_eq!(mark("run-b", 3, "2026-11-28T10:00:04Z").age(&message), None);
        assert_eq!(later.age("On main: provost: round 3 [build] of run-a at noon"), None);
    }

    #[test]
    fn a_commit_is_known_by_subject_and_run() {
        let mark = mark("run-a", 3, "2026-11-28T10:00:00Z");
        assert!(mark.is_of("provost: round 3 [build]\n\nRun: run-a\n"));
        assert!(!mark.is_of("provost: round 3 [build]\n\nRun: run-b\n"));
        assert!(!mark.is_of("provost: round 31\n\nRun: run-a\n"));
    }
}
