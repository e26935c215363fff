//! A model behind the HTTP interface of `opencode serve`, on this machine or elsewhere.
//!
//! A server that the profile names is used as it is: what it is configured with stays its own, and only what a session
//! of its own takes (model, system prompt, permissions) comes from the profile. Where none is named, provost starts one
//! with the profile's configuration, keeps it from round to round, and ends it with the run.
//!
//! A server on this machine works in the profile's workspace; one elsewhere, where it was started.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `session.rs` | an attempt from its first request to its last |
//! | `work.rs` | one prompt: looked at until it has ended |
//! | `follow.rs`, `poll.rs` | the two ways of waiting for that |
//! | `fold.rs`, `verdict.rs`, `wire.rs`, `fault.rs` | what the server says and what it means, pure |
//! | `api.rs`, `stream.rs`, `server.rs` | requests, events, and the process |

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Attempt, Harness, Link, Request};
use crate::file::Secrets;
use crate::process::Guard;
use crate::profile::element::Price;
use crate::profile::{Permissions, Profile, StreamMode};

mod api;
mod fault;
mod fold;
mod follow;
mod poll;
mod server;
mod session;
mod stream;
mod transcript;
mod verdict;
mod wire;
mod work;

#[cfg(test)]
mod tests;

use api::{Api, Credentials};
use server::{Recipe, Server};

pub(super) use super::agent::opencode::config::{DEFAULTS, INHERITS, environment};

/// The variable that the configuration goes into.
const CONFIG: &str = "OPENCODE_CONFIG_CONTENT";

/// An opencode server as a harness.
pub struct OpencodeServer {
    shared: Arc<Shared>,
}

/// What all attempts have in common.
struct Shared {
    host: Host,
    /// `provider/model`, as the server is to call it.
    model: Option<String>,
    /// What the journal calls it.
    target: String,
    permissions: Option<Permissions>,
    mode: StreamMode,
    grace: Duration,
    /// What the server's own retries may wait in one attempt.
    patience: Duration,
    price: Option<Price>,
    secrets: Arc<Secrets>,
}

/// Whose server it is.
enum Host {
    /// The user's.
    Given(Arc<Api>),
    /// Ours; the one that runs, or none yet.
    Own { recipe: Box<Recipe>, server: Mutex<Option<Server>> },
}

/// A program to start a server with.
pub struct OwnServer {
    /// The program.
    pub program: PathBuf,
    /// Its whole environment, without the configuration.
    pub environment: Vec<(OsString, OsString)>,
    /// Starts it.
    pub guard: Guard,
}

impl OpencodeServer {
    /// Uses the server that `agent.server` names, with its password.
    ///
    /// # Errors
    ///
    /// Why it cannot be asked; the password is in no error.
    pub fn given(
        profile: &Profile,
        password: Option<String>,
        workspace: &std::path::Path,
        secrets: Arc<Secrets>,
    ) -> Result<Self, String> {
        let server = profile.agent.server.as_ref().ok_or_else(|| "no server is named".to_owned())?;
        let base = api::address(&server.url).ok_or_else(|| {
            "`agent.server.url` is not an http or https address without credentials and query".to_owned()
        })?;
        let directory = workspace.to_str().filter(|_| api::is_here(&base)).map(str::to_owned);
        let username = server.username.clone().unwrap_or_else(|| "opencode".to_owned());
        let credentials = password.map(|password| Credentials { username, password });
        let api = Api::new(base, credentials, directory, Secrets::default())?;
        let model = profile.agent.model.clone();
        Ok(Self::new(profile, Host::Given(Arc::new(api)), model, secrets))
    }

    /// Starts a server of our own, once one is needed.
    pub fn own(profile: &Profile, own: OwnServer, secrets: Arc<Secrets>) -> Self {
        let OwnServer { program, mut environment, guard } = own;
        let config = super::agent::opencode::config::config(profile, None);
        environment.retain(|(name, _)| name != CONFIG);
        environment.push((CONFIG.into(), config.to_string().into()));
        let command = profile.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1));
        let recipe = Box::new(Recipe {
            program,
            prefix: command.map(OsString::from).collect(),
            args: profile.agent.args.iter().map(OsString::from).collect(),
            environment,
            grace: profile.round.grace.0,
            guard,
            secrets: Arc::clone(&secrets),
        });
        let model = super::agent::opencode::config::model(profile);
        Self::new(profile, Host::Own { recipe, server: Mutex::new(None) }, model, secrets)
    }

    fn new(profile: &Profile, host: Host, model: Option<String>, secrets: Arc<Secrets>) -> Self {
        let named = profile.agent.model.as_ref();
        let shared = Shared {
            host,
            model,
            target: named
                .map_or_else(|| "opencode-server".to_owned(), |model| format!("opencode-server {model}")),
            permissions: profile.agent.permissions,
            mode: profile.stream.mode,
            grace: profile.round.grace.0,
            patience: profile.retry.wait.0,
            price: named.and_then(|model| profile.prices.get(model)).cloned(),
            secrets,
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Harness for OpencodeServer {
    fn attempt(&self, request: Request, link: Link) -> Attempt {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.drive(request, link).await })
    }

    fn forks(&self) -> bool {
        true
    }

    fn resumes(&self) -> bool {
        true
    }
}

/// The permission rules of a session: what the profile says, and that nobody is there to be asked. The last that matches
/// decides.
fn rules(permissions: Option<Permissions>) -> Vec<Value> {
    let said: &[(&str, &str)] = match permissions {
        None => &[],
        Some(Permissions::Bypass) => &[("*", "allow")],
        Some(Permissions::AcceptEdits) => {
            &[("edit", "allow"), ("bash", "deny"), ("external_directory", "deny")]
        }
        Some(Permissions::ReadOnly) => &[("edit", "deny"), ("bash", "deny"), ("external_directory", "deny")],
    };
    let nobody = [("question", "deny"), ("plan_enter", "deny"), ("plan_exit", "deny")];
    let rule = |(permission, action): &(&str, &str)| json!({ "permission": permission, "pattern": "*", "action": action });
    said.iter().chain(&nobody).map(rule).collect()
}
