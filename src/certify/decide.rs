//! The verdict.
//!
//! # The procedure
//!
//! A unit is a group of cases, or a case without a group; its value is the mean over its cases of the mean over trials, of
//! the difference (candidate − baseline) on the pairs that were answered on both arms, or of the rate. Rows are never taken
//! for independent. Fewer than six units decide nothing. What is tested, and how the bounds are made, was fixed before the
//! first cell by the gate's mode, its margin and `sequential`, never by the data:
//!
//! | situation | null | test | bounds |
//! | --- | --- | --- | --- |
//! | superiority, margin 0 | the arms are alike: a unit's difference is as likely as its opposite | sign-flip of the units, all 2ⁿ patterns counted; of one-trial passes this is the exact one-sided test of `McNemar`, of constant differences the sign test | Gaffke's, and the test itself at zero |
//! | superiority, margin ≠ 0 | the mean lift is at most the margin | Gaffke's bounded mean of (d + 1)/2 | Gaffke's |
//! | non-inferiority, margin > 0; guards | the mean loss is at least the margin | the same at −margin | Gaffke's |
//! | non-inferiority or guard with margin 0 | the arms are alike | as superiority with margin 0 | as there |
//! | threshold | the mean rate is at most `min` | Gaffke's bounded mean of the units; of one-trial passes this is Clopper and Pearson's exact test | Gaffke's |
//! | any of these, `sequential` | the same mean null | betting e-process over units in the plan's order, looked at from the sixth unit on; p is one over the highest wealth | confidence sequence of the same bets |
//! | costs less | the costs are alike | sign-flip of the units; sequential: bets on the sign | Gaffke's over the range that was seen |
//! | an arm by itself; slices | none | none; slices by sign-flip or Gaffke, two-sided, under Benjamini-Hochberg | Gaffke's at 2.5 % a side |
//!
//! Why these, by simulation (`benches/error_rates.rs`): a bound by bootstrap or t covers 80 to 90 % near the ends of the scale and
//! passes six ties as non-inferior; a bound by bets holds but is 1.5 times as wide when it is read only once; Gaffke's is exact
//! for passes, loses about 1/n elsewhere, and needs neither a seed nor an order.
//!
//! What the sign-flip test does not show: it is exact when nothing was changed, and of whole wins and losses it is exact for the
//! mean. Of finer scores a change that helps many units a little and hurts a few a lot can have a mean of zero and look like a gain
//! until one of the few is seen (for 9 to 1, 52 % at six units, 12 % at fifty, 5 % at 200). No test that passes twelve gains of +0.3 can
//! exclude that; a pass that Gaffke's bound does not support by itself carries a remark that says so, and a margin above zero asks for
//! the bound.
//!
//! - Several candidates and claims: Holm over all of them, each direction by itself. The first claim decides; `also` are claims
//!   under the same error rate. Bounds are at the level that the claim was held against, so they agree with the decision.
//! - A pass needs the claim, every guard, and where asked the saving: each is shown at alpha, so that all of them together need
//!   no correction. A fail needs evidence too: the claim below its null, or a guard beyond its loss, under Holm.
//! - Missing: the same again with every missing value put against the candidate, and for it. A verdict that is not the same all
//!   three times is `missing-decides`; coverage below what the gate demands is `incomplete-coverage` whatever the rest shows.
//! - Several candidates: one that passes makes a pass, the best of them decides; all failed is a fail.

use super::claim::{FEW, Tested};
use super::coverage::{covered, cut_short, has_stubs, matched, on_usage};
use super::digest::evidence_sha256;
use super::docket::{Docket, planned};
use super::early::{complete, looks};
use super::error::GateError;
use super::figures;
use super::foresight::{sees, settle};
use super::guard::{Guarded, Savings, savings};
use super::remark;
use super::round::{Judged, Round};
use super::slices::slices;
use super::tidy::tidy;
use super::units::{Column, Fill, Units, units};
use crate::event::{
    CandidateFigures, Certified, ClaimFigures, Estimate, Reason, Sheet, Verdict, VerdictReached,
};

/// The verdict over a run, with every figure that it rests on. Pure: it follows from the plan and the rows alone, and is the same
/// to the last bit wherever it is computed. Cells that have not ended count as missing.
///
/// Errors: rows that do not fit the plan, or a plan without what its gate needs; see [`GateError`].
pub fn decide(sheet: &Sheet) -> Result<VerdictReached, GateError> {
    let docket = Docket::open(sheet)?;
    let (verdict, mut certified) = if docket.gate.sequential {
        let ready = complete(&docket);
        let stop = stopped(&docket, &ready)?;
        let scope = stop.unwrap_or(&ready);
        let mut found = evaluate(&docket, scope, true)?;
        if found.0 == Verdict::Inconclusive {
            if scope.len() == docket.units.len() {
                found.1.remarks.push(UNDECIDED.to_owned());
            } else {
                not_ended(&docket, &mut found.1);
            }
        }
        found
    } else {
        let all: Vec<usize> = (0..docket.units.len()).collect();
        evaluate(&docket, &all, true)?
    };
    certified.remarks.extend(remark::remarks(sheet));
    tidy(&mut certified);
    Ok(VerdictReached {
        verdict,
        plan_sha256: docket.plan.plan_sha256.clone(),
        evidence_sha256: evidence_sha256(sheet),
        certified,
    })
}

/// Each arm and score of a run without a gate: figures, and no verdict.
pub fn measure(sheet: &Sheet) -> Result<Certified, GateError> {
    planned(sheet)?;
    let units = units(sheet.cases());
    let remarks = remark::remarks(sheet).collect();
    let mut certified = Certified { arms: arms(sheet, &units)?, remarks, ..Certified::default() };
    tidy(&mut certified);
    Ok(certified)
}

/// Said of a pass that rests on the shape of a change.
const OF_SHAPE: &str = "The pass shows that the candidate is not an unchanged baseline; so few units cannot exclude a change \
    that helps most of them a little and harms a few by more. A margin above zero, or more units, would.";

/// Said of a sequential gate that read all units.
const UNDECIDED: &str = "The sequential test came to its last unit without a decision, which is no evidence that there is no effect.";

/// Says why a sequential gate could not read on.
fn not_ended(docket: &Docket<'_>, certified: &mut Certified) {
    let arms: Vec<usize> = (0..docket.plan.arms.len()).collect();
    let cases: Vec<usize> = (0..docket.sheet.cases().len()).collect();
    for reason in cut_short(docket.sheet, &arms, &cases, docket.plan.trials) {
        let candidates = certified.candidates.iter_mut().map(|figures| &mut figures.reasons);
        for reasons in candidates.chain([&mut certified.reasons]).filter(|reasons| !reasons.contains(&reason))
        {
            reasons.push(reason);
        }
    }
}

/// The first of the looks at which a sequential gate has decided.
fn stopped<'a>(docket: &Docket<'_>, ready: &'a [usize]) -> Result<Option<&'a [usize]>, GateError> {
    for look in looks(docket.units.len()).take_while(|look| *look <= ready.len()) {
        if verdict(docket, &ready[..look])? != Verdict::Inconclusive {
            return Ok(Some(&ready[..look]));
        }
    }
    Ok(None)
}

/// The verdict over some units, without the figures that it does not rest on.
pub(super) fn verdict(docket: &Docket<'_>, scope: &[usize]) -> Result<Verdict, GateError> {
    Ok(evaluate(docket, scope, false)?.0)
}

/// The verdict over some units; `full` with all figures.
fn evaluate(docket: &Docket<'_>, scope: &[usize], full: bool) -> Result<(Verdict, Certified), GateError> {
    let cases = docket.cases(scope);
    let observed = Round::of(docket, scope, Fill::Observed)?;
    let filled = if is_whole(docket, &cases) {
        None
    } else {
        Some([Round::of(docket, scope, Fill::Worst)?, Round::of(docket, scope, Fill::Best)?])
    };
    let mut found = Vec::new();
    for candidate in 0..docket.candidates.len() {
        let saved = if full || docket.gate.cheaper {
            savings(docket, docket.candidates[candidate], scope)?
        } else {
            None
        };
        let case =
            Case { docket, candidate, scope, cases: &cases, observed: &observed, filled: filled.as_ref() };
        let (verdict, reasons) = case.verdict(saved.as_ref())?;
        found.push(case.figures(verdict, reasons, saved, full)?);
    }
    let (verdict, reasons) = overall(&found);
    let mut certified = Certified { reasons, candidates: found, ..Certified::default() };
    if full {
        for (candidate, figures) in certified.candidates.iter().enumerate() {
            let claim = &observed.claims[candidate][0];
            if figures.verdict == Some(Verdict::Pass) && claim.tested.is_of_shape(claim.above.level)? {
                certified.remarks = vec![OF_SHAPE.to_owned()];
            }
        }
        certified.remarks.extend(on_usage(docket.sheet));
        certified.arms = arms(docket.sheet, &docket.units)?;
        certified.slices = slices(docket, scope)?;
    }
    Ok((verdict, certified))
}

/// Each arm and score by itself.
fn arms(sheet: &Sheet, units: &Units) -> Result<Vec<crate::event::ArmFigures>, GateError> {
    let plan = sheet.plan().ok_or(GateError::NoPlan)?;
    let mut found = Vec::new();
    for (at, arm) in plan.arms.iter().enumerate() {
        for name in &plan.scores {
            let column = Column::of(sheet, plan, name)?;
            column.check()?;
            found.push(figures::arm(&column, at, &arm.name, units)?);
        }
    }
    Ok(found)
}

/// Whether every value that the gate reads is there.
fn is_whole(docket: &Docket<'_>, cases: &[usize]) -> bool {
    let whole = |column: &Column<'_>, arm: usize| {
        let found = covered(column, arm, cases.iter().copied());
        found.answered == found.dealt
    };
    docket.candidates.iter().all(|against| {
        let claims = docket.claims.iter().map(|column| (column, *against));
        let guards = docket.guards.iter().map(|(column, _)| (column, docket.guarded(*against)));
        claims.chain(guards).all(|(column, against)| {
            whole(column, against.candidate) && against.baseline.is_none_or(|arm| whole(column, arm))
        })
    })
}

/// What the run comes to: the best candidate that passes decides, else the best that has not failed, else the best.
fn overall(candidates: &[CandidateFigures]) -> (Verdict, Vec<Reason>) {
    let effect = |figures: &CandidateFigures| figures.claims.first().map_or(0.0, |claim| claim.effect.mean);
    for wanted in [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail] {
        let mut best: Option<&CandidateFigures> = None;
        for figures in candidates.iter().filter(|figures| figures.verdict == Some(wanted)) {
            if best.is_none_or(|best| effect(figures) > effect(best)) {
                best = Some(figures);
            }
        }
        if let Some(best) = best {
            return (wanted, best.reasons.clone());
        }
    }
    (Verdict::Inconclusive, vec![Reason::NoEvidence])
}

/// One candidate over some units.
struct Case<'a> {
    docket: &'a Docket<'a>,
    candidate: usize,
    scope: &'a [usize],
    cases: &'a [usize],
    observed: &'a Round,
    filled: Option<&'a [Round; 2]>,
}

impl Case<'_> {
    fn claim(&self) -> &Judged {
        &self.observed.claims[self.candidate][0]
    }

    fn verdict(&self, saved: Option<&Savings>) -> Result<(Verdict, Vec<Reason>), GateError> {
        let refused = self.refused()?;
        if !refused.is_empty() {
            return Ok((Verdict::Inconclusive, refused));
        }
        let cheaper = saved.is_some_and(|saved| saved.cheaper);
        let (verdict, reasons) = self.observed.outcome(self.docket, self.candidate, cheaper);
        let same = self
            .filled
            .into_iter()
            .flatten()
            .all(|round| round.outcome(self.docket, self.candidate, cheaper).0 == verdict);
        if same {
            return Ok((verdict, reasons));
        }
        let mut open = vec![Reason::MissingDecides];
        if verdict == Verdict::Inconclusive {
            open.extend(reasons);
        }
        Ok((Verdict::Inconclusive, open))
    }

    /// Why the rows of this candidate are not to be decided over, whatever they show.
    fn refused(&self) -> Result<Vec<Reason>, GateError> {
        let (docket, against) = (self.docket, self.docket.candidates[self.candidate]);
        let plan = docket.plan;
        let mut reasons = Vec::new();
        let new = &plan.arms[against.candidate];
        if let Some(old) = against.baseline.map(|arm| &plan.arms[arm])
            && new.profile_sha256 == old.profile_sha256
            && new.treatment == old.treatment
        {
            reasons.push(Reason::IdenticalChampion);
        }
        let column = &docket.claims[0];
        let mut arms = vec![against.candidate];
        arms.extend(
            docket
                .guarded(against)
                .baseline
                .filter(|_| against.baseline.is_some() || !docket.guards.is_empty()),
        );
        let answered = |arm: &usize| covered(column, *arm, self.cases.iter().copied()).answered;
        let found: Vec<u64> =
            std::iter::once(&against.candidate).chain(&against.baseline).map(answered).collect();
        let cut = cut_short(docket.sheet, &arms, &self.expected(), plan.trials);
        if found.contains(&0) {
            reasons.push(Reason::NoEvidence);
        } else if self.claim().tested.units() == 0 {
            if cut.is_empty() {
                return Err(GateError::NothingShared { candidate: new.name.clone() });
            }
            reasons.push(Reason::NoEvidence);
        }
        if self.claim().tested.units() < FEW {
            reasons.push(Reason::FewTasks);
        }
        let uncovered = std::iter::once((column, against))
            .chain(docket.guards.iter().map(|(column, _)| (column, docket.guarded(against))))
            .any(|(column, against)| {
                std::iter::once(against.candidate).chain(against.baseline).any(|arm| {
                    !covered(column, arm, self.cases.iter().copied()).reaches(docket.gate.coverage)
                })
            });
        if uncovered {
            reasons.push(Reason::IncompleteCoverage);
        }
        if !docket.gate.stubs && has_stubs(docket.sheet, &arms) {
            reasons.push(Reason::StubCells);
        }
        // Why the evidence is not there; by itself this is no reason.
        if !reasons.is_empty() {
            reasons.extend(cut);
        }
        reasons.dedup();
        Ok(reasons)
    }

    /// The cases whose rows could have been there: all of them, also where a sequential gate has read a part.
    fn expected(&self) -> Vec<usize> {
        (0..self.docket.sheet.cases().len()).collect()
    }

    fn figures(
        &self,
        verdict: Verdict,
        reasons: Vec<Reason>,
        saved: Option<Savings>,
        full: bool,
    ) -> Result<CandidateFigures, GateError> {
        let (docket, against) = (self.docket, self.docket.candidates[self.candidate]);
        let pairs =
            matched(&docket.claims[0], against.candidate, against.baseline, self.cases.iter().copied());
        let fills = |at: usize| {
            self.filled.map(|rounds| [0, 1].map(|round: usize| &rounds[round].claims[self.candidate][at]))
        };
        let guard_fills = |at: usize| {
            self.filled.map(|rounds| [0, 1].map(|round: usize| &rounds[round].guards[self.candidate][at]))
        };
        let claims = docket.claims.iter().zip(&self.observed.claims[self.candidate]).enumerate();
        let guards = docket.guards.iter().zip(&self.observed.guards[self.candidate]).enumerate();
        Ok(CandidateFigures {
            arm: docket.plan.arms[against.candidate].name.clone(),
            verdict: Some(verdict),
            reasons,
            claims: claims
                .map(|(at, (column, judged))| self.claim_figures(column, judged, fills(at), full))
                .collect::<Result<_, _>>()?,
            guards: if full {
                guards
                    .map(|(at, ((column, loss), guarded))| {
                        self.guard_figures(column, *loss, guarded, guard_fills(at))
                    })
                    .collect::<Result<_, _>>()?
            } else {
                Vec::new()
            },
            savings_usd: saved.map(|saved| saved.estimate),
            matched: pairs.both,
            candidate_only: pairs.candidate,
            baseline_only: pairs.baseline,
        })
    }

    fn claim_figures(
        &self,
        column: &Column<'_>,
        judged: &Judged,
        filled: Option<[&Judged; 2]>,
        full: bool,
    ) -> Result<ClaimFigures, GateError> {
        let (docket, null) = (self.docket, self.docket.null());
        let values = docket.values(column, docket.candidates[self.candidate], self.scope, Fill::Observed);
        let tested = judged.tested.as_ref();
        let mut figures = bare(column, tested, null.at(), &values);
        if !full {
            return Ok(figures);
        }
        let levels = |judged: &Judged| (judged.above.level, judged.below.level);
        figures.effect = estimate(tested, levels(judged))?;
        let [worst, best] = filled.unwrap_or([judged, judged]);
        figures.worst = estimate(worst.tested.as_ref(), levels(worst))?;
        figures.best = estimate(best.tested.as_ref(), levels(best))?;
        if tested.units() >= FEW {
            figures.p = Some(tested.p_greater());
            figures.p_adjusted = Some(judged.above.adjusted);
        }
        figures.mde = sees(docket, null, &values, judged.above.level)?;
        figures.units_needed = settle(docket, null, &values, judged.above.level)?;
        if docket.gate.sequential && self.scope.len() < docket.units.len() {
            figures.stopped_after = Some(self.scope.len() as u64);
        }
        Ok(figures)
    }

    fn guard_figures(
        &self,
        column: &Column<'_>,
        loss: f64,
        guarded: &Guarded,
        filled: Option<[&Guarded; 2]>,
    ) -> Result<ClaimFigures, GateError> {
        let docket = self.docket;
        let against = docket.guarded(docket.candidates[self.candidate]);
        let values = docket.values(column, against, self.scope, Fill::Observed);
        let null = super::claim::Null::Lift(0.0 - loss);
        let mut figures = bare(column, guarded.tested.as_ref(), null.at(), &values);
        let levels = |guarded: &Guarded| (docket.gate.alpha, guarded.below.level);
        figures.effect = estimate(guarded.tested.as_ref(), levels(guarded))?;
        let [worst, best] = filled.unwrap_or([guarded, guarded]);
        figures.worst = estimate(worst.tested.as_ref(), levels(worst))?;
        figures.best = estimate(best.tested.as_ref(), levels(best))?;
        figures.p = (values.len() >= FEW).then(|| guarded.tested.p_greater());
        figures.mde = sees(docket, null, &values, docket.gate.alpha)?;
        figures.units_needed = settle(docket, null, &values, docket.gate.alpha)?;
        Ok(figures)
    }
}

/// What is known of a claim without any bound.
fn bare(column: &Column<'_>, tested: &dyn Tested, null: f64, values: &[f64]) -> ClaimFigures {
    let mean = Estimate { mean: tested.mean(), low: None, high: None };
    let count = |side: fn(&f64, &f64) -> bool| {
        // In threshold mode a win is a unit above the threshold; of a lift, one above zero.
        let zero = if tested.is_rate() { null } else { 0.0 };
        values.iter().filter(|value| side(value, &zero)).count() as u64
    };
    ClaimFigures {
        score: column.name.clone(),
        units: tested.units() as u64,
        effect: mean,
        p: None,
        p_adjusted: None,
        test: tested.test().to_owned(),
        interval: tested.interval().to_owned(),
        worst: mean,
        best: mean,
        wins: count(|value, zero| value > zero),
        losses: count(|value, zero| value < zero),
        mde: None,
        units_needed: None,
        stopped_after: None,
        wealth: tested.wealth(),
    }
}

/// A mean with its one-sided bounds.
fn estimate(tested: &dyn Tested, (low, high): (f64, f64)) -> Result<Estimate, GateError> {
    Ok(Estimate { mean: tested.mean(), low: tested.low(low)?, high: tested.high(high)? })
}
