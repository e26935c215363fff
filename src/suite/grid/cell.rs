//! One cell: what it is, who it is, and why it may be missing.

use crate::event::{CaseId, CellIndex, Failure, FaultClass, Missing, MissingReason, Place, Sha256, Trial};

/// Characters of evidence that a missing cell keeps.
const EVIDENCE: usize = 240;

/// A cell that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its place in the plan, as a number.
    pub index: CellIndex,
    /// Its place in the plan.
    pub place: Place,
    /// Its identity.
    pub key: Sha256,
    /// The seed of everything random in it.
    pub seed: u64,
}

/// What makes a cell the same cell in another call.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Names the arm: its profile, with all texts that it says, and its treatment.
    pub arm: &'a Sha256,
    /// Names the content of the case.
    pub case: &'a Sha256,
    /// Names the template.
    pub template: &'a Sha256,
    /// Names what is in every workspace, where the suite has something for that.
    pub workspace: Option<&'a Sha256>,
    /// Which repetition: part of every key, so that no trial is ever answered by another one's answer.
    pub trial: Trial,
    /// The seed of the run.
    pub seed: u64,
}

impl Identity<'_> {
    /// Names the cell.
    pub fn key(&self) -> Sha256 {
        let Self { arm, case, template, workspace, trial, seed } = self;
        let workspace = workspace.map_or_else(String::new, |workspace| format!("{workspace}\n"));
        Sha256::of(format!("cell\n{arm}\n{case}\n{template}\n{trial}\n{seed}\n{workspace}").as_bytes())
    }
}

/// The seed of a cell: the same on every arm, and the same again when the cell is tried once more.
pub fn cell_seed(seed: u64, case: &CaseId, trial: Trial) -> u64 {
    Sha256::of(format!("seed\n{seed}\n{case}\n{trial}\n").as_bytes()).number()
}

/// Why a cell has no answer.
pub fn missing(failure: &Failure) -> Missing {
    let evidence = failure.combined().chars().take(EVIDENCE).collect();
    Missing { reason: reason(failure.class), class: Some(failure.class), evidence }
}

fn reason(class: FaultClass) -> MissingReason {
    match class {
        FaultClass::RoundTimeout | FaultClass::Stall | FaultClass::ToolStall => MissingReason::Timeout,
        FaultClass::BudgetLimit => MissingReason::Budget,
        FaultClass::UserAbort | FaultClass::SelfAbort => MissingReason::NotRun,
        FaultClass::ContentPolicy
        | FaultClass::OutputLimit
        | FaultClass::ContextOverflow
        | FaultClass::ToolError
        | FaultClass::NoPayload
        | FaultClass::AgentCrash => MissingReason::Agent,
        FaultClass::RateLimited
        | FaultClass::QuotaExhausted
        | FaultClass::Overloaded
        | FaultClass::ServerError
        | FaultClass::Transport
        | FaultClass::FirstEventTimeout
        | FaultClass::Auth
        | FaultClass::Forbidden
        | FaultClass::ConfigMissing
        | FaultClass::ModelNotFound
        | FaultClass::RequestInvalid
        | FaultClass::Unknown => MissingReason::Infrastructure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_identity_counts() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let base = Identity { arm: &a, case: &a, template: &a, workspace: None, trial: Trial(1), seed: 1 };
        let others = [
            Identity { arm: &b, ..base },
            Identity { case: &b, ..base },
            Identity { template: &b, ..base },
            Identity { workspace: Some(&a), ..base },
            Identity { trial: Trial(2), ..base },
            Identity { seed: 2, ..base },
        ];
        for other in others {
            assert_ne!(base.key(), other.key(), "{other:?}");
        }
        assert_eq!(base.key(), Identity { ..base }.key());
    }

    #[test]
    fn the_seed_of_a_cell_is_of_its_case_and_trial_alone() {
        let case = CaseId::new("one");
        assert_eq!(cell_seed(7, &case, Trial(1)), cell_seed(7, &case, Trial(1)));
        assert_ne!(cell_seed(7, &case, Trial(1)), cell_seed(7, &case, Trial(2)));
        assert_ne!(cell_seed(7, &case, Trial(1)), cell_seed(8, &case, Trial(1)));
        assert_ne!(cell_seed(7, &case, Trial(1)), cell_seed(7, &CaseId::new("two"), Trial(1)));
    }
}
