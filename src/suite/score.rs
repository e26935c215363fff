//! Scores: from an answer to a number, or to why there is none.
//!
//! What can be told from the answer and its case alone is told at once; programs and judges are asked later. A scorer that
//! fails is missing and never zero. A score whose template says none for a case does not exist there: it is absent, which
//! is not missing either.

mod command;
mod digest;
mod json;
mod mark;
mod number;
mod pattern;
mod rule;
mod text;
mod wanted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::event::{CellIndex, Event, ScoreName, Scored, Scores, Sha256, Trial, Usage};
use crate::profile::{Compare, ScoreKind, Suite};

use super::Case;
use super::judge::{Judge, JudgeOf};
use super::play::{Player, Stage, Text};

pub(super) use mark::{missing, reaches};
use rule::Rule;

/// What is said where a score is asked for that does not exist for the case.
pub(super) const NO_SCORE: &str = "the case has no such score";

/// Everything that scores the answers of a suite. It needs no workspace, so that stored answers can be scored again.
pub struct Scorers {
    stage: Stage,
    scores: Vec<Ready>,
}

/// A score, ready to be asked.
struct Ready {
    name: ScoreName,
    pass: Option<f64>,
    rule: Rule,
    judge: Option<Judge>,
    sha256: Sha256,
}

/// An answer that is to be scored.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its case.
    pub case: &'a Case,
    /// The answer.
    pub output: &'a str,
    /// Where the agent worked; absent where the answer is a stored one.
    pub workspace: Option<&'a Path>,
    /// What the check of the cell said: whether it passed, its score, and why.
    pub check: Option<&'a (bool, Option<f64>, String)>,
    /// Its cell.
    pub cell: CellIndex,
    /// Which repetition.
    pub trial: Trial,
    /// The seed of the cell: the same on all arms.
    pub seed: u64,
    /// The baseline's answer to the same case and trial, for scores that [need it](Scorers::needs_rival).
    pub rival: Option<&'a str>,
}

/// A score that took its time, and what it took.
#[derive(Clone, Debug, Default)]
pub struct Later {
    /// The score.
    pub scored: Scored,
    /// What the judge consumed, failed attempts included; absent when nobody said anything.
    pub usage: Option<Usage>,
    /// Whether the judge's profile says that it costs nothing.
    pub offline: bool,
    /// Requests of the judge.
    pub attempts: u64,
    /// What the judge was sent.
    pub prompts: Vec<Text>,
    /// What it answered, also what could not be read.
    pub replies: Vec<Text>,
    /// The model that judged.
    pub model: Option<String>,
    /// What did not go smoothly, for the journal.
    pub notable: Vec<Event>,
    /// Whether it has no score because somebody wanted the end: it is to be asked again when the run goes on.
    pub cut_off: bool,
}

/// Why a score of a suite cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("score `{score}`: {why}")]
pub struct ScoreError {
    /// The score.
    pub score: ScoreName,
    /// What is wrong, and what to do about it.
    pub why: String,
}

impl Scorers {
    /// Makes the scores of a suite ready. `dir` is the suite's directory: programs that score run there. `judges` are the
    /// players of the judges by `options.profile`, as the suite has it after loading.
    ///
    /// # Errors
    ///
    /// An option that cannot be read, a schema that is not there, a judge that nobody has made ready.
    pub fn new(
        suite: &Suite,
        dir: &Path,
        stage: &Stage,
        judges: &BTreeMap<PathBuf, Player>,
    ) -> Result<Self, ScoreError> {
        let mut scores = Vec::new();
        for (index, score) in suite.score.iter().enumerate() {
            let name = ScoreName::new(&score.name);
            let wrong = |why: String| ScoreError { score: name.clone(), why };
            let rule = Rule::new(score, dir).map_err(wrong)?;
            let player = score.options.profile.as_ref().and_then(|path| judges.get(path));
            let judge = match (score.kind, player) {
                (ScoreKind::Judge, None) => {
                    let named = score.options.profile.as_deref().map(Path::display);
                    let why = match named {
                        Some(path) => format!("the judge `{path}` was not made ready"),
                        None => "it has no `profile`; name the profile that judges".to_owned(),
                    };
                    return Err(wrong(why));
                }
                (ScoreKind::Judge, Some(player)) => {
                    Some(Judge::new(score, index, player.clone()).map_err(wrong)?)
                }
                _ => None,
            };
            let sha256 = digest::of(score, dir, player.filter(|_| judge.is_some()));
            scores.push(Ready { name: name.clone(), pass: score.pass, rule, judge, sha256 });
        }
        Ok(Self { stage: stage.clone(), scores })
    }

    /// The scores that can be told now. What is not in it takes its time, or does not exist for the case.
    pub fn at_once(&self, answered: &Answered<'_>) -> Scores {
        let scored = |ready: &Ready| Some((ready.name.clone(), ready.rule.at_once(answered, ready.pass)?));
        self.scores.iter().filter_map(scored).collect()
    }

    /// The scores that take their time, in the order of the suite.
    pub fn names_later(&self) -> impl Iterator<Item = &ScoreName> {
        self.scores.iter().filter(|ready| ready.rule.takes_time()).map(|ready| &ready.name)
    }

    /// Whether a score that takes its time exists for a case: a judge's does not where its rubric says none, as in
    /// `{{ rubric | default(none) }}`. Such a score is absent; it is not to be asked for, and not missing.
    pub fn applies(&self, score: &ScoreName, case: &Case) -> bool {
        let judge = self.ready(score).and_then(|ready| ready.judge.as_ref());
        judge.is_none_or(|judge| judge.applies(case))
    }

    /// The scores that do not exist for a case, whatever is answered.
    pub fn without(&self, case: &Case) -> Vec<ScoreName> {
        let answered = Answered {
            case,
            output: "",
            workspace: None,
            check: None,
            cell: CellIndex(0),
            trial: Trial(1),
            seed: 0,
            rival: None,
        };
        let exists = |ready: &&Ready| {
            if ready.rule.takes_time() {
                self.applies(&ready.name, case)
            } else {
                ready.rule.at_once(&answered, ready.pass).is_some()
            }
        };
        self.scores.iter().filter(|ready| !exists(ready)).map(|ready| ready.name.clone()).collect()
    }

    /// Asks a program or a judge. A name that is none of [`Self::names_later`] is missing. Dropping the future ends what it
    /// has started.
    pub async fn later(&self, answered: &Answered<'_>, score: &ScoreName) -> Later {
        let Some(ready) = self.ready(score) else {
            return Later { scored: missing("the suite has no such score"), ..Later::default() };
        };
        match (&ready.rule, &ready.judge) {
            (_, Some(judge)) => judge.judge(answered, &self.stage, ready.pass).await,
            (Rule::Command(command), None) => {
                let scored = command.score(answered, &self.stage, ready.pass).await;
                let cut_off = scored.value.is_none() && self.stage.shutdown.asked().is_some();
                Later { scored, cut_off, ..Later::default() }
            }
            (rule, None) => {
                let scored = rule.at_once(answered, ready.pass);
                Later { scored: scored.unwrap_or_else(|| missing(NO_SCORE)), ..Later::default() }
            }
        }
    }

    /// Whether a score compares with the baseline's answer.
    pub fn needs_rival(&self, score: &ScoreName) -> bool {
        let of = |judge: &Judge| judge.of() == JudgeOf::Comparison(Compare::Baseline);
        self.ready(score).and_then(|ready| ready.judge.as_ref()).is_some_and(of)
    }

    /// Names everything that a score depends on beside the case and the answer: its table, the texts of its files, the
    /// judge's profile and prompts, and our own words to the judge. Not where these files are.
    pub fn scorer_sha256(&self, score: &ScoreName) -> Sha256 {
        self.ready(score).map_or_else(|| Sha256::of(b""), |ready| ready.sha256.clone())
    }

    fn ready(&self, score: &ScoreName) -> Option<&Ready> {
        self.scores.iter().find(|ready| ready.name == *score)
    }
}
