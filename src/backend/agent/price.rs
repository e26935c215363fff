//! What tokens cost by the profile's own list, for agent CLIs that name no dollars.

use std::collections::BTreeMap;

use crate::event::Usage;
use crate::profile::element::Price;

/// Dollars of a usage; `None` where the list has no price for the model.
///
/// The list is by `provider/model`, and an agent CLI may say the model without its provider.
pub(super) fn dollars(prices: &BTreeMap<String, Price>, model: &str, usage: &Usage) -> Option<f64> {
    let bare = |name: &str| name.split_once('/').map_or(name, |(_, bare)| bare).to_owned();
    let price = prices
        .get(model)
        .or_else(|| prices.iter().find(|(name, _)| bare(name) == bare(model)).map(|(_, price)| price))?;
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    let part = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
    Some(
        part(usage.input, price.input)
            + part(usage.output, price.output)
            + part(usage.cache_read, price.cache_read.unwrap_or(price.input))
            + part(usage.cache_write, price.cache_write.unwrap_or(price.input)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_with_and_without_its_provider_and_no_other_is() {
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
        let prices = BTreeMap::from([("google/gemini-2.5-flash".to_owned(), price)]);
        let usage = Usage { input: 1_000_000, output: 100_000, cache_read: 2_000_000, ..Usage::default() };
        for model in ["google/gemini-2.5-flash", "gemini-2.5-flash", "vertex/gemini-2.5-flash"] {
            assert_eq!(dollars(&prices, model, &usage), Some(4.0), "{model}");
        }
        for model in ["gemini-2.5", "google/gemini-2.5-flash-lite", ""] {
            assert_eq!(dollars(&prices, model, &usage), None, "{model}");
        }
    }
}
