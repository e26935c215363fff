//! Rules between the keys of a suite. All are asked, so that a suite is mended in one go.

use minijinja::Environment;

use super::options::{OPTIONS, is_known};
use crate::profile::diagnostic::Diagnostic;
use crate::profile::mismatch::list;
use crate::profile::tree::{Entry, Node, Origin, Value};
use crate::profile::{GateMode, Score, ScoreKind, Suite};
use crate::text::nearest;

/// How far the shares of a split may be from 1 together.
const SHARES: f64 = 1e-9;

/// More tries of one request than this are no patience but a loop.
const MOST_RETRIES: u32 = 20;

/// Asks every rule. `own` is the layer of the suite's file, blamed for what is missing.
pub(super) fn check(suite: &Suite, tree: &Node, own: usize) -> Vec<Diagnostic> {
    let mut rules = Rules { suite, tree, own, problems: Vec::new() };
    rules.version();
    rules.cases();
    rules.split();
    rules.trials();
    rules.scores();
    rules.treatments();
    rules.gate();
    rules.budget();
    rules.problems
}

struct Rules<'a> {
    suite: &'a Suite,
    tree: &'a Node,
    own: usize,
    problems: Vec<Diagnostic>,
}

/// Where a value was written; a table is shown by its name.
fn place(entry: &Entry) -> Origin {
    match entry.node.value {
        Value::Table(_) => entry.key.clone(),
        _ => entry.node.origin.clone(),
    }
}

/// What is wrong with a pattern, without the drawing.
fn pattern_error(pattern: &str) -> Option<String> {
    let error = regex::Regex::new(pattern).err()?.to_string();
    Some(error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
}

/// What is wrong with a template.
fn template_error(template: &str) -> Option<String> {
    let environment = Environment::new();
    let error = environment.template_from_str(template).err()?;
    let line =
        error.line().filter(|line| *line > 1).map_or(String::new(), |line| format!(" in its line {line}"));
    Some(format!("{}{line}", error.detail().unwrap_or("it cannot be read")))
}

impl Rules<'_> {
    fn refuse_at(
        &mut self,
        origin: Option<Origin>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let origin =
            origin.filter(|origin| origin.layer > 0).unwrap_or(Origin { layer: self.own, span: 0..0 });
        self.problems.push(Diagnostic::new(title, origin, label).help(help));
    }

    /// A problem with the value of a key.
    fn refuse(&mut self, key: &str, title: impl Into<String>, label: &str, help: impl Into<String>) {
        let origin = self.tree.entry(key).map(place);
        self.refuse_at(origin, title, label, help);
    }

    fn version(&mut self) {
        if self.suite.schema != 1 {
            let title = "this version of the suite format is not known";
            self.refuse("schema", title, "only 1 is", "leave `schema` as the file has it");
        }
        if self.suite.name.trim().is_empty() {
            self.refuse("name", "the suite has no name", "empty", "write one, or leave it out");
        }
    }

    fn template(&mut self, origin: Option<Origin>, title: &str, template: &str) {
        if let Some(why) = template_error(template) {
            let help = "names stand as `{{ input }}`, blocks as `{% if expected is defined %}…{% endif %}`";
            self.refuse_at(origin, format!("{title} is not a template"), why, help);
        }
    }

    fn cases(&mut self) {
        let origin = self.tree.entry("cases.template").map(place);
        self.template(origin, "`cases.template`", &self.suite.cases.template);
    }

    fn split(&mut self) {
        let Some(split) = self.suite.split else { return };
        let shares = [("train", split.train), ("selection", split.selection), ("test", split.test)];
        let mut right = true;
        for (name, share) in shares {
            if !(share.is_finite() && share > 0.0 && share < 1.0) {
                right = false;
                let help = "write a share such as 0.25; without `[split]` all cases are one part";
                self.refuse(
                    &format!("split.{name}"),
                    format!("`split.{name}` is not a share"),
                    "not between 0 and 1",
                    help,
                );
            }
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if right && (sum - 1.0).abs() > SHARES {
            let title = "the shares of `[split]` are not all of the cases";
            let label = format!("together {}", (sum * 1e6).round() / 1e6);
            let origin = self.tree.entry("split").map(place);
            self.refuse_at(origin, title, label, "let `train`, `selection` and `test` be 1 together");
        }
    }

    fn trials(&mut self) {
        let trials = &self.suite.trials;
        if trials.count == 0 {
            self.refuse(
                "trials.count",
                "`trials.count` must not be 0",
                "nothing would be done",
                "write 1 or more",
            );
        }
        if trials.retries > MOST_RETRIES {
            let label = format!("not from 0 to {MOST_RETRIES}");
            let help = format!("write a number from 0 to {MOST_RETRIES}");
            self.refuse("trials.retries", "`trials.retries` is out of range", &label, help);
        }
        if trials.concurrency == Some(0) {
            let help = "write 1 or more, or remove it";
            self.refuse(
                "trials.concurrency",
                "`trials.concurrency` must not be 0",
                "nothing could begin",
                help,
            );
        }
    }

    fn scores(&mut self) {
        if self.suite.score.is_empty() {
            let help = "add `[[score]]` with `name = \"exact\"` and `kind = \"exact\"`";
            self.refuse("score", "the suite has no score", "nothing would be measured", help);
        }
        for (index, score) in self.suite.score.iter().enumerate() {
            let name = self.key(index, "name");
            if score.name.trim().is_empty() {
                self.refuse_at(name, "a score has no name", "empty", "name it; reports and the gate do");
            } else if self.suite.score[..index].iter().any(|other| other.name == score.name) {
                let title = format!("two scores are called `{}`", score.name);
                self.refuse_at(name, title, "the second one", "give each a name of its own");
            }
            if score.pass.is_some_and(|pass| !(0.0..=1.0).contains(&pass)) {
                let title = format!("`pass` of the score `{}` is out of range", score.name);
                self.refuse_at(self.key(index, "pass"), title, "not from 0 to 1", "values are from 0 to 1");
            }
            self.known_options(index, score);
            self.needs(index, score);
            self.texts(index, score);
            self.figures(index, score);
        }
    }

    fn item(&self, index: usize) -> Option<&Node> {
        self.tree.entry("score")?.node.items().get(index)
    }

    /// Where a key of a score was written; the score itself where it was not.
    fn key(&self, index: usize, key: &str) -> Option<Origin> {
        let item = self.item(index)?;
        Some(item.entry(key).map_or_else(|| item.origin.clone(), place))
    }

    fn option(&self, index: usize, option: &str) -> Option<Origin> {
        self.key(index, &format!("options.{option}"))
    }

    fn known_options(&mut self, index: usize, score: &Score) {
        let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) =
            self.item(index).and_then(|item| item.entry("options"))
        else {
            return;
        };
        let unknown: Vec<(String, Origin)> = table
            .iter()
            .filter(|(name, _)| !is_known(score.kind, name))
            .map(|(name, entry)| (name.clone(), entry.key.clone()))
            .collect();
        let (word, _, known) = OPTIONS.iter().find(|(_, kind, _)| *kind == score.kind).unwrap_or(&OPTIONS[0]);
        for (name, origin) in unknown {
            let title = format!("the score `{}` of kind `{word}` does not know `{name}`", score.name);
            let help = if known.is_empty() {
                format!("remove it; `{word}` has no options")
            } else {
                format!("remove it; `{word}` knows {}", list(known))
            };
            self.refuse_at(Some(origin), title, "would be dropped", help);
        }
    }

    fn needs(&mut self, index: usize, score: &Score) {
        let options = &score.options;
        let rows: &[(bool, &str, &str)] = match score.kind {
            ScoreKind::Regex => &[(options.pattern.is_some(), "pattern", "pattern = \"^yes\"")],
            ScoreKind::Command => &[(
                options.command.as_ref().is_some_and(|argv| !argv.0.is_empty()),
                "command",
                "command = [\"./score.py\"]",
            )],
            ScoreKind::Judge => &[
                (options.profile.is_some(), "profile", "profile = \"judge.toml\""),
                (
                    options.rubric.is_some() || !options.dimensions.is_empty(),
                    "rubric",
                    "rubric = \"What makes an answer good\"` or `dimensions = { tone = \"friendly\" }",
                ),
            ],
            _ => &[],
        };
        for (present, name, example) in rows {
            if !present {
                let title = format!("the score `{}` needs `options.{name}`", score.name);
                let origin = self.key(index, "kind");
                self.refuse_at(
                    origin,
                    title,
                    "this kind does",
                    format!("add `{example}` under `[score.options]`"),
                );
            }
        }
        if score.kind == ScoreKind::Json && options.path.is_none() && options.expected.is_some() {
            let title = format!("`expected` of the score `{}` needs `path`", score.name);
            self.refuse_at(self.option(index, "expected"), title, "expected where?", "add `path = \"a.b\"`");
        }
    }

    fn texts(&mut self, index: usize, score: &Score) {
        let options = &score.options;
        if let Some(why) = options.pattern.as_deref().and_then(pattern_error) {
            let title = format!("`pattern` of the score `{}` is not a regular expression", score.name);
            self.refuse_at(self.option(index, "pattern"), title, why, "mend it, or use the kind `contains`");
        }
        let single =
            [("expected", &options.expected), ("group", &options.group), ("rubric", &options.rubric)];
        for (name, template) in single {
            if let Some(template) = template {
                let title = format!("`{name}` of the score `{}`", score.name);
                self.template(self.option(index, name), &title, template);
            }
        }
        for (name, templates) in [("all", &options.all), ("none", &options.none)] {
            for (place, template) in templates.iter().enumerate() {
                let written = self.item(index).and_then(|item| item.entry("options")?.node.entry(name));
                let origin = written.and_then(|entry| Some(entry.node.items().get(place)?.origin.clone()));
                self.template(origin, &format!("`{name}` of the score `{}`", score.name), template);
            }
        }
    }

    fn figures(&mut self, index: usize, score: &Score) {
        let options = &score.options;
        for (name, value) in [("tolerance", options.tolerance), ("relative", options.relative)] {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                let title = format!("`{name}` of the score `{}` is not a distance", score.name);
                self.refuse_at(
                    self.option(index, name),
                    title,
                    "not 0 or more",
                    "write a number such as 0.01",
                );
            }
        }
        if options.scale.is_some_and(|[low, high]| !(low.is_finite() && high.is_finite() && low < high)) {
            let title = format!("`scale` of the score `{}` does not go from worst to best", score.name);
            self.refuse_at(
                self.option(index, "scale"),
                title,
                "not two rising numbers",
                "write `scale = [1, 5]`",
            );
        }
        if options.repeats == Some(0) {
            let title = format!("`repeats` of the score `{}` must not be 0", score.name);
            self.refuse_at(
                self.option(index, "repeats"),
                title,
                "nothing would be judged",
                "write 1 or more",
            );
        }
        if options.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            let title = format!("`timeout` of the score `{}` must not be zero", score.name);
            self.refuse_at(
                self.option(index, "timeout"),
                title,
                "nothing could be done in it",
                "write \"60s\"",
            );
        }
    }

    fn treatments(&mut self) {
        for (name, treatment) in &self.suite.treatments {
            let at = |key: &str| {
                let written = self.tree.entry_at(&["treatments", name, key]);
                written.or_else(|| self.tree.entry_at(&["treatments", name])).map(place)
            };
            let mut found: Vec<(&str, String, &str, &str)> = Vec::new();
            if !(treatment.compress > 0.0 && treatment.compress < 1.0) {
                let title = format!("`compress` of the treatment `{name}` is not a share");
                found.push(("compress", title, "not between 0 and 1", "write 0.5 for half of the words"));
            }
            let other = treatment.model.is_some();
            if treatment.profile.is_some() == other {
                let title = format!("the treatment `{name}` needs one model that compresses");
                let label = if other { "two are named" } else { "none is named" };
                found.push((
                    "",
                    title,
                    label,
                    "write either `model = \"provider/model\"` or `profile = \"FILE\"`",
                ));
            }
            for (key, present) in
                [("endpoint", treatment.endpoint.is_some()), ("fallback", treatment.fallback.is_some())]
            {
                if present && treatment.profile.is_some() {
                    let title = format!("`{key}` of the treatment `{name}` is said by its profile");
                    found.push((key, title, "would be dropped", "remove it"));
                }
            }
            let found: Vec<_> =
                found.into_iter().map(|(key, title, label, help)| (at(key), title, label, help)).collect();
            for (origin, title, label, help) in found {
                self.refuse_at(origin, title, label, help);
            }
        }
    }

    /// A name that must be one of the scores.
    fn score_name(&mut self, origin: Option<Origin>, key: &str, name: &str) {
        let names: Vec<&str> = self.suite.score.iter().map(|score| score.name.as_str()).collect();
        if names.contains(&name) || names.is_empty() {
            return;
        }
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `\"{near}\"`?"),
            None => format!("the scores are {}", list(&names)),
        };
        self.refuse_at(origin, format!("`{key}` names `{name}`, which is no score"), "not a score", help);
    }

    fn gate(&mut self) {
        let Some(gate) = &self.suite.gate else { return };
        self.score_name(self.tree.entry("gate.score").map(place), "gate.score", &gate.score);
        let also = self.tree.entry("gate.also").map_or(&[][..], |entry| entry.node.items());
        for (index, name) in gate.also.iter().enumerate() {
            let origin = also.get(index).map(|node| node.origin.clone());
            if *name == gate.score || gate.also[..index].contains(name) {
                let title = format!("`gate.also` claims `{name}` a second time");
                self.refuse_at(origin, title, "claimed already", "remove it");
            } else {
                self.score_name(origin, "gate.also", name);
            }
        }
        for (name, tolerance) in &gate.guard {
            let entry = self.tree.entry_at(&["gate", "guard", name]);
            let (key, value) = (entry.map(|entry| entry.key.clone()), entry.map(place));
            if *name == gate.score || gate.also.contains(name) {
                let title = format!("`gate.guard` guards `{name}`, which is claimed");
                self.refuse_at(key, title, "claimed already", "guard other scores");
            } else {
                self.score_name(key, "gate.guard", name);
            }
            if !(0.0..=1.0).contains(tolerance) {
                let title = format!("the tolerance of `gate.guard.{name}` is out of range");
                self.refuse_at(
                    value,
                    title,
                    "not from 0 to 1",
                    "write the loss that is tolerated, such as 0.02",
                );
            }
        }
        let rows = [
            ("alpha", gate.alpha > 0.0 && gate.alpha <= 0.5, "not above 0 and at most 0.5", "write 0.05"),
            (
                "margin",
                (0.0..=1.0).contains(&gate.margin),
                "not from 0 to 1",
                "write a difference of scores, such as 0.02",
            ),
            ("coverage", (0.0..=1.0).contains(&gate.coverage), "not from 0 to 1", "write 1.0 for all"),
            (
                "min",
                gate.min.is_none_or(|min| min > 0.0 && min < 1.0),
                "not between 0 and 1",
                "write a rate such as 0.8",
            ),
        ];
        for (key, right, label, help) in rows {
            if !right {
                self.refuse(&format!("gate.{key}"), format!("`gate.{key}` is out of range"), label, help);
            }
        }
        self.mode(gate.mode);
    }

    /// Keys that only one mode honours.
    fn mode(&mut self, mode: GateMode) {
        let written = |key: &str| self.tree.entry(key).is_some_and(|entry| entry.node.origin.layer > 0);
        let threshold = mode == GateMode::Threshold;
        let min = self.suite.gate.as_ref().is_some_and(|gate| gate.min.is_some());
        let cheaper = self.suite.gate.as_ref().is_some_and(|gate| gate.cheaper);
        let margin = written("gate.margin");
        if threshold && !min {
            let help = "add `min = 0.8` under `[gate]`";
            self.refuse("gate.mode", "the mode `threshold` needs `gate.min`", "above what?", help);
        }
        if !threshold && min {
            let help = "write `mode = \"threshold\"`, or remove it";
            self.refuse("gate.min", "`gate.min` is for the mode `threshold`", "would be dropped", help);
        }
        if threshold && margin {
            let help = "put it into `min`, and remove it";
            self.refuse("gate.margin", "the mode `threshold` has no margin", "would be dropped", help);
        }
        if mode != GateMode::NonInferiority && cheaper {
            let help = "write `mode = \"non-inferiority\"`, or remove it";
            self.refuse(
                "gate.cheaper",
                "`gate.cheaper` is for the mode `non-inferiority`",
                "would be dropped",
                help,
            );
        }
    }

    fn budget(&mut self) {
        let budget = &self.suite.budget;
        if budget.usd.is_some_and(|usd| !(usd.is_finite() && usd > 0.0)) {
            let help = "write an amount such as 5.0, or remove it for no ceiling";
            self.refuse("budget.usd", "`budget.usd` is not an amount of dollars", "not above 0", help);
        }
        if budget.tokens == Some(0) {
            let help = "write 1 or more, or remove it";
            self.refuse("budget.tokens", "`budget.tokens` must not be 0", "nothing could be done", help);
        }
        if budget.wall.is_some_and(|wall| wall.0.is_zero()) {
            let help = "write a duration such as \"1h\"";
            self.refuse("budget.wall", "`budget.wall` must not be zero", "nothing could be done in it", help);
        }
    }
}
