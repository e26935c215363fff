//! What a plan can see, before it is paid for; what would settle it, after.

use super::claim::{FEW, Null};
use super::docket::Docket;
use super::error::GateError;
use super::units::mean;
use crate::event::{GateFixed, GateMode};
use crate::stats::Sides;
use crate::stats::{StatsError, binomial_cdf, mcnemar_power, normal_cdf, t_quantile};

/// The power that "can see" means.
pub const POWER: f64 = 0.8;
/// Nobody runs more units than that.
const MOST: u64 = 10_000_000;
/// A pair of single trials differs so often by chance alone, where nothing is known of the agent.
const DISCORDANT: f64 = 0.2;
/// The variance of the true differences of cases that a change makes, beside chance.
const BETWEEN: f64 = 0.01;
/// How alike the cases of a group are.
const ALIKE: f64 = 0.5;

/// What is known of a plan before its first cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast<'a> {
    /// Independent units.
    pub units: u64,
    /// Cases.
    pub cases: u64,
    /// Repetitions of each case on each arm.
    pub trials: u64,
    /// Candidates; each claim of each is one of those that are corrected for.
    pub candidates: u64,
    /// The gate.
    pub gate: &'a GateFixed,
    /// What a stored baseline says of its score, if there is one.
    pub known: Option<Known>,
}

/// What a stored baseline says of its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Its mean, from 0 to 1.
    pub mean: f64,
    /// The variance of one trial about the mean of its case; `None` where it had one trial a case.
    pub within: Option<f64>,
}

impl Known {
    /// What is known of the values of each case over its trials; `None` where there is no value.
    pub fn of(cases: &[Vec<f64>]) -> Option<Self> {
        let centre = |values: &Vec<f64>| mean(values.iter().copied());
        let spread = |values: &Vec<f64>| {
            let (centre, count) = (centre(values)?, values.len() as u64);
            let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
            (count > 1).then(|| squares / (whole(count) - 1.0))
        };
        Some(Self {
            mean: mean(cases.iter().filter_map(centre))?,
            within: mean(cases.iter().filter_map(spread)),
        })
    }
}

/// What a plan can see.
#[derive(Clone, Debug, PartialEq)]
pub struct Foresight {
    /// The smallest effect that it shows with a chance of 80 %, as a distance from what it must exceed: from the margin (below
    /// zero for non-inferiority), or from the threshold. Absent where it can see none.
    pub mde: Option<f64>,
    /// On which assumption, in words.
    pub assumes: String,
    model: Model,
}

impl Foresight {
    /// The chance to show a true effect, as a distance from what must be exceeded; 0 where it is not above zero.
    pub fn power_at(&self, effect: f64) -> f64 {
        if effect.is_finite() && effect > 0.0 { self.model.power(effect).unwrap_or(0.0) } else { 0.0 }
    }

    /// The fewest units of the same kind that show such an effect with a chance of 80 %. `None` where it is not above zero,
    /// larger than an effect can be, or takes more than ten million of them.
    pub fn units_for(&self, effect: f64) -> Option<u64> {
        let can_be = effect > 0.0 && effect <= self.model.most();
        if can_be { self.model.units_for(effect).ok().flatten() } else { None }
    }

    /// The fewest units of the same kind that show the largest effect that there can be with a chance of 80 %.
    pub fn least_units(&self) -> Option<u64> {
        self.units_for(self.model.most())
    }
}

/// What a plan can see, at 80 % power and by its own test.
///
/// Errors: a gate whose numbers are out of range.
pub fn foresight(forecast: &Forecast<'_>) -> Result<Foresight, GateError> {
    let gate = forecast.gate;
    let null = match gate.mode {
        GateMode::Superiority => Null::Lift(gate.margin),
        GateMode::NonInferiority => Null::Lift(0.0 - gate.margin),
        GateMode::Threshold => Null::Rate(gate.min.ok_or(GateError::NoMin)?),
    };
    let claims = whole(forecast.candidates.max(1)) * whole(1 + gate.also.len() as u64);
    let is_single = forecast.trials == 1 && forecast.cases == forecast.units;
    // Half of the variance of a pass is taken for chance within the case.
    let within = forecast
        .known
        .map_or(DISCORDANT / 2.0, |known| known.within.unwrap_or(known.mean * (1.0 - known.mean) / 2.0));
    let cases = whole(forecast.cases.max(1)) / whole(forecast.units.max(1));
    let clustered = |variance: f64| variance * (ALIKE + (1.0 - ALIKE) / cases.max(1.0));
    let trials = whole(forecast.trials.max(1));
    let spread = match null {
        Null::Lift(_) if is_single => Spread::Single { share: 2.0 * within },
        Null::Lift(_) => Spread::Fixed((clustered(BETWEEN) + 2.0 * clustered(within) / trials).sqrt()),
        Null::Rate(_) if is_single => Spread::Pass { part: 1.0 },
        Null::Rate(_) => Spread::Pass { part: clustered(0.5 + 0.5 / trials) },
    };
    let model = Model {
        units: forecast.units,
        null,
        level: gate.alpha / claims,
        sequential: gate.sequential,
        spread,
    };
    let from =
        if forecast.known.is_some() { "as the stored baseline has it" } else { "where nothing is known" };
    let mut assumes = match spread {
        Spread::Single { share } => {
            format!("{:.0} % of the cases differ between the arms by chance, {from}", share * 100.0)
        }
        Spread::Fixed(sd) => {
            format!(
                "the differences of the {} units spread by {sd:.2} (one standard deviation), {from}",
                forecast.units
            )
        }
        Spread::Pass { part } if part >= 1.0 => "each unit passes or not, independently".to_owned(),
        Spread::Pass { .. } => "half of the variance of a pass is chance between trials".to_owned(),
    };
    if forecast.units < forecast.cases {
        assumes.push_str("; cases of a group are half alike");
    }
    Ok(Foresight { mde: model.mde()?, assumes, model })
}

/// The smallest effect that so many units and trials can show at 80 % power, and on which assumption; `None` where none.
pub fn detectable(units: u64, trials: u64, gate: &GateFixed) -> Option<(f64, String)> {
    let forecast = Forecast { units, cases: units, trials, candidates: 1, gate, known: None };
    let found = foresight(&forecast).ok()?;
    Some((found.mde?, found.assumes))
}

/// How unit values spread.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spread {
    /// One trial of one case each: so large a share of the pairs differs.
    Single { share: f64 },
    /// A standard deviation.
    Fixed(f64),
    /// A rate: this part of p(1 − p).
    Pass { part: f64 },
}

/// How a gate of so many units behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Model {
    units: u64,
    null: Null,
    level: f64,
    sequential: bool,
    spread: Spread,
}

impl Model {
    /// The most that an effect can be.
    fn most(&self) -> f64 {
        1.0 - self.null.at()
    }

    /// How many standard errors the test asks for; it does not depend on the effect.
    fn reach(&self) -> Result<f64, StatsError> {
        if self.sequential {
            // Where the best stake's expected wealth comes to the odds. The mixture loses some of that, and that the highest
            // wealth counts gives it back; in simulations half of the streams decide there.
            Ok((2.0 * (1.0 / self.level).ln()).sqrt())
        } else {
            t_quantile(1.0 - self.level, whole(self.units.max(2)) - 1.0)
        }
    }

    /// The chance to show an effect at this distance above the null.
    fn power(&self, effect: f64) -> Result<f64, StatsError> {
        self.power_at(effect, self.reach()?)
    }

    fn power_at(&self, effect: f64, reach: f64) -> Result<f64, StatsError> {
        if self.units < FEW as u64 {
            return Ok(0.0);
        }
        let (n, at) = (whole(self.units), self.null.at() + effect);
        match (self.spread, self.null) {
            (Spread::Single { share }, Null::Lift(0.0)) if !self.sequential => {
                let share = share.max(effect).min(1.0);
                return mcnemar_power(self.units, effect.min(1.0), share, self.level, Sides::One);
            }
            (Spread::Pass { part }, Null::Rate(min)) if part >= 1.0 && !self.sequential => {
                return exact_rate(self.units, min, at.min(1.0), self.level);
            }
            _ => {}
        }
        let variance = match self.spread {
            Spread::Single { share } => share.max(at.abs()) - at * at,
            Spread::Fixed(sd) => sd * sd,
            Spread::Pass { part } => part * at * (1.0 - at),
        };
        let error = (variance.max(0.0) / n).sqrt();
        // Half a unit's width of the scale is put at its lower end, once.
        let seen = match self.null {
            Null::Lift(0.0) if self.sequential => at,
            Null::Lift(0.0) => {
                // All units on one side is the most that the sign-flip test can see.
                if (-n * std::f64::consts::LN_2).exp() > self.level {
                    return Ok(0.0);
                }
                at
            }
            Null::Lift(_) => (n * at - 1.0) / (n + 1.0),
            Null::Rate(_) => n * at / (n + 1.0),
        };
        let above = seen - self.null.at();
        if error <= 0.0 {
            return Ok(if above > 0.0 { 1.0 } else { 0.0 });
        }
        normal_cdf(above / error - reach)
    }

    /// The smallest effect with the wanted power, by halving; the power rises with the effect.
    fn mde(&self) -> Result<Option<f64>, StatsError> {
        let (mut low, mut high) = (0.0, self.most());
        let reach = self.reach()?;
        if high <= 0.0 || self.power_at(high, reach)? < POWER {
            return Ok(None);
        }
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.power_at(middle, reach)? < POWER {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some(high))
    }

    /// The fewest units that show an effect, by doubling and halving; `None` beyond ten million.
    fn units_for(self, effect: f64) -> Result<Option<u64>, StatsError> {
        let enough = |units: u64| Ok::<_, StatsError>(Self { units, ..self }.power(effect)? >= POWER);
        let mut high = FEW as u64;
        while !enough(high)? {
            high *= 2;
            if high > MOST {
                return Ok(None);
            }
        }
        let mut low = (high / 2).max(FEW as u64 - 1);
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            if enough(middle)? {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Some(high))
    }
}

/// The power of the exact test of one rate: the chance of as many passes as are needed.
fn exact_rate(n: u64, min: f64, rate: f64, level: f64) -> Result<f64, StatsError> {
    // P[at least k] falls with k.
    let (mut low, mut high) = (0, n + 1);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if 1.0 - binomial_cdf(middle - 1, n, min)? <= level {
            high = middle;
        } else {
            low = middle;
        }
    }
    if high > n { Ok(0.0) } else { Ok(1.0 - binomial_cdf(high - 1, n, rate)?) }
}

/// The smallest effect that the spread of these values could have shown at 80 % power.
pub(super) fn sees(
    docket: &Docket<'_>,
    null: Null,
    values: &[f64],
    level: f64,
) -> Result<Option<f64>, GateError> {
    Ok(match model(docket, null, values, level) {
        Some(model) => model.mde()?,
        None => None,
    })
}

/// The units that would settle an effect as far from the null as the one that was seen.
pub(super) fn settle(
    docket: &Docket<'_>,
    null: Null,
    values: &[f64],
    level: f64,
) -> Result<Option<u64>, GateError> {
    let Some(model) = model(docket, null, values, level) else { return Ok(None) };
    let seen = (mean(values.iter().copied()).unwrap_or(null.at()) - null.at()).abs();
    // What was not seen at all is not settled by more of it.
    if seen < 1e-9 { Ok(None) } else { Ok(model.units_for(seen.min(model.most()))?) }
}

/// The model of values that were seen; `None` where they have no spread to speak of.
fn model(docket: &Docket<'_>, null: Null, values: &[f64], level: f64) -> Option<Model> {
    let centre = mean(values.iter().copied())?;
    let count = values.len();
    if count < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    let units = count as u64;
    let sd = (squares / (whole(units) - 1.0)).sqrt();
    if sd == 0.0 && null == Null::Lift(0.0) && centre == 0.0 {
        return None;
    }
    Some(Model { units, null, level, sequential: docket.gate.sequential, spread: Spread::Fixed(sd) })
}

#[expect(clippy::cast_precision_loss, reason = "counts of units")]
fn whole(count: u64) -> f64 {
    count as f64
}
