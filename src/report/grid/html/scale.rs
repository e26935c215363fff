//! From values to places: linear scales, their ticks, and a jitter that is the same in every drawing of one run.

/// A linear scale; places are percent of the width, so that a drawing fits any width and its words keep their size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

/// Of the span, what is left free at each side.
const AIR: f64 = 0.06;
/// The least span; below it everything would look like a great difference.
const LEAST: f64 = 0.02;

impl Scale {
    /// From `low` to `high`, nothing left free.
    pub(super) fn between(low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// Holds all of the values that are numbers, with some air around them.
    pub(super) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        let middle = f64::midpoint(low, high);
        let half = (high - low).max(LEAST) / 2.0 * (1.0 + 2.0 * AIR);
        Self { low: middle - half, high: middle + half }
    }

    /// The same, cut to what can be.
    pub(super) fn within(self, low: f64, high: f64) -> Self {
        Self::between(self.low.max(low), self.high.min(high))
    }

    /// Where a value is, from 0 to 100; what lies outside is at the edge.
    pub(super) fn place(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }

    /// At most `most` round values, at steps of 1, 2 or 5 times a power of ten.
    pub(super) fn ticks(self, most: u32) -> Vec<f64> {
        let rough = (self.high - self.low) / f64::from(most.max(2));
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|times| times * power);
        for step in steps {
            // Whole multiples of the step: adding it up would drift.
            let (first, last) = ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
            if last - first < f64::from(most) {
                let mut ticks = Vec::new();
                let mut at = first;
                while at <= last {
                    // A negative zero is a zero.
                    ticks.push(at * step + 0.0);
                    at += 1.0;
                }
                return ticks;
            }
        }
        Vec::new()
    }
}

/// From −1 to 1, evenly, from a seed and two numbers alone (the finaliser of `SplitMix64`; Steele, Lea and Flood 2014).
pub(super) fn jitter(seed: u64, item: u64, axis: u64) -> f64 {
    let mut z = seed.wrapping_add(
        item.wrapping_mul(2).wrapping_add(axis).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    );
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let top = u32::try_from(z >> 32).unwrap_or_default();
    f64::from(top) / f64::from(u32::MAX) * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_linear_and_stay_inside() {
        let scale = Scale::between(-0.1, 0.3);
        let places = [-0.1, 0.0, 0.3, -5.0, 5.0].map(|value| (scale.place(value) * 1e6).round() / 1e6);
        assert_eq!(places.map(f64::to_bits), [0.0_f64, 25.0, 100.0, 0.0, 100.0].map(f64::to_bits));
    }

    #[test]
    fn a_scale_holds_what_it_is_made_around() {
        let scale = Scale::around([0.02, f64::NAN, -0.3, f64::INFINITY]);
        assert!(scale.place(-0.3) > 0.0 && scale.place(0.02) < 100.0);
        assert_eq!(Scale::around([]), Scale::between(0.0, 1.0));
        let one = Scale::around([0.5]);
        assert!((one.place(0.5) - 50.0).abs() < 1e-9 && one.high > one.low);
        assert_eq!(Scale::between(0.4, 0.4), Scale::between(0.4, 1.4));
        assert_eq!(Scale::around([0.5, 1.0]).within(0.0, 1.0).high.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn ticks_are_round_and_few() {
        let shown = |low, high, most| -> Vec<String> {
            Scale::between(low, high).ticks(most).iter().map(|tick| format!("{tick:.3}")).collect()
        };
        assert_eq!(shown(0.0, 1.0, 6), ["0.000", "0.200", "0.400", "0.600", "0.800", "1.000"]);
        assert_eq!(shown(-0.033, 0.141, 6), ["0.000", "0.050", "0.100"]);
        assert_eq!(shown(0.0, 0.0042, 5), ["0.000", "0.001", "0.002", "0.003", "0.004"]);
        for (low, high) in [(-1.0, 1.0), (1e-7, 3e-7), (-0.9, -0.1), (0.0, 12_345.0)] {
            for most in 2..9 {
                let ticks = Scale::between(low, high).ticks(most);
                assert!(!ticks.is_empty() && ticks.len() <= most as usize, "{low}..{high}: {ticks:?}");
                assert!(ticks.iter().all(|tick| *tick >= low - 1e-9 && *tick <= high + 1e-9), "{ticks:?}");
            }
        }
    }

    #[test]
    fn jitter_is_even_and_depends_on_all_it_is_given() {
        let drawn: Vec<f64> = (0..4_000).map(|item| jitter(7, item, 0)).collect();
        assert!(drawn.iter().all(|value| (-1.0..=1.0).contains(value)));
        let mean = drawn.iter().sum::<f64>() / 4_000.0;
        let spread = drawn.iter().map(|value| value * value).sum::<f64>() / 4_000.0;
        assert!(mean.abs() < 0.05 && (spread - 1.0 / 3.0).abs() < 0.03, "{mean} {spread}");
        let one = jitter(7, 3, 0).to_bits();
        assert_eq!(one, jitter(7, 3, 0).to_bits());
        assert!(
            one != jitter(8, 3, 0).to_bits()
                && one != jitter(7, 4, 0).to_bits()
                && one != jitter(7, 3, 1).to_bits()
        );
    }
}
