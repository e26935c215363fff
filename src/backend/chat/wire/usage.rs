//! What a turn consumed, and what that costs.

use serde_json::Value;

use crate::event::{Usage, UsageSource};

/// What one API calls the figures.
#[derive(Debug)]
pub(super) struct Names {
    input: &'static str,
    output: &'static str,
    details: &'static str,
}

/// Chat completions.
pub(super) const COMPLETIONS: Names =
    Names { input: "prompt_tokens", output: "completion_tokens", details: "prompt_tokens_details" };

/// Responses.
pub(super) const RESPONSES: Names =
    Names { input: "input_tokens", output: "output_tokens", details: "input_tokens_details" };

/// Reads the figures of the two APIs of `OpenAI`, whose input includes what came from a cache; `None` when there are
/// none.
pub(super) fn openai(usage: &Value, names: &Names) -> Option<(Usage, UsageSource)> {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let (prompt, output) = (count(names.input), count(names.output));
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let detail = |key: &str| usage.get(names.details)?.get(key)?.as_u64();
    let prompt = prompt.unwrap_or(0);
    let cache_read = detail("cached_tokens").unwrap_or(0).min(prompt);
    let cache_write = detail("cache_write_tokens").unwrap_or(0).min(prompt - cache_read);
    let usage = Usage {
        input: prompt - cache_read - cache_write,
        output: output.unwrap_or(0),
        cache_read,
        cache_write,
        usd: usage.get("cost").and_then(Value::as_f64).filter(|usd| usd.is_finite() && *usd >= 0.0),
    };
    Some((usage, UsageSource::Provider))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<(Usage, UsageSource)> {
        let names = if json.contains("prompt") { COMPLETIONS } else { RESPONSES };
        openai(&serde_json::from_str(json).unwrap(), &names)
    }

    #[test]
    fn input_is_what_came_from_no_cache_and_went_into_none() {
        let expected = Usage { input: 3, output: 2, cache_read: 4, cache_write: 3, usd: None };
        for json in [
            r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3}}"#,
            r#"{"input_tokens":10,"output_tokens":2,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"output_tokens_details":{"reasoning_tokens":1}}"#,
        ] {
            assert_eq!(read(json), Some((expected, UsageSource::Provider)));
        }
        let more_than_all = r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}"#;
        assert_eq!(read(more_than_all).unwrap().0, Usage { cache_read: 1, ..Usage::default() });
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn what_the_provider_says_that_it_costs_is_taken() {
        let told = read(r#"{"prompt_tokens":1,"completion_tokens":1,"cost":0.25}"#).unwrap();
        assert_eq!((told.0.usd, told.1), (Some(0.25), UsageSource::Provider));
    }
}
