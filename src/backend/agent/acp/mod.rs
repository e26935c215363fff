//! Any agent that speaks the Agent Client Protocol over its standard input and output.
//!
//! ```toml
//! [agent]
//! harness = "acp"
//! command = ["gemini", "--acp"]            # or ["opencode", "acp"], or any other
//! permissions = "accept-edits"             # what the agent is told when it asks
//! inherit_env = ["PATH", "HOME", "GEMINI_API_KEY"]
//! env = { GEMINI_CLI_TRUST_WORKSPACE = "true" }
//!
//! [agent.mcp.docs]
//! url = "https://docs.example/mcp"
//! key_env = "DOCS_TOKEN"                   # goes to the agent over the pipe, and to no file
//! ```
//!
//! The agent is a child as any agent CLI is, and [`AcpDialect`] is the conversation: a pure state machine that reads
//! the agent's lines and says ours. The types on the wire are those of the protocol's own crate. Its connection is not
//! used: it queues without a bound what an agent sends faster than we take it, answers every stray line on standard
//! output with an error, and hides the order of lines that a recorded conversation is replayed by.
//!
//! What we say is kept beside the transcript, in a file that ends in `.in`, without the values of secrets.
//!
//! `agent.model` is honoured where the agent offers models to choose from, and this one is among them; else the attempt
//! fails and says so. ACP has no system prompt, and no fork of a session that is stable: such keys are refused in a
//! profile for this harness, and most agents take them as arguments or from files of their own.

use std::ffi::OsString;
use std::path::Path;

use crate::backend::Request;
use crate::event::Failure;
use crate::profile::{Agent, Profile};

use super::Dialect;
use super::invoke::{Call, Invocation, target};

mod client;
mod fold;
mod opened;
mod permit;
mod servers;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

pub use client::AcpDialect;

use client::Errand;
use servers::Servers;

/// An agent that speaks ACP.
#[derive(Clone, Debug)]
pub struct Acp {
    agent: Agent,
}

impl Acp {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self { agent: profile.agent.clone() }
    }

    /// The conversation of one attempt with an agent that is started with `environment`.
    pub fn talk(&self, request: &Request, environment: &[(OsString, OsString)]) -> AcpDialect {
        AcpDialect::new(Errand {
            session: Some(request.session.clone()),
            prompt: request.user.clone(),
            workspace: request.workspace.clone(),
            servers: Servers::new(&self.agent, environment),
            permissions: self.agent.permissions,
            model: self.agent.model.clone(),
        })
    }
}

impl Invocation for Acp {
    fn program(&self) -> &'static str {
        // The profile names it, or it is refused.
        "acp"
    }

    fn call(&self, _request: &Request) -> Result<Call, Failure> {
        let words = self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).chain(&self.agent.args);
        Ok(Call { args: words.map(OsString::from).collect(), ..Call::default() })
    }

    fn dialect(&self, request: &Request) -> Box<dyn Dialect> {
        Box::new(self.talk(request, &[]))
    }

    fn conversation(
        &self,
        request: &Request,
        environment: &[(OsString, OsString)],
    ) -> Option<Box<dyn Dialect>> {
        Some(Box::new(self.talk(request, environment)))
    }

    fn target(&self) -> String {
        let program = self.agent.command.as_ref().and_then(|argv| argv.0.first());
        let name = program.and_then(|program| Path::new(program).file_name()).and_then(|name| name.to_str());
        let harness = name.map_or_else(|| "acp".to_owned(), |name| format!("acp {name}"));
        target(&harness, self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        false
    }
}
