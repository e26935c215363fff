//! What the agent asks of us while it works, and what it does without asking.

use agent_client_protocol_schema::v1::{
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
};
use serde_json::value::RawValue;

use super::AcpDialect;
use crate::backend::Report;
use crate::backend::agent::acp::fold::{Worked, brief, kind_word};
use crate::backend::agent::acp::{permit, wire};
use crate::backend::agent::dialect::Signal;
use crate::event::{AlertRaised, Severity};

/// How many granted tools are remembered.
const GRANTED: usize = 256;
/// How much of a line that was cut is looked at.
const HEAD: usize = 4096;

impl AcpDialect {
    /// A tool has worked that was not to, and nobody was asked.
    pub(super) fn worked(&mut self, worked: &Worked, out: &mut Vec<Signal>) {
        let Some(permissions) = self.errand.permissions else { return };
        if permit::permits(Some(permissions), worked.kind) || self.granted.contains(&worked.id) {
            return;
        }
        let words = format!(
            "{} used a tool of kind `{}` without asking, and `agent.permissions` does not permit that; \
             set the agent's own rules so that it asks",
            self.name(),
            kind_word(worked.kind)
        );
        self.alert("permissions-unasked", Severity::Warning, words, out);
    }

    pub(super) fn asked(&mut self, id: &RawValue, method: &str, params: &str, out: &mut Vec<Signal>) {
        if method != "session/request_permission" {
            // Files and terminals are the agent's own: it works in the same directory as we do.
            out.push(Signal::Say(wire::no_such_method(id, method)));
            return;
        }
        let request = match serde_json::from_str::<RequestPermissionRequest>(params) {
            Ok(request) => request,
            Err(error) => {
                out.push(Signal::Say(wire::bad_params(id, &brief(&error.to_string()))));
                return;
            }
        };
        let outcome =
            if self.cancelled { RequestPermissionOutcome::Cancelled } else { self.decide(&request, out) };
        out.push(Signal::Say(wire::answer(id, &RequestPermissionResponse::new(outcome))));
    }

    fn decide(
        &mut self,
        request: &RequestPermissionRequest,
        out: &mut Vec<Signal>,
    ) -> RequestPermissionOutcome {
        let call = &request.tool_call;
        let tool = brief(&call.tool_call_id.0);
        let kind = call.fields.kind.or_else(|| self.fold.kind_of(&tool)).unwrap_or_default();
        let allow = permit::permits(self.errand.permissions, kind);
        let outcome = permit::choose(allow, &request.options);
        if allow && outcome == RequestPermissionOutcome::Cancelled {
            let words = format!("{} asked for a tool and gave no way to allow it", self.name());
            self.alert("permissions-no-option", Severity::Warning, words, out);
        }
        if allow {
            self.granted.push_back(tool);
            if self.granted.len() > GRANTED {
                self.granted.pop_front();
            }
        } else {
            self.refused = true;
        }
        if self.errand.permissions.is_none() {
            let what = call.fields.title.as_deref().unwrap_or(kind_word(kind));
            let words = format!(
                "{} asked to use a tool ({}), and it was refused, since the profile sets no `agent.permissions`",
                self.name(),
                brief(what)
            );
            self.alert("permissions-unset", Severity::Warning, words, out);
        }
        outcome
    }

    pub(super) fn alert(
        &mut self,
        alert: &'static str,
        severity: Severity,
        message: String,
        out: &mut Vec<Signal>,
    ) {
        if self.alerts.insert(alert) {
            let alert = AlertRaised { alert: alert.to_owned(), severity, message };
            out.push(Signal::Report(Report::Alert(alert)));
        }
    }

    /// The end of a tool whose line was so long that it was cut, or it would seem to be in flight for ever.
    pub(super) fn cut(&mut self, line: &str, out: &mut Vec<Signal>) {
        let head = &line[..line.floor_char_boundary(HEAD)];
        if !head.contains("\"tool_call_update\"") {
            return;
        }
        let field = |name: &str| {
            let rest = head.split_once(name)?.1.trim_start().strip_prefix(':')?.trim_start();
            Some(rest.strip_prefix('"')?.split_once('"')?.0.to_owned())
        };
        let (Some(id), Some(status)) = (field("\"toolCallId\""), field("\"status\"")) else { return };
        if matches!(status.as_str(), "completed" | "failed") {
            let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
            self.fold.returned(&brief(&id), status == "completed", bytes, out);
        }
    }
}
