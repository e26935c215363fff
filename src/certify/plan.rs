//! The plan: all that decides what a run does and how it decides, fixed before the first cell and hashed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::{ArmFixed, ArmName, ArmRole, Expected, GateFixed, GateMode, PlanFixed, ScoreName, Sha256};
use crate::profile::{self, Gate, Profile, Suite};

/// The version of `plan.json`.
pub const PLAN_FORMAT: u32 = 1;

/// `plan.json`: never changed once it is written. Whoever has it and `cases.jsonl` beside it can run any of its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this file.
    pub format: u32,
    /// The resolved suite.
    pub suite: Suite,
    /// Where the suite's file lies: programs that score run there.
    pub dir: PathBuf,
    /// The arms, the baseline first.
    pub arms: Vec<PlanArm>,
    /// Names the bytes of `cases.jsonl`.
    pub cases_sha256: Sha256,
    /// How many cases there are.
    pub cases: u64,
    /// How many independent units they are.
    pub units: u64,
    /// The part of the split that they are.
    pub part: Option<String>,
    /// The gate.
    pub gate: Option<GateFixed>,
    /// The seed.
    pub seed: u64,
    /// What its results depend on beside the arms.
    pub shared: Shared,
}

/// One arm, with every text that its agent is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanArm {
    /// What events say of it.
    pub fixed: ArmFixed,
    /// The resolved profile; what a run does for retries is the suite's.
    pub profile: Profile,
    /// The system prompt, treated.
    pub system: Option<String>,
    /// The texts of the prompt files, treated.
    pub files: Vec<String>,
    /// How a case becomes the task on this arm; absent where the suite's template says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What it depends on.
    pub provenance: Provenance,
}

/// What the results of a run depend on beside its arms: two runs are compared only where it is equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Names the cases.
    pub dataset: Sha256,
    /// Names the suite's template, which stands for every arm that has none of its own.
    pub template: Sha256,
    /// Names how each score is made, its judge included.
    pub scorers: BTreeMap<ScoreName, Sha256>,
    /// Names what is in the directory that is copied into each workspace, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Sha256>,
    /// Trials of each case.
    pub trials: u32,
    /// The version of provost, and the hash of its program where it is known.
    pub binary: String,
}

/// What the results of an arm depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Names the resolved profile.
    pub profile: Sha256,
    /// Names what its agent is told first, and its own template.
    pub prompt: Sha256,
    /// Names its tools and servers.
    pub tools: Sha256,
    /// Names the treatment.
    pub treatment: Option<Sha256>,
}

impl Provenance {
    /// Names all of it, together with what the arms share.
    pub fn sha256(&self, shared: &Shared) -> Sha256 {
        Sha256::of(&canonical(&(self, shared)))
    }
}

impl PlanArm {
    /// Names how a case becomes the task on this arm.
    pub fn template_sha256(&self, shared: &Shared) -> Sha256 {
        self.template.as_ref().map_or_else(|| shared.template.clone(), |text| Sha256::of(text.as_bytes()))
    }
}

/// The bytes of a value that are hashed: its JSON, with the keys as they are declared.
pub fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

impl Plan {
    /// The bytes of `plan.json`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Names it.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes())
    }

    /// The baseline, if there is one.
    pub fn baseline(&self) -> Option<&PlanArm> {
        self.arms.iter().find(|arm| arm.fixed.role == ArmRole::Baseline)
    }

    /// Whether that arm is the baseline.
    pub fn is_baseline(&self, arm: usize) -> bool {
        self.arms.get(arm).is_some_and(|arm| arm.fixed.role == ArmRole::Baseline)
    }

    /// What the journal says of it.
    pub fn fixed(&self, uses: u64, mde: Option<(f64, String)>, expected: Option<Expected>) -> PlanFixed {
        let trials = u64::from(self.suite.trials.count);
        let run = self.arms.iter().filter(|arm| arm.fixed.stored.is_none()).count() as u64;
        let (mde, mde_assumes) = mde.unzip();
        PlanFixed {
            plan_sha256: self.sha256(),
            suite: self.suite.name.clone(),
            arms: self.arms.iter().map(|arm| arm.fixed.clone()).collect(),
            cases: self.cases,
            units: self.units,
            trials,
            cells: self.cases * trials * run,
            part: self.part.clone(),
            uses,
            scores: self.suite.score.iter().map(|score| ScoreName::new(&score.name)).collect(),
            gate: self.gate.clone(),
            mde,
            mde_assumes,
            expected_usd: expected.as_ref().and_then(|expected| expected.usd),
            expected,
            seed: self.seed,
        }
    }
}

/// The gate of a suite, as events say it.
pub fn gate(gate: &Gate, stubs: bool) -> GateFixed {
    GateFixed {
        score: ScoreName::new(&gate.score),
        also: gate.also.iter().map(ScoreName::new).collect(),
        guard: gate.guard.iter().map(|(name, margin)| (ScoreName::new(name), *margin)).collect(),
        mode: match gate.mode {
            profile::GateMode::Superiority => GateMode::Superiority,
            profile::GateMode::NonInferiority => GateMode::NonInferiority,
            profile::GateMode::Threshold => GateMode::Threshold,
        },
        alpha: gate.alpha,
        margin: gate.margin,
        min: gate.min,
        coverage: gate.coverage,
        cheaper: gate.cheaper,
        sequential: gate.sequential,
        stubs,
    }
}

/// A name for an arm that is not taken: the profile's, with the treatment behind a `+`, and a number where it comes again.
pub fn arm_name(profile: &str, treatment: Option<&str>, taken: &[ArmName]) -> ArmName {
    let base = match treatment {
        Some(treatment) => format!("{profile}+{treatment}"),
        None => profile.to_owned(),
    };
    let mut name = ArmName::new(&base);
    let mut number = 2;
    while taken.contains(&name) {
        name = ArmName::new(format!("{base}.{number}"));
        number += 1;
    }
    name
}
