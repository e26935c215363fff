//! What a run of `certify` is asked for, before anything is begun: profiles, suite, cases, and the run directory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::certify::{Plan, canonical};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch::{self, Given};
use crate::cli::run::no_run;
use crate::engine::Request;
use crate::event::{ArmRole, BudgetCeilings, Event, Sha256, Sheet, Tally};
use crate::journal::{self, Manifest, RunDir, Writer};
use crate::profile::{self, Profile, Source, Suite, SuiteBudget};
use crate::suite::{Case, CaseSet, SplitPart, read_cases, split_part};

use super::CertifyArgs;
use super::players;
use super::stored::Stored;

/// An arm that is asked for.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) role: ArmRole,
    pub(super) profile: Arc<Profile>,
    pub(super) treatment: Option<String>,
    /// The cells that it is taken from, where it is not run.
    pub(super) stored: Option<Arc<Stored>>,
}

/// What is measured.
pub(super) struct Matter {
    pub(super) suite: Arc<Suite>,
    /// Where its file lies.
    pub(super) suite_dir: PathBuf,
    pub(super) cases: Arc<CaseSet>,
    pub(super) part: Option<String>,
    /// Names the contents of all cases, in their order.
    pub(super) dataset: Sha256,
    /// Cases that are counted by themselves, and groups.
    pub(super) units: u64,
    /// Names what is in the directory that is copied into each workspace.
    pub(super) workspace: Option<Sha256>,
    /// The arms that are asked for; empty where the plan is there already and has them.
    pub(super) asked: Vec<Asked>,
    /// Whether the answers of a stored run are scored, and that is all there is to do.
    pub(super) rescore: bool,
}

/// All that is decided before anything starts.
pub(super) struct Prepared {
    pub(super) dir: RunDir,
    pub(super) manifest: Manifest,
    pub(super) matter: Matter,
    /// The plan, where it was made by an earlier process.
    pub(super) plan: Option<Plan>,
    pub(super) writer: Writer,
    pub(super) tally: Tally,
    pub(super) sheet: Sheet,
    /// What was cut, where an earlier process was killed.
    pub(super) cut_bytes: Option<u64>,
    pub(super) late: Vec<Request>,
}

/// Gets everything ready.
pub(super) fn prepare(context: &Context, common: &Common, args: &CertifyArgs) -> Result<Prepared, CliError> {
    let root = context.root(common.root.as_ref());
    if let Some(which) = &args.resume {
        let dir = journal::find(&root, Some(which)).map_err(no_run)?;
        // Agents start in directories below it, and not from ours.
        let dir = RunDir::open(context.cwd.join(dir.path())).map_err(environment)?;
        return take_up(dir, None);
    }
    let (for_suite, for_profile): (Vec<String>, Vec<String>) =
        args.sets.iter().cloned().partition(|set| profile::is_suite_key(set));
    let Some(path) = &args.suite else { return Err(CliError::usage("there is no suite")) };
    let (suite, suite_dir) = load_suite(context, path, &for_suite)?;
    let asked = match &args.rescore {
        Some(which) => rescored(&root, which)?,
        None => asked(context, &root, args, &suite, &for_profile)?,
    };
    let Dealt { cases, part, dataset, units } = cases(args, &suite)?;
    let rescore = args.rescore.is_some();
    let workspace = players::workspace(&suite)?;
    let matter = Matter { suite, suite_dir, cases, part, dataset, units, workspace, asked, rescore };
    let manifest = manifest(context, args, &matter)?;
    let path = match &args.out {
        Some(out) => context.cwd.join(out),
        None => root.join("runs").join(manifest.run.as_str()),
    };
    if args.out.is_some()
        && let Ok(dir) = RunDir::open(&path)
    {
        let found = Manifest::read(&dir).map_err(environment)?;
        if found.verb != "certify" || found.task_sha256 != manifest.task_sha256 {
            return Err(CliError::usage(format!(
                "{} holds a run of other profiles, cases or settings",
                path.display()
            ))
            .hint("choose another `--out`; a plan is never changed once it is made"));
        }
        return take_up(dir, Some(matter));
    }
    let dir =
        RunDir::create(&path).map_err(|error| CliError::usage(format!("{:#}", anyhow::Error::new(error))))?;
    manifest.write(&dir).map_err(environment)?;
    let writer = Writer::create(&dir, &manifest.run, manifest.started_at).map_err(environment)?;
    Ok(Prepared {
        dir,
        manifest,
        matter,
        plan: None,
        writer,
        tally: Tally::default(),
        sheet: Sheet::default(),
        cut_bytes: None,
        late: Vec::new(),
    })
}

/// Takes up a run again, as it stands in its directory. `given` is what the call has resolved by itself.
fn take_up(dir: RunDir, given: Option<Matter>) -> Result<Prepared, CliError> {
    let manifest = Manifest::read(&dir).map_err(environment)?;
    if manifest.verb != "certify" {
        return Err(CliError::usage(format!("{} is a run of `provost {}`", manifest.run, manifest.verb)));
    }
    let late = crate::cli::stop::left_behind(&dir);
    let mut sheet = Sheet::default();
    let fold = |event: &Event| {
        sheet.apply(event);
    };
    let (writer, recovered) = Writer::resume_seeing(&dir, fold).map_err(environment)?;
    let plan = read_plan(&dir)?;
    let cut_bytes = Some(recovered.cut_bytes);
    let matter = match (given, &plan) {
        (Some(matter), _) => matter,
        (None, Some(plan)) => planned(&dir, plan)?,
        (None, None) => {
            let place = dir.path().display();
            return Err(CliError::usage(format!("{} was ended before its plan was made", manifest.run))
                .hint(format!(
                    "call it as it was called then, with `--out {place}`: what was treated is kept"
                )));
        }
    };
    let tally = recovered.tally;
    Ok(Prepared { dir, manifest, matter, plan, writer, tally, sheet, cut_bytes, late })
}

/// What a plan measures.
pub(super) fn planned(dir: &RunDir, plan: &Plan) -> Result<Matter, CliError> {
    Ok(Matter {
        suite: Arc::new(plan.suite.clone()),
        suite_dir: plan.dir.clone(),
        cases: Arc::new(planned_cases(dir, plan)?),
        part: plan.part.clone(),
        dataset: plan.shared.dataset.clone(),
        units: plan.units,
        workspace: plan.shared.workspace.clone(),
        asked: Vec::new(),
        rescore: plan.arms.iter().all(|arm| arm.fixed.stored.is_some()),
    })
}

/// The plan of a run, if it was made.
pub(super) fn read_plan(dir: &RunDir) -> Result<Option<Plan>, CliError> {
    let path = dir.plan();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(environment(error)),
    };
    let plan: Plan = serde_json::from_slice(&bytes)
        .map_err(|error| CliError::unavailable(format!("{} is no plan: {error}", path.display())))?;
    if plan.format > crate::certify::PLAN_FORMAT {
        return Err(CliError::unavailable(format!("{} is of a newer provost", path.display())));
    }
    Ok(Some(plan))
}

/// Where the cases of a plan are.
pub(super) fn cases_path(dir: &RunDir) -> PathBuf {
    dir.path().join("cases.jsonl")
}

/// The cases of a plan, as they were.
pub(super) fn planned_cases(dir: &RunDir, plan: &Plan) -> Result<CaseSet, CliError> {
    let path = cases_path(dir);
    let cases = CaseSet::open(&path).map_err(environment)?;
    if *cases.sha256() != plan.cases_sha256 {
        return Err(CliError::unavailable(format!("{} is not what the plan was made with", path.display())));
    }
    Ok(cases)
}

fn load_suite(context: &Context, path: &Path, sets: &[String]) -> Result<(Arc<Suite>, PathBuf), CliError> {
    let colour = context.stderr_look().colour;
    let source = Source { path, sets, cwd: &context.cwd };
    profile::load_suite(source).map(|loaded| (loaded.suite, loaded.dir)).map_err(|error| {
        let missing = error.is_missing_file();
        let error = CliError::report(error.render(colour));
        if missing { error.hint("`provost suite import` makes one of what you have") } else { error }
    })
}

/// The arms: the baseline first, then each candidate as it is, then each under each treatment.
fn asked(
    context: &Context,
    root: &Path,
    args: &CertifyArgs,
    suite: &Suite,
    sets: &[String],
) -> Result<Vec<Asked>, CliError> {
    let load = |path: &Path| launch::resolve(context, profile::load, path, sets).map(|(profile, _)| profile);
    let mut arms = Vec::new();
    let plain = |role, profile| Asked { role, profile, treatment: None, stored: None };
    if let Some(baseline) = &args.baseline {
        let path = context.cwd.join(baseline);
        if path.is_file() {
            arms.push(plain(ArmRole::Baseline, load(&path)?));
        } else {
            let dir = journal::find(root, Some(baseline)).map_err(|error| {
                no_run(error).hint("`--baseline` takes the file of a profile, or a run of `provost certify`")
            })?;
            let stored = Arc::new(Stored::open(&dir, None)?);
            let profile = Arc::new(stored.arm().profile.clone());
            let treatment = stored.arm().fixed.treatment.clone();
            arms.push(Asked { role: ArmRole::Baseline, profile, treatment, stored: Some(stored) });
        }
    }
    let mut candidates = Vec::new();
    for path in &args.profiles {
        candidates.push(load(path)?);
    }
    let needs_baseline = suite.gate.as_ref().is_some_and(|gate| gate.mode != profile::GateMode::Threshold);
    if arms.is_empty() && needs_baseline {
        if suite.treatments.is_empty() {
            return Err(CliError::usage("there is nothing to hold the candidate against").hint(
                "name a profile or a run with `--baseline`, or use `gate.mode = \"threshold\"` with `gate.min`",
            ));
        }
        // Treatments are held against the candidate as it is.
        if let Some(first) = candidates.first() {
            arms.push(plain(ArmRole::Baseline, Arc::clone(first)));
        }
        candidates.drain(..1.min(candidates.len())).for_each(|profile| {
            treated(&mut arms, suite, &profile);
        });
    }
    for profile in candidates {
        arms.push(plain(ArmRole::Candidate, Arc::clone(&profile)));
        treated(&mut arms, suite, &profile);
    }
    Ok(arms)
}

fn treated(arms: &mut Vec<Asked>, suite: &Suite, profile: &Arc<Profile>) {
    for name in suite.treatments.keys() {
        arms.push(Asked {
            role: ArmRole::Candidate,
            profile: Arc::clone(profile),
            treatment: Some(name.clone()),
            stored: None,
        });
    }
}

/// All arms of a stored run, to be scored again.
fn rescored(root: &Path, which: &str) -> Result<Vec<Asked>, CliError> {
    let dir = journal::find(root, Some(which)).map_err(no_run)?;
    let Some(plan) = read_plan(&dir)? else {
        return Err(CliError::usage(format!("{} has no plan, and so no cells", dir.path().display())));
    };
    let arm = |(index, arm): (usize, &crate::certify::PlanArm)| {
        let stored = Arc::new(Stored::open(&dir, Some(index))?);
        Ok(Asked {
            role: arm.fixed.role,
            profile: Arc::new(arm.profile.clone()),
            treatment: arm.fixed.treatment.clone(),
            stored: Some(stored),
        })
    };
    plan.arms.iter().enumerate().map(arm).collect()
}

/// The cases of the part that is measured, and what they come to.
struct Dealt {
    cases: Arc<CaseSet>,
    part: Option<String>,
    dataset: Sha256,
    units: u64,
}

fn cases(args: &CertifyArgs, suite: &Suite) -> Result<Dealt, CliError> {
    let part = match (args.part.as_deref(), &suite.split) {
        (Some("all"), _) | (None, None) => None,
        (Some(part), None) => {
            return Err(CliError::usage(format!("the suite has no split, and so no part `{part}`")));
        }
        (None, Some(_)) => Some(SplitPart::Test),
        (Some(part), Some(_)) => Some(SplitPart::parse(part).ok_or_else(|| {
            CliError::usage(format!("`{part}` is no part of a split"))
                .hint("`--part` takes train, selection, test or all")
        })?),
    };
    let mut contents = Sha256::hashing();
    let mut units = HashSet::new();
    let wanted = |case: &Case| {
        if let (Some(part), Some(split)) = (part, &suite.split)
            && split_part(split, case) != part
        {
            return false;
        }
        let gap = if units.is_empty() { "" } else { "\n" };
        contents.add(format!("{gap}{}", case.sha256).as_bytes());
        units.insert(Sha256::of(case.unit().as_bytes()).half());
        true
    };
    let cases = read_cases(&suite.cases, wanted).map_err(|error| {
        CliError::usage(error.to_string()).hint("`provost suite check` says all that is wrong at once")
    })?;
    if cases.is_empty() {
        return Err(CliError::usage("there is no case to run").hint("`provost suite check` shows the parts"));
    }
    let part = part.map(|part| part.word().to_owned());
    Ok(Dealt { cases: Arc::new(cases), part, dataset: contents.done(), units: units.len() as u64 })
}

/// Names all that was asked for: a second call with the same `--out` must ask for the same.
fn inputs(matter: &Matter, args: &CertifyArgs) -> Result<Sha256, CliError> {
    let mut texts = Vec::new();
    for arm in &matter.asked {
        let words = launch::words(&arm.profile)?;
        let read = (words.system, words.files);
        let stored = arm.stored.as_ref().map(|stored| (stored.run().clone(), stored.plan_sha256().clone()));
        texts.push(canonical(&(arm.role, &arm.treatment, &*arm.profile, read, stored)));
        if arm.stored.is_none() {
            texts.extend(launch::read_template(&arm.profile)?.map(String::into_bytes));
        }
    }
    // A ceiling that was too low may be raised: what was paid for under it is kept.
    let suite = Suite { budget: SuiteBudget::default(), ..(*matter.suite).clone() };
    let rest = canonical(&(suite, &matter.dataset, &matter.part, args.seed, args.allow_stubs, &args.rescore));
    texts.push(rest);
    texts.extend(matter.workspace.as_ref().map(|sha256| sha256.hex().as_str().as_bytes().to_vec()));
    let names: Vec<String> = texts.iter().map(|text| Sha256::of(text).to_string()).collect();
    Ok(Sha256::of(names.join("\n").as_bytes()))
}

fn manifest(context: &Context, args: &CertifyArgs, matter: &Matter) -> Result<Manifest, CliError> {
    let (suite, arms) = (&*matter.suite, &matter.asked);
    let candidate = arms.iter().find(|arm| arm.role == ArmRole::Candidate).or_else(|| arms.first());
    let Some(candidate) = candidate else { return Err(CliError::usage("there is no profile to certify")) };
    let profiles = arms.iter().map(|arm| &*arm.profile);
    let secrets = crate::backend::registry::secrets_of(profiles, &context.environment);
    let given = Given {
        verb: "certify",
        profile: &candidate.profile,
        workspace: context.cwd.clone(),
        task: suite.name.clone(),
        seed: args.seed,
        labels: launch::labels(&args.labels)?,
    };
    let manifest = Manifest {
        suite: Some(serde_json::to_value(suite).map_err(environment)?),
        task_sha256: inputs(matter, args)?,
        budget: BudgetCeilings {
            rounds: None,
            tokens: suite.budget.tokens,
            usd: suite.budget.usd,
            wall_s: suite.budget.wall.map(|wall| wall.0.as_secs_f64()),
        },
        parent: arms.iter().find_map(|arm| arm.stored.as_ref().map(|stored| stored.run().clone())),
        ..launch::manifest(context, given)?
    };
    launch::veiled(&manifest, &secrets)
}
