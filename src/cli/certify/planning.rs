//! Makes the plan of a run, puts it on record, and says what it can see before anything is spent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::certify::{
    self, Forecast, Foresight, Known, Plan, PlanArm, Provenance, Shared, arm_name, canonical,
};
use crate::cli::error::{CliError, environment};
use crate::cli::launch;
use crate::event::{ArmFixed, ArmName, ArmRole, CaseFixed, CasesFixed, RunEnded, ScoreName, Sha256};
use crate::journal::{write_atomic, write_atomic_from};
use crate::profile::Profile;
use crate::suite::{Case, Scorers, Template};

use super::draft::{Asked, cases_path};
use super::drive::Course;
use super::finish;
use super::players;
use super::treat::NoPlan;

/// Cases that one event names.
const CASES_AN_EVENT: usize = 500;

impl Course<'_> {
    /// Makes the plan, applies the treatments, and writes it down.
    pub(super) async fn plan(&mut self, scorers: &Scorers) -> Result<Plan, NoPlan> {
        let shared = Shared {
            dataset: self.matter.dataset.clone(),
            template: Sha256::of(self.matter.suite.cases.template.as_bytes()),
            scorers: self
                .matter
                .suite
                .score
                .iter()
                .map(|score| ScoreName::new(&score.name))
                .map(|name| (name.clone(), scorers.scorer_sha256(&name)))
                .collect(),
            workspace: self.matter.workspace.clone(),
            trials: self.matter.suite.trials.count,
            binary: own_binary(),
        };
        let mut arms: Vec<PlanArm> = Vec::new();
        let mut names: Vec<ArmName> = Vec::new();
        for asked in self.matter.asked.clone() {
            let arm = match &asked.stored {
                Some(stored) => self.stored_arm(&asked, stored, &shared, &names)?,
                None => self.arm(&asked, &shared, &names).await?,
            };
            names.push(arm.fixed.name.clone());
            arms.push(arm);
        }
        let plan = Plan {
            format: certify::PLAN_FORMAT,
            suite: (*self.matter.suite).clone(),
            dir: self.matter.suite_dir.clone(),
            arms,
            cases_sha256: self.matter.cases.sha256().clone(),
            cases: self.matter.cases.len() as u64,
            units: self.matter.units,
            part: self.matter.part.clone(),
            gate: self.matter.suite.gate.as_ref().map(|gate| certify::gate(gate, self.args.allow_stubs)),
            seed: self.manifest.seed,
            shared,
        };
        // What a profile sets may be a secret, and secrets are not written.
        let text = String::from_utf8(plan.bytes()).map_err(environment)?;
        let plan: Plan =
            serde_json::from_str(&self.stage.secrets.redact_str(&text).0).map_err(environment)?;
        write_atomic_from(&cases_path(&self.dir), self.matter.cases.lines()).map_err(environment)?;
        write_atomic(&self.dir.plan(), &plan.bytes()).map_err(environment)?;
        Ok(plan)
    }

    async fn arm(&mut self, asked: &Asked, shared: &Shared, taken: &[ArmName]) -> Result<PlanArm, NoPlan> {
        let player = players::player(&self.stage, &asked.profile)?;
        let (mut system, mut files) = (player.system.clone(), player.files.clone());
        let mut treatment = None;
        if let Some(name) = &asked.treatment {
            let treated = super::treat::apply(self, name, &asked.profile, system, files).await?;
            (system, files) = (treated.system, treated.files);
            treatment = treated.sha256;
        }
        let template = launch::read_template(&asked.profile)?;
        if let Some(text) = &template {
            self.renders(&asked.profile, text)?;
        }
        let images: Vec<Sha256> = player.images.iter().map(|image| Sha256::of(&image.bytes)).collect();
        let provenance = Provenance {
            profile: Sha256::of(&canonical(&*asked.profile)),
            prompt: Sha256::of(&match &template {
                None => canonical(&(&system, &files, images)),
                Some(template) => canonical(&(&system, &files, images, template)),
            }),
            tools: Sha256::of(&canonical(&(&asked.profile.agent.tools, &asked.profile.agent.mcp))),
            treatment,
        };
        let fixed = ArmFixed {
            name: arm_name(&asked.profile.name, asked.treatment.as_deref(), taken),
            role: asked.role,
            profile: asked.profile.name.clone(),
            profile_sha256: provenance.profile.clone(),
            harness: asked.profile.agent.harness.clone(),
            model: asked.profile.agent.model.clone(),
            offline: asked.profile.agent.offline,
            treatment: asked.treatment.clone(),
            stored: None,
            provenance_sha256: provenance.sha256(shared),
        };
        let profile = (*asked.profile).clone();
        Ok(PlanArm { fixed, profile, system, files, template, provenance })
    }

    /// Sees that a profile's own template says something of every case, before anything is asked.
    fn renders(&self, profile: &Profile, text: &str) -> Result<(), CliError> {
        let key = launch::template_key(profile);
        let wrong = |error: &dyn std::fmt::Display| {
            CliError::usage(format!("`{key}` of `{}`: {error}", profile.name))
                .hint("`provost suite check -S SUITE -p PROFILE` says all that is wrong at once")
        };
        let template = Template::new(text).map_err(|error| wrong(&error))?;
        for case in self.matter.cases.iter() {
            let case = case.map_err(environment)?;
            template.render(&case).map_err(|error| wrong(&format!("case `{}`: {error}", case.id)))?;
        }
        Ok(())
    }

    /// An arm of a stored run, after it was seen that it can be compared.
    fn stored_arm(
        &self,
        asked: &Asked,
        stored: &super::stored::Stored,
        shared: &Shared,
        taken: &[ArmName],
    ) -> Result<PlanArm, CliError> {
        let other = &stored.plan().shared;
        let mut differs = Vec::new();
        if other.dataset != shared.dataset {
            differs.push("the cases");
        }
        // An arm's own template is what is compared; the suite's is what the comparison is made with.
        if other.template != shared.template && stored.arm().template.is_none() {
            differs.push("the template");
        }
        if other.workspace != shared.workspace {
            differs.push("the workspace");
        }
        if other.trials != shared.trials {
            differs.push("the trials");
        }
        if !self.matter.rescore && other.scorers != shared.scorers {
            differs.push("the scores");
        }
        if other.binary != shared.binary {
            differs.push("provost itself");
        }
        if !differs.is_empty() && !self.args.allow_different && !self.matter.rescore {
            return Err(CliError::usage(format!(
                "{} cannot be compared with: {} differ",
                stored.run(),
                differs.join(", ")
            ))
            .hint(
                "name the baseline's profile, so that it is run again, or accept it with `--allow-different`",
            ));
        }
        let arm = stored.arm();
        let mut fixed = arm.fixed.clone();
        fixed.name = arm_name(&arm.fixed.profile, arm.fixed.treatment.as_deref(), taken);
        fixed.role = asked.role;
        fixed.stored = Some(stored.run().to_string());
        Ok(PlanArm { fixed, ..arm.clone() })
    }

    /// Puts the plan on record, with what it can see.
    pub(super) fn fix(&mut self, plan: &Plan, scorers: &Scorers) -> Result<Option<Foresight>, CliError> {
        let foresight = match &plan.gate {
            Some(gate) => {
                let candidates = plan.arms.iter().filter(|arm| arm.fixed.role == ArmRole::Candidate).count();
                let forecast = Forecast {
                    units: plan.units,
                    cases: plan.cases,
                    trials: u64::from(plan.suite.trials.count),
                    candidates: candidates as u64,
                    gate,
                    known: self.known(plan),
                };
                Some(certify::foresight(&forecast).map_err(|error| CliError::usage(error.to_string()))?)
            }
            None => None,
        };
        if self.sheet.plan().is_none() {
            let root = self.root();
            let uses = super::uses::count(&root, plan).map_err(environment)?;
            let seen = foresight.as_ref().and_then(|seen| Some((seen.mde?, seen.assumes.clone())));
            let expected = self.expected(plan)?;
            self.emitter.emit(plan.fixed(uses, seen, Some(expected))).map_err(environment)?;
            if !self.args.dry_run {
                super::uses::note(&root, plan, &self.manifest.run, self.dir.path()).map_err(environment)?;
            }
            self.fold();
        } else if self.sheet.plan().is_some_and(|fixed| fixed.plan_sha256 != plan.sha256()) {
            return Err(CliError::unavailable(format!(
                "{} is not the plan that was fixed when the run began",
                self.dir.plan().display()
            )));
        }
        let cases = Arc::clone(&self.matter.cases);
        let fixed = |case: Case| CaseFixed {
            without: scorers.without(&case),
            id: case.id,
            group: case.group,
            tags: case.tags,
            sha256: case.sha256,
        };
        loop {
            let from = self.sheet.cases().len();
            let next = cases.iter_from(from).take(CASES_AN_EVENT).map(|case| case.map(fixed));
            let next: Vec<CaseFixed> = next.collect::<Result<_, _>>().map_err(environment)?;
            if next.is_empty() {
                break;
            }
            self.emitter.emit(CasesFixed { from: from as u64, cases: next }).map_err(environment)?;
            self.fold();
        }
        self.emitter.sync().map_err(environment)?;
        self.fold();
        Ok(foresight)
    }

    /// What the stored baseline says of the score that decides, where that is made as it was then.
    fn known(&self, plan: &Plan) -> Option<Known> {
        let name = &plan.gate.as_ref()?.score;
        let arm = plan.arms.iter().position(|arm| arm.fixed.role == ArmRole::Baseline)?;
        let run = plan.arms.get(arm)?.fixed.stored.as_ref()?;
        let stored = match self.matter.asked.get(arm).and_then(|asked| asked.stored.clone()) {
            Some(stored) => stored,
            None => self.stored_again(run, arm).ok()?,
        };
        let own = plan.shared.scorers.get(name)?;
        if stored.plan().shared.scorers.get(name) != Some(own) {
            return None;
        }
        let values = |case: Case| stored.values(&case.sha256, plan.shared.trials, name);
        Known::of(&self.matter.cases.iter().map(|case| case.map(values)).collect::<Result<Vec<_>, _>>().ok()?)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir
            .path()
            .parent()
            .and_then(Path::parent)
            .filter(|root| root.join("runs").is_dir())
            .map_or_else(|| self.context.root(None), Path::to_path_buf)
    }

    /// Refuses to begin what cannot answer.
    pub(super) fn refuse(
        &mut self,
        plan: &Plan,
        foresight: Option<&Foresight>,
    ) -> Result<Option<RunEnded>, CliError> {
        let (Some(wanted), Some(effect)) = (self.args.min_power, self.args.effect) else { return Ok(None) };
        if !(0.0..=1.0).contains(&wanted) || !effect.is_finite() || effect <= 0.0 {
            return Err(CliError::usage("`--min-power` is from 0 to 1, and `--effect` is above 0"));
        }
        let Some(foresight) = foresight else {
            return Err(CliError::usage("`--min-power` needs a [gate] in the suite"));
        };
        let power = foresight.power_at(effect);
        if power >= wanted {
            return Ok(None);
        }
        let why = format!(
            "the chance to see an effect of {effect} is {:.0} %, and {:.0} % are wanted; {}",
            power * 100.0,
            wanted * 100.0,
            foresight.mde.map_or_else(
                || "the plan can see no effect".to_owned(),
                |mde| format!("with 80 % the plan sees {mde:.3}")
            )
        );
        finish::underpowered(self, plan, why).map(Some)
    }
}

/// This program, where it is not the one that the plan was made with. Cells of it are run only if that is accepted.
pub(super) fn other_binary(plan: &Plan, accepted: bool) -> Result<Option<String>, CliError> {
    let (own, planned) = (own_binary(), &plan.shared.binary);
    if own == *planned {
        return Ok(None);
    }
    if !accepted {
        let what = format!(
            "this is not the provost that the plan was made with: that was {planned}, and this is {own}"
        );
        let hint = "run its cells with that one, or accept this one with `--allow-different`: the certificate says so then";
        return Err(CliError::usage(what).hint(hint));
    }
    Ok(Some(own))
}

/// The version of this program, and the hash of its file.
fn own_binary() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let sha256 = std::env::current_exe().and_then(std::fs::File::open).and_then(Sha256::of_reader);
    sha256.map_or_else(|_| version.to_owned(), |sha256| format!("{version} {sha256}"))
}
