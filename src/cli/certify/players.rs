//! Who plays the cells of a plan, and who scores them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::Asked;
use crate::certify::{Plan, PlanArm, canonical};
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch;
use crate::engine::Shutdown;
use crate::event::{CaseId, CellIndex, Place, ScoreName, Sha256, Sheet};
use crate::profile::{self, Profile, Source, Suite};
use crate::suite::{
    Arm, CONCURRENCY, CaseSet, Cell, Identity, Player, Scorers, Setting, Stage, StageError, Template,
    cell_seed, workspace_sha256,
};

/// The profiles of judges, by the paths that the suite names.
pub(super) type Judges = BTreeMap<PathBuf, Arc<Profile>>;

/// Reads the profiles of the judges.
pub(super) fn judges(context: &Context, suite: &Suite) -> Result<Judges, CliError> {
    let colour = context.stderr_look().colour;
    let mut judges = BTreeMap::new();
    for path in suite.score.iter().filter_map(|score| score.options.profile.as_ref()) {
        let source = Source { path, sets: &[], cwd: &context.cwd };
        let loaded = profile::load(source).map_err(|error| CliError::report(error.render(colour)))?;
        launch::no_template(&loaded.profile, "a judge")?;
        judges.insert(path.clone(), loaded.profile);
    }
    Ok(judges)
}

/// What scores the cells of a suite.
pub(super) fn scorers(
    stage: &Stage,
    suite: &Suite,
    dir: &Path,
    judges: &Judges,
) -> Result<Scorers, CliError> {
    let player = |(path, profile): (&PathBuf, &Arc<Profile>)| {
        let player = player(stage, &cell_profile(profile, suite, None))?;
        Ok((path.clone(), player))
    };
    let judges: BTreeMap<PathBuf, Player> = judges.iter().map(player).collect::<Result<_, CliError>>()?;
    Scorers::new(suite, dir, stage, &judges).map_err(|error| CliError::usage(error.to_string()))
}

/// Names what is copied into each workspace.
pub(super) fn workspace(suite: &Suite) -> Result<Option<Sha256>, CliError> {
    let digest = |base: &PathBuf| {
        workspace_sha256(base)
            .map_err(|error| CliError::usage(format!("`cases.workspace` cannot be read: {error}")))
    };
    suite.cases.workspace.as_ref().map(digest).transpose()
}

/// Refuses to run cells otherwise than the plan has them: a judge's profile, a schema or a file of the workspace is another
/// one by now.
pub(super) fn refuse_changed(plan: &Plan, scorers: &Scorers) -> Result<(), CliError> {
    const REMEDY: &str =
        "put the file back as it was, or choose another `--out`; a plan is never changed once it is made";
    let other = |(name, sha256): &(&ScoreName, &Sha256)| scorers.scorer_sha256(name) != **sha256;
    if let Some((name, _)) = plan.shared.scorers.iter().find(other) {
        let what = format!(
            "the score `{name}` is not made any more as the plan has it: a file that it depends on has changed"
        );
        return Err(CliError::unavailable(what).hint(REMEDY));
    }
    let runs = plan.arms.iter().any(|arm| arm.fixed.stored.is_none());
    if let (true, Some(planned)) = (runs, &plan.shared.workspace)
        && workspace(&plan.suite)?.as_ref() != Some(planned)
    {
        let what = "`cases.workspace` is not any more what the plan was made with";
        return Err(CliError::unavailable(what).hint(REMEDY));
    }
    Ok(())
}

/// Someone who can play.
pub(super) fn player(stage: &Stage, profile: &Profile) -> Result<Player, CliError> {
    stage.player(Arc::new(profile.clone())).map_err(not_there)
}

fn not_there(error: StageError) -> CliError {
    match error {
        StageError::Unavailable(error) => launch::unavailable(&error),
        StageError::Words(error) => launch::unreadable(&error),
        StageError::Engine(error) => environment(error),
    }
}

/// A profile as a cell plays it: the suite says how often what is not the agent's doing is tried again, and one round is
/// all where the profile names no number.
pub(super) fn cell_profile(profile: &Profile, suite: &Suite, trial: Option<u32>) -> Profile {
    let mut profile = profile.clone();
    profile.retry.same_model = suite.trials.retries;
    profile.retry.wait = suite.trials.wait;
    profile.budget.rounds = Some(profile.budget.rounds.unwrap_or(1));
    if let (Some(seed), Some(trial)) = (&mut profile.model.seed, trial) {
        *seed = seed.wrapping_add(trial.into());
    }
    profile
}

/// An arm of the plan, ready to play.
pub(super) fn arm(stage: &Stage, suite: &Suite, planned: &PlanArm) -> Result<Arm, CliError> {
    // A model that is given a seed is given another one in each trial, and the same one on each arm.
    let trials = if planned.profile.model.seed.is_some() { suite.trials.count } else { 1 };
    let mut players = Vec::new();
    for trial in 0..trials {
        let mut player = player(stage, &cell_profile(&planned.profile, suite, Some(trial)))?;
        player.system.clone_from(&planned.system);
        player.files.clone_from(&planned.files);
        players.push(player);
    }
    let agent = &planned.profile.agent;
    let tools = agent.tools.as_ref().is_none_or(|tools| !tools.is_empty()) || !agent.mcp.is_empty();
    Ok(Arm {
        name: planned.fixed.name.clone(),
        players,
        template: planned
            .template
            .as_deref()
            .map(Template::new)
            .transpose()
            .map_err(|error| CliError::usage(error.to_string()))?,
        check: planned.profile.check.clone(),
        offline: agent.offline,
        works: tools
            || !matches!(agent.harness.as_str(), "chat" | "scripted")
            || planned.profile.check.is_some(),
    })
}

/// The plan as it is played: `plan.json` has no secret in it, and what the caller has said is played as it was said.
pub(super) fn unveiled(plan: &Plan, asked: &[Asked]) -> Result<Plan, CliError> {
    let mut plan = plan.clone();
    for (at, arm) in plan.arms.iter_mut().enumerate().filter(|(_, arm)| arm.fixed.stored.is_none()) {
        match asked.get(at) {
            Some(asked) => arm.profile = (*asked.profile).clone(),
            None => launch::refuse_veiled(&arm.profile)?,
        }
    }
    Ok(plan)
}

/// How the cells of a plan are run this time.
pub(super) struct How {
    /// Cells in flight, where the caller says it.
    pub(super) jobs: Option<u32>,
    pub(super) keep_workspaces: bool,
    pub(super) rescore: bool,
    /// Whether another process makes the scores that need the baseline's answer too.
    pub(super) alone: bool,
    /// Seconds of the wall time that are over.
    pub(super) used_s: f64,
}

/// What the cells of a plan share.
pub(super) fn setting(
    stage: &Stage,
    shutdown: &Shutdown,
    plan: &Plan,
    cases: &Arc<CaseSet>,
    scorers: Scorers,
    how: &How,
) -> Result<Setting, CliError> {
    let mut arms = Vec::new();
    for planned in &plan.arms {
        arms.push(match planned.fixed.stored {
            Some(_) => None,
            None => Some(arm(stage, &plan.suite, planned)?),
        });
    }
    Ok(Setting {
        stage: stage.clone(),
        arms,
        cases: Arc::clone(cases),
        template: template(plan)?,
        scorers: Arc::new(scorers),
        base: plan.suite.cases.workspace.clone(),
        concurrency: concurrency(plan, how.jobs),
        wall: crate::suite::wall(plan.suite.budget.wall.map(|wall| wall.0), how.used_s),
        keep_workspaces: how.keep_workspaces,
        rescore: how.rescore,
        alone: how.alone,
        seed: plan.seed,
        shutdown: shutdown.clone(),
    })
}

/// How a case becomes a task.
pub(super) fn template(plan: &Plan) -> Result<Template, CliError> {
    Template::new(&plan.suite.cases.template).map_err(|error| CliError::usage(error.to_string()))
}

/// What names the arms of a plan in the identity of their cells, in the order of the plan.
pub(super) fn arm_digests(plan: &Plan) -> Vec<ArmDigests> {
    let digests = |arm: &PlanArm| ArmDigests {
        arm: Sha256::of(&canonical(&arm.provenance)),
        template: arm.template_sha256(&plan.shared),
    };
    plan.arms.iter().map(digests).collect()
}

/// What names an arm, and how it puts a case to its agent.
pub(super) struct ArmDigests {
    arm: Sha256,
    template: Sha256,
}

/// The cell at a place, where it has no answer yet and is not one of a stored arm. `arms` as [`arm_digests`] gives them.
pub(super) fn open_cell(plan: &Plan, arms: &[ArmDigests], sheet: &Sheet, place: Place) -> Option<Cell> {
    let (index, planned, case) =
        (sheet.cell(place)?, plan.arms.get(place.arm)?, sheet.cases().get(place.case)?);
    if planned.fixed.stored.is_some() {
        return None;
    }
    let digests = arms.get(place.arm)?;
    let identity = Identity {
        arm: &digests.arm,
        case: &case.sha256(),
        template: &digests.template,
        workspace: plan.shared.workspace.as_ref(),
        trial: place.trial,
        seed: plan.seed,
    };
    let key = identity.key();
    if sheet.row(index).is_some_and(|row| row.missing.is_none() && row.key == key) {
        return None;
    }
    Some(Cell { index, place, key, seed: cell_seed(plan.seed, &CaseId::new(case.id), place.trial) })
}

/// The same of a cell by its number.
pub(super) fn open_index(plan: &Plan, arms: &[ArmDigests], sheet: &Sheet, cell: CellIndex) -> Option<Cell> {
    open_cell(plan, arms, sheet, sheet.place(cell)?)
}

/// Cells in flight: as the caller says, else as the suite says, else what the endpoints allow together.
fn concurrency(plan: &Plan, jobs: Option<u32>) -> usize {
    let said = jobs.or(plan.suite.trials.concurrency);
    let mut endpoints: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    for arm in plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()) {
        let profile = &arm.profile;
        if let Some(endpoint) = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)) {
            endpoints.insert(&endpoint.base_url, endpoint.max_concurrency);
        }
    }
    let allowed: Option<u32> = endpoints.values().copied().sum();
    let allowed = allowed.filter(|_| !endpoints.is_empty());
    said.or(allowed).and_then(|count| usize::try_from(count).ok()).unwrap_or(CONCURRENCY).max(1)
}
