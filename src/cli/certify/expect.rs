//! What is known of what a run will cost: earlier runs of this root that measured the same arms, and the prices of profiles.

use std::path::Path;

use crate::certify::{Costs, Outlook, Plan, PlanArm, most};
use crate::cli::error::{CliError, environment};
use crate::engine;
use crate::event::{Expected, Kind, RunId, Sheet};
use crate::journal::{Manifest, Reader, RunDir};
use crate::profile::ScoreKind;
use crate::suite::Template;

use super::draft::read_plan;
use super::drive::Course;

/// So many earlier runs are looked at, the newest first.
const LOOKED_AT: usize = 16;

/// An earlier run of the same suite.
struct Earlier {
    run: RunId,
    plan: Plan,
    sheet: Sheet,
}

impl Course<'_> {
    /// What the cells of a plan are expected to cost, and their judges.
    pub(super) fn expected(&self, plan: &Plan) -> Result<Expected, CliError> {
        let earlier = self.earlier(plan)?;
        let cells = plan.cases * u64::from(plan.suite.trials.count);
        let mut parts = Vec::new();
        let run: Vec<&PlanArm> = plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()).collect();
        for arm in &run {
            let outlook = match seen(&earlier, arm) {
                _ if arm.fixed.offline => Outlook::Offline,
                Some(seen) => seen,
                None => match most(&arm.profile, self.bytes(plan, arm)?, cells) {
                    Ok(usd) => Outlook::Most(usd),
                    Err(why) => Outlook::Unknown(why),
                },
            };
            parts.push(Costs { who: arm.fixed.name.to_string(), cells, outlook });
        }
        if plan.suite.score.iter().any(|score| score.kind == ScoreKind::Judge) {
            let outlook = match judged(&earlier, plan) {
                _ if self.judges.values().all(|judge| judge.agent.offline) => Outlook::Offline,
                Some(seen) => seen,
                None => Outlook::Unknown("no earlier run says what they take".to_owned()),
            };
            parts.push(Costs { who: "judging".to_owned(), cells: cells * run.len() as u64, outlook });
        }
        Ok(crate::certify::expected(&parts, self.matter.suite.budget.usd))
    }

    /// Earlier runs of this root that have measured the suite with the same template. One that cannot be read says nothing.
    fn earlier(&self, plan: &Plan) -> Result<Vec<Earlier>, CliError> {
        let own = self.dir.path();
        let found = super::uses::places(&self.root(), plan).map_err(environment)?;
        let others = found.iter().filter(|place| place.as_path() != own);
        Ok(others.take(LOOKED_AT).filter_map(|place| open(place, plan)).collect())
    }

    /// Bytes of all prompts of an arm.
    fn bytes(&self, plan: &Plan, arm: &PlanArm) -> Result<u64, CliError> {
        let text = arm.template.as_ref().unwrap_or(&plan.suite.cases.template);
        let template = Template::new(text).map_err(|error| CliError::usage(error.to_string()))?;
        let system = arm.system.as_ref().map_or(0, String::len);
        let mut all = 0;
        for case in self.matter.cases.iter() {
            // A case that cannot be rendered is never sent.
            let Ok(task) = template.render(&case.map_err(environment)?) else { continue };
            all += (system + engine::assemble(&arm.files, &task).len()) as u64;
        }
        Ok(all * u64::from(plan.suite.trials.count))
    }
}

/// An earlier run, where it is of the same suite and shares an arm or a judge.
fn open(place: &Path, plan: &Plan) -> Option<Earlier> {
    let dir = RunDir::open(place).ok()?;
    let theirs = read_plan(&dir).ok()??;
    let judges = |plan: &Plan| plan.suite.score.iter().any(|score| score.kind == ScoreKind::Judge);
    let shares = judges(plan) || theirs.arms.iter().any(|arm| plan.arms.iter().any(|own| same(own, arm)));
    if theirs.suite.name != plan.suite.name || theirs.shared.template != plan.shared.template || !shares {
        return None;
    }
    let run = Manifest::read(&dir).ok()?.run;
    let mut sheet = Sheet::default();
    for event in Reader::open(&dir).ok()? {
        let Ok(event) = event else { continue };
        if matches!(
            event.kind,
            Kind::PlanFixed(_) | Kind::CasesFixed(_) | Kind::CellEnded(_) | Kind::CellScored(_)
        ) {
            sheet.apply(&event);
        }
    }
    Some(Earlier { run, plan: theirs, sheet })
}

fn same(own: &PlanArm, other: &PlanArm) -> bool {
    own.provenance == other.provenance && other.fixed.stored.is_none()
}

/// What an arm took in the newest run that knows it.
fn seen(earlier: &[Earlier], arm: &PlanArm) -> Option<Outlook> {
    earlier.iter().find_map(|run| {
        let at = run.plan.arms.iter().position(|other| same(arm, other))?;
        let totals = run.sheet.arms().get(at)?;
        mean(run, totals.spend, totals.answered)
    })
}

/// What judging took in the newest run whose judges were all the same.
fn judged(earlier: &[Earlier], plan: &Plan) -> Option<Outlook> {
    earlier.iter().find_map(|run| {
        let names =
            plan.suite.score.iter().filter(|score| score.kind == ScoreKind::Judge).map(|score| &score.name);
        let same = names.map(crate::event::ScoreName::new).all(|name| {
            let own = plan.shared.scorers.get(&name);
            own.is_some() && own == run.plan.shared.scorers.get(&name)
        });
        // What was taken from a stored run had its judge then.
        let own = run.plan.arms.iter().zip(run.sheet.arms()).filter(|(arm, _)| arm.fixed.stored.is_none());
        let answered = own.map(|(_, totals)| totals.answered).sum();
        mean(run, *run.sheet.judges(), answered).filter(|_| same)
    })
}

fn mean(run: &Earlier, spend: crate::event::Spend, answered: u64) -> Option<Outlook> {
    #[expect(clippy::cast_precision_loss, reason = "a count of cells")]
    let usd = spend.usd / answered.max(1) as f64;
    (spend.usd_known && answered > 0).then(|| Outlook::Seen { run: run.run.clone(), answered, usd })
}
