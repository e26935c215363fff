//! What a turn consumed, and what that costs.

use serde_json::Value;

use crate::event::{Usage, UsageSource};
use crate::profile::element::Price;

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

/// With dollars by the profile's prices, where the provider reports none: what it reports wins over our list.
pub(in super::super) fn priced(usage: (Usage, UsageSource), price: Option<&Price>) -> (Usage, UsageSource) {
    match (usage, price) {
        ((usage @ Usage { usd: None, .. }, _), Some(price)) => {
            (Usage { usd: Some(dollars(&usage, price)), ..usage }, UsageSource::Priced)
        }
        (usage, _) => usage,
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
fn dollars(usage: &Usage, price: &Price) -> f64 {
    let part = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
    part(usage.input, price.input)
        + part(usage.output, price.output)
        + part(usage.cache_read, price.cache_read.unwrap_or(price.input))
        + part(usage.cache_write, price.cache_write.unwrap_or(price.input))
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
    fn dollars_come_from_the_provider_or_from_the_prices() {
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
        let usage = Usage { input: 1_000_000, output: 100_000, cache_read: 2_000_000, ..Usage::default() };
        let source = UsageSource::Provider;
        let (priced_usage, by) = priced((usage, source), Some(&price));
        assert_eq!((priced_usage.usd, by), (Some(4.0), UsageSource::Priced));
        assert_eq!(priced((usage, source), None), (usage, source));
        let told = read(r#"{"prompt_tokens":1,"completion_tokens":1,"cost":0.25}"#).unwrap();
        assert_eq!(priced(told, Some(&price)), told);
        assert_eq!((told.0.usd, told.1), (Some(0.25), UsageSource::Provider));
    }
}
