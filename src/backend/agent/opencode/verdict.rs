//! What a failed run failed of.

use super::OpencodeDialect;
use super::wire::WireError;
use crate::backend::agent::ExitFacts;
use crate::backend::agent::dialect::last;
use crate::event::{Failure, FaultClass};
use crate::fault::{self, EVIDENCE_BYTES, Facts, Origin};

impl OpencodeDialect {
    /// The failure of an `error` event; `log` is what was said on standard error.
    pub(super) fn failure(&self, error: &WireError, log: &str) -> Failure {
        // Of some failures the event says only where in the log they are told of.
        let told = error.reference.as_deref().and_then(|reference| logged(log, reference));
        let failure = fault::classify(&Facts {
            status: error.status,
            code: error.code.as_deref(),
            kind: error.kind.as_deref(),
            label: error.name.as_deref(),
            retry_after: error.retry_after,
            emitted_output: self.emitted,
            ..Facts::new(Origin::Opencode, told.as_deref().unwrap_or(&error.text))
        });
        // It has tried these nine times over more than a minute, and no knob of it says otherwise: to begin all of that
        // again would triple what it costs.
        let tried = fault::retryable(failure.class);
        Failure { should_retry: tried.then_some(false), ..failure }
    }

    /// The last step ended, and not with an answer.
    pub(super) fn ended_badly(&self, reason: &str) -> Failure {
        if let (Some(rejected), "tool-calls") = (&self.rejected, reason) {
            let text = format!("{rejected} The run ends on that: nobody is there to ask");
            return Failure { emitted_output: self.emitted, ..Failure::ours(FaultClass::ToolError, text) };
        }
        let (code, text) = match reason {
            "length" => ("max_output_tokens", "the answer was cut at the output limit"),
            "content-filter" => ("content_filter", "the answer was cut by a content filter"),
            _ => ("", "the run ended without an answer"),
        };
        let text = format!("{text} (finish reason `{reason}`)");
        let class = |class| Failure { emitted_output: self.emitted, ..Failure::ours(class, text.clone()) };
        match reason {
            "stop" => class(FaultClass::NoPayload),
            "tool-calls" => class(FaultClass::Transport),
            _ if code.is_empty() => class(FaultClass::Unknown),
            _ => fault::classify(&Facts {
                code: Some(code),
                emitted_output: self.emitted,
                ..Facts::new(Origin::Opencode, &text)
            }),
        }
    }

    /// There was no event that says why.
    pub(super) fn ended_silently(&self, exit: ExitFacts, log: &str) -> Failure {
        fault::classify(&Facts {
            exit_code: exit.code,
            signal: exit.signal,
            emitted_output: self.emitted,
            ..Facts::new(Origin::Opencode, last(log.trim(), EVIDENCE_BYTES))
        })
    }

    /// It asks the model without end.
    pub(super) fn endless(&self, text: &str) -> Failure {
        fault::classify(&Facts { emitted_output: self.emitted, ..Facts::new(Origin::Opencode, text) })
    }
}

/// What the log says under a reference.
fn logged(log: &str, reference: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains(reference))?;
    let said = line.split_once(" error=")?.1;
    let said = match said.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\" ").map_or(quoted, |(said, _)| said),
        None => said.split(' ').next().unwrap_or(said),
    };
    Some(said.trim_end_matches('"').to_owned()).filter(|said| !said.trim().is_empty())
}
