//! A made-up run of many cells, with all that a page has to show. Its figures follow from its rows, so that drawings and
//! figures agree; how the real ones are made is another room's business.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a made-up run is small"
)]

use std::collections::BTreeMap;

use super::super::scale::jitter;
use crate::event::{
    ArmFigures, ArmFixed, ArmName, ArmRole, CandidateFigures, CaseFixed, CaseId, CasesFixed, CellEnded,
    CellScored, Certified, ClaimFigures, Estimate, Event, GateFixed, GateMode, Kind, Missing, MissingReason,
    NodeId, Place, PlanFixed, Reason, RunEnded, RunId, RunOutcome, ScoreName, Scored, Seq, Sha256, Sheet,
    SliceFigures, Spend, TreatmentApplied, Trial, Usage, Verdict, VerdictReached,
};
use crate::report::GridView;
use crate::report::grid::Standing;

/// What is asked of a made-up run.
pub(super) struct Wish {
    pub(super) cases: usize,
    pub(super) trials: u64,
    /// The arms: name, treatment, and what is added to the chance of a case.
    pub(super) arms: &'static [(&'static str, Option<&'static str>, f64)],
    pub(super) mode: Option<GateMode>,
    pub(super) verdict: Option<Verdict>,
    pub(super) reasons: &'static [Reason],
    /// Of a hundred cells, so many are missing.
    pub(super) missing: u64,
    /// Whether prices are reported.
    pub(super) priced: bool,
    /// Whether ids, tags, answers and names attack the page.
    pub(super) hostile: bool,
}

/// A made-up run.
pub(super) struct Sample {
    pub(super) sheet: Sheet,
    pub(super) events: Vec<Event>,
    standing: Standing,
    pub(super) treatments: Vec<TreatmentApplied>,
    pub(super) texts: BTreeMap<Sha256, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) ended: Option<RunEnded>,
    pub(super) measured: Option<Certified>,
}

pub(super) const ATTACK: &str =
    "\"'><img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;{{ 7*7 }}";
const TAGS: [&str; 5] = ["arithmetic", "dates", "long-context", "tool-use", "multilingual"];

impl Sample {
    pub(super) fn view<R>(&self, look: impl FnOnce(&GridView<'_>) -> R) -> R {
        let texts = |sha256: &Sha256| self.texts.get(sha256).cloned();
        let read = |at: u64| self.events.get(usize::try_from(at).ok()?).cloned();
        let stands = |cell| self.standing.of(cell, read);
        look(&GridView {
            sheet: &self.sheet,
            measured: self.measured.as_ref(),
            ended: self.ended.as_ref(),
            labels: &self.labels,
            texts: &texts,
            stands: &stands,
            treatments: &self.treatments,
            run_dir: ".provost/runs/20261121T024501Z-certify-k3f9".to_owned(),
        })
    }

    fn tell(&mut self, kind: Kind) {
        let at = crate::report::samples::start();
        let event = Event { seq: Seq(1), at, node: NodeId::root(), kind };
        if self.sheet.apply(&event) {
            self.standing.put(&event, self.events.len() as u64);
        }
        self.events.push(event);
    }

    /// The ends of cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &CellEnded> {
        self.events.iter().filter_map(|event| match &event.kind {
            Kind::CellEnded(ended) => Some(ended),
            _ => None,
        })
    }

    /// The scores that came later.
    pub(super) fn scored(&self) -> impl Iterator<Item = &CellScored> {
        self.events.iter().filter_map(|event| match &event.kind {
            Kind::CellScored(scored) => Some(scored),
            _ => None,
        })
    }

    fn text(&mut self, text: String) -> Sha256 {
        let sha256 = Sha256::of(text.as_bytes());
        self.texts.insert(sha256.clone(), text);
        sha256
    }
}

fn chance(item: u64, axis: u64) -> f64 {
    f64::midpoint(jitter(41, item, axis), 1.0)
}

pub(super) fn make(wish: &Wish) -> Sample {
    let mut sample = Sample {
        sheet: Sheet::default(),
        events: Vec::new(),
        standing: Standing::default(),
        treatments: Vec::new(),
        texts: BTreeMap::new(),
        labels: [("model", "m-1"), ("prompt", "v12")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ended: None,
        measured: None,
    };
    if wish.hostile {
        sample.labels.insert(ATTACK.to_owned(), ATTACK.to_owned());
    }
    let plan = plan(wish);
    sample.tell(Kind::PlanFixed(plan.clone()));
    let cases: Vec<CaseFixed> = (0..wish.cases).map(|at| case(wish, at)).collect();
    sample.tell(Kind::CasesFixed(CasesFixed { from: 0, cases: cases.clone() }));
    let before = "You are a careful assistant. Think about the question, check each step, and give the answer alone on the last line. ".repeat(6);
    let (before_sha256, after_sha256) = (
        sample.text(before.clone()),
        sample.text("Think, check each step; answer alone on the last line.".to_owned()),
    );
    if wish.arms.iter().any(|(_, treatment, _)| treatment.is_some()) {
        let applied = TreatmentApplied {
            treatment: "compress-50".to_owned(),
            before_sha256,
            after_sha256,
            sha256: None,
            words_before: 126,
            words_target: 63,
            words_after: 60,
            skipped: None,
            model: Some("squeezer-2".to_owned()),
            usage: Some(Usage { input: 180, output: 90, usd: Some(0.0004), ..Usage::default() }),
            attempts: 1,
            duration_ms: 1_840,
        };
        let skipped = TreatmentApplied {
            words_before: 7,
            words_target: 4,
            words_after: 7,
            skipped: Some("too short to compress".to_owned()),
            ..applied.clone()
        };
        for treatment in [applied, skipped] {
            sample.tell(Kind::TreatmentApplied(treatment.clone()));
            sample.treatments.push(treatment);
        }
    }
    for (at, case) in cases.iter().enumerate() {
        for trial in 1..=wish.trials {
            for arm in 0..wish.arms.len() {
                cell(&mut sample, wish, &plan, case, Place { arm, case: at, trial: Trial(trial) });
            }
        }
    }
    let certified = figures(&sample.sheet, wish);
    match wish.verdict {
        Some(verdict) => sample.tell(Kind::VerdictReached(VerdictReached {
            verdict,
            plan_sha256: plan.plan_sha256,
            evidence_sha256: Sha256::of(b"evidence"),
            certified,
        })),
        None => sample.measured = Some(certified),
    }
    let (outcome, exit_code) = match wish.verdict {
        Some(Verdict::Pass) => (RunOutcome::Certified, 0),
        Some(Verdict::Fail) => (RunOutcome::NotCertified, 1),
        Some(Verdict::Inconclusive) => (RunOutcome::Inconclusive, 3),
        None => (RunOutcome::Measured, 0),
    };
    sample.ended = Some(RunEnded {
        run: RunId::new("20261121T024501Z-certify-k3f9"),
        verb: "certify".to_owned(),
        outcome,
        exit_code,
        delivered: exit_code == 0,
        score: None,
        output: None,
        rounds: 0,
        spend: Spend::default(),
        reset_at: None,
        reason: None,
    });
    sample
}

fn plan(wish: &Wish) -> PlanFixed {
    let threshold = wish.mode == Some(GateMode::Threshold) || wish.mode.is_none();
    let arm = |(at, (name, treatment, _)): (usize, &(&str, Option<&str>, f64))| ArmFixed {
        name: ArmName::new(if wish.hostile { format!("{name}{ATTACK}") } else { (*name).to_owned() }),
        role: if at == 0 && !threshold { ArmRole::Baseline } else { ArmRole::Candidate },
        profile: (*name).to_owned(),
        profile_sha256: Sha256::of(name.as_bytes()),
        harness: "chat".to_owned(),
        model: Some("vendor/m-1-2026".to_owned()),
        offline: false,
        treatment: treatment.map(str::to_owned),
        stored: None,
        provenance_sha256: Sha256::of(format!("provenance {name}").as_bytes()),
    };
    let gate = wish.mode.map(|mode| GateFixed {
        score: ScoreName::new("correct"),
        also: vec![ScoreName::new("clarity")],
        guard: [(ScoreName::new("clarity"), 0.05)].into(),
        mode,
        alpha: 0.05,
        margin: if mode == GateMode::Superiority { 0.0 } else { 0.03 },
        min: (mode == GateMode::Threshold).then_some(0.7),
        coverage: 0.95,
        cheaper: false,
        sequential: false,
        stubs: false,
    });
    let cells = wish.cases as u64 * wish.trials * wish.arms.len() as u64;
    PlanFixed {
        plan_sha256: Sha256::of(b"plan"),
        suite: if wish.hostile { format!("support {ATTACK}") } else { "support answers".to_owned() },
        arms: wish.arms.iter().enumerate().map(arm).collect(),
        cases: wish.cases as u64,
        units: wish.cases as u64,
        trials: wish.trials,
        cells,
        part: Some("test".to_owned()),
        uses: 2,
        scores: vec![ScoreName::new("correct"), ScoreName::new("clarity")],
        gate,
        mde: Some(0.064),
        mde_assumes: Some("a spread of 0.21 between cases, as in the stored baseline".to_owned()),
        expected_usd: Some(1.4),
        expected: None,
        seed: 20_261_121,
    }
}

fn case(wish: &Wish, at: usize) -> CaseFixed {
    let id = if wish.hostile { format!("case-{at:04}{ATTACK}") } else { format!("case-{at:04}") };
    let mut tags = vec![TAGS[at % TAGS.len()].to_owned()];
    if at.is_multiple_of(7) {
        tags.push("regression".to_owned());
    }
    if wish.hostile {
        tags.push(ATTACK.to_owned());
    }
    CaseFixed {
        without: Vec::new(),
        sha256: Sha256::of(id.as_bytes()),
        id: CaseId::new(id),
        group: at.is_multiple_of(9).then(|| format!("ticket-{}", at / 9)),
        tags,
    }
}

fn cell(sample: &mut Sample, wish: &Wish, plan: &PlanFixed, case: &CaseFixed, place: Place) {
    let index = sample.sheet.cell(place).unwrap();
    let add = wish.arms[place.arm].2;
    // Some cases are nearly always answered, some hardly ever: as in life.
    let ease = (chance(place.case as u64, 10) * 1.5 - 0.1).clamp(0.02, 0.99);
    let passed = chance(index.0, 11) < ease + add * (1.0 - (ease - 0.5).abs());
    let gone = chance(index.0, 12) * 100.0 < wish.missing as f64;
    let attack = if wish.hostile { ATTACK } else { "" };
    let prompt = sample.text(format!("{attack}Question {} of the suite.\n\nHow many days lie between the two dates in the ticket?\nAnswer alone on the last line.", case.id));
    let answer = sample.text(format!(
        "{attack}I count from the first date to the second.\n\nThe answer for {} in trial {} is\n{}",
        case.id,
        place.trial,
        if passed { 42 } else { 41 }
    ));
    let value = f64::from(u8::from(passed));
    let correct = Scored {
        value: Some(value),
        passed: Some(passed),
        why: (!passed).then(|| format!("expected 42, found 41 {attack}")),
        ..Scored::default()
    };
    let usd = 0.0009 + 0.0004 * chance(index.0, 13) - 0.0003 * place.arm as f64;
    let usage =
        Usage { input: 310, output: 80 + place.trial.0, usd: wish.priced.then_some(usd), ..Usage::default() };
    let ended = CellEnded {
        stored: false,
        origin: None,
        cut: false,
        cell: index,
        key: Sha256::of(format!("key {index}").as_bytes()),
        arm: plan.arms[place.arm].name.clone(),
        case: case.id.clone(),
        trial: place.trial,
        missing: gone.then(|| Missing {
            reason: if index.0.is_multiple_of(3) {
                MissingReason::Timeout
            } else {
                MissingReason::Infrastructure
            },
            class: None,
            evidence: format!("529 overloaded, 4 requests {attack}"),
        }),
        prompts: vec![prompt],
        output_sha256: (!gone).then_some(answer),
        scores: (!gone).then_some((ScoreName::new("correct"), correct)).into_iter().collect(),
        usage: Some(usage),
        attempts: if gone { 4 } else { 1 },
        rounds: 1,
        model: Some("m-1-2026".to_owned()),
        duration_ms: 400 + (chance(index.0, 14) * 2_600.0) as u64,
        transcript: index.0.is_multiple_of(2).then(|| format!("rounds/root.c{index}-1.log")),
    };
    sample.tell(Kind::CellEnded(ended));
    if gone {
        return;
    }
    let clarity = (0.55 + 0.35 * chance(index.0, 15) + 0.05 * value).min(1.0);
    let asked = sample.text(format!("Judge this answer of {}. {attack}", case.id));
    let said = sample.text(format!("{{\"clarity\": {clarity:.2}}} {attack}"));
    let judged = CellScored {
        cell: index,
        score: ScoreName::new("clarity"),
        scorer_sha256: Sha256::of(b"judge"),
        scored: Scored {
            value: Some(clarity),
            passed: Some(clarity >= 0.7),
            why: Some("says how it got there".to_owned()),
            dimensions: [("brevity".to_owned(), 0.8), ("tone".to_owned(), clarity)].into(),
            agreement: Some(0.91),
            judgements: BTreeMap::new(),
        },
        usage: Some(Usage { input: 200, output: 20, usd: wish.priced.then_some(0.0001), ..Usage::default() }),
        offline: false,
        attempts: 1,
        prompts: vec![asked],
        replies: vec![said],
        origin: None,
        model: Some("judge-3".to_owned()),
    };
    sample.tell(Kind::CellScored(judged));
}

/// Mean and bounds of values; `z` standard errors to each side.
fn estimate(values: &[f64], z: f64) -> Estimate {
    let n = values.len() as f64;
    if values.is_empty() {
        return Estimate::default();
    }
    let mean = values.iter().sum::<f64>() / n;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let reach = z * (spread / n).sqrt();
    let bounds = (values.len() > 1).then_some((mean - reach, mean + reach));
    Estimate { mean, low: bounds.map(|(low, _)| low.max(-1.0)), high: bounds.map(|(_, high)| high.min(1.0)) }
}

fn figures(sheet: &Sheet, wish: &Wish) -> Certified {
    let plan = sheet.plan().unwrap();
    let mean =
        |arm, case, score| super::super::super::outcome::mean(sheet, arm, case, score).map(|(mean, _)| mean);
    let baseline = plan.arms.iter().position(|arm| arm.role == ArmRole::Baseline);
    let effects = |arm: usize, score: usize, only: &dyn Fn(usize) -> bool| -> Vec<f64> {
        let cases = (0..wish.cases).filter(|case| only(*case));
        cases
            .filter_map(|case| {
                Some(
                    mean(arm, case, score)?
                        - baseline.map_or(Some(0.0), |baseline| mean(baseline, case, score))?,
                )
            })
            .collect()
    };
    let claim = |arm: usize, score: usize| {
        let values = effects(arm, score, &|_| true);
        let effect = estimate(&values, 1.645);
        let shift = |by: f64| Estimate {
            mean: effect.mean + by,
            low: effect.low.map(|low| low + by),
            high: effect.high.map(|high| high + by),
        };
        let share = wish.missing as f64 / 100.0;
        ClaimFigures {
            score: plan.scores[score].clone(),
            units: values.len() as u64,
            effect,
            p: Some(0.0021),
            p_adjusted: Some(0.0042),
            test: "sign-flip permutation over cases, 9,999 draws, one-sided".to_owned(),
            interval: "inversion of the sign-flip test".to_owned(),
            worst: shift(-share),
            best: shift(share),
            wins: values.iter().filter(|value| **value > 0.0).count() as u64,
            losses: values.iter().filter(|value| **value < 0.0).count() as u64,
            mde: Some(0.071),
            units_needed: (wish.verdict == Some(Verdict::Inconclusive)).then_some(1_240),
            stopped_after: None,
            wealth: None,
        }
    };
    let candidates = (0..plan.arms.len()).filter(|arm| Some(*arm) != baseline);
    let candidates: Vec<CandidateFigures> = candidates
        .map(|arm| CandidateFigures {
            arm: plan.arms[arm].name.clone(),
            verdict: if arm + 1 == plan.arms.len() && arm > 1 {
                Some(Verdict::Inconclusive)
            } else {
                wish.verdict
            },
            reasons: if arm + 1 == plan.arms.len() && arm > 1 {
                vec![Reason::NoMargin]
            } else {
                wish.reasons.to_vec()
            },
            claims: vec![claim(arm, 0)],
            guards: vec![claim(arm, 1)],
            savings_usd: None,
            matched: wish.cases as u64 * wish.trials,
            candidate_only: 4,
            baseline_only: 7,
        })
        .collect();
    let slices = TAGS.iter().flat_map(|tag| {
        let tagged = |case: usize| sheet.cases().get(case).unwrap().tags().any(|found| found == *tag);
        let of = move |arm: usize, values: Vec<f64>| SliceFigures {
            tag: (*tag).to_owned(),
            arm: plan.arms[arm].name.clone(),
            score: plan.scores[0].clone(),
            cases: values.len() as u64,
            effect: estimate(&values, 1.96),
            q: Some(0.31),
        };
        (0..plan.arms.len())
            .filter(|arm| Some(*arm) != baseline)
            .map(move |arm| of(arm, effects(arm, 0, &tagged)))
            .collect::<Vec<_>>()
    });
    Certified {
        reasons: wish.reasons.to_vec(),
        slices: slices.filter(|slice| slice.cases > 0).collect(),
        remarks: vec!["The part `test` has been measured by 2 runs before this one; what is chosen by it looks better than it is.".to_owned()],
        arms: arms(sheet, wish),
        candidates,
    }
}

fn arms(sheet: &Sheet, wish: &Wish) -> Vec<ArmFigures> {
    let plan = sheet.plan().unwrap();
    let mut arms = Vec::new();
    for (arm, fixed) in plan.arms.iter().enumerate() {
        for (score, name) in plan.scores.iter().enumerate() {
            let values: Vec<(f64, u64)> = (0..wish.cases)
                .filter_map(|case| super::super::super::outcome::mean(sheet, arm, case, score))
                .collect();
            let means: Vec<f64> = values.iter().map(|(mean, _)| *mean).collect();
            let count = |fits: &dyn Fn(f64) -> bool| means.iter().filter(|mean| fits(**mean)).count() as u64;
            arms.push(ArmFigures {
                arm: fixed.name.clone(),
                score: name.clone(),
                dealt: wish.cases as u64 * wish.trials,
                answered: values.iter().map(|(_, count)| count).sum(),
                mean: estimate(&means, 1.96),
                interval: "clustered by case, t with the number of cases less one".to_owned(),
                stable_pass: count(&|mean| mean >= 1.0),
                flaky: count(&|mean| mean > 0.0 && mean < 1.0),
                stable_fail: count(&|mean| mean <= 0.0),
                pass_at: vec![0.62, 0.78],
                pass_all: vec![0.62, 0.41],
                agreement: None,
                trial_share: (wish.trials > 1).then_some(0.18),
            });
        }
    }
    arms
}
