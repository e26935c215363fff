//! A model in a tool loop of our own, in this process.
//!
//! [`turn`] is the loop, the same for every model; [`endpoint`] asks one over HTTP, in the words of one of the APIs in
//! [`wire`]; [`script`] plays a file. The tools are in [`tools`]. The loop keeps the journal's promise: what is sent is on record before it is sent, what was paid
//! is on record before a tool runs, and what is on record already is neither paid nor run again.

use std::sync::Arc;
use std::time::Duration;

use super::{Attempt, Harness, Link, Request, SessionPlan};
use crate::event::{Failure, FaultClass};
use crate::file::Secrets;
use crate::profile::Tool;

mod conversation;
mod endpoint;
mod mcp;
mod script;
mod sse;
mod stream;
mod tools;
mod transcript;
mod turn;
mod wire;

pub(super) use conversation::impersonal;
pub use conversation::{Call, Carry, Turn};
pub use endpoint::{Endpoint, ModelOptions, SecretKey, SetupError};
pub use mcp::{AddressError, McpServer, McpServers};
pub use script::{Script, ScriptError};
pub use stream::{Heard, Stream, StreamError};
pub use tools::{NoShell, Running, Shell, ShellCall, ShellOutput};
pub use wire::ProviderError;

use turn::{Doubt, TurnLoop};

/// What both harnesses need.
#[derive(Clone)]
pub struct Settings {
    /// The tools that the model is offered.
    pub tools: Vec<Tool>,
    /// Turns of one attempt, at most.
    pub max_turns: u32,
    /// How long one shell command may take.
    pub tool_timeout: Duration,
    /// What runs shell commands.
    pub shell: Arc<dyn Shell>,
    /// Servers whose tools the model is offered beside these.
    pub mcp: Option<Arc<McpServers>>,
    /// Values that are never written.
    pub secrets: Arc<Secrets>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("tools", &self.tools)
            .field("max_turns", &self.max_turns)
            .field("tool_timeout", &self.tool_timeout)
            .field("mcp", &self.mcp)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tools: vec![Tool::Read, Tool::Write, Tool::Edit, Tool::List],
            max_turns: 50,
            tool_timeout: Duration::from_mins(15),
            shell: Arc::new(NoShell),
            mcp: None,
            secrets: Arc::new(Secrets::new([])),
        }
    }
}

/// `chat`: an endpoint that speaks chat completions, responses or messages.
#[derive(Debug)]
pub struct ChatHarness {
    endpoint: Arc<Endpoint>,
    settings: Settings,
}

impl ChatHarness {
    /// Drives the model behind `endpoint`.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Self {
        Self { endpoint: Arc::new(endpoint), settings }
    }
}

impl Harness for ChatHarness {
    fn attempt(&self, request: Request, link: Link) -> Attempt {
        // A conversation lives in the attempt; to start a new one silently would be to forget what was said.
        if let SessionPlan::Continue(session) = &request.session
            && request.replay.is_empty()
        {
            let text = format!("the chat harness keeps no conversation, so `{session}` cannot be continued");
            return Box::pin(async move { Err(Failure::ours(FaultClass::RequestInvalid, text)) });
        }
        let turns = TurnLoop {
            target: self.endpoint.target(),
            model: endpoint::Conversing::new(Arc::clone(&self.endpoint)),
            doubt: Doubt::TellModel,
            settings: self.settings.clone(),
        };
        Box::pin(turns.run(request, link))
    }

    fn replays(&self) -> bool {
        true
    }

    fn steers(&self) -> bool {
        true
    }
}

/// `scripted`: a script says what the model says; everything else is real.
#[derive(Debug)]
pub struct ScriptedHarness {
    script: Arc<Script>,
    settings: Settings,
}

impl ScriptedHarness {
    /// Plays `script`.
    pub fn new(script: Script, settings: Settings) -> Self {
        Self { script: Arc::new(script), settings }
    }
}

impl Harness for ScriptedHarness {
    fn attempt(&self, request: Request, link: Link) -> Attempt {
        let turns = TurnLoop {
            target: "scripted".to_owned(),
            model: script::Playing::new(Arc::clone(&self.script), request.round, request.attempt),
            doubt: Doubt::RunAgain,
            settings: self.settings.clone(),
        };
        Box::pin(turns.run(request, link))
    }

    fn replays(&self) -> bool {
        true
    }
}
