//! Every key of a suite, typed. Defaults are in `suite.toml`, the lowest layer of each suite.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::element::{Argv, Period};

/// A suite: cases, a split, trials, scores, treatments and a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Version of this file format; must be 1.
    pub schema: u32,
    /// Name of the suite, for people and reports.
    pub name: String,
    /// What it measures.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A file to layer this one over, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// The cases, and how one becomes a task.
    pub cases: Cases,
    /// Parts of the cases, by hash; absent means that all cases are one part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Repetitions, and what becomes of cells that fail for a reason that is not the agent's.
    pub trials: Trials,
    /// How answers are scored; at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub score: Vec<Score>,
    /// Changes of the prompt, each an arm beside the candidate as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub treatments: BTreeMap<String, Treatment>,
    /// What decides; absent means that the suite only measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Ceilings of the whole run, all cells, judges and treatments together.
    #[serde(default)]
    pub budget: SuiteBudget,
}

/// `[cases]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// JSON lines, CSV or YAML, by its extension: `.jsonl`, `.csv`, `.tsv`, `.yaml`, `.yml`, `.json`.
    pub file: PathBuf,
    /// How a case becomes the task; every field of the case has its name, and an undefined name is an error. A profile with a
    /// `prompt.template` says it itself.
    pub template: String,
    /// The first so many cases of the file only; 0 is all.
    pub limit: u64,
    /// A directory that is copied into the fresh workspace of each cell, before the files of its case. What is in it is part
    /// of the identity of every cell; of what does not fit into 1 GiB, only the sizes count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// `[split]`: shares of the cases, by hash of the id; a group never straddles two parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// What a search may learn from.
    pub train: f64,
    /// What a search chooses by.
    pub selection: f64,
    /// What the gate measures; held out until then.
    pub test: f64,
}

/// `[trials]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trials {
    /// Repetitions of each case on each arm.
    pub count: u32,
    /// Further requests after a failure that is not the agent's, in each cell; stands in for `retry.same_model` of the profile.
    pub retries: u32,
    /// Waits between them, in each cell and in all; stands in for `retry.wait` of the profile.
    pub wait: Period,
    /// Cells in flight; absent means what the endpoints allow together, and 8 where they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// `[[score]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Its name.
    pub name: String,
    /// What scores.
    pub kind: ScoreKind,
    /// From this value on an answer counts as passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<f64>,
    /// How it scores; each kind has its own.
    #[serde(default)]
    pub options: ScoreOptions,
}

/// `[[score]] kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// The answer is the expected text.
    Exact,
    /// The answer contains texts.
    Contains,
    /// The answer matches a pattern.
    Regex,
    /// A number in the answer is the expected one.
    Number,
    /// The answer is JSON, of a schema or with a value at a path.
    Json,
    /// A program decides: the case as JSON on its standard input; its exit code, and its last number.
    Command,
    /// Another profile judges.
    Judge,
    /// The check of the profile or of the case.
    Check,
}

/// `[score.options]`; which of them a kind knows is in `provost-suite(5)`, the others are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreOptions {
    /// exact, contains, number, json: what is expected, as a template of the case; `{{ expected }}` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// contains: all of these, as templates; the value is the share that is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
    /// contains: none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<String>,
    /// exact, contains, regex: whether case matters; it does when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_case: Option<bool>,
    /// exact: runs of white space count as one space, and as nothing at the ends; so when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_space: Option<bool>,
    /// regex: the pattern. number: where the number is, in its first group; the last number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// regex: what the first group must be, as a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// number: how far off it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// number: how far off it may be, as a share of the expected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<f64>,
    /// json: a file with a JSON schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
    /// json: a dotted path to the value that is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// command: the program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Argv>,
    /// command: how long it may take; 60 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// judge: the profile that judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PathBuf>,
    /// judge: what it judges by, in words; a template of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rubric: Option<String>,
    /// judge: dimensions by name, with what each means; the value is their mean. One, `quality`, when absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// judge: the worst and the best grade; 1 and 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 2]>,
    /// judge: holds the answer against another one, in both orders, instead of grading it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// judge: how often it judges an answer; 1 when absent, and then once in each order where it compares. From 2 on the
    /// reports say how far it agrees with itself over all answers of an arm: Krippendorff's alpha, reliable from 0.8 on,
    /// for tentative conclusions from 0.667 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u32>,
}

/// `[score.options] compare`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// With the expected answer of the case.
    Expected,
    /// With the answer of the baseline to the same case and trial.
    Baseline,
}

/// `[treatments.NAME]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    /// The share of the words that is to remain, of `prompt.system` and of each of `prompt.files`; never of a `prompt.template`
    /// or of a case.
    pub compress: f64,
    /// The profile of the model that compresses; else `model` and `endpoint` are asked over `chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PathBuf>,
    /// The model that compresses, `provider/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where it is asked: an endpoint of the candidate; the candidate's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The model that is asked when the first one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// `[gate]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The score that decides.
    pub score: String,
    /// Further scores that are claimed, under the same error rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Scores that must not become worse by more than so much.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guard: BTreeMap<String, f64>,
    /// What is to be shown.
    pub mode: GateMode,
    /// The share of null changes that may pass.
    pub alpha: f64,
    /// The lift that must be exceeded; for non-inferiority the loss that is tolerated.
    pub margin: f64,
    /// Answered / dealt, on each arm. A text of a `chat` agent without tools is an answer also where it was cut at the output
    /// limit; how many were is told with the verdict.
    pub coverage: f64,
    /// Threshold mode: what the confidence bound must exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Non-inferiority: whether it must also cost less.
    pub cheaper: bool,
    /// Whether it may stop early, by the test that is valid at every look.
    pub sequential: bool,
}

/// `[gate] mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateMode {
    /// Better than the baseline by more than the margin.
    Superiority,
    /// Not worse than the baseline by more than the margin.
    NonInferiority,
    /// A rate above a number.
    Threshold,
}

/// `[budget]` of a suite
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteBudget {
    /// Tokens: fresh input, cache writes and output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<Period>,
}
