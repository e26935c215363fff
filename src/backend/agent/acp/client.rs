//! Our side of the conversation: initialize, a session, one prompt, and answers to what the agent asks meanwhile.
//!
//! Each request waits for its answer before the next is made, so that one number says where the conversation stands.

use std::collections::{BTreeSet, VecDeque};

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    AgentCapabilities, AuthenticateRequest, CancelNotification, ClientCapabilities, ContentBlock,
    Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest, McpServer, NewSessionRequest,
    PromptRequest, ResumeSessionRequest, SessionId as AcpSessionId, SessionNotification, SessionUpdate,
    TextContent,
};
use serde::Serialize;
use serde_json::Value;

use crate::backend::agent::dialect::{Dialect, ExitFacts, Signal};
use crate::backend::agent::scan::Template;
use crate::backend::{Answer, Report, SessionPlan};
use crate::event::{AttemptAccepted, Failure, FaultClass, FaultScope, SessionId, Severity};
use crate::fault::{self, Facts, Origin};
use crate::profile::Permissions;

use super::fold::{Fold, brief};
use super::opened::{NoModel, Opened, Setting};
use super::servers::Servers;
use super::wire::{self, Chunk, Message, RpcError};
use super::{opened, verdict};

mod asked;

/// What one attempt wants of an agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Errand {
    pub(super) session: Option<SessionPlan>,
    pub(super) prompt: String,
    pub(super) workspace: std::path::PathBuf,
    pub(super) servers: Servers,
    pub(super) permissions: Option<Permissions>,
    pub(super) model: Option<String>,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Initialize,
    Authenticate,
    Session,
    /// The model that the profile names.
    Model,
    /// The mode in which nothing is changed.
    Mode,
    /// Whatever the answer, all that was said of the past has been said before it.
    Settle,
    Prompt,
}

/// How the conversation ended.
enum End {
    /// The agent's own word for why it stopped.
    Stopped(String),
    Failed(Failure),
}

/// Speaks the Agent Client Protocol to one agent process.
///
/// A pure state machine, as every [`Dialect`]: a recorded conversation can be replayed through it, and it then says
/// what it would have said.
pub struct AcpDialect {
    errand: Errand,
    last_id: u64,
    waiting: Option<(u64, Step)>,
    agent: Option<String>,
    capabilities: AgentCapabilities,
    logins: VecDeque<String>,
    /// What is set before the prompt.
    settings: VecDeque<(Step, Setting)>,
    session: Option<AcpSessionId>,
    fold: Fold,
    cancelled: bool,
    granted: VecDeque<String>,
    /// The last thing that happened is that a tool was refused.
    refused: bool,
    /// What nearly all lines look like by now, and the message that they belong to.
    usual: Option<(Template, Option<String>)>,
    alerts: BTreeSet<&'static str>,
    end: Option<End>,
}

impl AcpDialect {
    pub(super) fn new(errand: Errand) -> Self {
        Self {
            errand,
            last_id: 0,
            waiting: None,
            agent: None,
            capabilities: AgentCapabilities::default(),
            logins: VecDeque::new(),
            settings: VecDeque::new(),
            session: None,
            fold: Fold::new(),
            cancelled: false,
            granted: VecDeque::new(),
            refused: false,
            usual: None,
            alerts: BTreeSet::new(),
            end: None,
        }
    }

    fn ask(&mut self, step: Step, method: &str, params: &impl Serialize, out: &mut Vec<Signal>) {
        self.last_id += 1;
        self.waiting = Some((self.last_id, step));
        out.push(Signal::Say(wire::request(self.last_id, method, params)));
    }

    /// The conversation cannot go on.
    fn fail(&mut self, mut failure: Failure, out: &mut Vec<Signal>) {
        self.waiting = None;
        failure.emitted_output |= self.fold.emitted();
        self.end.get_or_insert(End::Failed(failure.clone()));
        out.push(Signal::Fatal(failure));
    }

    fn refuse(&mut self, class: FaultClass, why: String, out: &mut Vec<Signal>) {
        let mut failure = Failure::ours(class, why);
        failure.scope = match class {
            FaultClass::ConfigMissing => FaultScope::Local,
            FaultClass::ModelNotFound => FaultScope::Model,
            _ => failure.scope,
        };
        self.fail(failure, out);
    }

    /// The name of the agent, for people.
    fn name(&self) -> &str {
        self.agent.as_deref().unwrap_or("the agent")
    }

    fn answered(&mut self, step: Step, result: &str, out: &mut Vec<Signal>) {
        match step {
            Step::Initialize => self.initialized(result, out),
            Step::Authenticate => self.begin(out),
            Step::Session => self.opened(result, out),
            Step::Model | Step::Mode | Step::Settle => self.set_next(out),
            Step::Prompt => self.stopped(result, out),
        }
    }

    fn refused(&mut self, step: Step, error: &RpcError, out: &mut Vec<Signal>) {
        match step {
            Step::Session if error.code == verdict::AUTH_REQUIRED => self.log_in(error, out),
            Step::Settle => self.set_next(out),
            Step::Mode => {
                let words = format!(
                    "{} did not take the mode in which nothing is changed, and is only held by its own questions: {}",
                    self.name(),
                    brief(&error.message)
                );
                self.alert("mode", Severity::Warning, words, out);
                self.set_next(out);
            }
            Step::Authenticate => {
                let failure = verdict::login(&error.message);
                self.fail(failure, out);
            }
            Step::Initialize | Step::Session | Step::Model => {
                let failure = verdict::refusal(error, false);
                self.fail(failure, out);
            }
            Step::Prompt => {
                self.fold.end_turn(out);
                let failure = verdict::refusal(error, self.fold.emitted());
                self.end = Some(End::Failed(failure));
                out.push(Signal::Report(Report::ResultSeen));
                out.push(Signal::Close);
            }
        }
    }

    fn initialized(&mut self, result: &str, out: &mut Vec<Signal>) {
        let Ok(response) = serde_json::from_str::<InitializeResponse>(result) else {
            let why = format!("the answer to `initialize` is none that ACP knows: {}", brief(result));
            return self.refuse(FaultClass::ConfigMissing, why, out);
        };
        if response.protocol_version != ProtocolVersion::V1 {
            let why = format!(
                "the agent speaks version {} of ACP, and only 1 is known; use a version of it that speaks 1",
                response.protocol_version
            );
            return self.refuse(FaultClass::ConfigMissing, why, out);
        }
        self.agent =
            response.agent_info.as_ref().map(|info| brief(&format!("{} {}", info.name, info.version)));
        self.capabilities = response.agent_capabilities;
        self.logins = opened::logins(result).into();
        self.begin(out);
    }

    /// Opens the session, or the one that is to be continued.
    fn begin(&mut self, out: &mut Vec<Signal>) {
        let servers = match self.errand.servers.offered(self.capabilities.mcp_capabilities.http) {
            Ok(servers) => servers,
            Err(name) => {
                let why = format!(
                    "{} takes no MCP server over HTTP, so `agent.mcp.{name}` cannot be honoured; give it a `command`",
                    self.name()
                );
                return self.refuse(FaultClass::ConfigMissing, why, out);
            }
        };
        match self.errand.session.clone() {
            Some(SessionPlan::Continue(id)) => self.resume(id.as_str(), servers, out),
            Some(SessionPlan::Fork { .. }) => {
                self.refuse(
                    FaultClass::RequestInvalid,
                    "ACP has no way to fork a session yet".to_owned(),
                    out,
                );
            }
            Some(SessionPlan::Fresh(_)) | None => {
                let request = NewSessionRequest::new(&self.errand.workspace).mcp_servers(servers);
                self.ask(Step::Session, "session/new", &request, out);
            }
        }
    }

    /// Goes on with a session, without its past being told again where the agent can do that.
    fn resume(&mut self, id: &str, servers: Vec<McpServer>, out: &mut Vec<Signal>) {
        let id = AcpSessionId::new(id);
        self.session = Some(id.clone());
        if self.capabilities.session_capabilities.resume.is_some() {
            let request = ResumeSessionRequest::new(id, &self.errand.workspace).mcp_servers(servers);
            self.ask(Step::Session, "session/resume", &request, out);
        } else if self.capabilities.load_session {
            let request = LoadSessionRequest::new(id, &self.errand.workspace).mcp_servers(servers);
            self.ask(Step::Session, "session/load", &request, out);
        } else {
            let why = format!(
                "{} cannot go on with the session `{id}`: it offers neither `session/load` nor `session/resume`; \
                 write `session = \"fresh\"` under `[lineage]`",
                self.name()
            );
            self.refuse(FaultClass::RequestInvalid, why, out);
        }
    }

    /// The agent wants a login: one that needs nobody before a screen is tried, and each only once.
    fn log_in(&mut self, error: &RpcError, out: &mut Vec<Signal>) {
        if let Some(method) = self.logins.pop_front() {
            self.ask(Step::Authenticate, "authenticate", &AuthenticateRequest::new(method), out);
        } else {
            self.fail(verdict::login(&error.message), out);
        }
    }

    fn opened(&mut self, result: &str, out: &mut Vec<Signal>) {
        let loaded = self.session.is_some();
        let opened = Opened::read(result);
        let Some(session) = self.session.clone().or_else(|| opened.session.clone()) else {
            let why = format!("the answer to `session/new` names no session: {}", brief(result));
            return self.refuse(FaultClass::ConfigMissing, why, out);
        };
        self.session = Some(session.clone());
        let mut model = opened.model();
        if let Some(wanted) = self.errand.model.take() {
            match opened.set_model(&wanted) {
                Ok((name, setting)) => {
                    model = Some(name);
                    self.settings.extend(setting.map(|setting| (Step::Model, setting)));
                }
                Err(NoModel::NoChoice) => {
                    let why = format!(
                        "{} offers no choice of a model; take `agent.model` out, and name the model as the agent wants it",
                        self.name()
                    );
                    return self.refuse(FaultClass::ConfigMissing, why, out);
                }
                Err(NoModel::Others(others)) => {
                    let why = format!("{} does not offer `{wanted}`, but {}", self.name(), others.join(", "));
                    return self.refuse(FaultClass::ModelNotFound, why, out);
                }
            }
        }
        if self.errand.permissions == Some(Permissions::ReadOnly) {
            self.settings.extend(opened.reading_mode().map(|setting| (Step::Mode, setting)));
        }
        out.push(Signal::Report(Report::Accepted(AttemptAccepted {
            session: Some(SessionId::new(session.0.as_ref())),
            model,
            agent: self.agent.clone(),
        })));
        // Not every agent has told the whole past when it answers; what it answers next, it answers after that.
        if loaded && self.settings.is_empty() {
            match opened.same_mode() {
                Some(setting) => self.settings.push_back((Step::Settle, setting)),
                None => return self.ask(Step::Settle, "_provost/settle", &serde_json::json!({}), out),
            }
        }
        self.set_next(out);
    }

    /// Sets what is left to set, and then sends the prompt.
    fn set_next(&mut self, out: &mut Vec<Signal>) {
        match (self.settings.pop_front(), &self.session) {
            (Some((step, setting)), Some(session)) => {
                let params = setting.params(session);
                self.ask(step, setting.method, &params, out);
            }
            _ => self.prompt(out),
        }
    }

    fn prompt(&mut self, out: &mut Vec<Signal>) {
        let Some(session) = self.session.clone() else { return };
        let text = std::mem::take(&mut self.errand.prompt);
        let request = PromptRequest::new(session, vec![ContentBlock::Text(TextContent::new(text))]);
        self.ask(Step::Prompt, "session/prompt", &request, out);
    }

    /// The terminal event.
    fn stopped(&mut self, result: &str, out: &mut Vec<Signal>) {
        self.fold.end_turn(out);
        let value: Value = serde_json::from_str(result).unwrap_or_default();
        let fresh = !matches!(self.errand.session, Some(SessionPlan::Continue(_)));
        if let Some(usage) = verdict::usage(&value, fresh, self.fold.used_tools(), self.fold.usd()) {
            out.push(Signal::Report(Report::Usage(usage)));
        }
        let reason = value["stopReason"].as_str().map_or_else(|| brief(result), brief);
        self.end = Some(End::Stopped(reason));
        out.push(Signal::Report(Report::ResultSeen));
        out.push(Signal::Close);
    }

    /// A piece of what the agent says; before the prompt, of the past.
    /// The line is remembered, so that others like it need no parsing.
    fn said(&mut self, line: &str, chunk: &Chunk<'_>, out: &mut Vec<Signal>) {
        let ours = self.session.as_ref().is_some_and(|session| *session.0 == *chunk.session);
        if ours && matches!(self.waiting, Some((_, Step::Prompt))) {
            self.refused = false;
            let message = chunk.message.as_deref().map(str::to_owned);
            self.usual = Template::of(line, &chunk.text).map(|template| (template, message));
            self.fold.said(&chunk.text, chunk.message.as_deref(), out);
        }
    }

    fn notified(&mut self, method: &str, params: &str, out: &mut Vec<Signal>) {
        // Before the prompt, updates tell of the past or of what there is.
        if method != "session/update" || !matches!(self.waiting, Some((_, Step::Prompt))) {
            return;
        }
        let Ok(update) = serde_json::from_str::<SessionNotification>(params) else { return };
        if self.session.as_ref() != Some(&update.session_id) {
            return;
        }
        if matches!(update.update, SessionUpdate::AgentMessageChunk(_)) {
            self.refused = false;
        }
        if let Some(worked) = self.fold.update(update, out) {
            self.worked(&worked, out);
        }
    }
}

impl Dialect for AcpDialect {
    fn open(&mut self, out: &mut Vec<Signal>) {
        // Neither files nor terminals are offered, so that the agent uses its own.
        let request = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::default())
            .client_info(Implementation::new("provost", env!("CARGO_PKG_VERSION")));
        self.ask(Step::Initialize, "initialize", &request, out);
    }

    fn interrupt(&mut self, out: &mut Vec<Signal>) -> bool {
        let (Some(session), Some((_, Step::Prompt))) = (&self.session, self.waiting) else { return false };
        self.cancelled = true;
        out.push(Signal::Say(wire::notification(
            "session/cancel",
            &CancelNotification::new(session.clone()),
        )));
        true
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return;
        }
        if matches!(self.waiting, Some((_, Step::Prompt)))
            && let Some((template, message)) = &self.usual
            && let Some(text) = template.text(line)
        {
            self.refused = false;
            return self.fold.said(&text, message.as_deref(), out);
        }
        let text = String::from_utf8_lossy(line);
        if let Some(chunk) = wire::chunk(&text) {
            return self.said(&text, &chunk, out);
        }
        match wire::message(&text) {
            Some(Message::Answer { id, result }) => {
                if let Some((_, step)) = self.waiting.take_if(|(waiting, _)| *waiting == id) {
                    self.answered(step, result, out);
                }
            }
            Some(Message::Refusal { id, error }) => {
                if let Some((_, step)) = self.waiting.take_if(|(waiting, _)| *waiting == id) {
                    self.refused(step, &error, out);
                }
            }
            Some(Message::Notification { method, params }) => self.notified(&method, params, out),
            Some(Message::Request { id, method, params }) => self.asked(id, &method, params, out),
            None => self.cut(&text, out),
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        self.fold.flush(out);
    }

    fn end(&mut self, out: &mut Vec<Signal>) {
        self.fold.flush(out);
        self.fold.end_turn(out);
    }

    fn partial(&self) -> &str {
        self.fold.partial()
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        self.fold.end_turn(&mut Vec::new());
        match self.end.take() {
            Some(End::Failed(failure)) => Err(failure),
            Some(End::Stopped(reason)) => {
                let refused = self.refused.then_some("a tool was not permitted, and the agent ended on that");
                verdict::stopped(reason, self.fold.last_text(), self.fold.emitted(), refused)
            }
            None => Err(fault::classify(&Facts {
                emitted_output: self.fold.emitted(),
                exit_code: exit.code,
                signal: exit.signal,
                ..Facts::new(Origin::Acp, stderr_tail.trim())
            })),
        }
    }
}
