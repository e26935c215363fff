//! Dollars of what nobody has put a price on.

use std::collections::BTreeMap;

use crate::event::{Usage, UsageSource};
use crate::profile::element::Price;

/// With dollars by the profile's prices, where the other side reports none: what it reports wins over our list.
pub(super) fn priced(usage: Usage, price: Option<&Price>) -> (Usage, UsageSource) {
    match (usage.usd, price) {
        (None, Some(price)) => (Usage { usd: Some(dollars(&usage, price)), ..usage }, UsageSource::Priced),
        _ => (usage, UsageSource::Provider),
    }
}

/// The same, where the other side's dollars are from a catalogue of its own: the profile's word is the newer one.
pub(super) fn catalogued(usage: Usage, price: Option<&Price>) -> (Usage, UsageSource) {
    match (price, usage.usd) {
        (None, Some(_)) => (usage, UsageSource::Priced),
        (price, _) => priced(Usage { usd: None, ..usage }, price),
    }
}

/// Dollars of a usage by a list that is by `provider/model`; `None` where it has no price for the model, which may be
/// said without its provider.
pub(super) fn listed(prices: &BTreeMap<String, Price>, model: &str, usage: &Usage) -> Option<f64> {
    let bare = |name: &str| name.split_once('/').map_or(name, |(_, bare)| bare).to_owned();
    let price = prices
        .get(model)
        .or_else(|| prices.iter().find(|(name, _)| bare(name) == bare(model)).map(|(_, price)| price))?;
    Some(dollars(usage, price))
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

    #[test]
    fn only_what_has_no_price_of_its_own_is_priced() {
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
        let million = 1_000_000;
        let usage =
            Usage { input: million, output: million, cache_read: million, cache_write: million, usd: None };
        assert_eq!(priced(usage, None), (usage, UsageSource::Provider));
        assert_eq!(priced(usage, Some(&price)), (Usage { usd: Some(14.5), ..usage }, UsageSource::Priced));
        let told = Usage { usd: Some(1.0), ..usage };
        assert_eq!(priced(told, Some(&price)), (told, UsageSource::Provider));
    }

    #[test]
    fn a_model_is_found_with_and_without_its_provider_and_no_other_is() {
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
        let prices = BTreeMap::from([("google/gemini-2.5-flash".to_owned(), price)]);
        let usage = Usage { input: 1_000_000, output: 100_000, cache_read: 2_000_000, ..Usage::default() };
        for model in ["google/gemini-2.5-flash", "gemini-2.5-flash", "vertex/gemini-2.5-flash"] {
            assert_eq!(listed(&prices, model, &usage), Some(4.0), "{model}");
        }
        for model in ["gemini-2.5", "google/gemini-2.5-flash-lite", ""] {
            assert_eq!(listed(&prices, model, &usage), None, "{model}");
        }
    }
}
