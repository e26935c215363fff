//! What a failed run failed of.

use serde_json::Value;

use super::CodexDialect;
use crate::backend::agent::ExitFacts;
use crate::backend::agent::dialect::last;
use crate::event::{Failure, FaultClass};
use crate::fault::{self, Facts, Origin};

/// The reason that the table knows for a turn of which there is no end.
const CUT: &str = "turn_without_end";

impl CodexDialect {
    /// Classifies what it says in words; a refused request comes as the JSON that the server sent.
    pub(super) fn failure(&self, said: &str) -> Failure {
        let body = serde_json::from_str::<Value>(said).ok();
        let error =
            body.as_ref().and_then(|body| body.get("error").filter(|error| error.is_object()).or(Some(body)));
        let text = |key: &str| error.and_then(|error| error.get(key)).and_then(Value::as_str);
        let status =
            error.and_then(|error| ["code", "status"].iter().find_map(|key| error.get(*key)?.as_u64()));
        fault::classify(&Facts {
            status: status.and_then(|status| u16::try_from(status).ok()),
            code: text("code"),
            kind: text("type"),
            emitted_output: self.emitted,
            ..Facts::new(Origin::Codex, text("message").unwrap_or(said))
        })
    }

    /// There was no terminal event.
    pub(super) fn ended_without_result(&self, exit: ExitFacts, stderr_tail: &str) -> Failure {
        if let Some(fatal) = &self.fatal {
            return fatal.clone();
        }
        // The first specific thing that was said stays the reason; how the process went is only the last resort.
        if let Some(said) = self.said.as_ref().or(self.retry.as_ref()) {
            return self.failure(said);
        }
        let complaint = complaint(stderr_tail, self.turn_open);
        fault::classify(&Facts {
            terminal: self.turn_open.then_some(CUT),
            emitted_output: self.emitted,
            exit_code: exit.code,
            signal: exit.signal,
            ..Facts::new(Origin::Codex, last(complaint.trim(), fault::EVIDENCE_BYTES))
        })
    }
}

/// Whether its own retries of such a failure would end the same.
pub(super) fn hopeless(class: FaultClass) -> bool {
    fault::ends_run(class)
        || matches!(
            class,
            FaultClass::RequestInvalid
                | FaultClass::ContextOverflow
                | FaultClass::ContentPolicy
                | FaultClass::OutputLimit
        )
}

/// What standard error says besides what it always says. Once a turn runs, tools log there too, and only what the
/// program itself ends with counts.
fn complaint(stderr: &str, turn_open: bool) -> String {
    let noise = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("Reading additional input from stdin")
            || line.starts_with("Reading prompt from stdin")
            || line.starts_with("WARNING: proceeding, even though")
            || line.starts_with("Stack backtrace:")
            || line.ends_with(": <unknown>")
    };
    let lines = stderr.lines().filter(|line| !noise(line));
    let lines: Vec<&str> = lines.skip_while(|line| turn_open && !line.starts_with("Error")).collect();
    lines.join("\n")
}
