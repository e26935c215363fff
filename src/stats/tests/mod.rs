//! The room against golden values of scipy and statsmodels, published examples, and its own properties.

mod arms;
mod bets;
mod bounded;
mod clusters;
mod distributions;
mod domain;
mod golden;
mod odd_pairs;
mod pairs;
mod resampling;
mod sequential;
