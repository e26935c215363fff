//! A profile in, a harness out: the one place that knows all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::file::Secrets;
use crate::file::is_secret_name;
use crate::process::Guard;
use crate::profile::Profile;

use super::Harness;
use super::agent::{AgentHarness, AnyCommand, Claude, Invocation};
use super::chat::{ChatHarness, Endpoint, ModelOptions, Script, ScriptedHarness, SecretKey, Settings};
use super::shell::GuardedShell;

/// Variables that Claude Code takes its credentials and its endpoint from.
const CLAUDE_ENV: &[&str] = &[
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
];

/// Something that the profile needs is not there; exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unavailable {
    /// What is not there.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a harness is made from.
pub struct Place<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// The caller's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Starts processes.
    pub guard: Guard,
    /// Values that are never written.
    pub secrets: Arc<Secrets>,
    /// Where the agent works; absolute.
    pub workspace: &'a Path,
}

/// Makes the harness of a profile, after it was seen that what it needs is there.
///
/// # Errors
///
/// [`Unavailable`], with a remedy, before anything is started.
pub fn harness(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    let profile = place.profile;
    ready(profile, place.environment, place.workspace)?;
    match profile.agent.harness.as_str() {
        "claude" => agent(place, Box::new(Claude::new(profile))),
        "command" => agent(place, Box::new(AnyCommand::new(profile))),
        "chat" => chat(place),
        "scripted" => scripted(place),
        other => Err(Unavailable {
            what: format!("the harness `{other}` is not built into this version"),
            remedy: "use `claude`, `command`, `chat` or `scripted`".to_owned(),
        }),
    }
}

/// The variables whose values must never be written: the named keys, and what looks like a secret and is passed on.
pub fn secrets(profile: &Profile, environment: &BTreeMap<String, String>) -> Secrets {
    let keys = profile.endpoints.values().filter_map(|endpoint| endpoint.key_env.clone());
    let passed = agent_environment(profile, environment).into_keys();
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for name in keys.chain(passed.filter(|name| is_secret_name(name))) {
        if let Some(value) = profile.agent.env.get(&name).or_else(|| environment.get(&name)) {
            pairs.insert(name, value.clone());
        }
    }
    Secrets::new(pairs)
}

/// What reaches the agent: an allow-list, what its credentials need, and what the profile sets.
pub fn agent_environment(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let claude = profile.agent.harness == "claude";
    let mut reaches = BTreeMap::new();
    if claude {
        // Its own loops are turned down, so that there is one that a person can see: ours.
        reaches.insert("CLAUDE_CODE_MAX_RETRIES".to_owned(), "2".to_owned());
        reaches.insert("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned());
    }
    let needed = if claude { CLAUDE_ENV } else { &[] };
    for name in profile.agent.inherit_env.iter().map(String::as_str).chain(needed.iter().copied()) {
        if let Some(value) = environment.get(name) {
            reaches.insert(name.to_owned(), value.clone());
        }
    }
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    if let Some(endpoint) = endpoint.filter(|_| claude) {
        // It adds the version path itself, which `base_url` has already.
        let url = endpoint.base_url.trim_end_matches('/');
        reaches.insert("ANTHROPIC_BASE_URL".to_owned(), url.strip_suffix("/v1").unwrap_or(url).to_owned());
        if let Some(key) = endpoint.key_env.as_ref().and_then(|name| environment.get(name)) {
            reaches.insert("ANTHROPIC_API_KEY".to_owned(), key.clone());
        }
    }
    if let Some(tokens) = profile.model.max_output_tokens.filter(|_| claude) {
        reaches.insert("CLAUDE_CODE_MAX_OUTPUT_TOKENS".to_owned(), tokens.to_string());
    }
    reaches.extend(profile.agent.env.clone());
    reaches
}

/// Finds a program the way the child will: a path against the workspace, a bare name on its `PATH`.
pub fn resolve(program: &str, path: &str, workspace: &Path) -> Option<PathBuf> {
    let executable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let path = workspace.join(program);
        return executable(&path).then_some(path);
    }
    path.split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| workspace.join(dir).join(program))
        .find(|path| executable(path))
}

fn os(environment: BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Sees that what the profile needs is there, before a run directory is made for it.
///
/// # Errors
///
/// [`Unavailable`], with a remedy.
pub fn ready(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<(), Unavailable> {
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    if let Some(key) = endpoint.and_then(|endpoint| endpoint.key_env.as_ref()) {
        present(key, environment)?;
    }
    match profile.agent.harness.as_str() {
        "scripted" => script(profile).map(drop),
        "claude" | "command" => program(profile, environment, workspace).map(drop),
        _ => Ok(()),
    }
}

/// The agent's program, found the way the child will find it.
fn program(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<PathBuf, Unavailable> {
    let named = profile.agent.command.as_ref().and_then(|argv| argv.0.first());
    let name = named.map_or(profile.agent.harness.as_str(), String::as_str);
    let reaches = agent_environment(profile, environment);
    let path = reaches.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    resolve(name, path, workspace).ok_or_else(|| Unavailable {
        what: format!("the program `{name}` is not on the agent's PATH"),
        remedy: "install it, or name its path in `agent.command`".to_owned(),
    })
}

fn script(profile: &Profile) -> Result<Script, Unavailable> {
    Script::load(&profile.agent.script.clone().unwrap_or_default())
        .map_err(|error| Unavailable { what: error.to_string(), remedy: "correct the script".to_owned() })
}

fn agent(place: &Place<'_>, invocation: Box<dyn Invocation>) -> Result<Arc<dyn Harness>, Unavailable> {
    let program = program(place.profile, place.environment, place.workspace)?;
    let environment = os(agent_environment(place.profile, place.environment));
    let grace = place.profile.round.grace.0;
    let secrets = Arc::clone(&place.secrets);
    Ok(Arc::new(AgentHarness::new(invocation, program, environment, grace, place.guard.clone(), secrets)))
}

fn present(key: &str, environment: &BTreeMap<String, String>) -> Result<String, Unavailable> {
    environment.get(key).filter(|value| !value.is_empty()).cloned().ok_or_else(|| Unavailable {
        what: format!("the variable `{key}` that holds the key is not set"),
        remedy: format!("set `{key}`, or take `key_env` out of the endpoint if it needs no key"),
    })
}

/// What a check command gets: the caller's environment without the keys that only the agent needs.
pub fn check_environment(
    environment: &BTreeMap<String, String>,
    secrets: &Secrets,
) -> Vec<(OsString, OsString)> {
    let clear = |(_, value): &(&String, &String)| secrets.redact(value.as_bytes()).1 == 0;
    environment.iter().filter(clear).map(|(name, value)| (name.into(), value.into())).collect()
}

/// The settings of the in-process harnesses.
fn settings(place: &Place<'_>) -> Settings {
    let profile = place.profile;
    let environment = os(agent_environment(profile, place.environment));
    let shell = GuardedShell::new(place.guard.clone(), environment, profile.round.grace.0);
    let defaults = Settings::default();
    Settings {
        tools: profile.agent.tools.clone().unwrap_or_else(|| {
            use crate::profile::Tool;
            vec![Tool::Read, Tool::Write, Tool::Edit, Tool::List, Tool::Shell]
        }),
        max_turns: profile.agent.max_turns.unwrap_or(defaults.max_turns),
        tool_timeout: profile.round.tool.0,
        shell: Arc::new(shell),
    }
}

fn chat(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    let profile = place.profile;
    let named = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    let (Some(endpoint), Some(model)) = (named, &profile.agent.model) else {
        return Err(Unavailable {
            what: "the `chat` harness has no endpoint or no model".to_owned(),
            remedy: "set `agent.endpoint` and `agent.model`".to_owned(),
        });
    };
    let key = match &endpoint.key_env {
        Some(name) => Some(SecretKey::new(present(name, place.environment)?)),
        None => None,
    };
    let options = ModelOptions {
        temperature: profile.model.temperature,
        max_output_tokens: profile.model.max_output_tokens,
        seed: profile.model.seed,
        reasoning_effort: profile.model.reasoning_effort.clone(),
    };
    let price = profile.prices.get(model).cloned();
    let endpoint =
        Endpoint::new(endpoint.api, &endpoint.base_url, key, model, options, price).map_err(|error| {
            Unavailable {
                what: error.to_string(),
                remedy: "look at `base_url` and `key_env` of the endpoint".to_owned(),
            }
        })?;
    Ok(Arc::new(ChatHarness::new(endpoint, settings(place))))
}

fn scripted(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    Ok(Arc::new(ScriptedHarness::new(script(place.profile)?, settings(place))))
}
