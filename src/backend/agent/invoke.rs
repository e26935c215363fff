//! How each agent CLI is called, and the one list of them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::backend::Request;
use crate::event::Failure;
use crate::profile::Profile;

use super::{Acp, Aider, AnyCommand, Claude, Codex, Dialect, Gemini, Listener, Opencode};

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// What one process of an agent CLI is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its arguments, the prompt included where it travels that way.
    pub args: Vec<OsString>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Variables of this call alone, over those of the agent. Never the value of a secret.
    pub env: Vec<(OsString, OsString)>,
}

/// Versions that an agent CLI is known to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The arguments that make it print its version.
    pub arguments: &'static [&'static str],
    /// The version whose output our tests hold, as `major.minor.patch`.
    pub tested: &'static str,
    /// The oldest one that takes the arguments and prints the events that we rely on.
    pub oldest: &'static str,
}

/// One agent CLI: how it is found, called, and read. It holds a profile and no state: each attempt is independent.
pub trait Invocation: Send + Sync {
    /// The program, where the profile names none.
    fn program(&self) -> &'static str;

    /// The versions it is known to work with; `None` for a program that nobody knows.
    fn versions(&self) -> Option<Versions> {
        None
    }

    /// Variables of the caller that it takes its credentials and its settings from.
    fn inherits(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is set unless the caller sets it: its own retry loops turned down, updates and telemetry off.
    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What the profile sets, given the caller's environment: where the endpoint is and what its key is.
    fn environment(&self, _caller: &Environment) -> Environment {
        Environment::new()
    }

    /// What the process of one attempt is started with.
    ///
    /// # Errors
    ///
    /// A failure of this machine, where a file that the agent needs cannot be written.
    fn call(&self, request: &Request) -> Result<Call, Failure>;

    /// As [`Invocation::call`], for an agent CLI whose files depend on what else reaches it.
    ///
    /// # Errors
    ///
    /// As there.
    fn call_in(&self, request: &Request, _environment: &[(OsString, OsString)]) -> Result<Call, Failure> {
        self.call(request)
    }

    /// A parser for one attempt.
    fn dialect(&self, request: &Request) -> Box<dyn Dialect>;

    /// What tells the lines of standard error apart, for a program that does not only complain there.
    fn listener(&self) -> Option<Listener> {
        None
    }

    /// A parser that also speaks, for an agent whose standard input stays open; it takes the place of
    /// [`Invocation::dialect`] and of [`Call::stdin`]. `environment` is what the agent is started with.
    fn conversation(
        &self,
        _request: &Request,
        _environment: &[(OsString, OsString)],
    ) -> Option<Box<dyn Dialect>> {
        None
    }

    /// Who gets the prompts: harness, and model where one is named.
    fn target(&self) -> String;

    /// Whether the system prompt is sent apart from the user's.
    fn sends_system(&self) -> bool;

    /// Whether it can fork a conversation.
    fn forks(&self) -> bool {
        false
    }

    /// Whether it keeps a session from its first message on, so that another process, with another model, can go on where
    /// one was cut off, even one that was killed. Say so only where that was seen.
    fn resumes(&self) -> bool {
        false
    }
}

/// The agent CLI of a profile; `None` for a harness that is none.
pub fn invocation(profile: &Profile) -> Option<Box<dyn Invocation>> {
    Some(match profile.agent.harness.as_str() {
        "acp" => Box::new(Acp::new(profile)),
        "aider" => Box::new(Aider::new(profile)),
        "claude" => Box::new(Claude::new(profile)),
        "codex" => Box::new(Codex::new(profile)),
        "command" => Box::new(AnyCommand::new(profile)),
        "opencode" => Box::new(Opencode::new(profile)),
        "gemini" => Box::new(Gemini::new(profile)),
        _ => return None,
    })
}

/// `provider/model` without its provider.
pub(super) fn bare_model(model: &str) -> &str {
    model.split_once('/').map_or(model, |(_, bare)| bare)
}

/// Who gets the prompts.
pub(super) fn target(harness: &str, model: Option<&str>) -> String {
    model.map_or_else(|| harness.to_owned(), |model| format!("{harness} {model}"))
}
