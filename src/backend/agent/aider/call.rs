//! How aider is called: one message, read from its standard input.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::backend::agent::Dialect;
use crate::backend::agent::files;
use crate::backend::agent::invoke::{Call, Environment, Invocation, Versions, target};
use crate::backend::{Request, SessionPlan};
use crate::event::{Failure, FaultClass, SessionId, Sha256};
use crate::profile::element::Price;
use crate::profile::{Agent, Endpoint, Profile, SessionPolicy};

use super::AiderDialect;

/// aider.
#[derive(Clone, Debug)]
pub struct Aider {
    agent: Agent,
    endpoint: Option<Endpoint>,
    prices: BTreeMap<String, Price>,
    /// Whether a later round goes on with the conversation.
    continues: bool,
}

impl Aider {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self {
            agent: profile.agent.clone(),
            endpoint: profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)).cloned(),
            prices: profile.prices.clone(),
            continues: profile.lineage.session == SessionPolicy::Continue,
        }
    }

    /// The model in its library's words: at an endpoint, the provider says which protocol is spoken.
    fn model(&self) -> Option<String> {
        let model = self.agent.model.as_deref()?;
        match &self.endpoint {
            Some(_) => Some(format!("openai/{}", model.split_once('/').map_or(model, |(_, bare)| bare))),
            None => Some(model.to_owned()),
        }
    }
}

/// Where the history of a conversation is kept.
fn history(request: &Request, session: &SessionId) -> Result<PathBuf, Failure> {
    // It writes down what it is told.
    files::stored_prompt(request, &request.user)?;
    let directory = request.directory.join("harness").join("aider");
    files::directory(&directory)?;
    Ok(directory.join(format!("{}.md", Sha256::of(session.as_str().as_bytes()))))
}

/// Whether the directory is in a git repository, as far as aider would see it.
fn in_repository(directory: &Path) -> bool {
    directory.ancestors().any(|directory| directory.join(".git").exists())
}

impl Invocation for Aider {
    fn program(&self) -> &'static str {
        "aider"
    }

    fn versions(&self) -> Option<Versions> {
        Some(Versions { arguments: &["--version"], tested: "0.86.2", oldest: "0.86.0" })
    }

    fn inherits(&self) -> &'static [&'static str] {
        &[
            "ANTHROPIC_API_KEY",
            "DEEPSEEK_API_KEY",
            "GEMINI_API_KEY",
            "GROQ_API_KEY",
            "MISTRAL_API_KEY",
            "OLLAMA_API_BASE",
            "OPENAI_API_BASE",
            "OPENAI_API_KEY",
            "OPENROUTER_API_KEY",
            "XAI_API_KEY",
            "XDG_CONFIG_HOME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
        ]
    }

    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        &[("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("PYTHONUNBUFFERED", "1")]
    }

    fn environment(&self, caller: &Environment) -> Environment {
        let mut environment = Environment::new();
        if let Some(endpoint) = &self.endpoint {
            environment.insert("OPENAI_API_BASE".to_owned(), endpoint.base_url.clone());
            let key = match &endpoint.key_env {
                Some(name) => caller.get(name).cloned(),
                // It does not start without one.
                None => Some("none".to_owned()),
            };
            environment.extend(key.map(|key| ("OPENAI_API_KEY".to_owned(), key)));
        }
        environment
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        let mut args: Vec<OsString> =
            self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        args.extend(
            [
                "--no-pretty",
                "--no-fancy-input",
                "--yes-always",
                // For this call only; the other flag would change the user's own choice for ever.
                "--no-analytics",
                "--no-check-update",
                "--no-show-release-notes",
                "--no-show-model-warnings",
                "--no-suggest-shell-commands",
                // It would read pages that the prompt only mentions, and add itself to the project's `.gitignore`.
                "--no-detect-urls",
                "--no-gitignore",
            ]
            .map(OsString::from),
        );
        if !in_repository(&request.workspace) {
            // It asks whether to make one, and always is what it takes for the answer.
            args.push("--no-git".into());
        }
        let history = match &request.session {
            // What nobody goes on with is kept nowhere.
            SessionPlan::Fresh(_) if !self.continues => PathBuf::from("/dev/null"),
            SessionPlan::Fresh(id) => history(request, id)?,
            SessionPlan::Continue(id) => {
                args.push("--restore-chat-history".into());
                history(request, id)?
            }
            SessionPlan::Fork { .. } => {
                return Err(Failure::ours(
                    FaultClass::RequestInvalid,
                    "aider cannot fork a conversation; take `lineage.fork` out of the profile",
                ));
            }
        };
        args.extend(["--input-history-file".into(), "/dev/null".into()]);
        args.extend(["--chat-history-file".into(), history.into_os_string()]);
        if let Some(model) = self.model() {
            args.extend(["--model".into(), model.into()]);
        }
        if let Some(system) = &request.system {
            files::stored_prompt(request, system)?;
            let directory = request.directory.join("harness/aider");
            files::directory(&directory)?;
            let path = directory.join("CONVENTIONS.md");
            files::write(&path, system.as_bytes())?;
            args.extend(["--read".into(), path.into_os_string()]);
        }
        args.extend(self.agent.args.iter().map(OsString::from));
        args.extend(["--message-file".into(), "/dev/stdin".into()]);
        let mut stdin = request.user.clone().into_bytes();
        if stdin.starts_with(b"/") || stdin.starts_with(b"!") {
            // It would take the task for a command of its own, or of the shell.
            stdin.insert(0, b'\n');
        }
        Ok(Call { args, stdin, ..Call::default() })
    }

    fn dialect(&self, request: &Request) -> Box<dyn Dialect> {
        Box::new(AiderDialect::new().in_session(request.session.id().clone()).priced(self.prices.clone()))
    }

    fn target(&self) -> String {
        target("aider", self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        true
    }
}
