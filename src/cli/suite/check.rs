//! `provost suite check`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::data;
use crate::cli::error::{CliError, environment};
use crate::cli::exit;
use crate::cli::launch;
use crate::profile::{self, Compare, Profile, Score, ScoreKind, Source, Suite};
use crate::suite::{Case, CaseErrors, SplitPart, Template, split_part, survey_cases};

use super::sight::{Measured, Sight};

/// Fewer units than this are never enough for a gate.
const FEW: usize = 6;

/// How many mistakes of one template are written out.
const SHOWN: usize = 5;

/// Arguments of `suite check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The suite
    #[arg(short = 'S', long, value_name = "FILE")]
    suite: PathBuf,
    /// A profile that is to be measured by it
    #[arg(short, long, value_name = "FILE")]
    profile: Vec<PathBuf>,
    /// Change a key of the suite, or of the profiles
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// What there is, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
struct Findings {
    name: String,
    cases: usize,
    units: usize,
    groups: usize,
    trials: u32,
    parts: Vec<PartFound>,
    scores: Vec<ScoreFound>,
    /// What the gate can see; null where there is none.
    gate: Option<Sight>,
    remarks: Vec<String>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PartFound {
    part: &'static str,
    share: f64,
    cases: usize,
    units: usize,
}

#[derive(Debug, Serialize)]
struct ScoreFound {
    name: String,
    kind: &'static str,
    /// Cases that have it.
    cases: usize,
}

/// Checks a suite.
pub(crate) fn check(context: &Context, args: &CheckArgs) -> Result<u8, CliError> {
    let mut findings = Findings::default();
    let (suite_sets, profile_sets): (Vec<String>, Vec<String>) =
        args.sets.iter().cloned().partition(|set| profile::is_suite_key(set));
    let colour = !args.json && context.stderr_look().colour;
    let load = |path: &Path, sets: &[String], findings: &mut Findings| {
        let loaded = profile::load(Source { path, sets, cwd: &context.cwd });
        loaded.map_err(|error| findings.problems.push(error.render(colour))).ok().map(|loaded| loaded.profile)
    };
    let profiles: Vec<_> =
        args.profile.iter().filter_map(|path| load(path, &profile_sets, &mut findings)).collect();
    match profile::load_suite(Source { path: &args.suite, sets: &suite_sets, cwd: &context.cwd }) {
        Err(error) => findings.problems.push(error.render(colour)),
        Ok(loaded) => {
            let suite = &loaded.suite;
            let named = suite.score.iter().filter_map(|score| score.options.profile.as_deref());
            let named = named.chain(suite.treatments.values().filter_map(|one| one.profile.as_deref()));
            for path in named.collect::<BTreeSet<_>>() {
                if let Some(profile) = load(path, &[], &mut findings)
                    && let Err(error) = launch::no_template(&profile, "a judge or a compressor")
                {
                    findings.problems.push(error.render().trim_end().to_owned());
                }
            }
            let profiles: Vec<&Profile> = profiles.iter().map(AsRef::as_ref).collect();
            findings.suite(suite, &profiles, &context.cwd);
        }
    }
    if args.json {
        let text = serde_json::to_string_pretty(&findings).map_err(environment)?;
        data(&format!("{text}\n"))?;
        return Ok(if findings.problems.is_empty() { 0 } else { exit::USAGE });
    }
    if findings.problems.is_empty() {
        return data(&findings.render());
    }
    Err(CliError::report(findings.problems.join("\n\n")))
}

impl Findings {
    fn suite(&mut self, suite: &Suite, profiles: &[&Profile], cwd: &Path) {
        self.name.clone_from(&suite.name);
        self.trials = suite.trials.count;
        let (cases, errors) = survey_cases(&suite.cases);
        if !errors.problems.is_empty() {
            self.problems.push(told(errors, cwd));
        }
        self.cases = cases.len();
        self.units = units(cases.iter());
        self.groups = cases.iter().filter_map(|case| case.group.as_deref()).collect::<BTreeSet<_>>().len();
        let unnamed = cases.iter().filter(|case| !case.has_own_id()).count();
        if unnamed > 0 {
            self.remarks.push(format!(
                "{} made from the content: change one, and it is another case",
                if unnamed == 1 { "1 id is".to_owned() } else { format!("{unnamed} ids are") }
            ));
        }
        self.parts(suite, &cases);
        self.template("`cases.template`", &suite.cases.template, &cases, None);
        for profile in profiles {
            self.task(profile, &cases);
        }
        for score in &suite.score {
            self.score(score, profiles, &cases, cwd);
        }
        let measured = self.measured();
        self.gate = suite.gate.as_ref().and_then(|gate| Sight::of(gate, suite, profiles.len(), measured));
    }

    /// What a gate measures where nobody says otherwise.
    fn measured(&self) -> Measured {
        let part = self.parts.iter().find(|part| part.part == SplitPart::Test.word());
        Measured {
            part: part.map(|part| part.part),
            share: part.map_or(1.0, |part| part.share),
            cases: part.map_or(self.cases, |part| part.cases) as u64,
            units: part.map_or(self.units, |part| part.units) as u64,
        }
    }

    fn parts(&mut self, suite: &Suite, cases: &[Case]) {
        let mut parts: Vec<PartFound> = Vec::new();
        if let Some(split) = &suite.split {
            for part in SplitPart::ALL {
                let of = || cases.iter().filter(|case| split_part(split, case) == part);
                let share = part.share(split);
                parts.push(PartFound { part: part.word(), share, cases: of().count(), units: units(of()) });
            }
        }
        for part in parts.iter().filter(|_| !cases.is_empty()) {
            let what = format!("the part `{}` has {}", part.part, count(part.units, "unit"));
            if part.units == 0 {
                self.problems.push(format!("error: {what}; add cases, or give it a larger share"));
            } else if part.units < FEW {
                self.remarks.push(format!("{what}; nothing can be shown with fewer than {FEW}"));
            }
        }
        if parts.is_empty() && !cases.is_empty() && self.units < FEW {
            let what = count(self.units, "unit");
            self.remarks.push(format!("{what} in all; nothing can be shown with fewer than {FEW}"));
        }
        self.parts = parts;
    }

    /// How a profile puts the cases, where it says so itself.
    fn task(&mut self, profile: &Profile, cases: &[Case]) {
        let title = format!("`{}` of `{}`", launch::template_key(profile), profile.name);
        match launch::read_template(profile) {
            Ok(None) => {}
            Ok(Some(text)) => {
                self.template(&title, &text, cases, None);
            }
            Err(error) => self.problems.push(error.render().trim_end().to_owned()),
        }
    }

    /// Renders a template for every case, and returns which of them it says something for.
    fn template(&mut self, title: &str, source: &str, cases: &[Case], extra: Option<&str>) -> Vec<bool> {
        let template = match Template::new(source) {
            Ok(template) => template,
            Err(error) => {
                self.problems.push(format!("error: {title} cannot be read: {error}"));
                return vec![true; cases.len()];
            }
        };
        let mut wrong: Vec<String> = Vec::new();
        let mut there = Vec::with_capacity(cases.len());
        for case in cases {
            match template.optional(case) {
                Ok(text) => there.push(text.is_some()),
                Err(error) => {
                    there.push(true);
                    wrong.push(format!("case `{}`: {error}", case.id));
                }
            }
        }
        if !wrong.is_empty() {
            let mut text = format!("error: {title} fails for {}", count(wrong.len(), "case"));
            for line in wrong.iter().take(SHOWN) {
                let _ = write!(text, "\n  {line}");
            }
            if wrong.len() > SHOWN {
                let _ = write!(text, "\n  and {} more", wrong.len() - SHOWN);
            }
            if let Some(extra) = extra {
                let _ = write!(text, "\nhelp: {extra}");
            }
            self.problems.push(text);
        }
        there
    }

    fn score(&mut self, score: &Score, profiles: &[&Profile], cases: &[Case], cwd: &Path) {
        let kind = profile::SCORE_OPTIONS.iter().find(|(_, kind, _)| *kind == score.kind);
        let kind = kind.map_or("", |(word, ..)| word);
        let options = &score.options;
        let mut templates: Vec<(&str, &str)> = Vec::new();
        let compares = match score.kind {
            ScoreKind::Exact | ScoreKind::Number => true,
            ScoreKind::Json => options.path.is_some(),
            ScoreKind::Contains => options.all.is_empty() && options.none.is_empty(),
            _ => false,
        };
        if let Some(expected) = options.expected.as_deref().or(compares.then_some("{{ expected }}")) {
            templates.push(("expected", expected));
        }
        templates.extend(options.all.iter().map(|template| ("all", template.as_str())));
        templates.extend(options.none.iter().map(|template| ("none", template.as_str())));
        templates.extend(options.group.as_deref().map(|template| ("group", template)));
        templates.extend(options.rubric.as_deref().map(|template| ("rubric", template)));
        // A case has the score where any of its templates says something.
        let mut there = vec![templates.is_empty(); cases.len()];
        for (option, template) in templates {
            let title = format!("`{option}` of the score `{}`", score.name);
            let help = "a case without it does not have the score where the template says `| default(none)`";
            for (all, one) in there.iter_mut().zip(self.template(&title, template, cases, Some(help))) {
                *all |= one;
            }
        }
        if score.kind == ScoreKind::Check {
            let every = !profiles.is_empty() && profiles.iter().all(|profile| profile.check.is_some());
            there = cases.iter().map(|case| case.check.is_some() || every).collect();
            if !there.contains(&true) && !cases.is_empty() && !profiles.is_empty() {
                let what = format!("error: the score `{}` has nothing to decide by", score.name);
                self.problems.push(format!("{what}\nhelp: give the cases or the profile a `check`"));
            }
        }
        if options.compare == Some(Compare::Expected) {
            for (there, case) in there.iter_mut().zip(cases) {
                *there &= case.expected.is_some();
            }
        }
        if let Some(schema) = &options.schema {
            self.schema(&score.name, schema, cwd);
        }
        let having = there.iter().filter(|there| **there).count();
        if having == 0 && !cases.is_empty() {
            self.remarks.push(format!("no case has the score `{}`", score.name));
        }
        self.scores.push(ScoreFound { name: score.name.clone(), kind, cases: having });
    }

    fn schema(&mut self, score: &str, path: &Path, cwd: &Path) {
        let text = std::fs::read(path).map_err(|error| error.to_string());
        let value: Result<serde_json::Value, String> =
            text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        let made = value.and_then(|value| {
            jsonschema::validator_for(&value).map(|_| ()).map_err(|error| error.to_string())
        });
        if let Err(why) = made {
            let path = path.strip_prefix(cwd).unwrap_or(path).display();
            self.problems
                .push(format!("error: the schema of the score `{score}` cannot be used: {why}\n --> {path}"));
        }
    }

    /// For people.
    fn render(&self) -> String {
        let mut text = format!("{}: {}", self.name, count(self.cases, "case"));
        if self.groups > 0 {
            let _ = write!(text, " in {}", count(self.units, "unit"));
        }
        let _ = writeln!(text, ", {}", count(self.trials as usize, "trial"));
        if !self.parts.is_empty() {
            let _ = writeln!(text, "\n{:<10} {:>6} {:>6}  share", "part", "cases", "units");
            for part in &self.parts {
                let share = part.share * 100.0;
                let _ =
                    writeln!(text, "{:<10} {:>6} {:>6} {share:>4.0} %", part.part, part.cases, part.units);
            }
        }
        let width = self.scores.iter().map(|score| score.name.chars().count()).max().unwrap_or(0).max(10);
        let _ = writeln!(text, "\n{:<width$} {:>6}  kind", "score", "cases");
        for score in &self.scores {
            let _ = writeln!(text, "{:<width$} {:>6}  {}", score.name, score.cases, score.kind);
        }
        text.push('\n');
        match &self.gate {
            Some(gate) => text.push_str(&gate.render()),
            None => text.push_str("no gate: the suite only measures\n"),
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "note: {remark}");
        }
        text
    }
}

/// What is wrong with the cases, with their file as the caller would name it.
fn told(mut errors: CaseErrors, cwd: &Path) -> String {
    for problem in &mut errors.problems {
        if let Ok(short) = problem.file.strip_prefix(cwd) {
            problem.file = short.to_owned();
        }
    }
    let total = errors.problems.len();
    format!("error: {} in the cases\n{errors}", count(total, "mistake"))
}

fn units<'a>(cases: impl Iterator<Item = &'a Case>) -> usize {
    // A group may have the name of a case.
    cases.map(|case| (case.group.is_some(), case.unit())).collect::<BTreeSet<_>>().len()
}

fn count(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
