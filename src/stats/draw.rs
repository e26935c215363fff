//! Chance that can be repeated: one seeded generator for every resampling of the house.

/// A seeded stream of chance: `xoshiro256++` 1.0, its state filled by `SplitMix64`.
///
/// Source: Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"; Steele, Lea and Flood 2014 for the
/// seeding. Period 2^256 - 1. Only whole-number arithmetic, so that a seed gives the same stream on every machine. Not for
/// secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draws([u64; 4]);

/// The golden ratio as a fraction of 2^64, odd: the step of `SplitMix64`.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Keeps the number of a stream apart from a seed of the same value.
const STREAM: u64 = 0xd1b5_4a32_d192_ed03;

impl Draws {
    /// The stream of `seed`. Every seed has a stream of its own, zero too.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| split_mix(&mut state)))
    }

    /// Stream number `stream` of `seed`: for parts of one computation that must not share chance, such as one per case.
    /// Each differs from the others and from [`Draws::new`] of the same seed.
    pub fn stream(seed: u64, stream: u64) -> Self {
        let (mut left, mut right) = (seed, stream ^ STREAM);
        Self::new(split_mix(&mut left) ^ split_mix(&mut right).rotate_left(32))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let state = &mut self.0;
        let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
        let carried = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= carried;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A whole number in `0..n`, each as likely as the others; 0 where `n` is 0.
    ///
    /// Source: Lemire 2019, "Fast random integer generation in an interval": the high half of a product, and the few low
    /// halves that would favour some numbers are drawn again.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let unfair = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let [low, high] = halves(product);
            if low >= unfair {
                return high;
            }
        }
    }

    /// An index of a slice of `len` values; 0 where it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        // What is below a usize is a usize.
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number in `[0, 1)`: a multiple of 2^-53, each as likely as the others.
    pub fn unit(&mut self) -> f64 {
        super::count::real(self.next_u64() >> 11) / super::count::real(1 << 53)
    }

    /// One or minus one, each as likely.
    pub fn sign(&mut self) -> f64 {
        if self.next_u64() >> 63 == 0 { 1.0 } else { -1.0 }
    }

    /// Puts `items` into an order of chance, each order as likely as the others (Durstenfeld 1964).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(STEP);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The low and the high 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "each half is cut on purpose")]
fn halves(product: u128) -> [u64; 2] {
    [product as u64, (product >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outputs that the authors' own C code gives.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut state = 1_234_567;
        let seeds = [(); 3].map(|()| split_mix(&mut state));
        assert_eq!(seeds, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);

        let mut draws = Draws([1, 2, 3, 4]);
        let outputs = [(); 4].map(|()| draws.next_u64());
        assert_eq!(outputs, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn seeds_and_streams_do_not_share_their_chance() {
        let mut firsts: Vec<u64> = (0..100).map(|seed| Draws::new(seed).next_u64()).collect();
        for seed in 0..20 {
            firsts.extend((0..20).map(|stream| Draws::stream(seed, stream).next_u64()));
        }
        let all = firsts.len();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), all);
    }

    #[test]
    fn whole_numbers_are_fair_and_in_range() {
        let mut draws = Draws::new(0);
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            seen[draws.index(6)] += 1;
        }
        // 10 000 expected, with a standard deviation of 91.
        assert!(seen.iter().all(|&count| count.abs_diff(10_000) < 460), "{seen:?}");
        assert_eq!((draws.below(0), draws.below(1), draws.index(0)), (0, 0, 0));
        // Two thirds of the outputs would be unfair without the second draw.
        let wide = 3_u64 << 62;
        let low = (0..30_000).filter(|_| draws.below(wide) < wide / 3).count();
        assert!(low.abs_diff(10_000) < 410, "{low}");
    }

    #[test]
    fn units_and_signs_stay_in_their_range() {
        let mut draws = Draws::new(7);
        let units: Vec<f64> = (0..10_000).map(|_| draws.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        let sum: f64 = (0..10_000).map(|_| draws.sign()).sum();
        assert!(sum.abs() < 500.0, "{sum}");
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_favours_no_order() {
        let mut draws = Draws::new(11);
        let mut orders = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut items = [1, 2, 3];
            draws.shuffle(&mut items);
            *orders.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|&count| count.abs_diff(1_000) < 150), "{orders:?}");
    }
}
