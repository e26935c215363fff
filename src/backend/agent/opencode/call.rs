//! How opencode is called: `opencode run --format json`, with the prompt on standard input.
//!
//! As an argument a prompt with spaces would reach the model in quotes.

use std::ffi::OsString;

use crate::backend::agent::invoke::{Call, Environment, Invocation, Versions, target};
use crate::backend::agent::{Dialect, files};
use crate::backend::{Request, SessionPlan};
use crate::event::Failure;
use crate::profile::Profile;

use super::{OpencodeDialect, config};

/// Holds the configuration that comes after every other.
const CONFIG: &str = "OPENCODE_CONFIG_CONTENT";

/// opencode.
#[derive(Clone, Debug)]
pub struct Opencode {
    profile: Profile,
}

impl Opencode {
    /// As the profile says.
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.clone() }
    }
}

impl Invocation for Opencode {
    fn program(&self) -> &'static str {
        "opencode"
    }

    fn versions(&self) -> Option<Versions> {
        Some(Versions { arguments: &["--version"], tested: "1.18.33", oldest: "1.18.0" })
    }

    fn inherits(&self) -> &'static [&'static str] {
        config::INHERITS
    }

    fn defaults(&self) -> &'static [(&'static str, &'static str)] {
        config::DEFAULTS
    }

    fn environment(&self, caller: &Environment) -> Environment {
        config::environment(&self.profile, caller)
    }

    fn call(&self, request: &Request) -> Result<Call, Failure> {
        let agent = &self.profile.agent;
        if agent.env.contains_key(CONFIG) || agent.inherit_env.iter().any(|name| name == CONFIG) {
            return Err(files::local(
                "`OPENCODE_CONFIG_CONTENT` is what provost itself tells opencode: name a file of your own in \
                 `OPENCODE_CONFIG`",
            ));
        }
        let mut args: Vec<OsString> =
            agent.command.iter().flat_map(|argv| argv.0.iter().skip(1)).map(OsString::from).collect();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        // A title of our own saves the request that would ask a model for one.
        add(&["run", "--format", "json", "--title", "provost"]);
        if !agent.args.iter().any(|word| word == "--print-logs") {
            // Some failures are told in the log only, such as a model that it does not know.
            add(&["--print-logs", "--log-level", "ERROR"]);
        }
        match &request.session {
            // It names a new conversation itself.
            SessionPlan::Fresh(_) => {}
            SessionPlan::Continue(id) => add(&["--session", id.as_str()]),
            SessionPlan::Fork { parent, .. } => add(&["--session", parent.as_str(), "--fork"]),
        }
        if let Some(model) = config::model(&self.profile) {
            add(&["--model", &model]);
        }
        args.extend(agent.args.iter().map(OsString::from));
        let instructions =
            request.system.as_deref().map(|system| files::stored_prompt(request, system)).transpose()?;
        let config = config::config(&self.profile, instructions.as_deref());
        Ok(Call {
            args,
            stdin: request.user.clone().into_bytes(),
            env: vec![(CONFIG.into(), config.to_string().into())],
        })
    }

    fn dialect(&self, _request: &Request) -> Box<dyn Dialect> {
        let model = self.profile.agent.model.as_ref();
        let price = model.and_then(|model| self.profile.prices.get(model)).cloned();
        Box::new(OpencodeDialect::new(price, self.profile.agent.max_turns))
    }

    fn target(&self) -> String {
        target("opencode", self.profile.agent.model.as_deref())
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
