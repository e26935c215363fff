//! How Claude Code is called: `claude -p --output-format stream-json`.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::backend::{Request, SessionPlan};
use crate::event::Failure;
use crate::profile::{Agent, Endpoint, Permissions, Profile, PromptVia};

use super::ClaudeDialect;
use crate::backend::agent::Dialect;
use crate::backend::agent::invoke::{Call, Environment, Invocation, Versions, bare_model, target};

/// Claude Code.
#[derive(Clone, Debug)]
pub struct Claude {
    agent: Agent,
    endpoint: Option<Endpoint>,
    max_output_tokens: Option<u32>,
}

impl Claude {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self {
            agent: profile.agent.clone(),
            endpoint: profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)).cloned(),
            max_output_tokens: profile.model.max_output_tokens,
        }
    }

    /// MCP servers as `--mcp-config` takes them; it fills in variables itself, so that no token is on the command line.
    fn servers(&self) -> Value {
        let servers = self.agent.mcp.iter().map(|(name, server)| {
            let entry = match (&server.command, &server.url) {
                (Some(argv), _) => json!({
                    "type": "stdio",
                    "command": argv.0.first(),
                    "args": argv.0.get(1..).unwrap_or_default(),
                    "env": server.env,
                }),
                (None, url) => {
                    let mut entry = json!({ "type": "http", "url": url });
                    if let Some(key) = &server.key_env {
                        entry["headers"] = json!({ "Authorization": format!("Bearer ${{{key}}}") });
                    }
                    entry
                }
            };
            (name.clone(), entry)
        });
        json!({ "mcpServers": Value::Object(servers.collect()) })
    }
}

impl Invocation for Claude {
    fn program(&self) -> &'static str {
        "claude"
    }

    fn versions(&self) -> Option<Versions> {
        Some(Versions { arguments: &["--version"], tested: "2.1.328", oldest: "2.0.0" })
    }

    fn inherits(&self) -> &'static [&'static str] {
        &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "ANTHROPIC_MODEL",
            "CLAUDE_CONFIG_DIR",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "XDG_CONFIG_HOME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "IS_SANDBOX",
        ]
    }

    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        // Its own loops are turned down, so that there is one that a person can see: ours.
        &[("CLAUDE_CODE_MAX_RETRIES", "2"), ("DISABLE_AUTOUPDATER", "1")]
    }

    fn environment(&self, caller: &Environment) -> Environment {
        let mut environment = Environment::new();
        if let Some(endpoint) = &self.endpoint {
            // It adds the version path itself, which `base_url` has already.
            let url = endpoint.base_url.trim_end_matches('/');
            let url = url.strip_suffix("/v1").unwrap_or(url);
            environment.insert("ANTHROPIC_BASE_URL".to_owned(), url.to_owned());
            if let Some(key) = endpoint.key_env.as_ref().and_then(|name| caller.get(name)) {
                environment.insert("ANTHROPIC_API_KEY".to_owned(), key.clone());
            }
        }
        if let Some(tokens) = self.max_output_tokens {
            environment.insert("CLAUDE_CODE_MAX_OUTPUT_TOKENS".to_owned(), tokens.to_string());
        }
        if !self.agent.mcp.is_empty() {
            // Else it hides the tools of MCP servers behind a search that not every model thinks of.
            environment.insert("ENABLE_TOOL_SEARCH".to_owned(), "false".to_owned());
        }
        environment
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        let mut args: Vec<OsString> =
            self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        // Partial messages show that the model has begun long before its first message is whole.
        add(&["-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"]);
        match &request.session {
            SessionPlan::Fresh(id) => add(&["--session-id", id.as_str()]),
            SessionPlan::Continue(id) => add(&["--resume", id.as_str()]),
            SessionPlan::Fork { parent, id } => {
                add(&["--resume", parent.as_str(), "--fork-session", "--session-id", id.as_str()]);
            }
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
        if !self.agent.mcp.is_empty() {
            add(&["--mcp-config", &self.servers().to_string()]);
        }
        args.extend(self.agent.args.iter().map(OsString::from));
        let mut stdin = Vec::new();
        if self.agent.prompt_via == Some(PromptVia::Argv) {
            // After `--`, since `--mcp-config` takes all that follows, and a prompt may begin with a dash.
            args.extend([OsString::from("--"), OsString::from(&request.user)]);
        } else {
            stdin = request.user.clone().into_bytes();
        }
        Ok(Call { args, stdin, ..Call::default() })
    }

    fn dialect(&self, _request: &Request) -> Box<dyn Dialect> {
        Box::new(ClaudeDialect::default())
    }

    fn target(&self) -> String {
        target("claude", self.agent.model.as_deref())
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
