//! Whom a candidate depends on: the provider, the account with it, and the model.

use super::account::{Accounts, Limits, Party, plain};
use super::agent::invocation;
use super::registry::{Place, agent_environment};
use crate::file::is_secret_name;
use crate::profile::Endpoint;

/// The party of a profile; `None` where nobody else could be told of it: a script, or a command that nobody knows.
///
/// The limits that the profile states for the endpoint of our own loop are kept to from then on.
///
/// An account is known by the key that is sent. An agent CLI that logs in by itself has the account of its home.
pub fn party(place: &Place<'_>, accounts: &Accounts) -> Option<Party> {
    let (profile, agent) = (place.profile, &place.profile.agent);
    if matches!(agent.harness.as_str(), "scripted" | "command" | "acp") {
        return None;
    }
    let value = |name: &String| agent.env.get(name).or_else(|| place.environment.get(name)).cloned();
    let named = agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    let (provider, secret) = if let Some(endpoint) = named {
        let key = endpoint.key_env.as_ref().and_then(value);
        (plain(&endpoint.base_url), key.unwrap_or_default())
    } else if let Some(server) = &agent.server {
        let password = server.password_env.as_ref().and_then(value);
        (plain(&server.url), password.unwrap_or_default())
    } else {
        (provider_of(agent.harness.as_str(), agent.model.as_deref()), credentials(place))
    };
    let account = accounts.name(&provider, &secret);
    let party = Party { provider, account, model: agent.model.clone() };
    // An agent CLI sends requests that nobody here sees.
    if let Some(endpoint) = named.filter(|_| agent.harness == "chat") {
        let Endpoint { max_concurrency, rpm, .. } = *endpoint;
        accounts.limit(&party, Limits { max_concurrency, rpm });
    }
    Some(party)
}

/// The provider that an agent CLI asks where the profile names no endpoint.
fn provider_of(harness: &str, model: Option<&str>) -> String {
    let own = match harness {
        "claude" => "anthropic",
        "codex" => "openai",
        "gemini" => "google",
        other => other,
    };
    let named = model.and_then(|model| model.split_once('/')).map(|(provider, _)| provider);
    named.unwrap_or(own).to_owned()
}

/// What stands for an agent CLI's own login: the secrets that reach it, and the home that holds its files.
fn credentials(place: &Place<'_>) -> String {
    let reaches = agent_environment(place.profile, place.environment);
    // A program of its own may read more than reaches it by name, so what is known of it is all that counts.
    let needed = invocation(place.profile).map_or(&[][..], |invocation| invocation.inherits());
    let counts = |name: &str| name == "HOME" || (needed.contains(&name) && is_secret_name(name));
    let pairs = reaches.iter().filter(|(name, _)| counts(name));
    pairs.flat_map(|(name, value)| [name, "=", value, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_of_an_agent_is_that_of_its_model() {
        assert_eq!(provider_of("claude", None), "anthropic");
        assert_eq!(provider_of("opencode", Some("openai/gpt-5")), "openai");
        assert_eq!(provider_of("codex", Some("gpt-5")), "openai");
        assert_eq!(provider_of("aider", None), "aider");
    }
}
