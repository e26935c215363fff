//! The configuration that opencode is given, over the user's own: which model, where it is, what it may do.
//!
//! **Invariant: it holds no secret.** It names the variables that hold the keys, and opencode puts their values in.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::backend::agent::invoke::{Environment, bare_model};
use crate::profile::{Api, Permissions, Profile};

/// The name of our provider, where the profile has an endpoint. One of the user's own may have any other name, and
/// what is said of it there must not reach into ours.
const PROVIDER: &str = "provost";

/// The model as opencode is to call it: that of the profile, or the same one at the profile's endpoint.
pub(crate) fn model(profile: &Profile) -> Option<String> {
    let model = profile.agent.model.as_deref()?;
    Some(match profile.agent.endpoint {
        Some(_) => format!("{PROVIDER}/{}", bare_model(model)),
        None => model.to_owned(),
    })
}

/// What opencode takes as `OPENCODE_CONFIG_CONTENT` and merges over the user's own configuration. `instructions` is a
/// file whose text is appended to the system prompt.
pub(crate) fn config(profile: &Profile, instructions: Option<&Path>) -> Value {
    let mut config = Map::new();
    config.insert("autoupdate".to_owned(), json!(false));
    config.insert("share".to_owned(), json!("disabled"));
    if let Some(model) = model(profile) {
        // The small one writes titles and summaries, and would be another provider's.
        config.insert("small_model".to_owned(), json!(model));
        config.insert("model".to_owned(), json!(model));
        if let Some(provider) = provider(profile, &model) {
            config.insert("provider".to_owned(), provider);
        }
    }
    let mut build = Map::new();
    if let Some(temperature) = profile.model.temperature {
        build.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(permissions) = profile.agent.permissions {
        let rules = rules(permissions);
        // Rules of an agent come after those of all, so that the user's own ones would win where ours are not there too.
        config.insert("permission".to_owned(), rules.clone());
        build.insert("permission".to_owned(), rules);
    }
    if !build.is_empty() {
        // The user's own default may be another agent, which none of this would reach.
        config.insert("default_agent".to_owned(), json!("build"));
        config.insert("agent".to_owned(), json!({ "build": build }));
    }
    if !profile.agent.mcp.is_empty() {
        config.insert("mcp".to_owned(), servers(profile));
    }
    if let Some(file) = instructions {
        config.insert("instructions".to_owned(), json!([file]));
    }
    Value::Object(config)
}

/// The provider of the profile's endpoint; or, so that the temperature is sent, a word on the model of another one.
fn provider(profile: &Profile, model: &str) -> Option<Value> {
    let (name, bare) = model.split_once('/')?;
    let mut entry = Map::new();
    if profile.model.temperature.is_some() {
        // Else it is sent only to models that the catalogue says take one.
        entry.insert("temperature".to_owned(), json!(true));
    }
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    let Some(endpoint) = endpoint else {
        return (!entry.is_empty()).then(|| json!({ name: { "models": { bare: entry } } }));
    };
    let package = match endpoint.api {
        Api::OpenAiResponses => "@ai-sdk/openai",
        Api::Anthropic => "@ai-sdk/anthropic",
        Api::OpenAi | Api::Gemini => "@ai-sdk/openai-compatible",
    };
    // Without any, it would take a key of the caller's that is meant for somebody else.
    let key = endpoint.key_env.as_ref().map_or_else(|| "none".to_owned(), |name| variable(name));
    Some(json!({ name: {
        "npm": package,
        "name": "Provost",
        "options": { "baseURL": endpoint.base_url.trim_end_matches('/'), "apiKey": key },
        "models": { bare: entry },
    } }))
}

/// What the agent may do. What is denied is not offered to the model, or comes back to it as an error; what would be
/// asked ends the run, since there is nobody to ask.
fn rules(permissions: Permissions) -> Value {
    match permissions {
        Permissions::Bypass => json!("allow"),
        Permissions::AcceptEdits => json!({ "edit": "allow", "bash": "deny", "external_directory": "deny" }),
        Permissions::ReadOnly => json!({ "edit": "deny", "bash": "deny", "external_directory": "deny" }),
    }
}

/// MCP servers.
fn servers(profile: &Profile) -> Value {
    let servers = profile.agent.mcp.iter().map(|(name, server)| {
        let entry = if let Some(argv) = &server.command {
            json!({ "type": "local", "command": argv.0, "environment": server.env, "enabled": true })
        } else {
            let mut entry = json!({ "type": "remote", "url": server.url, "enabled": true });
            if let Some(key) = &server.key_env {
                entry["headers"] = json!({ "Authorization": format!("Bearer {}", variable(key)) });
                // A refused token is a failure; nobody is there to log in.
                entry["oauth"] = json!(false);
            }
            entry
        };
        (name.clone(), entry)
    });
    Value::Object(servers.collect())
}

/// A variable's value, as opencode fills it in.
fn variable(name: &str) -> String {
    format!("{{env:{name}}}")
}

/// Variables of the caller that opencode takes its credentials and its settings from.
pub(crate) const INHERITS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY",
    "XAI_API_KEY",
    "OPENCODE_API_KEY",
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
];

/// What is set unless the caller sets it.
pub(crate) const DEFAULTS: &[(&str, &str)] = &[("OPENCODE_DISABLE_AUTOUPDATE", "1")];

/// What the profile sets, given the caller's environment: the key of the endpoint under the name that [`config`] says,
/// and the most that the model may say at once.
pub(crate) fn environment(profile: &Profile, caller: &Environment) -> Environment {
    let mut environment = Environment::new();
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    if let Some(endpoint) = endpoint {
        if let Some((name, key)) = endpoint.key_env.as_ref().and_then(|name| caller.get_key_value(name)) {
            environment.insert(name.clone(), key.clone());
        }
        // The catalogue of models and the plugins that log in to providers say nothing of an endpoint of our own. With
        // a provider of the user's own they may be what makes it work, and stay.
        for name in ["OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_DEFAULT_PLUGINS"] {
            environment.insert(name.to_owned(), "1".to_owned());
        }
    }
    if let Some(tokens) = profile.model.max_output_tokens {
        environment.insert("OPENCODE_EXPERIMENTAL_OUTPUT_TOKEN_MAX".to_owned(), tokens.to_string());
    }
    environment
}
