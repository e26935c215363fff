//! How each agent CLI is called: one small struct each.

use std::ffi::OsString;

use crate::backend::Request;
use crate::profile::{Agent, Permissions, Profile, PromptVia, Protocol};

use super::drive::{Invocation, session};
use super::{ClaudeDialect, Dialect, TextDialect};

/// Claude Code, `claude -p --output-format stream-json`.
#[derive(Clone, Debug)]
pub struct Claude {
    agent: Agent,
}

impl Claude {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self { agent: profile.agent.clone() }
    }
}

impl Invocation for Claude {
    fn arguments(&self, request: &Request) -> (Vec<OsString>, Vec<u8>) {
        let mut args: Vec<OsString> =
            self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        add(&["-p", "--output-format", "stream-json", "--verbose"]);
        match session(request) {
            (id, false) => add(&["--session-id", id]),
            (id, true) => add(&["--resume", id]),
        }
        if let Some(model) = &self.agent.model {
            add(&["--model", bare_model(model)]);
        }
        if let Some(system) = &request.system {
            add(&["--append-system-prompt", system]);
        }
        match self.agent.permissions {
            Some(Permissions::Bypass) => add(&["--dangerously-skip-permissions"]),
            Some(Permissions::AcceptEdits) => add(&["--permission-mode", "acceptEdits"]),
            Some(Permissions::ReadOnly) => add(&["--permission-mode", "plan"]),
            None => {}
        }
        args.extend(self.agent.args.iter().map(OsString::from));
        if self.agent.prompt_via == Some(PromptVia::Argv) {
            args.push(OsString::from(&request.user));
            return (args, Vec::new());
        }
        (args, request.user.clone().into_bytes())
    }

    fn dialect(&self) -> Box<dyn Dialect> {
        Box::new(ClaudeDialect::default())
    }

    fn target(&self) -> String {
        target("claude", self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        true
    }
}

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
    fn arguments(&self, request: &Request) -> (Vec<OsString>, Vec<u8>) {
        let words = self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).chain(&self.agent.args);
        let (placeholder, value) = match self.agent.prompt_via {
            Some(PromptVia::Argv) => ("{prompt}", OsString::from(&request.user)),
            Some(PromptVia::File) => ("{prompt_file}", prompt_file(request)),
            Some(PromptVia::Stdin) | None => {
                return (words.map(OsString::from).collect(), request.user.clone().into_bytes());
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
        (args, Vec::new())
    }

    fn dialect(&self) -> Box<dyn Dialect> {
        match self.agent.protocol {
            Some(Protocol::ClaudeStreamJson) => Box::new(ClaudeDialect::default()),
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

/// The stored prompt itself: it is on record before the agent starts.
fn prompt_file(request: &Request) -> OsString {
    let sha256 = crate::event::Sha256::of(request.user.as_bytes());
    let run = request.transcript.parent().and_then(std::path::Path::parent);
    run.unwrap_or(&request.workspace).join("prompts").join(format!("{sha256}.txt")).into_os_string()
}

/// `provider/model` without its provider.
fn bare_model(model: &str) -> &str {
    model.split_once('/').map_or(model, |(_, bare)| bare)
}

fn target(harness: &str, model: Option<&str>) -> String {
    model.map_or_else(|| harness.to_owned(), |model| format!("{harness} {model}"))
}
