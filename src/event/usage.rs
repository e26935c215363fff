//! Tokens and dollars that somebody reported. What nobody reported is `None`, never zero.

use serde::{Deserialize, Serialize};

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider or the agent CLI reported tokens and dollars.
    Provider,
    /// Tokens were reported; dollars were computed from a list of prices: `[prices]` of the profile, or else the
    /// catalogue of the agent CLI.
    Priced,
    /// The agent CLI's own count, estimated or rounded; dollars, if any, are from a price list of its own.
    Estimated,
    /// A script of the `scripted` harness said so.
    Script,
}

/// What one model call, or one whole agent invocation, consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Fresh input tokens: neither read from a cache nor written to one.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens that were read from the provider's cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Input tokens that were written to the provider's cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Dollars; `None` when nobody said and no price is known.
    pub usd: Option<f64>,
}

impl Usage {
    /// The unit a token budget counts: each token once, so fresh input + cache writes + output.
    pub fn charged_tokens(&self) -> u64 {
        self.input.saturating_add(self.cache_write).saturating_add(self.output)
    }

    /// Whether any figure at all was reported.
    pub fn is_empty(&self) -> bool {
        self.charged_tokens() == 0 && self.cache_read == 0 && self.usd.is_none_or(|usd| usd == 0.0)
    }
}
