//! The certificate: the verdict with every figure, what it rests on, and a seal over the bytes that show it.
//!
//! Its digest names the body alone: the same plan and the same rows give the same digest, however often the run was killed
//! and taken up again. The seal is of one run directory.

use serde::{Deserialize, Serialize};

use super::plan::{Plan, Provenance, Shared, canonical};
use crate::event::{ArmName, ArmRole, Certified, GateFixed, RunId, Sha256, Verdict, VerdictReached};

/// The version of `certificate.json`.
pub const CERTIFICATE_FORMAT: u32 = 1;
/// What it calls itself.
pub const CERTIFICATE_TYPE: &str = "provost.certificate";

/// `certificate.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The version of this file.
    pub schema: u32,
    /// What it is: `provost.certificate`.
    pub r#type: String,
    /// Names the body.
    pub digest: Sha256,
    /// What is certified.
    pub body: Body,
    /// What shows it.
    pub seal: Seal,
}

/// What is certified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The verdict.
    pub verdict: Verdict,
    /// The suite.
    pub suite: String,
    /// The part of its cases; absent where it has no parts.
    pub part: Option<String>,
    /// Cases.
    pub cases: u64,
    /// Independent units among them.
    pub units: u64,
    /// Trials of each case.
    pub trials: u32,
    /// The gate.
    pub gate: Option<GateFixed>,
    /// The arms, and what each depends on.
    pub arms: Vec<BodyArm>,
    /// What they all depend on.
    pub shared: Shared,
    /// The seed.
    pub seed: u64,
    /// Names `plan.json`.
    pub plan_sha256: Sha256,
    /// Names the rows.
    pub evidence_sha256: Sha256,
    /// The figures.
    pub certified: Certified,
}

/// An arm of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyArm {
    /// Its name.
    pub name: ArmName,
    /// What it was there for.
    pub role: ArmRole,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Whether its profile says that it costs nothing, and need not report any usage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// What its results depend on.
    pub provenance: Provenance,
}

/// The bytes that show a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// The run.
    pub run: RunId,
    /// Its files, by their names in the run directory.
    pub files: Vec<Sealed>,
}

/// One file, as it was when the certificate was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Its name, relative to the run directory.
    pub file: String,
    /// How long it was.
    pub bytes: u64,
    /// Names these bytes.
    pub sha256: Sha256,
}

impl Certificate {
    /// Certifies what the plan and the rows have come to.
    pub fn new(plan: &Plan, reached: &VerdictReached, seal: Seal) -> Self {
        let body = Body::new(plan, reached);
        Self {
            schema: CERTIFICATE_FORMAT,
            r#type: CERTIFICATE_TYPE.to_owned(),
            digest: body.digest(),
            body,
            seal,
        }
    }
}

impl Body {
    /// What is certified of a plan.
    pub fn new(plan: &Plan, reached: &VerdictReached) -> Self {
        let arm = |arm: &super::PlanArm| BodyArm {
            name: arm.fixed.name.clone(),
            role: arm.fixed.role,
            model: arm.fixed.model.clone(),
            offline: arm.fixed.offline,
            provenance: arm.provenance.clone(),
        };
        Self {
            verdict: reached.verdict,
            suite: plan.suite.name.clone(),
            part: plan.part.clone(),
            cases: plan.cases,
            units: plan.units,
            trials: plan.suite.trials.count,
            gate: plan.gate.clone(),
            arms: plan.arms.iter().map(arm).collect(),
            shared: plan.shared.clone(),
            seed: plan.seed,
            plan_sha256: reached.plan_sha256.clone(),
            evidence_sha256: reached.evidence_sha256.clone(),
            certified: reached.certified.clone(),
        }
    }

    /// Names it.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&canonical(self))
    }
}
