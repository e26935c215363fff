//! The gate: may this ship?
//!
//! **Invariant: right about its own error rate.** What decides was fixed before the first cell ran, and the verdict follows
//! from the plan and the rows of the journal alone: the same rows give the same verdict and the same certificate, on any
//! machine, offline. Where the evidence does not decide, the verdict says so and says what would.

mod certificate;
mod claim;
mod coverage;
mod cut;
mod decide;
mod digest;
mod docket;
mod early;
mod error;
mod expect;
mod figures;
mod foresight;
mod guard;
mod plan;
mod remark;
mod round;
mod sequence;
mod slices;
mod tidy;
pub mod treat;
mod units;

#[cfg(test)]
mod tests;

pub use certificate::{Body, BodyArm, CERTIFICATE_FORMAT, CERTIFICATE_TYPE, Certificate, Seal, Sealed};
pub use decide::{decide, measure};
pub use digest::evidence_sha256;
pub use early::Early;
pub use error::GateError;
pub use expect::{Costs, Outlook, expected, most};
pub use foresight::{Forecast, Foresight, Known, POWER, detectable, foresight};
pub use plan::{PLAN_FORMAT, Plan, PlanArm, Provenance, Shared, arm_name, canonical, gate};
pub use units::{order, units};
