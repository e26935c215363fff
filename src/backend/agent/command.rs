//! Any command, with the protocol that the profile names.

use std::ffi::OsString;

use crate::backend::Request;
use crate::event::Failure;
use crate::profile::{Agent, Profile, PromptVia, Protocol};

use super::files;
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
            Some(PromptVia::File) => {
                ("{prompt_file}", files::stored_prompt(request, &request.user)?.into_os_string())
            }
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
