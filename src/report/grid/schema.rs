//! What readers of a verdict may rely on.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::event::{Certified, Verdict};

/// A verdict with its figures, as `verdict.reached` of the journal and the `body` of `certificate.json` have it.
#[derive(JsonSchema)]
#[schemars(title = "provost verdict")]
#[expect(dead_code, reason = "it is there for its schema; the journal has the values")]
struct Result {
    /// The verdict.
    verdict: Verdict,
    /// Names the plan that it is about: the SHA-256 of `plan.json`, in lower case.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    plan_sha256: String,
    /// Names the rows that it rests on: cells, outcomes, scores and answers, whatever the times and the spend.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    evidence_sha256: String,
    /// The figures.
    certified: Certified,
}

/// The JSON schema of a result. Keys may be added later; what stands here keeps its name and meaning.
pub fn result_schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Result>().into()
}
