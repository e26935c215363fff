//! All claims of a run under one correction.

use super::claim::Tested;
use super::docket::Docket;
use super::error::GateError;
use super::guard::{Guarded, guards};
use super::units::Fill;
use crate::event::{GateMode, Reason, Verdict};
use crate::stats::holm;

/// What Holm's steps say of one p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// Whether it is small enough.
    pub(super) rejected: bool,
    /// The level that it was held against, or would be next: bounds at this level agree with the decision.
    pub(super) level: f64,
    /// The adjusted p-value.
    pub(super) adjusted: f64,
}

/// Holm's steps at `alpha`: the i-th smallest of m p-values against α/(m − i + 1), until the first that is larger.
pub(super) fn steps(p: &[f64], alpha: f64) -> Result<Vec<Step>, GateError> {
    if p.is_empty() {
        return Ok(Vec::new());
    }
    let adjusted = holm(p)?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut found = vec![Step { rejected: false, level: alpha, adjusted: 1.0 }; p.len()];
    let (mut open, mut level) = (true, alpha);
    for (place, at) in order.into_iter().enumerate() {
        if open {
            // At most some thousand claims.
            #[expect(clippy::cast_precision_loss, reason = "a count of claims")]
            let left = (p.len() - place) as f64;
            level = alpha / left;
            open = p[at] <= level;
        }
        found[at] = Step { rejected: open, level, adjusted: adjusted[at] };
    }
    Ok(found)
}

/// A claim with its tests and what the correction made of them.
pub(super) struct Judged {
    /// The test.
    pub(super) tested: Box<dyn Tested>,
    /// That the mean is above the null.
    pub(super) above: Step,
    /// That it is below.
    pub(super) below: Step,
}

/// All claims under one way to fill what is missing.
pub(super) struct Round {
    /// By candidate, and then by claim.
    pub(super) claims: Vec<Vec<Judged>>,
    /// By candidate, and then by guard.
    pub(super) guards: Vec<Vec<Guarded>>,
}

impl Round {
    /// Tests everything over some units.
    pub(super) fn of(docket: &Docket<'_>, scope: &[usize], fill: Fill) -> Result<Self, GateError> {
        let null = docket.null();
        let mut tested = Vec::new();
        for against in &docket.candidates {
            for column in &docket.claims {
                tested.push(docket.test(docket.values(column, *against, scope, fill), null)?);
            }
        }
        let above =
            steps(&tested.iter().map(|test| test.p_greater()).collect::<Vec<_>>(), docket.gate.alpha)?;
        let below = steps(&tested.iter().map(|test| test.p_less()).collect::<Vec<_>>(), docket.gate.alpha)?;
        let mut judged = tested.into_iter().zip(above).zip(below).map(|((tested, above), below)| Judged {
            tested,
            above,
            below,
        });
        let claims =
            docket.candidates.iter().map(|_| judged.by_ref().take(docket.claims.len()).collect()).collect();
        Ok(Self { claims, guards: guards(docket, scope, fill)? })
    }

    /// What a candidate comes to, by its first claim and its guards, and why.
    pub(super) fn outcome(
        &self,
        docket: &Docket<'_>,
        candidate: usize,
        cheaper: bool,
    ) -> (Verdict, Vec<Reason>) {
        let gate = docket.gate;
        let claim = &self.claims[candidate][0];
        let guards = &self.guards[candidate];
        let (shown, lost, open) = match gate.mode {
            GateMode::Superiority => (Reason::Significant, Reason::Worse, Reason::NoMargin),
            GateMode::NonInferiority if gate.cheaper => {
                (Reason::NonInferiorAndCheaper, Reason::Inferior, Reason::NonInferiorityUnproven)
            }
            GateMode::NonInferiority => {
                (Reason::NonInferior, Reason::Inferior, Reason::NonInferiorityUnproven)
            }
            GateMode::Threshold => {
                (Reason::AboveThreshold, Reason::BelowThreshold, Reason::ThresholdUnproven)
            }
        };
        let mut against = Vec::new();
        if claim.below.rejected {
            against.push(lost);
        }
        if guards.iter().any(|guard| guard.regressed) {
            against.push(Reason::GuardRegressed);
        }
        if !against.is_empty() {
            return (Verdict::Fail, against);
        }
        let mut missing = Vec::new();
        if !claim.above.rejected {
            missing.push(open);
        } else if gate.mode == GateMode::NonInferiority && gate.cheaper && !cheaper {
            missing.push(Reason::NotCheaper);
        }
        if guards.iter().any(|guard| !guard.held) {
            missing.push(Reason::GuardUnproven);
        }
        if missing.is_empty() { (Verdict::Pass, vec![shown]) } else { (Verdict::Inconclusive, missing) }
    }
}
