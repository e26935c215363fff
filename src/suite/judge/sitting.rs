//! One answer before its judge: what is asked, and what it comes to.

use crate::backend::registry::Secrets;
use crate::event::{FaultClass, NodeId, Scored, Sha256, Usage};
use crate::suite::play::{Part, Played, Player, Stage, Text};
use crate::suite::score::{Answered, Later};

/// Why a judgement cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The judge failed, or said what cannot be read; or there is nothing to judge.
    Missing(String),
    /// Somebody wanted the end.
    CutOff,
}

/// A judge at work on one answer. Everything that it is asked and says is kept, also what could not be used.
pub(super) struct Sitting<'a> {
    stage: &'a Stage,
    player: &'a Player,
    answered: &'a Answered<'a>,
    /// The place of the score in the suite.
    score: usize,
    asked: u32,
    /// Whether an answer came of which nobody said what it consumed.
    unknown: bool,
    later: Later,
}

/// The question for a reply that can be read, after one that cannot.
pub(super) fn again(prompt: &str, wrong: &str) -> String {
    format!(
        "{prompt}\n\nYou were asked this before, and your reply could not be used: {wrong}. Reply with the JSON object \
         alone."
    )
}

impl<'a> Sitting<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        player: &'a Player,
        answered: &'a Answered<'a>,
        score: usize,
    ) -> Self {
        let later = Later { offline: player.profile.agent.offline, ..Later::default() };
        Self { stage, player, answered, score, asked: 0, unknown: false, later }
    }

    /// Asks, and once more where the reply cannot be read.
    pub(super) async fn ask<T>(
        &mut self,
        prompt: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Gone> {
        let reply = self.put(prompt.to_owned()).await?;
        let wrong = match read(&reply) {
            Ok(judgement) => return Ok(judgement),
            Err(wrong) => wrong,
        };
        let reply = self.put(again(prompt, &wrong)).await?;
        read(&reply).map_err(|wrong| Gone::Missing(format!("the judge's reply cannot be read: {wrong}")))
    }

    /// Puts a question, in a conversation of its own: no judgement knows of another one.
    async fn put(&mut self, task: String) -> Result<String, Gone> {
        self.asked += 1;
        let broken = |what: &str| Gone::Missing(format!("the judge could not be asked: {what}"));
        // It has nothing to look for in the agent's workspace, and must not change it.
        let place = tempfile::Builder::new().prefix(".judge-").tempdir_in(&self.stage.directory);
        let place = place.map_err(|error| broken(&error.to_string()))?;
        let part = Part {
            takes_cut: false,
            node: NodeId::new(format!("{}.j{}.{}", NodeId::cell(self.answered.cell), self.score, self.asked)),
            task,
            seed: seed(self.answered.seed, self.score, self.asked),
            workspace: place.path().to_owned(),
            oracle: None,
        };
        let played = self.stage.play(self.player, part).await.map_err(|error| broken(&error.to_string()))?;
        self.bill(played)
    }

    /// Takes in what a question came to, whatever became of it.
    fn bill(&mut self, played: Played) -> Result<String, Gone> {
        let later = &mut self.later;
        later.attempts += played.attempts;
        self.unknown |= played.attempts > 0 && played.usage.is_none();
        later.usage = join(later.usage, played.usage);
        later.model = played.model.or(later.model.take());
        later.notable.extend(played.notable);
        for text in played.prompts {
            if !later.prompts.iter().any(|known| known.sha256 == text.sha256) {
                later.prompts.push(text);
            }
        }
        if let Some(output) = played.output {
            later.replies.push(veiled(&output, &self.stage.secrets));
            return Ok(output);
        }
        let ended = match &played.failure {
            Some(failure) if failure.class == FaultClass::UserAbort => return Err(Gone::CutOff),
            None if played.outcome.can_go_on() => return Err(Gone::CutOff),
            Some(failure) => {
                let evidence: String = failure.combined().chars().take(240).collect();
                format!("the judge failed: {}: {evidence}", failure.class.word())
            }
            None => format!("the judge ended as `{}` and without an answer", played.outcome.word()),
        };
        Err(Gone::Missing(ended))
    }

    /// The end of it.
    pub(super) fn rise(mut self, scored: Scored) -> Later {
        if self.unknown
            && let Some(usage) = &mut self.later.usage
        {
            usage.usd = None;
        }
        Later { scored, ..self.later }
    }
}

/// A seed of its own for each question.
fn seed(cell: u64, score: usize, asked: u32) -> u64 {
    Sha256::of(format!("judge\n{cell}\n{score}\n{asked}\n").as_bytes()).number()
}

fn veiled(text: &str, secrets: &Secrets) -> Text {
    let bytes = secrets.redact(text.as_bytes()).0.into_owned();
    Text { sha256: Sha256::of(&bytes), bytes }
}

/// Both together; dollars are unknown where one of them is.
fn join(left: Option<Usage>, right: Option<Usage>) -> Option<Usage> {
    let (Some(left), Some(right)) = (left, right) else { return left.or(right) };
    Some(Usage {
        input: left.input.saturating_add(right.input),
        output: left.output.saturating_add(right.output),
        cache_read: left.cache_read.saturating_add(right.cache_read),
        cache_write: left.cache_write.saturating_add(right.cache_write),
        usd: left.usd.zip(right.usd).map(|(left, right)| left + right),
    })
}
