//! aider's plain text.
//!
//! It exits with 0 whatever happens and prints its own lines among the model's. What ends an answer is its line about
//! tokens: without one there was no success. A complaint counts only where that line does not follow, since a model may
//! well quote one; it is acted on before the end only where aider itself says that it tries again.

use std::collections::BTreeMap;

use crate::backend::price::listed;
use crate::backend::{Answer, Report};
use crate::event::{
    AttemptAccepted, AttemptRetrying, Failure, FaultClass, SessionId, TurnNumber, Usage, UsageReported,
    UsageSource,
};
use crate::fault::{self, Facts, Origin};
use crate::profile::element::Price;

use super::dialect::{Begun, Dialect, ExitFacts, Signal, Tail, last};

mod call;
mod words;

pub use call::Aider;

use words::{Complaint, Tokens};

/// How much of an answer is kept; of more, the last part.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How much of what has not been shown is kept.
const SHOWN_BYTES: usize = 64 * 1024;
/// How much of a complaint is kept.
const COMPLAINT_BYTES: usize = 8 * 1024;
/// How often it may try again by itself, which cannot be turned off: after that we wait better than it does.
const RETRIES: u64 = 2;

/// Where in its output it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Before it names itself.
    Before,
    /// What it says about itself, up to an empty line.
    Banner,
    /// The model's words.
    Answer,
    /// After the model's words: edits and commits.
    After,
    /// Its advice on a token limit, up to its end.
    Limit,
}

/// Reads what aider prints with `--no-pretty`.
#[derive(Debug)]
pub struct AiderDialect {
    session: Option<SessionId>,
    prices: BTreeMap<String, Price>,
    part: Part,
    version: Option<String>,
    model: Option<String>,
    answer: Tail,
    fresh: Tail,
    before: Tail,
    begun: Begun,
    emitted: bool,
    complaint: Option<Complaint>,
    retries: u64,
    turns: TurnNumber,
    said: Option<String>,
    limit: bool,
    fatal: bool,
}

impl Default for AiderDialect {
    fn default() -> Self {
        Self::new()
    }
}

impl AiderDialect {
    /// One for a fresh process.
    pub fn new() -> Self {
        Self {
            session: None,
            prices: BTreeMap::new(),
            part: Part::Before,
            version: None,
            model: None,
            answer: Tail::new(ANSWER_BYTES),
            fresh: Tail::new(SHOWN_BYTES),
            before: Tail::new(COMPLAINT_BYTES),
            begun: Begun::default(),
            emitted: false,
            complaint: None,
            retries: 0,
            turns: TurnNumber(0),
            said: None,
            limit: false,
            fatal: false,
        }
    }

    /// One for a process whose history is kept under this name.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// One that knows prices, which win over aider's own list.
    #[must_use]
    pub fn priced(mut self, prices: BTreeMap<String, Price>) -> Self {
        self.prices = prices;
        self
    }

    fn banner(&mut self, line: &str, out: &mut Vec<Signal>) {
        if line.trim().is_empty() {
            self.part = Part::Answer;
            out.push(Signal::Report(Report::Accepted(AttemptAccepted {
                session: self.session.clone(),
                model: self.model.clone(),
                agent: self.version.as_ref().map(|version| format!("aider {version}")),
            })));
        } else if let Some(model) = words::banner_model(line) {
            self.model = Some(model.to_owned());
        }
    }

    fn spoken(&mut self, line: &str, out: &mut Vec<Signal>) {
        if let Some(tokens) = Tokens::read(line) {
            self.tokens(&tokens, out);
        } else if words::is_limit(line) {
            self.limit = true;
            self.part = Part::Limit;
        } else if let Some(delay) = words::retrying(line).filter(|_| self.complaint.is_some()) {
            self.retrying(delay, out);
        } else if let Some(at) = words::complaint_at(line) {
            self.say(&line[..at]);
            self.keep(&line[at..]);
            self.complaint = Some(Complaint::new(&line[at..]));
        } else if self.complaint.as_mut().is_some_and(|complaint| complaint.takes(line, COMPLAINT_BYTES)) {
            self.keep(line);
        } else {
            self.say(line);
            self.say("\n");
        }
    }

    /// Takes what looks like a complaint, and is the model's own word if its answer ends well.
    fn keep(&mut self, line: &str) {
        self.answer.push(line);
        self.answer.push("\n");
    }

    fn say(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.begun.begin();
            self.emitted = true;
        }
        self.answer.push(text);
        // What leads in is not shown.
        if self.emitted {
            self.fresh.push(text);
        }
    }

    /// The line that ends an answer.
    fn tokens(&mut self, tokens: &Tokens, out: &mut Vec<Signal>) {
        self.flush(out);
        self.turns = self.turns.next();
        let text = words::bare(self.answer.as_str()).to_owned();
        self.answer.clear();
        let mut usage = Usage {
            input: tokens.fresh(),
            output: tokens.received,
            cache_read: tokens.hit,
            cache_write: tokens.written,
            usd: tokens.usd,
        };
        let listed = self.model.as_deref().and_then(|model| listed(&self.prices, model, &usage));
        // It counts tokens by itself, and rounds them; a list of dollars does not make them more exact.
        usage.usd = listed.or(usage.usd);
        let reported = UsageReported { usage, source: UsageSource::Estimated, model: self.model.clone() };
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text: text.clone(),
            tool_calls: 0,
            usage: None,
        }));
        out.push(Signal::Report(Report::Usage(reported)));
        self.said = Some(text);
        // What it complained of before, it has overcome.
        self.complaint = None;
        self.part = Part::After;
    }

    fn retrying(&mut self, delay: f64, out: &mut Vec<Signal>) {
        self.retries += 1;
        let failure = self.complained();
        out.push(Signal::Report(Report::Retrying(AttemptRetrying {
            attempt: self.retries,
            delay_ms: Some(words::milliseconds(delay)),
            status: failure.status,
            evidence: failure.evidence.clone(),
        })));
        // It starts its answer again.
        self.answer.clear();
        let hopeless = !fault::retryable(failure.class) || self.retries > RETRIES;
        if hopeless && !std::mem::replace(&mut self.fatal, true) {
            out.push(Signal::Fatal(failure));
        }
    }

    fn complained(&self) -> Failure {
        let (text, name) =
            self.complaint.as_ref().map_or(("", ""), |complaint| (complaint.text(), complaint.name()));
        let failure = fault::classify(&Facts {
            label: Some(name).filter(|name| !name.is_empty()),
            emitted_output: self.emitted,
            ..Facts::new(Origin::Aider, text)
        });
        // Each of its own retries is several requests of the library below it: enough has been tried.
        let tried = self.retries > RETRIES && fault::retryable(failure.class);
        Failure { should_retry: tried.then_some(false), ..failure }
    }

    fn after(&mut self, line: &str, out: &mut Vec<Signal>) {
        // It may ask the model again by itself, as when an edit does not fit: such an answer takes the place of the one
        // before once its own line about tokens is here.
        let own = words::is_own(line);
        if own || self.answer.as_str().is_empty() && line.trim().is_empty() {
            return;
        }
        self.spoken(line, out);
    }
}

impl Dialect for AiderDialect {
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        let text = String::from_utf8_lossy(line);
        let line = text.trim_end_matches('\r');
        match self.part {
            Part::Before => {
                if let Some(version) = line.strip_prefix("Aider v") {
                    self.version = Some(version.trim().to_owned());
                    self.part = Part::Banner;
                } else {
                    self.before.push(line);
                    self.before.push("\n");
                }
            }
            Part::Banner => self.banner(line, out),
            Part::Answer => self.spoken(line, out),
            Part::After => self.after(line, out),
            Part::Limit => {}
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        self.begun.tell(out);
        let text = self.fresh.take();
        if !text.is_empty() {
            out.push(Signal::Report(Report::Text(text)));
        }
    }

    fn partial(&self) -> &str {
        last(self.answer.as_str(), SHOWN_BYTES)
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        if self.limit {
            // Both limits have the same words; whether anything came tells which it was.
            let came = self.emitted;
            let code = if came { "max_output_tokens" } else { "context_length_exceeded" };
            return Err(fault::classify(&Facts {
                code: Some(code),
                emitted_output: came,
                ..Facts::new(Origin::Aider, "the model has hit a token limit")
            }));
        }
        if self.complaint.is_some() {
            return Err(self.complained());
        }
        let ended_well = exit.code == Some(0) && exit.signal.is_none();
        match self.said.take().filter(|_| ended_well) {
            Some(text) if !text.trim().is_empty() => Ok(Answer { text, stop_reason: None }),
            Some(_) => Err(Failure {
                emitted_output: self.emitted,
                ..Failure::ours(FaultClass::NoPayload, "the model's answer is empty")
            }),
            None => Err(fault::classify(&Facts {
                emitted_output: self.emitted,
                exit_code: exit.code,
                signal: exit.signal,
                ..Facts::new(Origin::Aider, self.last_words(stderr_tail))
            })),
        }
    }
}

impl AiderDialect {
    /// What was said last of all, where there is no complaint that we know.
    fn last_words<'a>(&'a self, stderr_tail: &'a str) -> &'a str {
        let said = [stderr_tail, self.answer.as_str(), self.before.as_str()];
        let said = said.into_iter().map(str::trim).find(|text| !text.is_empty());
        last(said.unwrap_or_default(), fault::EVIDENCE_BYTES)
    }
}

#[cfg(test)]
mod tests;
