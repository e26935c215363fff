//! Any command, with the protocol that the profile names.

use std::ffi::OsString;

use crate::backend::Request;
use crate::event::{Failure, FaultClass, FaultScope, Sha256};
use crate::profile::{Agent, Profile, PromptVia, Protocol};

use super::invoke::{Call, Invocation, target};
use super::{ClaudeDialect, CodexDialect, Dialect, GeminiDialect, OpencodeDialect, TextDialect};

/// Any command, with the protocol that the profile names.
#[derive(Clone, Debug)]
pub struct AnyCommand {
    agent: Agent,
}

impl AnyCommand {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self { agent: profile.agent.clone() }
    }
}

impl Invocation for AnyCommand {
    fn program(&self) -> &'static str {
        // The profile names it, or it is refused.
        "command"
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        let words = self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).chain(&self.agent.args);
        let (placeholder, value) = match self.agent.prompt_via {
            Some(PromptVia::Argv) => ("{prompt}", OsString::from(&request.user)),
            Some(PromptVia::File) => ("{prompt_file}", prompt_file(request)?),
            Some(PromptVia::Stdin) | None => {
                let stdin = request.user.clone().into_bytes();
                return Ok(Call { args: words.map(OsString::from).collect(), stdin, ..Call::default() });
            }
        };
        let mut placed = false;
        let mut args: Vec<OsString> = words
            .map(|word| {
                if word == placeholder {
                    placed = true;
                    value.clone()
                } else {
                    OsString::from(word)
                }
            })
            .collect();
        if !placed {
            args.push(value);
        }
        Ok(Call { args, ..Call::default() })
    }

    fn dialect(&self, _request: &Request) -> Box<dyn Dialect> {
        match self.agent.protocol {
            Some(Protocol::ClaudeStreamJson) => Box::new(ClaudeDialect::default()),
            Some(Protocol::CodexJson) => Box::new(CodexDialect::default()),
            Some(Protocol::OpencodeJson) => Box::new(OpencodeDialect::default()),
            Some(Protocol::GeminiStreamJson) => Box::new(GeminiDialect::default()),
            Some(Protocol::Text) | None => Box::new(TextDialect::default()),
        }
    }

    fn target(&self) -> String {
        target("command", self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        false
    }
}

/// The stored prompt itself: it is on record before the agent starts. Where the record hides a secret of it, there is
/// no file with what the agent is to read, and there must be none.
fn prompt_file(request: &Request) -> Result<OsString, Failure> {
    let sha256 = Sha256::of(request.user.as_bytes());
    let path = request.directory.join("prompts").join(format!("{sha256}.txt"));
    if path.exists() {
        return Ok(path.into_os_string());
    }
    let mut failure = Failure::ours(
        FaultClass::ConfigMissing,
        "the prompt holds the value of a secret, which is never written to a file: use `prompt_via = \"stdin\"`",
    );
    failure.scope = FaultScope::Local;
    Err(failure)
}
