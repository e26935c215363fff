//! How often the gate is wrong, by simulation through `certify::decide` itself.
//!
//! `cargo bench --bench error_rates` prints tables; `-- quick` takes a tenth of the draws; `-- SECTION…` only some of them
//! (`null wide early many other cover power peers skew search`). All draws come from the seed in the first line.
#![allow(
    missing_docs,
    dead_code,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a bench"
)]

use provost::certify::{Early, decide};
use provost::event::{self, GateFixed, GateMode, Place, Sheet, Trial, Verdict, VerdictReached};
use provost::stats::{
    BoundedMean, Draws, Sides, clopper_pearson, mcnemar_power, normal_quantile, optimal_power, t_quantile,
};

#[path = "../src/certify/tests/grid.rs"]
mod grid;
use grid::{Grid, gate, scored};

const SEED: u64 = 20_261_128;
const UNITS: [usize; 5] = [6, 10, 20, 50, 200];
const RATES: [f64; 3] = [0.5, 0.8, 0.95];
/// A table by its name; how many times fewer draws it is to take.
type Section = (&'static str, fn(u64));

/// Cases of a group.
const SIZE: usize = 4;

/// A world of cases, in which an arm is a number of shifts.
#[derive(Clone, Copy)]
struct World {
    units: usize,
    size: usize,
    trials: u64,
    rate: f64,
    /// What a candidate's rate is more than the baseline's, on average.
    lift: f64,
}

impl World {
    fn grid(self, gate: GateFixed, candidates: usize) -> Grid {
        Grid::new(gate, candidates, (self.units, self.size), self.trials)
    }

    /// Cells of passes. Cases differ in how hard they are (half of them are twice as hard); in a group they are equally hard,
    /// and each arm has a mood for the group that all its cells share: rows of a group are far from independent.
    fn cells(self, draws: &mut Draws, arms: usize, baseline: bool) -> Vec<f64> {
        let mut values = vec![0.0; self.units * self.size * self.trials as usize * arms];
        for unit in 0..self.units {
            let swing = (1.0 - self.rate).min(self.rate) * 0.6;
            let hard = if draws.unit() < 0.5 { -swing } else { swing };
            let moods: Vec<f64> = (0..arms)
                .map(|_| if self.size > 1 { if draws.unit() < 0.5 { -1.0 } else { 1.0 } } else { 0.0 })
                .collect();
            for case in unit * self.size..(unit + 1) * self.size {
                for trial in 0..self.trials as usize {
                    for (arm, mood) in moods.iter().enumerate() {
                        let lift = if baseline && arm == 0 { 0.0 } else { self.lift };
                        let base = self.rate + hard;
                        let room = base.min(1.0 - base).min(0.3);
                        // A lift that does not fit on one kind of case is made up on the other.
                        let p = (base + mood * room * 0.8 + lift).clamp(0.0, 1.0);
                        values[(case * self.trials as usize + trial) * arms + arm] =
                            f64::from(u8::from(draws.unit() < p));
                    }
                }
            }
        }
        values
    }

    fn sheet(self, grid: &Grid, draws: &mut Draws) -> Sheet {
        let arms = grid.plan.arms.len();
        let values = self.cells(draws, arms, grid.plan.gate.as_ref().unwrap().mode != GateMode::Threshold);
        grid.sheet(|place| Some(scored(values[at(place, self.trials, arms)])))
    }
}

fn at(place: Place, trials: u64, arms: usize) -> usize {
    (place.case * trials as usize + place.trial.0 as usize - 1) * arms + place.arm
}

/// A share with its exact 95 % interval.
fn share(hits: u64, of: u64) -> String {
    let range = clopper_pearson(hits, of, 0.95).unwrap();
    format!("{:6.2} % [{:.2}, {:.2}]", 100.0 * hits as f64 / of as f64, 100.0 * range.low, 100.0 * range.high)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let quick = words.iter().any(|word| word == "quick");
    let wanted =
        |name: &str| words.iter().all(|word| word == "quick") || words.iter().any(|word| word == name);
    let scale = if quick { 10 } else { 1 };
    println!("seed {SEED}; shares with exact 95 % intervals; alpha is 5 %");
    let sections: [Section; 10] = [
        ("null", null),
        ("wide", wide),
        ("early", early),
        ("many", many),
        ("other", other),
        ("cover", cover),
        ("power", power),
        ("peers", peers),
        ("skew", skew),
        ("search", search),
    ];
    for (name, section) in sections {
        if wanted(name) {
            section(scale);
        }
    }
}

/// How many draws for so many cells.
fn draws_for(cells: usize, scale: u64) -> u64 {
    (8_000_000 / (cells as u64).max(800)).clamp(1_000, 10_000) / scale
}

/// So many runs of a candidate against the baseline: passed, and failed.
fn verdicts(world: World, runs: u64, draws: &mut Draws) -> (u64, u64) {
    let grid = world.grid(gate(), 1);
    let (mut pass, mut fail) = (0, 0);
    for _ in 0..runs {
        match decide(&world.sheet(&grid, draws)).unwrap().verdict {
            Verdict::Pass => pass += 1,
            Verdict::Fail => fail += 1,
            Verdict::Inconclusive => {}
        }
    }
    (pass, fail)
}

/// A against A, through the whole gate.
fn null(scale: u64) {
    println!("\nA against A, superiority: certified (pass), and failed");
    println!(
        "{:>5} {:>6} {:>9} {:>5}   {:<26} {:<26}",
        "units", "trials", "clustered", "rate", "pass", "fail"
    );
    for units in UNITS {
        for trials in [1, 5] {
            for size in [1, SIZE] {
                for rate in RATES {
                    let world = World { units, size, trials, rate, lift: 0.0 };
                    let n = draws_for(units * size * trials as usize * 2, scale);
                    let mut draws = Draws::stream(
                        SEED,
                        (units * 1000 + size * 100) as u64 + trials * 10 + (rate * 20.0) as u64,
                    );
                    let (pass, fail) = verdicts(world, n, &mut draws);
                    let clustered = if size > 1 { "by 4" } else { "no" };
                    println!(
                        "{units:>5} {trials:>6} {clustered:>9} {rate:>5}   {:<26} {:<26}",
                        share(pass, n),
                        share(fail, n)
                    );
                }
            }
        }
    }
}

/// The widest rows of [`null`] again, with draws of their own and more of them: there a share is known least well.
fn wide(scale: u64) {
    println!("\nA against A, 200 groups of 4, 5 trials: certified (pass), and failed");
    for rate in RATES {
        let world = World { units: 200, size: SIZE, trials: 5, rate, lift: 0.0 };
        let n = 4_000 / scale;
        let mut draws = Draws::stream(SEED, 10_000_000 + (rate * 20.0) as u64);
        let (pass, fail) = verdicts(world, n, &mut draws);
        println!("rate {rate:<4}   {}   {}", share(pass, n), share(fail, n));
    }
}

/// The sequential gate, looked at after every tenth of the units and at the end, stopping at the first verdict.
fn early(scale: u64) {
    println!("\nA against A, sequential gate, ten looks through Early: passed at any of them");
    for (units, size, trials, lift) in [
        (50, 1, 1, 0.0),
        (200, 1, 1, 0.0),
        (200, 1, 5, 0.0),
        (50, SIZE, 1, 0.0),
        (200, 1, 1, 0.1),
        (200, 1, 1, 0.2),
    ] {
        let world = World { units, size, trials, rate: 0.5, lift };
        let grid = world.grid(GateFixed { sequential: true, ..gate() }, 1);
        let n = draws_for(units * size * trials as usize * 8, scale);
        let mut draws = Draws::stream(SEED, 1_000_000 + units as u64 * 10 + trials + (lift * 100.0) as u64);
        let (mut pass, mut used, mut agreed) = (0, 0, 0);
        for _ in 0..n {
            let (found, at, same) = watched(&grid, &world, &mut draws);
            pass += u64::from(found == Some(Verdict::Pass));
            used += at as u64;
            agreed += u64::from(same);
        }
        println!(
            "units {units:>3} × {size} trials {trials} lift {lift}: pass {}, mean units used {:.0}, decide agrees {agreed}/{n}",
            share(pass, n),
            used as f64 / n as f64
        );
    }
}

fn watched(grid: &Grid, world: &World, draws: &mut Draws) -> (Option<Verdict>, usize, bool) {
    let arms = grid.plan.arms.len();
    let values = world.cells(draws, arms, true);
    let mut sheet = grid.blank();
    let mut watch = Early::new(&grid.plan, sheet.cases()).unwrap();
    let units = provost::certify::units(sheet.cases());
    let order = provost::certify::order(&grid.plan);
    for (done, unit) in order.iter().enumerate() {
        for case in &units[*unit] {
            for trial in 1..=world.trials {
                for arm in 0..arms {
                    let place = Place { arm, case: *case, trial: Trial(trial) };
                    sheet.apply(&grid.ended(place, &scored(values[at(place, world.trials, arms)])));
                }
            }
        }
        if (done + 1) % (world.units / 10) == 0
            && let Some(found) = watch.look(&sheet).unwrap()
        {
            return (Some(found), done + 1, decide(&sheet).unwrap().verdict == found);
        }
    }
    (None, world.units, decide(&sheet).unwrap().verdict == Verdict::Inconclusive)
}

/// Five candidates, all like the baseline: any of them certified.
fn many(scale: u64) {
    println!("\nfive candidates like the baseline: any certified");
    for (units, trials) in [(10, 1), (20, 5), (50, 1), (200, 1)] {
        for rate in RATES {
            let world = World { units, size: 1, trials, rate, lift: 0.0 };
            let grid = world.grid(gate(), 5);
            let n = draws_for(units * trials as usize * 6, scale);
            let mut draws = Draws::stream(SEED, 2_000_000 + units as u64 * 100 + (rate * 20.0) as u64);
            let pass = (0..n)
                .filter(|_| decide(&world.sheet(&grid, &mut draws)).unwrap().verdict == Verdict::Pass)
                .count();
            println!("units {units:>3} trials {trials} rate {rate}: {}", share(pass as u64, n));
        }
    }
}

/// At the edge of the null of the other modes, where a pass is as likely as it gets.
fn other(scale: u64) {
    println!("\nat the edge of the null: passed although the claim is just not true");
    println!("{:<34} {:>5} {:>6}   pass", "gate", "units", "trials");
    for units in UNITS {
        for trials in [1, 5] {
            let n = draws_for(units * trials as usize * 2, scale);
            let line = |name: &str, gate: GateFixed, rate: f64, lift: f64| {
                let world = World { units, size: 1, trials, rate, lift };
                let grid = world.grid(gate, 1);
                let mut draws = Draws::stream(SEED, 3_000_000 + units as u64 * 100 + trials);
                let pass = (0..n)
                    .filter(|_| decide(&world.sheet(&grid, &mut draws)).unwrap().verdict == Verdict::Pass)
                    .count();
                println!("{name:<34} {units:>5} {trials:>6}   {}", share(pass as u64, n));
            };
            let noninferior = GateFixed { mode: GateMode::NonInferiority, margin: 0.1, ..gate() };
            line("non-inferiority 10 pp, true -10 pp", noninferior, 0.7, -0.1);
            line("superiority 10 pp, true +10 pp", GateFixed { margin: 0.1, ..gate() }, 0.6, 0.1);
            for rate in [0.5, 0.8, 0.95] {
                let threshold = GateFixed { mode: GateMode::Threshold, min: Some(rate), ..gate() };
                line(&format!("threshold {rate}, true {rate}"), threshold, rate, 0.0);
            }
        }
    }
}

fn figures(found: &VerdictReached) -> &event::ClaimFigures {
    &found.certified.candidates[0].claims[0]
}

/// Coverage of what is shown: the two-sided interval of an arm, and the two one-sided bounds of a lift together (90 %).
fn cover(scale: u64) {
    println!("\ncoverage: an arm's 95 % interval, and each one-sided 95 % bound of the lift");
    for units in UNITS {
        for (trials, size) in [(1, 1), (5, 1), (1, SIZE)] {
            for rate in RATES {
                let lift = if rate > 0.9 { -0.15 } else { 0.1 };
                let world = World { units, size, trials, rate, lift };
                let grid = world.grid(gate(), 1);
                let n = draws_for(units * size * trials as usize * 2, scale);
                let mut draws = Draws::stream(SEED, 4_000_000 + (units * 100 + size * 10) as u64 + trials);
                let truth = true_lift(&world);
                let (mut arm, mut low, mut high) = (0, 0, 0);
                for _ in 0..n {
                    let found = decide(&world.sheet(&grid, &mut draws)).unwrap();
                    let mean = found.certified.arms[0].mean;
                    arm += u64::from(mean.low.unwrap() <= rate && rate <= mean.high.unwrap());
                    let effect = figures(&found).effect;
                    low += u64::from(effect.low.unwrap() <= truth + 1e-12);
                    high += u64::from(effect.high.unwrap() >= truth - 1e-12);
                }
                println!(
                    "units {units:>3} × {size} trials {trials} rate {rate:<4}: arm {}  low {}  high {}",
                    share(arm, n),
                    share(low, n),
                    share(high, n)
                );
            }
        }
    }
}

/// The lift after clamping at the ends of the scale.
fn true_lift(world: &World) -> f64 {
    let swing = (1.0 - world.rate).min(world.rate) * 0.6;
    let moods: &[f64] = if world.size > 1 { &[-1.0, 1.0] } else { &[0.0] };
    let mut sum = 0.0;
    let mut count = 0.0;
    for hard in [-swing, swing] {
        for mood in moods {
            let base = world.rate + hard;
            let room = base.min(1.0 - base).min(0.3);
            let p = base + mood * room * 0.8;
            sum += (p + world.lift).clamp(0.0, 1.0) - p.clamp(0.0, 1.0);
            count += 1.0;
        }
    }
    sum / count
}

/// Power of single trials beside the best test there is.
fn power(scale: u64) {
    println!("\npower of superiority, one trial: the gate, its exact value, and the best test at this level");
    for (units, lift, share_of) in [
        (10, 0.6, 0.6),
        (20, 0.3, 0.4),
        (50, 0.2, 0.3),
        (100, 0.15, 0.25),
        (200, 0.1, 0.2),
        (200, 0.05, 0.15),
    ] {
        let n = draws_for(units * 2, scale);
        let grid = Grid::new(gate(), 1, (units, 1), 1);
        let mut draws = Draws::stream(SEED, 5_000_000 + units as u64);
        let mut pass = 0;
        for _ in 0..n {
            let pairs: Vec<(f64, f64)> = (0..units)
                .map(|_| {
                    let u = draws.unit();
                    if u < f64::midpoint(share_of, lift) {
                        (0.0, 1.0)
                    } else if u < share_of {
                        (1.0, 0.0)
                    } else {
                        (1.0, 1.0)
                    }
                })
                .collect();
            let sheet = grid.sheet(|place| {
                let (old, new) = pairs[place.case];
                Some(scored(if place.arm == 0 { old } else { new }))
            });
            pass += u64::from(decide(&sheet).unwrap().verdict == Verdict::Pass);
        }
        let exact = mcnemar_power(units as u64, lift, share_of, 0.05, Sides::One).unwrap();
        let best = optimal_power(units as u64, lift, share_of, 0.05, Sides::One).unwrap();
        println!(
            "units {units:>3} lift {lift:<4} differing {share_of:<4}: {}  exact {:.1} %  best {:.1} %",
            share(pass, n),
            100.0 * exact,
            100.0 * best
        );
    }
    println!("power of the other modes: the gate, and the normal distribution with everything known");
    let z = normal_quantile(0.95).unwrap();
    for (units, margin) in [(50, 0.15), (100, 0.1), (200, 0.1), (200, 0.05)] {
        let world = World { units, size: 1, trials: 5, rate: 0.8, lift: 0.0 };
        let grid = world.grid(GateFixed { mode: GateMode::NonInferiority, margin, ..gate() }, 1);
        let n = draws_for(units * 10, scale);
        let mut draws = Draws::stream(SEED, 6_000_000 + units as u64);
        let pass = (0..n)
            .filter(|_| decide(&world.sheet(&grid, &mut draws)).unwrap().verdict == Verdict::Pass)
            .count();
        // Two kinds of cases, 0.68 and 0.92.
        let sd = (2.0 * (0.68 * 0.32 + 0.92 * 0.08) / 2.0 / 5.0_f64).sqrt();
        let ideal = provost::stats::normal_cdf(margin / (sd / (units as f64).sqrt()) - z).unwrap();
        println!(
            "non-inferiority {margin:<4} units {units:>3} trials 5, equal arms: {}  ideal {:.1} %",
            share(pass as u64, n),
            100.0 * ideal
        );
    }
}

/// What people do today, in the same worlds.
fn peers(scale: u64) {
    println!("\nwhat people do today, in A against A");
    let mut draws = Draws::stream(SEED, 7_000_000);
    let n = 20_000 / scale;
    let pair =
        |draws: &mut Draws| f64::from(u8::from(draws.unit() < 0.8)) - f64::from(u8::from(draws.unit() < 0.8));
    let lower = (0..n).filter(|_| (0..100).map(|_| pair(&mut draws)).sum::<f64>() < 0.0).count();
    println!("\"the mean is lower than the baseline's\", 100 pairs: fires {}", share(lower as u64, n));
    let boot = (0..n).filter(|_| bootstrap_passes(&mut draws)).count();
    println!("95 % percentile bootstrap of 3 pairs above zero:      ships {}", share(boot as u64, n));
    let looks = (0..n).filter(|_| ten_looks(&mut draws)).count();
    println!("a 5 % t-test looked at ten times, 200 pairs:          fires {}", share(looks as u64, n));
    let rows = (0..n).filter(|_| rows_cover(&mut draws)).count();
    println!("40 cases × 5 trials as 200 rows, 95 % interval:       covers {}", share(rows as u64, n));
}

fn normal(draws: &mut Draws) -> f64 {
    normal_quantile(draws.unit().clamp(1e-12, 1.0 - 1e-12)).unwrap()
}

fn bootstrap_passes(draws: &mut Draws) -> bool {
    let values: Vec<f64> = (0..3).map(|_| normal(draws)).collect();
    let mut means: Vec<f64> =
        (0..400).map(|_| (0..3).map(|_| values[draws.index(3)]).sum::<f64>() / 3.0).collect();
    means.sort_by(f64::total_cmp);
    means[10] > 0.0
}

fn ten_looks(draws: &mut Draws) -> bool {
    let (mut sum, mut squares) = (0.0, 0.0);
    for count in 1..=200_u32 {
        let x = normal(draws);
        sum += x;
        squares += x * x;
        if count % 20 == 0 {
            let n = f64::from(count);
            let mean = sum / n;
            let error = ((squares / n - mean * mean) / (n - 1.0)).sqrt();
            if (mean / error).abs() > t_quantile(0.975, n - 1.0).unwrap() {
                return true;
            }
        }
    }
    false
}

fn rows_cover(draws: &mut Draws) -> bool {
    // Cases of very different hardness: 0.5 on average.
    let rows: Vec<f64> = (0..40)
        .flat_map(|_| {
            let p = draws.unit();
            (0..5).map(|_| f64::from(u8::from(draws.unit() < p))).collect::<Vec<_>>()
        })
        .collect();
    let mean = rows.iter().sum::<f64>() / 200.0;
    let error = (mean * (1.0 - mean) / 199.0).sqrt();
    (mean - 0.5).abs() <= t_quantile(0.975, 199.0).unwrap() * error
}

/// Where the null of the sign-flip test is not quite true: many small gains against few large losses, mean zero.
fn skew(scale: u64) {
    println!(
        "\nskewed changes with a mean of zero (each unit +s with chance q, else the loss that balances it): passed"
    );
    for units in UNITS {
        for (gain, chance) in [(0.2, 0.6), (0.2, 0.75), (0.1, 0.9)] {
            let n = draws_for(units * 2, scale);
            let grid = Grid::new(gate(), 1, (units, 1), 1);
            let loss = gain * chance / (1.0 - chance);
            let mut draws = Draws::stream(SEED, 8_000_000 + units as u64);
            let pass = (0..n)
                .filter(|_| {
                    let news: Vec<f64> = (0..units)
                        .map(|_| if draws.unit() < chance { 0.9 + gain * 0.1 } else { 0.9 - loss * 0.1 })
                        .collect();
                    let sheet =
                        grid.sheet(|place| Some(scored(if place.arm == 0 { 0.9 } else { news[place.case] })));
                    decide(&sheet).unwrap().verdict == Verdict::Pass
                })
                .count();
            println!("units {units:>3} gain {gain} on {chance}: {}", share(pass as u64, n));
        }
    }
}

/// Looks for a distribution on [0, 1] on which Gaffke's bound is above the mean more often than 5 %.
fn search(scale: u64) {
    println!("\nsearch for a distribution that breaks Gaffke's bound at 5 %: the worst of 300 each");
    for units in UNITS {
        let mut draws = Draws::stream(SEED, 9_000_000 + units as u64);
        let mut worst = (0.0_f64, String::new());
        let n = (if units > 100 { 1_000 } else { 4_000 }) / scale;
        for _ in 0..300 / scale {
            let points = 2 + draws.below(3) as usize;
            let mut at: Vec<f64> = (0..points).map(|_| draws.unit()).collect();
            if draws.unit() < 0.5 {
                at[0] = 0.0;
            }
            if draws.unit() < 0.5 {
                at[1] = 1.0;
            }
            let mut weight: Vec<f64> = (0..points).map(|_| draws.unit().powi(3) + 1e-3).collect();
            let total: f64 = weight.iter().sum();
            for w in &mut weight {
                *w /= total;
            }
            let mean: f64 = at.iter().zip(&weight).map(|(x, w)| x * w).sum();
            let broken = (0..n)
                .filter(|_| {
                    let values: Vec<f64> = (0..units).map(|_| pick(&at, &weight, &mut draws)).collect();
                    BoundedMean::new(&values).unwrap().p_greater(mean).unwrap() <= 0.05
                })
                .count();
            let rate = broken as f64 / n as f64;
            if rate > worst.0 {
                worst = (rate, format!("{at:.3?} with {weight:.3?}: {}", share(broken as u64, n)));
            }
        }
        println!("units {units:>3}: {}", worst.1);
    }
}

fn pick(at: &[f64], weight: &[f64], draws: &mut Draws) -> f64 {
    let mut left = draws.unit();
    for (x, w) in at.iter().zip(weight) {
        left -= w;
        if left <= 0.0 {
            return *x;
        }
    }
    at[at.len() - 1]
}
