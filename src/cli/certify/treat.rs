//! Applies treatments: each text is treated once, before the plan is made, and all cells share what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::certify::{self, Plan, treat};
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch;
use crate::event::{
    BudgetRefused, Event, FaultClass, Kind, NodeId, RunEnded, RunOutcome, Sha256, Spend, Stored as Kept,
    TreatmentApplied, TreatmentStarted, Usage, billed,
};
use crate::journal::{Reader, RunDir, Texts};
use crate::profile::{self, Profile, Source, Suite, Treatment};
use crate::suite::{Part, Played, Pool, Refused};

use super::drive::Course;
use super::finish;
use super::players::{cell_profile, player};

/// The texts of an arm, treated.
pub(super) struct Treated {
    pub(super) system: Option<String>,
    pub(super) files: Vec<String>,
    /// Names the treatment; absent where it was not applied, since this is a dry run.
    pub(super) sha256: Option<Sha256>,
}

/// Why there is no plan.
pub(super) enum NoPlan {
    /// Something is wrong.
    Error(CliError),
    /// Somebody wanted the end, which is on record.
    Ended(Box<RunEnded>),
}

impl From<CliError> for NoPlan {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
}

/// Who treats, and what was treated so far.
#[derive(Default)]
pub(super) struct Bench {
    /// The profiles of compressors, by the paths that the suite names.
    profiles: BTreeMap<PathBuf, Arc<Profile>>,
    /// Texts after, by the treatment and the hash of the whole text before.
    done: BTreeMap<(String, Sha256), String>,
    asked: u64,
}

impl Bench {
    /// Reads the profiles of the compressors.
    pub(super) fn new(context: &Context, suite: &Suite) -> Result<Self, CliError> {
        let colour = context.stderr_look().colour;
        let mut bench = Self::default();
        for path in suite.treatments.values().filter_map(|treatment| treatment.profile.as_ref()) {
            let source = Source { path, sets: &[], cwd: &context.cwd };
            let loaded = profile::load(source).map_err(|error| CliError::report(error.render(colour)))?;
            launch::no_template(&loaded.profile, "a compressor")?;
            bench.profiles.insert(path.clone(), loaded.profile);
        }
        Ok(bench)
    }

    /// Who is asked for a treatment, where it names a profile.
    fn compressor(&self, treatment: &Treatment) -> Option<Arc<Profile>> {
        treatment.profile.as_ref().and_then(|path| self.profiles.get(path)).cloned()
    }

    /// Names a treatment, with the compressor's profile as it is now.
    fn names(&self, treatment: &Treatment) -> Sha256 {
        treat::names(treatment, self.compressor(treatment).as_deref())
    }

    /// The profiles: what they name may be a secret.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values().map(|profile| &**profile)
    }

    /// Takes up what an earlier process has paid for, and was killed before it made the plan.
    pub(super) fn recall(&mut self, dir: &RunDir, suite: &Suite) -> Result<(), CliError> {
        let texts = Texts::open(dir).map_err(environment)?;
        for event in Reader::open(dir).map_err(environment)? {
            let Kind::TreatmentApplied(applied) = event.map_err(environment)?.kind else { continue };
            // A profile's file may be another one by now.
            let now = suite.treatments.get(&applied.treatment).map(|one| self.names(one));
            let same = now.is_some() && now == applied.sha256;
            let text = texts.get(Kept::Prompt, &applied.after_sha256).map(String::from_utf8);
            if let (true, None, Some(Ok(text))) = (same, &applied.skipped, text) {
                self.done.insert((applied.treatment, applied.before_sha256), text);
            }
        }
        Ok(())
    }
}

/// Refuses a plan that a dry run has made: its texts are as they were.
pub(super) fn refuse_untreated(plan: &Plan) -> Result<(), CliError> {
    let untreated = |arm: &&crate::certify::PlanArm| {
        arm.fixed.treatment.is_some() && arm.fixed.stored.is_none() && arm.provenance.treatment.is_none()
    };
    match plan.arms.iter().find(untreated) {
        None => Ok(()),
        Some(arm) => Err(CliError::usage(format!(
            "the plan was made by `--dry-run`, and {} is not treated in it",
            arm.fixed.name
        ))
        .hint("choose another `--out`; a plan is never changed once it is made")),
    }
}

/// Treats the prompt of a profile.
pub(super) async fn apply(
    course: &mut Course<'_>,
    name: &str,
    profile: &Profile,
    system: Option<String>,
    files: Vec<String>,
) -> Result<Treated, NoPlan> {
    let Some(treatment) = course.matter.suite.treatments.get(name).cloned() else {
        return Err(CliError::usage(format!("the suite has no treatment `{name}`")).into());
    };
    if system.is_none() && files.is_empty() {
        let what =
            format!("the treatment `{name}` has nothing to treat: {} has no prompt of its own", profile.name);
        return Err(CliError::usage(what)
            .hint("it treats `prompt.system` and `prompt.files`, never `prompt.template` or a case")
            .into());
    }
    let (compressor, sha256) = (course.bench.compressor(&treatment), course.bench.names(&treatment));
    let work = Work { name, treatment: &treatment, candidate: profile, compressor, sha256: &sha256 };
    let system = match system {
        Some(text) => Some(work.text(course, text).await?),
        None => None,
    };
    let mut treated = Vec::new();
    for text in files {
        treated.push(work.text(course, text).await?);
    }
    Ok(Treated { system, files: treated, sha256: (!course.args.dry_run).then_some(sha256) })
}

/// One treatment of one candidate.
struct Work<'a> {
    name: &'a str,
    treatment: &'a Treatment,
    candidate: &'a Profile,
    compressor: Option<Arc<Profile>>,
    /// Names it.
    sha256: &'a Sha256,
}

impl Work<'_> {
    /// Treats a text, unless that was done before.
    async fn text(&self, course: &mut Course<'_>, text: String) -> Result<String, NoPlan> {
        let key = (self.name.to_owned(), Sha256::of(text.as_bytes()));
        if let Some(done) = course.bench.done.get(&key) {
            return Ok(done.clone());
        }
        let target = treat::target(&text, self.treatment.compress);
        let before_sha256 = course.emitter.store(Kept::Prompt, text.as_bytes()).map_err(environment)?;
        let mut applied = TreatmentApplied {
            treatment: self.name.to_owned(),
            after_sha256: before_sha256.clone(),
            before_sha256,
            sha256: Some(self.sha256.clone()),
            words_before: target.before,
            words_target: target.wanted,
            words_after: target.before,
            skipped: None,
            model: None,
            usage: None,
            attempts: 0,
            duration_ms: 0,
        };
        let skipped = target.too_short();
        let dry = course.args.dry_run.then(|| "dry run: no compressor is asked".to_owned());
        let after = if let Some(why) = skipped.or(dry) {
            applied.skipped = Some(why);
            text
        } else {
            let after = self.compress(course, &text, &target, &mut applied).await?;
            applied.words_after = treat::words(&after);
            applied.after_sha256 =
                course.emitter.store(Kept::Prompt, after.as_bytes()).map_err(environment)?;
            after
        };
        course.emitter.emit(applied).map_err(environment)?;
        course.emitter.sync().map_err(environment)?;
        course.fold();
        course.bench.done.insert(key, after.clone());
        Ok(after)
    }

    /// Asks the compressor, and once the fallback where that one fails or gives another treatment.
    async fn compress(
        &self,
        course: &mut Course<'_>,
        text: &str,
        target: &treat::Target,
        applied: &mut TreatmentApplied,
    ) -> Result<String, NoPlan> {
        let mut wrong: Vec<String> = Vec::new();
        let mut spend = Spend::default();
        for (called, profile) in self.compressors(target)? {
            self.reserve(course, &profile, text, target, applied)?;
            let mut played = self.play(course, &profile, text, target, applied).await?;
            played.usage = billed(profile.agent.offline, played.usage);
            bill(applied, &mut spend, &played);
            if cut_off(&played) {
                // What was billed stays on record; the text is treated again when the run goes on.
                left(course, applied, "the run was ended before it was treated")?;
                return Err(NoPlan::Ended(Box::new(finish::stopped(course)?)));
            }
            let said = match &played.output {
                Some(reply) => {
                    let treated = treat::read(reply, text);
                    match target.guard(treated) {
                        Ok(_) => {
                            applied.model = Some(by(&called, &played));
                            return Ok(treated.to_owned());
                        }
                        Err(error) => error.to_string(),
                    }
                }
                None => why(&played),
            };
            wrong.push(format!("{called}: {said}"));
        }
        let wrong = course.stage.secrets.redact_str(&wrong.join("; then ")).0.into_owned();
        left(course, applied, &wrong)?;
        let what = format!("the treatment `{}` could not be applied: {wrong}", self.name);
        finish::unavailable(course, what.clone())?;
        let error = CliError::unavailable(what).hint("no cell was run");
        Err(NoPlan::Error(if self.treatment.profile.is_none() && self.treatment.fallback.is_none() {
            error.hint(format!("name a model that is asked next with `treatments.{}.fallback`", self.name))
        } else {
            error.hint("choose a compressor that answers without thinking aloud, or a larger share")
        }))
    }

    /// Sees that what is left of the budget of the suite covers one more request, as it must for a cell.
    fn reserve(
        &self,
        course: &mut Course<'_>,
        profile: &Profile,
        text: &str,
        target: &treat::Target,
        applied: &TreatmentApplied,
    ) -> Result<(), NoPlan> {
        let mut spent = course.sheet.spend();
        if applied.attempts > 0 {
            spent.bill(applied.usage.as_ref());
        }
        let bytes = treat::ask(text, target).len() as u64;
        let answer = profile.model.max_output_tokens.map_or(ANSWER_TOKENS, u64::from);
        // Without a price nobody knows, as of a first cell.
        let usd = certify::most(profile, bytes, 1).unwrap_or(0.0);
        let mut pool = Pool::new(&course.matter.suite.budget, spent, 0);
        let what = format!("the treatment `{}`", self.name);
        let (refused, outcome) = match pool.reserve_for(&what, bytes / BYTES_A_TOKEN + answer, usd) {
            Ok(_) | Err(Refused::Later) => return Ok(()),
            Err(Refused::Over { why, shortfall }) => {
                (BudgetRefused { why, shortfall: Some(shortfall) }, RunOutcome::BudgetExhausted)
            }
            Err(Refused::Unknown) => {
                (BudgetRefused { why: finish::UNKNOWN.to_owned(), shortfall: None }, RunOutcome::SpendUnknown)
            }
        };
        let why = refused.why.clone();
        course.emitter.emit(refused).map_err(environment)?;
        left(course, applied, &why)?;
        Err(NoPlan::Ended(Box::new(finish::unaffordable(course, outcome, why)?)))
    }

    /// Who is asked, in order, with what they are called.
    fn compressors(&self, target: &treat::Target) -> Result<Vec<(String, Profile)>, CliError> {
        if let Some(profile) = &self.compressor {
            let called = profile.agent.model.clone().unwrap_or_else(|| profile.name.clone());
            return Ok(vec![(called, (**profile).clone())]);
        }
        let models = self.treatment.model.iter().chain(&self.treatment.fallback);
        let profile = |model: &String| {
            treat::compressor(self.candidate, self.treatment, model, target).map(|one| (model.clone(), one))
        };
        models.map(profile).collect::<Result<_, _>>().map_err(|error| {
            CliError::usage(format!("the treatment `{}` has no compressor: {error}", self.name)).hint(format!(
                "name an endpoint of the profile with `treatments.{0}.endpoint`, or a profile with `treatments.{0}.profile`",
                self.name
            ))
        })
    }

    async fn play(
        &self,
        course: &mut Course<'_>,
        profile: &Profile,
        text: &str,
        target: &treat::Target,
        applied: &TreatmentApplied,
    ) -> Result<Played, CliError> {
        let player = player(&course.stage, &cell_profile(profile, &course.matter.suite, None))?;
        course.bench.asked += 1;
        let node = NodeId::new(format!("{}.t{}", NodeId::root(), course.bench.asked));
        // It has nothing to look for in anybody's workspace.
        let place = tempfile::Builder::new().prefix(".treat-").tempdir_in(course.dir.path());
        let place = place.map_err(environment)?;
        let part = Part {
            takes_cut: false,
            node: node.clone(),
            task: treat::ask(text, target),
            seed: seed(course.run_seed(), self.name, text),
            workspace: place.path().to_owned(),
            oracle: None,
        };
        let (treatment, before_sha256) = (applied.treatment.clone(), applied.before_sha256.clone());
        course.emitter.emit(TreatmentStarted { treatment, before_sha256 }).map_err(environment)?;
        course.emitter.sync().map_err(environment)?;
        let how = course.stage.play(&player, part).await.map_err(environment)?;
        for event in &how.notable {
            course.emitter.emit_of(node.clone(), event.kind.clone()).map_err(environment)?;
        }
        for text in &how.prompts {
            course.emitter.store(Kept::Prompt, &text.bytes).map_err(environment)?;
        }
        Ok(how)
    }
}

/// A compressor whose profile says no ceiling is taken to answer with so many tokens.
const ANSWER_TOKENS: u64 = 4_096;
/// Bytes of a prompt that are taken for one token.
const BYTES_A_TOKEN: u64 = 3;

const NOTHING: Usage = Usage { input: 0, output: 0, cache_read: 0, cache_write: 0, usd: Some(0.0) };

/// Puts on record that the text is as it was, and what that took.
fn left(course: &mut Course<'_>, applied: &TreatmentApplied, why: &str) -> Result<(), CliError> {
    let left = TreatmentApplied { skipped: Some(why.to_owned()), ..applied.clone() };
    course.emitter.emit(left).map_err(environment)?;
    course.fold();
    Ok(())
}

/// Whether somebody wanted the end.
fn cut_off(played: &Played) -> bool {
    let aborted = played.failure.as_ref().is_some_and(|failure| failure.class == FaultClass::UserAbort);
    played.output.is_none() && (aborted || (played.failure.is_none() && played.outcome.can_go_on()))
}

/// A seed of its own for each text.
fn seed(run: u64, name: &str, text: &str) -> u64 {
    Sha256::of(format!("treatment\n{run}\n{name}\n{text}\n").as_bytes()).number()
}

/// Adds what asking came to.
fn bill(applied: &mut TreatmentApplied, spend: &mut Spend, played: &Played) {
    applied.attempts += played.attempts;
    applied.duration_ms += played.duration_ms;
    let worked = |event: &Event| match &event.kind {
        Kind::AttemptFailed(failed) => failed.failure.emitted_output || failed.failure.maybe_accepted,
        _ => false,
    };
    // A request that was refused has consumed nothing; another one has, and where nobody says how much, it is not known.
    if played.usage.is_none() && (played.output.is_some() || played.notable.iter().any(worked)) {
        spend.bill(None);
    } else {
        spend.bill(Some(&played.usage.unwrap_or(NOTHING)));
    }
    let all = applied.usage.get_or_insert(Usage::default());
    let usage = played.usage.unwrap_or_default();
    all.input = all.input.saturating_add(usage.input);
    all.output = all.output.saturating_add(usage.output);
    all.cache_read = all.cache_read.saturating_add(usage.cache_read);
    all.cache_write = all.cache_write.saturating_add(usage.cache_write);
    all.usd = spend.usd_known.then_some(spend.usd);
}

/// The name of who did it: as it was asked for, and what answered where that calls itself something else.
fn by(called: &str, played: &Played) -> String {
    let plain = called.split_once('/').map_or(called, |(_, model)| model);
    match &played.model {
        Some(model) if model != called && model != plain => format!("{called} ({model})"),
        _ => called.to_owned(),
    }
}

fn why(played: &Played) -> String {
    match &played.failure {
        Some(failure) => {
            let evidence: String = failure.combined().chars().take(240).collect();
            format!("{}: {evidence}", failure.class.word())
        }
        None => format!("it ended as `{}` and without an answer", played.outcome.word()),
    }
}
