//! Cases, templates, splits, scores and cells: what every verb that measures an agent has in common.
//!
//! **Invariant: missing is not zero.** A cell is answered or missing with its reason; a score is a number or missing with
//! its reason. Nothing is dropped on the way, and every attempt is billed.

mod case;
mod grid;
mod judge;
mod kept;
mod play;
mod score;
mod split;
mod template;

pub use crate::profile::{Template, TemplateError};
pub use case::{Case, CaseErrors, CaseFile, CaseProblem, CaseSet, read_cases, survey_cases};
pub use grid::{
    Arm, CONCURRENCY, Cell, Elsewhere, Grid, GridEnd, Identity, Look, Pool, Refused, Setting, Share, Turn,
    cell_seed, missing, wall, workspace_sha256,
};
pub use play::{Part, Played, Player, Stage, StageError, Text};
pub use score::{Answered, Later, ScoreError, Scorers};
pub use split::{SplitPart, split_part};
