//! Judges: another profile grades an answer, or says which of two is better.
//!
//! - The answer is material between marks that it cannot know, and the judge is told so.
//! - A reply that cannot be read is asked for once more, with what was wrong. What cannot be read then is missing, and so is
//!   an answer of which one of several judgements is missing: the rest would be a choice of replies.
//! - Two answers are shown in both orders. Where the orders do not say the same, it is a tie.
//! - What judging consumes is billed apart from the agent's.

mod fold;
mod prompt;
mod reply;
mod sitting;

use std::collections::BTreeMap;

use crate::event::Scored;
use crate::profile::{Compare, Score};

use super::case::Case;
use super::play::{Player, Stage};
use super::score::{Answered, Later, NO_SCORE, missing, reaches};
use crate::profile::Template;

use fold::Judgement;
use prompt::Question;
use reply::Side;
use sitting::{Gone, Sitting};

/// What is judged where the suite names no dimensions.
const QUALITY: (&str, &str) = ("quality", "how good the answer is, by the rubric");
/// The worst and the best grade where the suite does not say it.
const SCALE: [f64; 2] = [1.0, 5.0];

/// A score that a judge gives.
pub(super) struct Judge {
    player: Player,
    rubric: Option<Template>,
    /// How the input of a case is written.
    input: Template,
    dimensions: BTreeMap<String, String>,
    scale: [f64; 2],
    of: JudgeOf,
    repeats: u32,
    /// The place of the score in the suite; a name may hold what a node's cannot.
    index: usize,
}

/// What a judge judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JudgeOf {
    /// One answer.
    Answer,
    /// Two, against each other.
    Comparison(Compare),
}

/// Our own words to a judge, with nothing of a suite in them: they are part of what names a scorer.
pub(super) fn words() -> String {
    let dimensions = BTreeMap::from([("d".to_owned(), "m".to_owned())]);
    let question = Question { rubric: Some("r"), input: "i", dimensions: &dimensions, scale: SCALE, salt: 0 };
    [question.grade("a"), question.compare("a", "b"), sitting::again("p", "w")].join("\n")
}

impl Judge {
    /// Reads the options of a score.
    ///
    /// # Errors
    ///
    /// What cannot be read, in words.
    pub(super) fn new(score: &Score, index: usize, player: Player) -> Result<Self, String> {
        let options = &score.options;
        let template = |source: &str| Template::new(source).map_err(|error| format!("`rubric`: {error}"));
        if options.rubric.is_none() && options.dimensions.is_empty() {
            return Err("it has neither `rubric` nor `dimensions`; say what it judges by".to_owned());
        }
        let mut dimensions = options.dimensions.clone();
        if dimensions.is_empty() {
            dimensions.insert(QUALITY.0.to_owned(), QUALITY.1.to_owned());
        }
        let scale = options.scale.unwrap_or(SCALE);
        if !scale.iter().all(|grade| grade.is_finite()) || (scale[0] - scale[1]).abs() < f64::EPSILON {
            return Err("`scale` must be two different numbers, the worst and the best grade".to_owned());
        }
        Ok(Self {
            player,
            rubric: options.rubric.as_deref().map(template).transpose()?,
            input: template("{{ input }}")?,
            dimensions,
            scale,
            of: options.compare.map_or(JudgeOf::Answer, JudgeOf::Comparison),
            repeats: options.repeats.unwrap_or(1).max(1),
            index,
        })
    }

    /// What it judges.
    pub(super) fn of(&self) -> JudgeOf {
        self.of
    }

    /// Whether a case is judged: not where the rubric says none for it.
    pub(super) fn applies(&self, case: &Case) -> bool {
        !self.rubric.as_ref().is_some_and(|rubric| matches!(rubric.optional(case), Ok(None)))
    }

    /// Judges an answer.
    pub(super) async fn judge(&self, answered: &Answered<'_>, stage: &Stage, pass: Option<f64>) -> Later {
        let mut sitting = Sitting::new(stage, &self.player, answered, self.index);
        let scored = match self.hear(answered, &mut sitting).await {
            Ok(mut scored) => {
                scored.passed = scored.value.zip(pass).map(|(value, pass)| reaches(value, pass));
                scored
            }
            Err(Gone::Missing(why)) => missing(why),
            Err(Gone::CutOff) => {
                return Later {
                    cut_off: true,
                    ..sitting.rise(missing("the run was ended before it was judged"))
                };
            }
        };
        sitting.rise(scored)
    }

    async fn hear(&self, answered: &Answered<'_>, sitting: &mut Sitting<'_>) -> Result<Scored, Gone> {
        if !self.applies(answered.case) {
            return Err(Gone::Missing(NO_SCORE.to_owned()));
        }
        let text = |template: &Template| {
            template.render(answered.case).map_err(|error| Gone::Missing(error.to_string()))
        };
        let rubric = self.rubric.as_ref().map(text).transpose()?;
        let input = text(&self.input)?;
        let question = Question {
            rubric: rubric.as_deref(),
            input: &input,
            dimensions: &self.dimensions,
            scale: self.scale,
            salt: answered.seed,
        };
        let JudgeOf::Comparison(compare) = self.of else {
            return self.grade(&question, answered, sitting).await;
        };
        let expected;
        let other = match compare {
            Compare::Baseline => answered.rival.ok_or("there is no answer of the baseline to compare with"),
            Compare::Expected => {
                expected = answered
                    .case
                    .expected
                    .as_ref()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                expected.as_deref().ok_or("the case has no expected answer to compare with")
            }
        };
        let other = other.map_err(|why| Gone::Missing(why.to_owned()))?;
        if other == answered.output {
            let why = Some("both answers are the same text".to_owned());
            return Ok(Scored { value: Some(0.5), why, ..Scored::default() });
        }
        self.compare(&question, answered.output, other, sitting).await
    }

    async fn grade(
        &self,
        question: &Question<'_>,
        answered: &Answered<'_>,
        sitting: &mut Sitting<'_>,
    ) -> Result<Scored, Gone> {
        let prompt = question.grade(answered.output);
        let mut judgements: Vec<Judgement> = Vec::new();
        for _ in 0..self.repeats {
            let read = |reply: &str| reply::grades(reply, &self.dimensions, self.scale);
            judgements.push(sitting.ask(&prompt, read).await?);
        }
        Ok(fold::graded(&judgements))
    }

    async fn compare(
        &self,
        question: &Question<'_>,
        answer: &str,
        other: &str,
        sitting: &mut Sitting<'_>,
    ) -> Result<Scored, Gone> {
        let prompts = [question.compare(answer, other), question.compare(other, answer)];
        let mut pairs: Vec<[Judgement; 2]> = Vec::new();
        for _ in 0..self.repeats {
            let [first, second] = [(&prompts[0], Side::First), (&prompts[1], Side::Second)];
            let read = |side: Side| move |reply: &str| reply::preferences(reply, &self.dimensions, side);
            let ahead = sitting.ask(first.0, read(first.1)).await?;
            let behind = sitting.ask(second.0, read(second.1)).await?;
            pairs.push([ahead, behind]);
        }
        Ok(fold::compared(&pairs))
    }
}
