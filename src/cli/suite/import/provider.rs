//! Providers, as the tables of a profile.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::draft::{Draft, quoted};

/// An API: how a provider's id begins, what the model's name then begins with, the protocol, the address, and the variable
/// of the key. The longer beginning stands first.
const APIS: [(&str, &str, &str, &str, &str); 14] = [
    ("openai:responses:", "openai", "openai-responses", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("openai:chat:", "openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("openai:", "openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("anthropic:messages:", "anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    ("anthropic:", "anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    ("openrouter:", "openrouter", "openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ("groq:", "groq", "openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    ("mistral:", "mistral", "openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("deepseek:", "deepseek", "openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("xai:", "xai", "openai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("togetherai:", "together", "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    (
        "google:",
        "google",
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    ("ollama:chat:", "ollama", "openai", "http://127.0.0.1:11434/v1", ""),
    ("localai:chat:", "localai", "openai", "http://127.0.0.1:8080/v1", ""),
];

/// Agents that have a harness of their own here.
const AGENTS: [(&str, &str); 4] = [
    ("anthropic:claude-agent-sdk", "claude"),
    ("anthropic:claude-code", "claude"),
    ("openai:codex-sdk", "codex"),
    ("opencode:sdk", "opencode"),
];

/// Keys of their `config` that a profile has: ours, under `[model]`.
const SETTINGS: [(&str, &str); 5] = [
    ("temperature", "temperature"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning_effort"),
    ("seed", "seed"),
];

/// A provider that can be a profile.
pub(super) struct Provider {
    /// What it is called.
    pub(super) name: String,
    /// The tables of its profile, without the prompt.
    pub(super) tables: String,
}

/// Takes a provider over, if there is a way.
pub(super) fn provider(draft: &mut Draft, place: &str, value: &Value) -> Option<Provider> {
    let (id, label, config) = match value {
        Value::String(id) => (id.clone(), None, Map::new()),
        Value::Object(table) => {
            // Either `{id: …, config: …}`, or the id as the only key.
            let (id, table) = match (table.get("id").and_then(Value::as_str), table.iter().next()) {
                (Some(id), _) => (id.to_owned(), table),
                (None, Some((id, Value::Object(inner)))) if table.len() == 1 => (id.clone(), inner),
                _ => {
                    draft.leave(place, "it has no `id`");
                    return None;
                }
            };
            for key in table.keys().filter(|key| !["id", "label", "config"].contains(&key.as_str())) {
                draft.leave(format!("{place}.{key}"), "a profile has nothing like it");
            }
            let config = table.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
            (id, table.get("label").and_then(Value::as_str).map(str::to_owned), config)
        }
        _ => {
            draft.leave(place, "it is no provider");
            return None;
        }
    };
    let place = format!("{place} ({id})");
    let name = label.unwrap_or_else(|| id.clone());
    let tables = if let Some((_, harness)) = AGENTS.iter().find(|(theirs, _)| id.starts_with(theirs)) {
        for key in config.keys() {
            draft.leave(
                format!("{place}.config.{key}"),
                "look at `provost schema profile` for what this harness takes",
            );
        }
        format!("[agent]\nharness = \"{harness}\"\n")
    } else if let Some(command) = id.strip_prefix("exec:") {
        for key in config.keys() {
            draft.leave(format!("{place}.config.{key}"), "a command takes none");
        }
        draft.remarks.push(format!(
            "{place}: the command gets the prompt as its last argument, and no options after it"
        ));
        let script = format!("exec {} \"$@\"", command.trim());
        format!(
            "[agent]\nharness = \"command\"\ncommand = [\"sh\", \"-c\", {}, \"sh\"]\nprompt_via = \"argv\"\n",
            quoted(&script)
        )
    } else if id == "echo" {
        "[agent]\nharness = \"command\"\ncommand = [\"cat\"]   # says what it is told\n".to_owned()
    } else if let Some(api) = APIS.iter().find(|(begin, ..)| id.starts_with(begin)) {
        chat(draft, &place, &id, api, config)
    } else {
        draft.leave(place, "no harness for it is known; write a profile with `provost init`");
        return None;
    };
    Some(Provider { name, tables })
}

/// The tables of a model behind an API.
fn chat(
    draft: &mut Draft,
    place: &str,
    id: &str,
    (begin, provider, api, url, key): &(&str, &str, &str, &str, &str),
    config: Map<String, Value>,
) -> String {
    let model = id.strip_prefix(begin).unwrap_or(id);
    let (mut url, mut key) = ((*url).to_owned(), (*key).to_owned());
    let mut settings = String::new();
    for (name, value) in config {
        let ours = SETTINGS.iter().find(|(theirs, _)| *theirs == name);
        match (name.as_str(), &value) {
            ("apiBaseUrl", Value::String(base)) if !base.contains("{{") => {
                base.trim_end_matches('/').clone_into(&mut url);
            }
            ("apiKeyEnvar", Value::String(variable)) => key.clone_from(variable),
            ("apiKey", _) => draft.leave(
                format!("{place}.config.apiKey"),
                "keys are not copied: put it into the variable that `key_env` of the profile names",
            ),
            _ => match ours {
                Some((_, ours)) if value.is_number() || value.is_string() => {
                    let value = value.as_str().map_or_else(|| value.to_string(), quoted);
                    let _ = writeln!(settings, "{ours} = {value}");
                }
                _ => draft.leave(format!("{place}.config.{name}"), "a profile has nothing like it"),
            },
        }
    }
    let mut text = format!(
        "[agent]\nharness = \"chat\"\nmodel = {}\nendpoint = \"main\"\ntools = []   # the model alone; \
         without this line it may use a shell and files\n",
        quoted(&format!("{provider}/{model}"))
    );
    if !settings.is_empty() {
        let _ = write!(text, "\n[model]\n{settings}");
    }
    let _ = write!(text, "\n[endpoints.main]\napi = \"{api}\"\nbase_url = {}\n", quoted(&url));
    if !key.is_empty() {
        let _ = writeln!(text, "key_env = {}   # the name of the variable; never the key", quoted(&key));
    }
    text
}
