//! A script that says what a model says: offline, free and the same each time.
//!
//! TOML with `[[round]]` and `[[round.turn]]`, or JSON lines with one turn each. The nth round plays the nth table and
//! the last one repeats. Within a round a turn that ends an attempt (an answer, a fault, a hang) separates what the
//! first attempt plays from what the next one plays, and again the last part repeats.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::conversation::{Call, Conversation, Turn};
use super::turn::{Asking, Model, Voice};
use super::wire::{self, Wire};
use crate::event::{AttemptNumber, Failure, RoundNumber, Usage, UsageSource};
use crate::fault::{self, Facts, Origin};

#[cfg(test)]
mod tests;

/// Turns of one round after `repeat`.
const MAX_TURNS: usize = 10_000;

/// Why a script cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("script `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that makes no sense.
    #[error("script `{path}`, line {line}: {message}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// A script that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Rounds of attempts of turns; none of the three is empty.
    rounds: Vec<Vec<Vec<Step>>>,
}

/// One turn as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    text: String,
    #[serde(default, deserialize_with = "period")]
    delay: Option<Duration>,
    #[serde(default)]
    tool: Vec<ToolStep>,
    usage: Option<UsageStep>,
    fault: Option<FaultStep>,
    #[serde(default)]
    hang: bool,
    #[serde(default)]
    no_payload: bool,
    stop_reason: Option<String>,
    repeat: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageStep {
    #[serde(default)]
    input: u64,
    #[serde(default)]
    output: u64,
    #[serde(default)]
    cache_read: u64,
    #[serde(default)]
    cache_write: u64,
    usd: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultStep {
    status: Option<u16>,
    code: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    text: String,
    retry_after: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolStep {
    name: String,
    path: Option<String>,
    old: Option<String>,
    new: Option<String>,
    content: Option<String>,
    command: Option<String>,
    offset: Option<u64>,
    limit: Option<u64>,
    /// The arguments as the model would send them, also wrong ones.
    arguments: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: toml::Spanned<u32>,
    #[serde(default)]
    round: Vec<toml::Spanned<RoundTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundTable {
    #[serde(default)]
    turn: Vec<toml::Spanned<Step>>,
}

/// A turn and the line it stands on.
type Placed = (usize, Step);

impl Script {
    /// Reads a script: JSON lines if the name ends in `.jsonl`, else TOML.
    ///
    /// # Errors
    ///
    /// What is wrong, with file and line.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
        let lines = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"));
        let script = if lines { Self::from_lines(&text) } else { Self::from_toml(&text) };
        script.map_err(|(line, message)| ScriptError::Wrong { path: path.to_owned(), line, message })
    }

    fn from_toml(text: &str) -> Result<Self, (usize, String)> {
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let file: File = toml::from_str(text).map_err(|error| {
            (error.span().map_or(1, |span| line_of(span.start)), error.message().to_owned())
        })?;
        if *file.schema.get_ref() != 1 {
            return Err((line_of(file.schema.span().start), "`schema` must be 1".to_owned()));
        }
        let rounds = file.round.into_iter().map(|round| {
            let line = line_of(round.span().start);
            let turns = round.into_inner().turn.into_iter();
            (line, turns.map(|turn| (line_of(turn.span().start), turn.into_inner())).collect())
        });
        Self::check(rounds.collect())
    }

    fn from_lines(text: &str) -> Result<Self, (usize, String)> {
        let mut rounds: BTreeMap<u64, (usize, Vec<Placed>)> = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            let wrong = |error: serde_json::Error| (line, error.to_string());
            let mut value: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
            let round = match value.shift_remove("round") {
                None => 1,
                Some(round) => round
                    .as_u64()
                    .filter(|round| *round > 0)
                    .ok_or_else(|| (line, "`round` must be a number from 1".to_owned()))?,
            };
            let step = serde_json::from_value(value.into()).map_err(wrong)?;
            rounds.entry(round).or_insert_with(|| (line, Vec::new())).1.push((line, step));
        }
        for (expected, (round, (line, _))) in (1..).zip(&rounds) {
            if expected != *round {
                return Err((*line, format!("round {round} is here, but round {expected} is missing")));
            }
        }
        Self::check(rounds.into_values().collect())
    }

    fn check(rounds: Vec<(usize, Vec<Placed>)>) -> Result<Self, (usize, String)> {
        if rounds.is_empty() {
            return Err((1, "there is no round".to_owned()));
        }
        let attempts = rounds.into_iter().map(|(line, turns)| {
            if turns.is_empty() {
                return Err((line, "the round has no turn".to_owned()));
            }
            split(turns)
        });
        Ok(Self { rounds: attempts.collect::<Result<_, _>>()? })
    }

    /// What one attempt plays.
    fn part(&self, round: RoundNumber, attempt: AttemptNumber) -> &[Step] {
        let attempts = nth(&self.rounds, round.0).map_or(&[][..], Vec::as_slice);
        nth(attempts, attempt.0).map_or(&[], Vec::as_slice)
    }
}

/// The `number`th of a list that counts from 1 and whose last element repeats.
fn nth<T>(list: &[T], number: u64) -> Option<&T> {
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    list.get(index).or(list.last())
}

/// Repeats what is to be repeated and cuts after each turn that ends an attempt.
fn split(turns: Vec<Placed>) -> Result<Vec<Vec<Step>>, (usize, String)> {
    let mut attempts = Vec::new();
    let mut open = Vec::new();
    let mut said = String::new();
    let mut count = 0;
    for (line, step) in turns {
        step.check().map_err(|message| (line, message))?;
        let repeat = step.repeat.unwrap_or(1);
        count += repeat;
        if repeat == 0 || count > MAX_TURNS {
            return Err((line, format!("`repeat` must be from 1, for {MAX_TURNS} turns in all")));
        }
        for _ in 0..repeat {
            let ends = step.ends_attempt();
            if !step.text.trim().is_empty() {
                said.clone_from(&step.text);
            }
            open.push(step.clone());
            if ends {
                attempts.push(std::mem::take(&mut open));
                said.clear();
            }
        }
    }
    if !open.is_empty() {
        // A script that stops after its tools means that the model is done; what it said last is its answer.
        open.push(Step { text: said, ..Step::default() });
        attempts.push(open);
    }
    Ok(attempts)
}

impl Step {
    fn ends_attempt(&self) -> bool {
        self.fault.is_some() || self.hang || self.tool.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        let ends = [self.fault.is_some(), self.hang, self.no_payload, !self.tool.is_empty()];
        if ends.into_iter().filter(|end| *end).count() > 1 {
            return Err("a turn has only one of `tool`, `fault`, `hang` and `no_payload`".to_owned());
        }
        if self.no_payload && !self.text.is_empty() {
            return Err("a turn with `no_payload` has no `text`".to_owned());
        }
        let sane = |number: Option<f64>| number.is_none_or(|number| number.is_finite() && number >= 0.0);
        if !sane(self.usage.as_ref().and_then(|usage| usage.usd))
            || !sane(self.fault.as_ref().and_then(|fault| fault.retry_after))
        {
            return Err("`usd` and `retry_after` must be numbers from 0".to_owned());
        }
        let known = ["read", "write", "edit", "list", "shell"];
        match self.tool.iter().find(|tool| tool.arguments.is_none() && !known.contains(&&*tool.name)) {
            // With `arguments` a wrong name is on purpose.
            Some(tool) => Err(format!("there is no tool `{}`; there are: {}", tool.name, known.join(", "))),
            None => Ok(()),
        }
    }
}

impl ToolStep {
    fn call(&self, id: String) -> Call {
        let arguments = self.arguments.clone().unwrap_or_else(|| {
            let mut given = Map::new();
            let texts = [
                ("path", &self.path),
                ("old", &self.old),
                ("new", &self.new),
                ("content", &self.content),
                ("command", &self.command),
            ];
            for (key, value) in texts {
                if let Some(value) = value {
                    given.insert(key.to_owned(), value.as_str().into());
                }
            }
            for (key, value) in [("offset", self.offset), ("limit", self.limit)] {
                if let Some(value) = value {
                    given.insert(key.to_owned(), value.into());
                }
            }
            Value::from(given).to_string()
        });
        Call { id, name: self.name.clone(), arguments }
    }
}

/// Reads `"50ms"`.
fn period<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom(format!("`{text}` is not a length of time such as \"50ms\""));
    let signed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map(Some).map_err(|_| wrong())
}

/// One attempt's performance of a script.
#[derive(Debug)]
pub(super) struct Playing {
    script: Arc<Script>,
    round: RoundNumber,
    attempt: AttemptNumber,
}

impl Playing {
    /// Plays what one attempt is to play.
    pub(super) fn new(script: Arc<Script>, round: RoundNumber, attempt: AttemptNumber) -> Self {
        Self { script, round, attempt }
    }

    async fn play(&self, conversation: &Conversation, voice: &mut Voice) -> Result<Turn, Failure> {
        // The number of the turn is the place in the script, so a resumed attempt goes on where it was.
        let steps = self.script.part(self.round, self.attempt);
        let step = nth(steps, conversation.turn.0).cloned().unwrap_or_default();
        voice.accepted(Some("scripted".to_owned())).await?;
        if let Some(delay) = step.delay {
            tokio::time::sleep(delay).await;
        }
        if !step.text.is_empty() {
            voice.text(step.text.clone()).await?;
        }
        if step.hang {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = &step.fault {
            return Err(fault::classify(&Facts {
                status: fault.status,
                code: fault.code.as_deref(),
                kind: fault.kind.as_deref(),
                retry_after: fault.retry_after,
                emitted_output: voice.emitted(),
                ..Facts::new(Origin::OpenAi, &fault.text)
            }));
        }
        if !step.tool.is_empty() {
            voice.content();
        }
        let turn = conversation.turn;
        let calls = step.tool.iter().enumerate();
        let tool_calls: Vec<Call> =
            calls.map(|(index, tool)| tool.call(format!("call_{turn}_{index}"))).collect();
        let reason = if tool_calls.is_empty() { "stop" } else { "tool_calls" };
        let usage = step.usage.map(|usage| {
            let usage = Usage {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
                usd: usage.usd,
            };
            (usage, UsageSource::Script)
        });
        let stop_reason = Some(step.stop_reason.unwrap_or_else(|| reason.to_owned()));
        Ok(Turn { text: step.text, tool_calls, stop_reason, carry: None, usage })
    }
}

impl Model for Playing {
    fn wire(&self) -> &'static dyn Wire {
        &wire::Completions
    }

    fn turn<'a>(&'a mut self, conversation: &'a Conversation, voice: &'a mut Voice) -> Asking<'a> {
        Box::pin(self.play(conversation, voice))
    }
}
