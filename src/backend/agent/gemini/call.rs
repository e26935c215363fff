//! How Gemini CLI is called: `gemini -o stream-json`, with the prompt on its standard input.
//!
//! On a failure of the API it writes the whole conversation into a file of its own in `TMPDIR`, readable by everybody;
//! nothing turns that off. Who shares a machine sets `TMPDIR` in `agent.env`; it is not set here, since the commands
//! that the agent runs get it as well.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Value, json};

use crate::backend::agent::Dialect;
use crate::backend::agent::invoke::{Call, Environment, Invocation, Versions, bare_model, target};
use crate::backend::{Request, SessionPlan};
use crate::event::{Failure, FaultClass};
use crate::profile::element::Price;
use crate::profile::{Agent, Endpoint, Permissions, Profile, PromptVia};

use super::{GeminiDialect, home};

/// Gemini CLI.
#[derive(Clone, Debug)]
pub struct Gemini {
    agent: Agent,
    endpoint: Option<Endpoint>,
    prices: BTreeMap<String, Price>,
}

impl Gemini {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self {
            agent: profile.agent.clone(),
            endpoint: profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)).cloned(),
            prices: profile.prices.clone(),
        }
    }

    /// What must hold whatever the user's settings say.
    fn settings(&self) -> Value {
        let mut settings = json!({
            // One retry loop that a person can see: ours. Its own waits up to four minutes without a word, and prints
            // what a stream that was cut had said once more, without a mark.
            "general": { "maxAttempts": 1, "enableAutoUpdate": false, "enableAutoUpdateNotification": false },
            "telemetry": { "enabled": false },
            "privacy": { "usageStatisticsEnabled": false },
        });
        if self.endpoint.is_some() {
            settings["security"] = json!({ "auth": { "selectedType": "gemini-api-key" } });
        }
        if !self.agent.mcp.is_empty() {
            settings["mcpServers"] = self.servers();
        }
        settings
    }

    /// MCP servers; it fills in variables itself, so that no token is in its settings.
    fn servers(&self) -> Value {
        // They are the profile's own, so that they need no further leave where nothing else does either.
        let trust = self.agent.permissions == Some(Permissions::Bypass);
        let servers = self.agent.mcp.iter().map(|(name, server)| {
            let mut entry = match (&server.command, &server.url) {
                (Some(argv), _) => json!({
                    "command": argv.0.first(),
                    "args": argv.0.get(1..).unwrap_or_default(),
                    "env": server.env,
                }),
                (None, url) => {
                    let mut entry = json!({ "httpUrl": url });
                    if let Some(key) = &server.key_env {
                        entry["headers"] = json!({ "Authorization": format!("Bearer ${{{key}}}") });
                    }
                    entry
                }
            };
            if trust {
                entry["trust"] = json!(true);
            }
            (name.clone(), entry)
        });
        Value::Object(servers.collect())
    }
}

impl Invocation for Gemini {
    fn program(&self) -> &'static str {
        "gemini"
    }

    fn versions(&self) -> Option<Versions> {
        Some(Versions { arguments: &["--version"], tested: "0.61.0", oldest: "0.61.0" })
    }

    fn inherits(&self) -> &'static [&'static str] {
        &[
            "GEMINI_API_KEY",
            "GEMINI_CLI_HOME",
            "GEMINI_MODEL",
            "GOOGLE_API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_CLOUD_ACCESS_TOKEN",
            "GOOGLE_CLOUD_LOCATION",
            "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_GEMINI_BASE_URL",
            "GOOGLE_GENAI_USE_GCA",
            "GOOGLE_GENAI_USE_VERTEXAI",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
        ]
    }

    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        // One process instead of two, and no refusal to work without a terminal to ask whether the directory is trusted.
        &[
            ("GEMINI_CLI_NO_RELAUNCH", "true"),
            ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
            ("GEMINI_TELEMETRY_ENABLED", "false"),
        ]
    }

    fn environment(&self, caller: &Environment) -> Environment {
        let mut environment = Environment::new();
        if let Some(endpoint) = &self.endpoint {
            // It adds the version path itself, which `base_url` may have already.
            let url = endpoint.base_url.trim_end_matches('/');
            let url = url.strip_suffix("/v1beta").or_else(|| url.strip_suffix("/v1")).unwrap_or(url);
            environment.insert("GOOGLE_GEMINI_BASE_URL".to_owned(), url.to_owned());
            let key = match &endpoint.key_env {
                Some(name) => caller.get(name).cloned(),
                // It does not start without one.
                None => Some("none".to_owned()),
            };
            environment.extend(key.map(|key| ("GEMINI_API_KEY".to_owned(), key)));
        }
        environment
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        self.call_in(request, &[])
    }

    fn call_in(&self, request: &Request, environment: &[(OsString, OsString)]) -> Result<Call, Failure> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(given, value)| given == name && !value.is_empty());
            found.map(|(_, value)| Path::new(value))
        };
        let user = variable("GEMINI_CLI_HOME").or_else(|| variable("HOME"));
        let (home, mut env) = home::make(request, user, &self.settings())?;
        env.push(("GEMINI_CLI_HOME".into(), home.into_os_string()));
        let mut args: Vec<OsString> =
            self.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        add(&["--output-format", "stream-json"]);
        match &request.session {
            SessionPlan::Fresh(id) => add(&["--session-id", id.as_str()]),
            SessionPlan::Continue(id) => add(&["--resume", id.as_str()]),
            SessionPlan::Fork { .. } => {
                return Err(Failure::ours(
                    FaultClass::RequestInvalid,
                    "Gemini CLI cannot fork a conversation; take `lineage.fork` out of the profile",
                ));
            }
        }
        if let Some(model) = &self.agent.model {
            add(&["--model", bare_model(model)]);
        }
        match self.agent.permissions {
            Some(Permissions::Bypass) => add(&["--approval-mode", "yolo"]),
            Some(Permissions::AcceptEdits) => add(&["--approval-mode", "auto_edit"]),
            Some(Permissions::ReadOnly) => add(&["--approval-mode", "plan"]),
            None => {}
        }
        args.extend(self.agent.args.iter().map(OsString::from));
        let mut stdin = Vec::new();
        if self.agent.prompt_via == Some(PromptVia::Argv) {
            // In one word, since a prompt may begin with a dash.
            args.push(format!("--prompt={}", request.user).into());
        } else {
            stdin = request.user.clone().into_bytes();
        }
        Ok(Call { args, stdin, env })
    }

    fn dialect(&self, request: &Request) -> Box<dyn Dialect> {
        Box::new(GeminiDialect::new().in_session(request.session.id().clone()).priced(self.prices.clone()))
    }

    fn target(&self) -> String {
        target("gemini", self.agent.model.as_deref())
    }

    fn sends_system(&self) -> bool {
        true
    }
}
