//! What a failed run failed of.

use super::{ClaudeDialect, Ended};
use crate::backend::agent::ExitFacts;
use crate::backend::agent::dialect::last;
use crate::event::Failure;
use crate::fault::{self, Facts, Origin};

impl ClaudeDialect {
    /// What the agent was retrying last.
    pub(super) fn retry_failure(&self) -> Failure {
        let (status, label) = self.retry.clone().unwrap_or_default();
        let said = status.map_or_else(
            || label.clone(),
            |status| format!("{label} (HTTP status {status}), retrying by itself"),
        );
        fault::classify(&Facts {
            status,
            label: Some(&label),
            emitted_output: self.emitted,
            ..self.facts(&said)
        })
    }

    /// Facts with what an earlier `rate_limit_event` said.
    fn facts<'a>(&'a self, text: &'a str) -> Facts<'a> {
        let (reset_at, which) =
            self.limit.as_ref().map_or((None, None), |(at, which)| (*at, which.as_deref()));
        Facts { code: which, reset_at, emitted_output: self.emitted, ..Facts::new(Origin::Claude, text) }
    }

    /// The terminal event says no.
    pub(super) fn ended_badly(&self, ended: &Ended) -> Failure {
        let error = self.api_error.as_ref();
        let text =
            [ended.text.as_deref(), Some(ended.errors.as_str()), error.map(|error| error.text.as_str())]
                .into_iter()
                .flatten()
                .find(|text| !text.trim().is_empty())
                .unwrap_or_default();
        let mut facts = self.facts(text);
        // The refusal of a model is known by its stop reason only.
        let stop = ended
            .stop_reason
            .as_deref()
            .filter(|stop| matches!(*stop, "refusal" | "model_context_window_exceeded"));
        let code = ended.code.as_deref().or(error.and_then(|error| error.code.as_deref())).or(stop);
        facts.code = code.or(facts.code);
        facts.status = ended.status;
        facts.kind = ended.kind.as_deref();
        facts.label = error.and_then(|error| error.label.as_deref());
        facts.terminal = ended.terminal.as_deref();
        fault::classify(&facts)
    }

    /// Who borrows the format, as Qwen Code does, says a failure of the API as the end of a success' answer.
    ///
    /// Claude Code flags its own, and may well be asked about such words.
    pub(super) fn error_as_answer(&self, text: &str) -> Option<Failure> {
        let text = text.trim();
        let at = text.rfind("[API Error:").filter(|at| *at == 0 || text.ends_with(']'))?;
        (!self.claude_code).then(|| fault::classify(&self.facts(&text[at..])))
    }

    /// There was no terminal event.
    pub(super) fn ended_without_result(&self, exit: ExitFacts, stderr_tail: &str) -> Failure {
        if let Some(fatal) = &self.fatal {
            return fatal.clone();
        }
        // The first specific thing that was said stays the reason; how the process went is only the last resort.
        if let Some(error) = &self.api_error {
            return fault::classify(&Facts {
                label: error.label.as_deref(),
                exit_code: exit.code,
                signal: exit.signal,
                ..self.facts(&error.text)
            });
        }
        if self.retry.is_some() {
            return self.retry_failure();
        }
        fault::classify(&Facts {
            exit_code: exit.code,
            signal: exit.signal,
            ..self.facts(last(stderr_tail.trim(), fault::EVIDENCE_BYTES))
        })
    }
}
