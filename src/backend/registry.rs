//! A profile in, a harness out: the one place that knows all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Failure, FaultClass};
pub use crate::file::Secrets;
use crate::file::is_secret_name;
use crate::process::Guard;
use crate::profile::element::Argv;
use crate::profile::{Profile, Server};

use super::agent::{AgentHarness, Invocation, invocation};
use super::chat::{
    ChatHarness, Endpoint, McpServer, McpServers, ModelOptions, Script, ScriptedHarness, SecretKey, Settings,
};
use super::opencode::{self, OpencodeServer, OwnServer};
use super::shell::GuardedShell;
use super::{Attempt, Harness, Link, Request};

/// Something that the profile needs is not there; exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unavailable {
    /// What is not there.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unavailable {
    /// The same, said of a candidate by its place in the chain: the primary, 0, needs no name.
    #[must_use]
    pub fn of_candidate(self, index: usize) -> Self {
        match index.checked_sub(1) {
            None => self,
            Some(entry) => {
                let what = format!("`agent.fallback[{entry}]`: {}", self.what);
                Self { what, remedy: format!("{}; or take the entry out of the chain", self.remedy) }
            }
        }
    }
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

/// Makes the harness of a profile, after it was seen that what it needs is there. Its chain is not looked at: each of its
/// candidates has a harness of its own.
///
/// # Errors
///
/// [`Unavailable`], with a remedy, before anything is started.
pub fn harness(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    let profile = place.profile;
    candidate_ready(profile, place.environment, place.workspace)?;
    if let Some(invocation) = invocation(profile) {
        return agent(place, invocation);
    }
    match profile.agent.harness.as_str() {
        "chat" => chat(place),
        "scripted" => scripted(place),
        "opencode-server" => opencode_server(place),
        other => Err(Unavailable {
            what: format!("the harness `{other}` is not built into this version"),
            remedy: "use another one of `provost help harnesses`".to_owned(),
        }),
    }
}

/// The harness of a dry run: prompts are assembled and nothing is called, so that nothing need be there.
pub fn dry() -> Arc<dyn Harness> {
    struct Dry;
    impl Harness for Dry {
        fn attempt(&self, _request: Request, _link: Link) -> Attempt {
            Box::pin(async { Err(Failure::ours(FaultClass::SelfAbort, "dry run")) })
        }
    }
    Arc::new(Dry)
}

/// The variables whose values must never be written: the named keys, and what looks like a secret and is passed on, to the
/// primary or to any other candidate of the chain.
pub fn secrets(profile: &Profile, environment: &BTreeMap<String, String>) -> Secrets {
    Secrets::new(secret_values(profile, environment))
}

/// The same of several profiles that are part of one run.
pub fn secrets_of<'a>(
    profiles: impl IntoIterator<Item = &'a Profile>,
    environment: &BTreeMap<String, String>,
) -> Secrets {
    Secrets::new(profiles.into_iter().flat_map(|profile| secret_values(profile, environment)))
}

fn secret_values(profile: &Profile, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let endpoints = profile.endpoints.values().filter_map(|endpoint| endpoint.key_env.clone());
    let servers = profile.agent.mcp.values().filter_map(|server| server.key_env.clone());
    let password = profile.agent.server.iter().filter_map(|server| server.password_env.clone());
    let keys = endpoints.chain(servers).chain(password);
    let candidates = profile.candidates();
    let passed = candidates.iter().flat_map(|one| agent_environment(one, environment).into_keys());
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for name in keys.chain(passed.filter(|name| is_secret_name(name))) {
        if let Some(value) = profile.agent.env.get(&name).or_else(|| environment.get(&name)) {
            pairs.insert(name, value.clone());
        }
    }
    for (server, table) in &profile.agent.mcp {
        // The name becomes a part of JSON texts.
        let server: String =
            server.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
        for (name, value) in table.env.iter().filter(|(name, _)| is_secret_name(name)) {
            pairs.insert(format!("mcp.{server}.{name}"), value.clone());
        }
    }
    pairs
}

/// What reaches the agent: an allow-list, what its credentials need, and what the profile sets.
pub fn agent_environment(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let invocation = invocation(profile);
    let mut reaches = BTreeMap::new();
    let opencode_server = profile.agent.harness == "opencode-server";
    let (none, defaults) =
        if opencode_server { (opencode::INHERITS, opencode::DEFAULTS) } else { (&[][..], &[][..]) };
    for (name, value) in invocation.as_ref().map_or(defaults, |invocation| invocation.defaults()) {
        reaches.insert((*name).to_owned(), (*value).to_owned());
    }
    let needed = invocation.as_ref().map_or(none, |invocation| invocation.inherits());
    let named = profile.agent.inherit_env.iter().map(String::as_str).chain(needed.iter().copied());
    // An agent CLI reads the tokens of its servers by itself; in our own loop nothing that runs needs to see them.
    let reads_tokens = invocation.is_some() || opencode_server;
    let servers = profile.agent.mcp.values().filter(|_| reads_tokens);
    let tokens = servers.filter_map(|server| server.key_env.as_deref());
    for name in named.chain(tokens) {
        if let Some(value) = environment.get(name) {
            reaches.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(invocation) = &invocation {
        reaches.extend(invocation.environment(environment));
    }
    if opencode_server {
        reaches.extend(opencode::environment(profile, environment));
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

pub(super) fn os(environment: BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The variables that a profile names as keys, in the order in which they are looked at; [`ready`] sees that they are set.
pub fn keys(profile: &Profile) -> Vec<&str> {
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    let endpoint = endpoint.and_then(|endpoint| endpoint.key_env.as_deref());
    let servers = profile.agent.mcp.values().filter_map(|server| server.key_env.as_deref());
    endpoint.into_iter().chain(servers).collect()
}

/// The program of an agent CLI; `None` for a harness that has none.
///
/// # Errors
///
/// [`Unavailable`] when it is not there.
pub fn agent_program(place: &Place<'_>) -> Result<Option<PathBuf>, Unavailable> {
    let Some(invocation) = invocation(place.profile) else { return Ok(None) };
    program(place.profile, invocation.program(), place.environment, place.workspace).map(Some)
}

/// Sees that what the profile needs is there, before a run directory is made for it: for each candidate of its chain, so
/// that none turns out to be missing when it is wanted.
///
/// # Errors
///
/// [`Unavailable`], with a remedy; it names the entry of the chain.
pub fn ready(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<(), Unavailable> {
    for (index, candidate) in profile.candidates().iter().enumerate() {
        candidate_ready(candidate, environment, workspace).map_err(|error| error.of_candidate(index))?;
    }
    Ok(())
}

fn candidate_ready(
    profile: &Profile,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<(), Unavailable> {
    for key in keys(profile) {
        present(key, environment)?;
    }
    if let Some(invocation) = invocation(profile) {
        return program(profile, invocation.program(), environment, workspace).map(drop);
    }
    // A sandbox of its own starts its own programs.
    let servers = profile.agent.mcp.iter().filter(|_| profile.agent.harness != "opencode-server");
    for (name, server) in servers {
        if let Some(argv) = &server.command {
            mcp_program(profile, name, argv, environment, workspace)?;
        }
    }
    match profile.agent.harness.as_str() {
        "scripted" => script(profile).map(drop),
        "opencode-server" => match &profile.agent.server {
            None => program(profile, "opencode", environment, workspace).map(drop),
            Some(server) => password(server, environment).map(drop),
        },
        _ => Ok(()),
    }
}

/// Where the program of an MCP server looks for programs, unless the profile says otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The program and the environment of an MCP server that is started here.
fn mcp_program(
    profile: &Profile,
    name: &str,
    argv: &Argv,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<(PathBuf, BTreeMap<String, String>), Unavailable> {
    let mut reaches = agent_environment(profile, environment);
    if let Some(server) = profile.agent.mcp.get(name) {
        reaches.extend(server.env.clone());
    }
    let path = reaches.get("PATH").map_or(PATH, String::as_str);
    let program = argv.0.first().map_or("", String::as_str);
    match resolve(program, path, workspace) {
        Some(program) => Ok((program, reaches)),
        None => Err(Unavailable {
            what: format!("the program `{program}` of the MCP server `{name}` is not on the agent's PATH"),
            remedy: format!("install it, or name its path in `agent.mcp.{name}.command`"),
        }),
    }
}

/// The agent's program, found the way the child will find it.
pub(super) fn program(
    profile: &Profile,
    default: &str,
    environment: &BTreeMap<String, String>,
    workspace: &Path,
) -> Result<PathBuf, Unavailable> {
    let named = profile.agent.command.as_ref().and_then(|argv| argv.0.first());
    let name = named.map_or(default, String::as_str);
    let reaches = agent_environment(profile, environment);
    let path = reaches.get("PATH").map_or(PATH, String::as_str);
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
    let program = program(place.profile, invocation.program(), place.environment, place.workspace)?;
    let environment = os(agent_environment(place.profile, place.environment));
    let grace = place.profile.round.grace.0;
    let secrets = Arc::clone(&place.secrets);
    Ok(Arc::new(AgentHarness::new(invocation, program, environment, grace, place.guard.clone(), secrets)))
}

/// The password of a server that the profile names, if it has one.
fn password(server: &Server, environment: &BTreeMap<String, String>) -> Result<Option<String>, Unavailable> {
    let Some(name) = &server.password_env else { return Ok(None) };
    let value = environment.get(name).filter(|value| !value.is_empty()).cloned();
    value.map(Some).ok_or_else(|| Unavailable {
        what: format!("the variable `{name}` that holds the server's password is not set"),
        remedy: format!("set `{name}`, or take `password_env` out of the profile if no password is needed"),
    })
}

fn present(key: &str, environment: &BTreeMap<String, String>) -> Result<String, Unavailable> {
    environment.get(key).filter(|value| !value.is_empty()).cloned().ok_or_else(|| Unavailable {
        what: format!("the variable `{key}` that holds the key is not set"),
        remedy: format!("set `{key}`, or take `key_env` out of the profile if no key is needed"),
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
fn settings(place: &Place<'_>) -> Result<Settings, Unavailable> {
    let profile = place.profile;
    let environment = os(agent_environment(profile, place.environment));
    let shell = GuardedShell::new(place.guard.clone(), environment, profile.round.grace.0);
    let defaults = Settings::default();
    Ok(Settings {
        tools: profile.agent.tools.clone().unwrap_or_else(|| {
            use crate::profile::Tool;
            vec![Tool::Read, Tool::Write, Tool::Edit, Tool::List, Tool::Shell]
        }),
        max_turns: profile.agent.max_turns.unwrap_or(defaults.max_turns),
        tool_timeout: profile.round.tool.0,
        shell: Arc::new(shell),
        mcp: mcp(place)?,
        secrets: Arc::clone(&place.secrets),
    })
}

/// The MCP servers of a profile, for our own loop.
pub(super) fn mcp(place: &Place<'_>) -> Result<Option<Arc<McpServers>>, Unavailable> {
    let profile = place.profile;
    let mut servers = Vec::new();
    for (name, server) in &profile.agent.mcp {
        if let Some(argv) = &server.command {
            let (program, environment) =
                mcp_program(profile, name, argv, place.environment, place.workspace)?;
            let args = argv.0.iter().skip(1).map(OsString::from).collect();
            servers.push(McpServer::program(name, program, args, os(environment)));
        }
        if let Some(url) = &server.url {
            let token = match &server.key_env {
                Some(key) => Some(present(key, place.environment)?),
                None => None,
            };
            let server = McpServer::http(name, url, token.as_deref());
            servers.push(server.map_err(|error| Unavailable {
                what: error.to_string(),
                remedy: format!("look at `url` and `key_env` of `agent.mcp.{name}`"),
            })?);
        }
    }
    if servers.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(McpServers {
        servers,
        guard: place.guard.clone(),
        secrets: Arc::clone(&place.secrets),
        grace: profile.round.grace.0,
        startup: before(profile.round.first_event.0),
        call: before(profile.round.tool.0),
    })))
}

/// Less than a deadline of the engine, so that what is late is named, and has ended, before the whole attempt ends.
fn before(deadline: Duration) -> Duration {
    deadline.saturating_sub((deadline / 3).min(Duration::from_secs(5)))
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
    Ok(Arc::new(ChatHarness::new(endpoint, settings(place)?)))
}

fn opencode_server(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    let (profile, secrets) = (place.profile, Arc::clone(&place.secrets));
    if let Some(server) = &profile.agent.server {
        let password = password(server, place.environment)?;
        let given = OpencodeServer::given(profile, password, place.workspace, secrets);
        let given =
            given.map_err(|what| Unavailable { what, remedy: "look at `agent.server`".to_owned() })?;
        return Ok(Arc::new(given));
    }
    let own = OwnServer {
        program: program(profile, "opencode", place.environment, place.workspace)?,
        environment: os(agent_environment(profile, place.environment)),
        guard: place.guard.clone(),
    };
    Ok(Arc::new(OpencodeServer::own(profile, own, secrets)))
}

fn scripted(place: &Place<'_>) -> Result<Arc<dyn Harness>, Unavailable> {
    Ok(Arc::new(ScriptedHarness::new(script(place.profile)?, settings(place)?)))
}
