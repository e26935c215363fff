//! How Codex is called: `codex exec --json`.

use std::ffi::OsString;
use std::time::Duration;

use toml::{Table, Value};

use crate::backend::{Request, SessionPlan};
use crate::event::Failure;
use crate::profile::element::{Period, Price};
use crate::profile::{Agent, Endpoint, McpServer, Permissions, Profile, PromptVia};

use super::{CodexDialect, history, log};
use crate::backend::agent::invoke::{Call, Environment, Invocation, Versions, bare_model, target};
use crate::backend::agent::{Dialect, Listener};

/// The name under which it knows the endpoint of the profile.
const PROVIDER: &str = "provost";

/// How long a stream may be silent before Codex takes it for lost: its own default, where `round.stall` is longer.
const STREAM_IDLE: Duration = Duration::from_mins(5);

/// Codex.
#[derive(Clone, Debug)]
pub struct Codex {
    agent: Agent,
    endpoint: Option<Endpoint>,
    effort: Option<String>,
    price: Option<Price>,
    stall: Period,
}

impl Codex {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        let agent = profile.agent.clone();
        Self {
            endpoint: agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)).cloned(),
            effort: profile.model.reasoning_effort.clone(),
            price: agent.model.as_ref().and_then(|model| profile.prices.get(model)).cloned(),
            stall: profile.round.stall,
            agent,
        }
    }

    /// What overrides its configuration file, each value as TOML. What the profile does not name stays the user's own;
    /// `agent.args`, which come later, override these.
    fn settings(&self, request: &Request) -> Vec<(&'static str, Value)> {
        let mut settings = vec![
            ("analytics.enabled", Value::from(false)),
            ("check_for_update_on_startup", Value::from(false)),
            // It fetches a market place of them from outside, whether or not any is installed.
            ("features.plugins", Value::from(false)),
            // Else it waits for a network for ever.
            ("features.unbounded_connection_retries", Value::from(false)),
        ];
        let (variable, _) = log::ASK;
        if !self.agent.env.contains_key(variable)
            && !self.agent.inherit_env.iter().any(|name| name == variable)
        {
            // What the agent runs has no use for what we ask of its log. Merged with the user's own table.
            settings.push(("shell_environment_policy.set", table([(variable, "".into())])));
        }
        if let Some(endpoint) = &self.endpoint {
            settings.push(("model_provider", PROVIDER.into()));
            // As whole tables: a name with a dot in it would be a path otherwise. They are merged with the user's own.
            settings.push(("model_providers", table([(PROVIDER, self.provider(endpoint))])));
        }
        if let Some(system) = &request.system {
            settings.push(("developer_instructions", system.as_str().into()));
        }
        if let Some(effort) = &self.effort {
            settings.push(("model_reasoning_effort", effort.as_str().into()));
        }
        // Its own flag for this is not taken by `resume` and `fork`.
        match self.agent.permissions {
            Some(Permissions::AcceptEdits) => settings.push(("sandbox_mode", "workspace-write".into())),
            Some(Permissions::ReadOnly) => settings.push(("sandbox_mode", "read-only".into())),
            Some(Permissions::Bypass) | None => {}
        }
        if !self.agent.mcp.is_empty() {
            let servers = self.agent.mcp.iter().map(|(name, server)| (name.as_str(), self.server(server)));
            settings.push(("mcp_servers", table(servers)));
        }
        settings
    }

    /// The endpoint, with its retry loops turned down, so that there is one that a person can see: ours. One repetition
    /// of a stream is left to it, since a round that is hours old should not end with one lost connection.
    fn provider(&self, endpoint: &Endpoint) -> Value {
        let idle = i64::try_from(self.stall.0.min(STREAM_IDLE).as_millis()).unwrap_or(i64::MAX);
        let mut provider = Table::from_iter([
            ("name".to_owned(), Value::from(PROVIDER)),
            ("base_url".to_owned(), endpoint.base_url.trim_end_matches('/').into()),
            ("wire_api".to_owned(), "responses".into()),
            ("request_max_retries".to_owned(), 0.into()),
            ("stream_max_retries".to_owned(), 1.into()),
            ("stream_idle_timeout_ms".to_owned(), idle.into()),
        ]);
        if let Some(key) = &endpoint.key_env {
            provider.insert("env_key".to_owned(), key.as_str().into());
        }
        provider.into()
    }

    fn server(&self, server: &McpServer) -> Value {
        let mut entry = Table::new();
        if let Some(argv) = &server.command {
            entry.insert("command".to_owned(), argv.0.first().map_or("", String::as_str).into());
            let args = argv.0.iter().skip(1).map(|arg| Value::from(arg.as_str()));
            entry.insert("args".to_owned(), Value::Array(args.collect()));
            let env = server.env.iter().map(|(name, value)| (name.as_str(), value.as_str().into()));
            entry.insert("env".to_owned(), table(env));
            // It gives them only a few variables of its own unless told by name; never a value, which others could see.
            let passed = self.agent.inherit_env.iter().chain(self.agent.env.keys());
            let passed = passed.filter(|name| !server.env.contains_key(*name));
            entry.insert(
                "env_vars".to_owned(),
                Value::Array(passed.map(|name| name.as_str().into()).collect()),
            );
        } else if let Some(url) = &server.url {
            entry.insert("url".to_owned(), url.as_str().into());
            if let Some(key) = &server.key_env {
                entry.insert("bearer_token_env_var".to_owned(), key.as_str().into());
            }
        }
        if matches!(self.agent.permissions, Some(Permissions::Bypass | Permissions::AcceptEdits)) {
            // Nobody is there to be asked, and so it would refuse.
            entry.insert("default_tools_approval_mode".to_owned(), "approve".into());
        }
        entry.into()
    }
}

fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Invocation for Codex {
    fn program(&self) -> &'static str {
        "codex"
    }

    fn versions(&self) -> Option<Versions> {
        Some(Versions { arguments: &["--version"], tested: "0.169.0", oldest: "0.169.0" })
    }

    fn inherits(&self) -> &'static [&'static str] {
        &[
            "CODEX_API_KEY",
            "CODEX_ACCESS_TOKEN",
            "CODEX_HOME",
            "CODEX_SQLITE_HOME",
            "CODEX_CA_CERTIFICATE",
            "OPENAI_API_KEY",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            // It says in local time when a limit resets.
            "TZ",
        ]
    }

    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        &[log::ASK]
    }

    fn environment(&self, caller: &Environment) -> Environment {
        let key = self.endpoint.as_ref().and_then(|endpoint| endpoint.key_env.as_ref());
        key.and_then(|name| Some((name.clone(), caller.get(name)?.clone()))).into_iter().collect()
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        let mut args: Vec<OsString> =
            self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        add(&["exec"]);
        match &request.session {
            SessionPlan::Fresh(_) => {}
            SessionPlan::Continue(_) => add(&["resume"]),
            SessionPlan::Fork { .. } => add(&["fork"]),
        }
        add(&["--json", "--skip-git-repo-check"]);
        for (key, value) in self.settings(request) {
            add(&["-c", &format!("{key}={value}")]);
        }
        if let Some(model) = &self.agent.model {
            add(&["-m", bare_model(model)]);
        }
        if self.agent.permissions == Some(Permissions::Bypass) {
            add(&["--dangerously-bypass-approvals-and-sandbox"]);
        }
        for image in &request.images {
            let mut flag = OsString::from("--image=");
            flag.push(&image.path);
            args.push(flag);
        }
        args.extend(self.agent.args.iter().map(OsString::from));
        // What follows is no option, whatever it begins with, and nothing that an option before could take.
        args.push("--".into());
        args.extend(request.session.known().map(|id| OsString::from(id.as_str())));
        let mut stdin = Vec::new();
        if self.agent.prompt_via == Some(PromptVia::Argv) {
            args.push(OsString::from(&request.user));
        } else {
            args.push("-".into());
            stdin = request.user.clone().into_bytes();
        }
        Ok(Call { args, stdin, ..Call::default() })
    }

    fn dialect(&self, request: &Request) -> Box<dyn Dialect> {
        let model = self.agent.model.clone();
        Box::new(CodexDialect::new(history::before(request), model, self.price.clone()))
    }

    fn listener(&self) -> Option<Listener> {
        Some(log::listener())
    }

    fn target(&self) -> String {
        target("codex", self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        true
    }

    fn forks(&self) -> bool {
        true
    }

    fn resumes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
