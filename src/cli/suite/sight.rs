//! What the gate of a suite can see, before anything is paid for.

use std::fmt::Write as _;

use serde::Serialize;

use crate::certify::{self, Forecast, Foresight};
use crate::event::{GateFixed, GateMode, ScoreName};
use crate::profile::{Gate, Suite};

/// What is measured: a part of the suite, or all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// The part; `None` where the suite has no split.
    pub(super) part: Option<&'static str>,
    /// Its share of all cases, above 0, up to 1.
    pub(super) share: f64,
    /// Its cases.
    pub(super) cases: u64,
    /// Independent units among them.
    pub(super) units: u64,
}

/// What a gate can see of it.
#[derive(Debug, Serialize)]
pub(super) struct Sight {
    score: ScoreName,
    mode: GateMode,
    /// The margin, or the threshold.
    exceeds: f64,
    part: Option<&'static str>,
    cases: u64,
    units: u64,
    trials: u32,
    candidates: u64,
    power: f64,
    /// The smallest effect that is seen with that power, as a distance from the margin or the threshold; null where none is.
    mde: Option<f64>,
    assumes: String,
    /// The chance to show that a candidate which is just as good is not inferior; null in other modes.
    power_of_equal: Option<f64>,
    /// What half of that effect takes.
    half: Option<Needed>,
    /// What it takes to see anything at all; null where something is seen.
    least: Option<Needed>,
}

/// So much that something can be seen.
#[derive(Debug, Serialize)]
struct Needed {
    units: u64,
    /// In the part that is measured, at as many cases a unit as there are now.
    cases: u64,
    /// In the whole suite, at the share that the part has.
    cases_in_all: u64,
}

impl Sight {
    /// Of so many profiles that are to be certified; each treatment is another candidate. `None` where the numbers of the
    /// gate are out of range, which is told elsewhere.
    pub(super) fn of(gate: &Gate, suite: &Suite, profiles: usize, measured: Measured) -> Option<Self> {
        let fixed = certify::gate(gate, false);
        let candidates = (profiles.max(1) * (1 + suite.treatments.len())) as u64;
        let forecast = Forecast {
            units: measured.units,
            cases: measured.cases,
            trials: suite.trials.count.into(),
            candidates,
            gate: &fixed,
            known: None,
        };
        let seen = certify::foresight(&forecast).ok()?;
        Some(Self::new(&fixed, suite.trials.count, candidates, measured, seen))
    }

    fn new(gate: &GateFixed, trials: u32, candidates: u64, measured: Measured, seen: Foresight) -> Self {
        let needed = |units| Needed::new(units, measured);
        let half = seen.mde.and_then(|mde| seen.units_for(mde / 2.0)).map(needed);
        let least = if seen.mde.is_none() { seen.least_units().map(needed) } else { None };
        let is_loss = gate.mode == GateMode::NonInferiority;
        Self {
            score: gate.score.clone(),
            mode: gate.mode,
            exceeds: gate.min.filter(|_| gate.mode == GateMode::Threshold).unwrap_or(gate.margin),
            part: measured.part,
            cases: measured.cases,
            units: measured.units,
            trials,
            candidates,
            power: certify::POWER,
            mde: seen.mde,
            power_of_equal: is_loss.then(|| seen.power_at(gate.margin)),
            assumes: seen.assumes,
            half,
            least,
        }
    }

    /// For people, a line each.
    pub(super) fn render(&self) -> String {
        let part = self.part.map_or_else(|| "all cases".to_owned(), |part| format!("the part `{part}`"));
        let Self { score, exceeds, units, cases, trials, .. } = self;
        let what = match self.mode {
            GateMode::Superiority => format!("the lift of {score} above {exceeds}"),
            GateMode::NonInferiority => format!("the loss of {score} within {exceeds}"),
            GateMode::Threshold => format!("the rate of {score} above {exceeds}"),
        };
        let mut text = format!(
            "gate: {what}, on {part}: {}, {}, {}\n",
            count(*cases, "case"),
            count(*units, "unit"),
            count((*trials).into(), "trial")
        );
        if self.candidates > 1 {
            let _ = writeln!(text, "  {} candidates share its error rate", self.candidates);
        }
        let power = self.power * 100.0;
        match (self.mde, &self.least) {
            (Some(mde), _) => {
                let effect = match self.mode {
                    GateMode::Superiority => format!("a lift of {:.3}", exceeds + mde),
                    GateMode::NonInferiority => format!("a candidate that is {}", stands(mde - exceeds)),
                    GateMode::Threshold => format!("a rate of {:.3}", exceeds + mde),
                };
                let _ = writeln!(text, "  {effect} is shown with a chance of {power:.0} %");
            }
            (None, Some(least)) => {
                let _ = writeln!(
                    text,
                    "  no effect is shown with a chance of {power:.0} %, however large: that takes {}",
                    least.line()
                );
            }
            (None, None) => {
                let _ =
                    writeln!(text, "  no effect can be shown, however large, and with however many cases");
            }
        }
        if let Some(chance) = self.power_of_equal {
            let _ = writeln!(
                text,
                "  one that is just as good is shown with a chance of {:.0} %",
                chance * 100.0
            );
        }
        if let Some(half) = &self.half {
            let _ = writeln!(text, "  half of that distance takes {}", half.line());
        }
        if self.mde.is_some() {
            let _ = writeln!(text, "  assumed: {}", self.assumes);
        }
        text
    }
}

impl Needed {
    fn new(units: u64, measured: Measured) -> Self {
        let cases = part(units, measured.cases.max(1), measured.units.max(1));
        Self { units, cases, cases_in_all: share(cases, measured.share) }
    }

    fn line(&self) -> String {
        let Self { units, cases, cases_in_all } = self;
        let of_units = if cases == units { String::new() } else { format!(" in {}", count(*units, "unit")) };
        let all =
            if cases_in_all > cases { format!(", {cases_in_all} in the whole suite") } else { String::new() };
        format!("{}{of_units}{all}", count(*cases, "case"))
    }
}

/// How a true lift reads.
fn stands(lift: f64) -> String {
    if lift < 0.0 { format!("worse by {:.3}", -lift) } else { format!("better by {lift:.3}") }
}

/// `count` × `over` / `under`, rounded up.
fn part(count: u64, over: u64, under: u64) -> u64 {
    count.saturating_mul(over).div_ceil(under)
}

/// How many there must be in all for `cases` to be this share of them.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of cases, over a share that is above zero"
)]
fn share(cases: u64, share: f64) -> u64 {
    (cases as f64 / share).ceil() as u64
}

fn count(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
