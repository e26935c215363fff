//! Intervals on a common axis: one drawing a row, so that names and figures beside it are text of the page.

use crate::event::{Certified, Estimate, GateFixed, GateMode};

use super::figures;
use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// Height of a row, pixels.
const ROW: f64 = 34.0;
/// Height of an axis, pixels.
const AXIS: f64 = 30.0;
/// Ticks of an axis, at most: what a narrow screen has room for.
const TICKS: u32 = 6;

/// The axis that several rows share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    scale: Scale,
    /// Whether it shows lifts, which have a zero; else rates.
    lift: bool,
    /// What must be exceeded.
    line: Option<f64>,
}

impl Axis {
    /// The axis of lifts or rates under a gate, wide enough for all of `values`.
    pub(super) fn of_gate(gate: &GateFixed, values: impl IntoIterator<Item = f64>) -> Self {
        let line = demanded(gate);
        let lift = gate.mode != GateMode::Threshold;
        let zero = lift.then_some(0.0);
        let scale = Scale::around(values.into_iter().chain([line]).chain(zero));
        let scale = if lift { scale.within(-1.0, 1.0) } else { scale.within(0.0, 1.0) };
        Self { scale, lift, line: Some(line) }
    }

    /// The axis of rates by themselves.
    pub(super) fn of_rates(values: impl IntoIterator<Item = f64>) -> Self {
        Self { scale: Scale::around(values).within(0.0, 1.0), lift: false, line: None }
    }

    /// The axis of lifts by themselves.
    pub(super) fn of_lifts(values: impl IntoIterator<Item = f64>) -> Self {
        Self {
            scale: Scale::around(values.into_iter().chain([0.0])).within(-1.0, 1.0),
            lift: true,
            line: None,
        }
    }

    /// The same axis with another line, or with none.
    pub(super) fn with_line(self, line: Option<f64>) -> Self {
        Self { line, ..self }
    }

    /// One row: the interval, its mean, and thin around it how far the missing cells could move it.
    pub(super) fn row(
        self,
        said: &str,
        ink: &str,
        effect: &Estimate,
        missing: Option<(&Estimate, &Estimate)>,
    ) -> String {
        let mut svg = Svg::new(ROW, said);
        self.ground(&mut svg, ROW);
        let middle = ROW / 2.0;
        if let Some((worst, best)) = missing {
            let low = self.scale.place(worst.low.unwrap_or(worst.mean));
            let high = self.scale.place(best.high.unwrap_or(best.mean));
            // Only beside the interval: through it, it would look like a part of it.
            let inner = [effect.low, effect.high].map(|bound| self.scale.place(bound.unwrap_or(effect.mean)));
            svg.line("missing", (low, middle), (inner[0].max(low), middle));
            svg.line("missing", (inner[1].min(high), middle), (high, middle));
            for end in [low, high] {
                svg.line("missing", (end, middle - 5.0), (end, middle + 5.0));
            }
        }
        let known = effect.low.is_some() || effect.high.is_some();
        if known {
            let ends = [(effect.low, 0.0), (effect.high, 100.0)];
            let at = |(bound, edge): (Option<f64>, f64)| bound.map_or(edge, |bound| self.scale.place(bound));
            svg.line(&format!("span {ink}"), (at(ends[0]), middle), (at(ends[1]), middle));
            for end in ends.into_iter().filter(|(bound, _)| bound.is_some()) {
                svg.line(&format!("cap {ink}"), (at(end), middle - 7.0), (at(end), middle + 7.0));
            }
        }
        svg.dot(&format!("mean {ink}"), (self.scale.place(effect.mean), middle), 5.0, None);
        svg.finish()
    }

    /// The ticks below the rows.
    pub(super) fn ticks(self, said: &str) -> String {
        let mut svg = Svg::new(AXIS, said);
        for tick in self.scale.ticks(TICKS) {
            let x = self.scale.place(tick);
            svg.line("grid", (x, 0.0), (x, 5.0));
            // A word at the edge would hang over it.
            let anchor = if x > 98.0 { Anchor::End } else { Anchor::Middle };
            svg.word("tick", (x, 19.0), 0.0, anchor, &figures::tick(tick, self.lift));
        }
        svg.finish()
    }

    /// The name of the line, above the rows.
    pub(super) fn line_name(self, name: &str) -> String {
        let Some(line) = self.line else { return String::new() };
        let mut svg = Svg::new(22.0, name);
        let x = self.scale.place(line);
        svg.line("margin", (x, 17.0), (x, 22.0));
        let anchor = if x < 30.0 {
            Anchor::Start
        } else if x > 70.0 {
            Anchor::End
        } else {
            Anchor::Middle
        };
        svg.word("margin-name", (x, 12.0), 0.0, anchor, name);
        svg.finish()
    }

    /// What lies behind a row: the side that the claim is on, the grid, zero and the line.
    fn ground(self, svg: &mut Svg, height: f64) {
        if let Some(line) = self.line {
            let x = self.scale.place(line);
            svg.bar("claimed", (x, 0.0), (100.0 - x, height));
        }
        for tick in self.scale.ticks(TICKS) {
            let x = self.scale.place(tick);
            svg.line("grid", (x, 0.0), (x, height));
        }
        if self.lift {
            let x = self.scale.place(0.0);
            svg.line("zero", (x, 0.0), (x, height));
        }
        if let Some(line) = self.line {
            let x = self.scale.place(line);
            svg.line("margin", (x, 0.0), (x, height));
        }
    }
}

/// What the effect of a gate must exceed.
pub(super) fn demanded(gate: &GateFixed) -> f64 {
    match gate.mode {
        GateMode::Superiority => gate.margin,
        GateMode::NonInferiority => -gate.margin,
        GateMode::Threshold => gate.min.unwrap_or(gate.margin),
    }
}

/// Every value that the claims and guards of a run show.
pub(super) fn values(certified: &Certified) -> Vec<f64> {
    let claims =
        certified.candidates.iter().flat_map(|candidate| candidate.claims.iter().chain(&candidate.guards));
    claims
        .flat_map(|claim| [claim.effect, claim.worst, claim.best])
        .flat_map(|estimate| [Some(estimate.mean), estimate.low, estimate.high])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(mode: GateMode) -> GateFixed {
        GateFixed {
            score: crate::event::ScoreName::new("s"),
            also: Vec::new(),
            guard: std::collections::BTreeMap::new(),
            mode,
            alpha: 0.05,
            margin: 0.02,
            min: Some(0.7),
            coverage: 1.0,
            cheaper: false,
            sequential: false,
            stubs: false,
        }
    }

    #[test]
    fn the_line_is_what_must_be_exceeded() {
        let lines = [GateMode::Superiority, GateMode::NonInferiority, GateMode::Threshold]
            .map(|mode| demanded(&gate(mode)));
        assert_eq!(lines.map(f64::to_bits), [0.02_f64, -0.02, 0.7].map(f64::to_bits));
    }

    #[test]
    fn a_bound_that_is_not_there_reaches_the_edge_without_a_cap() {
        let axis = Axis::of_gate(&gate(GateMode::Superiority), [-0.1, 0.1]);
        let both = Estimate { mean: 0.05, low: Some(0.0), high: Some(0.1) };
        let drawn = |effect: &Estimate| axis.row("x", "a1", effect, None);
        assert_eq!(drawn(&both).matches("class=\"cap").count(), 2);
        let open = drawn(&Estimate { high: None, ..both });
        assert_eq!(open.matches("class=\"cap").count(), 1);
        assert!(open.contains("x2=\"100.00%\""), "{open}");
        let bare = drawn(&Estimate { low: None, high: None, ..both });
        assert!(!bare.contains("class=\"span") && bare.contains("class=\"mean"), "{bare}");
    }

    #[test]
    fn the_axis_always_shows_zero_and_the_line() {
        let axis = Axis::of_gate(&gate(GateMode::NonInferiority), [0.2, 0.3]);
        let drawn = axis.row("x", "a1", &Estimate { mean: 0.25, low: None, high: None }, None);
        for class in ["zero", "margin"] {
            assert!(drawn.contains(&format!("class=\"{class}\"")), "{drawn}");
        }
        assert!(axis.scale.place(-0.02) > 0.0 && axis.scale.place(0.3) < 100.0);
        let rates =
            Axis::of_rates([0.5, 0.9]).row("x", "a1", &Estimate { mean: 0.7, low: None, high: None }, None);
        assert!(!rates.contains("zero") && !rates.contains("margin"));
    }

    #[test]
    fn how_far_the_missing_could_move_it_is_drawn_around_it() {
        let axis = Axis::of_gate(&gate(GateMode::Superiority), [-1.0, 1.0]);
        let at = |mean: f64| Estimate { mean, low: Some(mean - 0.1), high: Some(mean + 0.1) };
        let drawn = axis.row("x", "a1", &at(0.2), Some((&at(0.1), &at(0.3))));
        assert_eq!(drawn.matches("class=\"missing\"").count(), 4);
        assert!(drawn.contains(r#"x1="50.00%" y1="17.0" x2="55.00%""#), "{drawn}");
    }
}
