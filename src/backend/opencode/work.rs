//! One prompt in one session, from the moment at which it is sent: looked at until it has ended.
//!
//! What the server says is taken from two places, its stream of events and its list of messages, and both go through one
//! fold. The result is always read from the messages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::{Api, ApiError};
use super::fold::Fold;
use super::stream::Heard;
use super::transcript::Transcript;
use super::verdict::{self, Standing};
use super::wire::{About, Ask, Message, Status, Tokens, What};
use crate::backend::agent::Signal;
use crate::backend::{Answer, Gone, Link, Report};
use crate::event::{AlertRaised, Failure, FaultClass, Severity};
use crate::profile::Permissions;

/// Messages that are looked at while the session works.
const RECENT: usize = 20;
/// So many looks in a row may fail before the server is given up.
const MISSES: u32 = 5;
/// The wait until an idle session is looked at again.
const SOON: Duration = Duration::from_millis(250);
/// How long an idle session may hold a turn that looks as if it would go on.
const OPEN: Duration = Duration::from_secs(1);
/// How long it may be idle after it has taken the prompt, without an answer that begins.
const SILENT: Duration = Duration::from_secs(30);
/// How long the first abort of a session that asks without end may take.
const RUNAWAY: Duration = Duration::from_secs(2);
/// How long the prompt itself may take to appear in the session.
const LOST: Duration = Duration::from_mins(1);

/// An answer, or why there is none.
pub(super) type Verdict = Result<Answer, Failure>;

/// Why looking ended without a verdict.
enum Trouble {
    /// The server did not say how it stands.
    Api(ApiError),
    /// The attempt is over, and the session may not be.
    Over(Failure),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Gone> for Trouble {
    fn from(gone: Gone) -> Self {
        Self::Over(Failure::ours(FaultClass::SelfAbort, gone.to_string()))
    }
}

/// A session that is idle and has no verdict yet.
struct Idle {
    since: Instant,
    standing: Standing,
    prompted: bool,
}

/// A prompt that was sent.
pub(super) struct Work {
    pub(super) api: Arc<Api>,
    pub(super) session: String,
    pub(super) link: Link,
    pub(super) fold: Fold,
    transcript: Transcript,
    permissions: Option<Permissions>,
    /// Whether the server's word that the session works counts as a sign of life.
    quiet: bool,
    /// Whether the next look takes all messages, since some may have been missed.
    missed: bool,
    /// Whether some were missed at any time.
    patched: bool,
    /// Sessions whose questions are ours to answer, and those whose are not.
    family: BTreeSet<String>,
    strangers: BTreeSet<String>,
    answered: BTreeSet<String>,
    alerts: BTreeSet<String>,
    told_busy: bool,
    /// Whether the server's last word was that the session works; it was so when it took the prompt.
    busy: bool,
    idle: Option<Idle>,
    misses: u32,
    /// Whether the session came to its end by itself.
    pub(super) ended: bool,
    /// What the session's sub-agents had consumed before the prompt.
    before: (Tokens, f64),
}

impl Work {
    /// A prompt that is about to be sent. `quiet`: no stream is followed.
    pub(super) fn new(
        (api, session, link): (Arc<Api>, String, Link),
        fold: Fold,
        transcript: Transcript,
        permissions: Option<Permissions>,
        quiet: bool,
        before: (Tokens, f64),
    ) -> Self {
        Self {
            api,
            family: BTreeSet::from([session.clone()]),
            session,
            link,
            fold,
            transcript,
            permissions,
            quiet,
            missed: false,
            patched: false,
            strangers: BTreeSet::new(),
            answered: BTreeSet::new(),
            alerts: BTreeSet::new(),
            told_busy: false,
            busy: true,
            idle: None,
            misses: 0,
            ended: false,
            before,
        }
    }

    /// How soon it is to be looked at again, where that is not left to the caller: soon where the session was idle, and
    /// ever later where the server did not answer.
    pub(super) fn again(&self) -> Option<Duration> {
        match (self.misses, &self.idle) {
            (0, None) => None,
            (misses, _) => Some(SOON * 2_u32.pow(misses)),
        }
    }

    /// What gives a sign of life while the server's last word was that the session works, and no stream is followed.
    pub(super) fn pulse(&self) -> Option<(Link, u64)> {
        self.busy.then(|| (self.link.clone(), self.transcript.bytes()))
    }

    /// Takes what the stream brought. Says whether it is time for a look.
    pub(super) async fn take(&mut self, heard: Vec<Heard>) -> Result<bool, Failure> {
        let mut look = false;
        let mut alive = false;
        let mut out = Vec::new();
        for Heard { raw, event } in heard {
            look |= event.what == What::Asked;
            if event.session.as_deref() != Some(self.session.as_str()) {
                continue;
            }
            self.transcript.line(&raw);
            look |= matches!(event.what, What::Status(Status::Idle) | What::Failed(_));
            alive |= self.fold.event(&event.what, self.api.now(), &mut out);
        }
        let told = async {
            if alive {
                self.link.tell(Report::Transcript(self.transcript.bytes())).await?;
            }
            self.deliver(out).await
        };
        match told.await {
            Ok(()) => Ok(look),
            Err(trouble) => Err(self.over(trouble)),
        }
    }

    /// Looks how the session stands, and bears a server that does not answer a few times.
    pub(super) async fn look(&mut self) -> Result<Option<Verdict>, Failure> {
        match self.try_look().await {
            Ok(verdict) => {
                self.misses = 0;
                Ok(verdict)
            }
            Err(Trouble::Api(ApiError::Transport(_) | ApiError::Refused { status: 500.., .. }))
                if self.misses < MISSES =>
            {
                self.misses += 1;
                Ok(None)
            }
            Err(trouble) => Err(self.over(trouble)),
        }
    }

    fn over(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Over(failure) => failure,
            Trouble::Api(error) if error.is_missing() => Failure {
                emitted_output: self.fold.emitted(),
                ..Failure::ours(
                    FaultClass::RequestInvalid,
                    format!("the session `{}` is not known to the server any more", self.session),
                )
            },
            Trouble::Api(error) => error.failure(self.fold.emitted()),
        }
    }

    async fn try_look(&mut self) -> Result<Option<Verdict>, Trouble> {
        let status = self.api.status(&self.session).await?;
        let mut out = Vec::new();
        self.fold.status(&status, self.api.now(), &mut out);
        // Neither a server that only tries again nor one that does nothing is at work.
        self.busy = status == Status::Busy;
        if status != Status::Idle {
            self.idle = None;
            if self.quiet && self.busy && !std::mem::replace(&mut self.told_busy, true) {
                self.link.tell(Report::Begun).await?;
            }
            let messages = if std::mem::take(&mut self.missed) {
                self.messages().await?
            } else {
                self.api.newest(&self.session, RECENT).await?
            };
            self.fold.snapshot(&messages, &mut out);
            self.deliver(out).await?;
            self.answer().await?;
            return Ok(None);
        }
        let messages = self.messages().await?;
        self.missed = false;
        self.fold.snapshot(&messages, &mut out);
        self.deliver(out).await?;
        Ok(self.judge(&messages))
    }

    /// All messages that came after the prompt was sent, oldest first.
    pub(super) async fn messages(&self) -> Result<Vec<Message>, ApiError> {
        self.api.messages(&self.session, |id| self.fold.is_ours(id)).await
    }

    /// What an idle session means.
    fn judge(&mut self, messages: &[Message]) -> Option<Verdict> {
        let standing = match verdict::standing(messages) {
            Standing::Ended(verdict) => {
                self.ended = true;
                return Some(verdict);
            }
            Standing::Nothing if self.fold.failed().is_some() => {
                self.ended = true;
                return self.fold.failed().cloned().map(Err);
            }
            standing => standing,
        };
        let prompted = !messages.is_empty();
        let now = Instant::now();
        let idle = self.idle.take().filter(|idle| idle.standing == standing && idle.prompted == prompted);
        let idle = idle.unwrap_or(Idle { since: now, standing, prompted });
        let (bound, failure) = match &idle.standing {
            Standing::Open(failure) => (OPEN, self.fold.failed().unwrap_or(failure).clone()),
            _ if prompted => (SILENT, silent("took the prompt and is idle without an answer")),
            _ => (LOST, silent("is idle and has not taken the prompt")),
        };
        if now.duration_since(idle.since) >= bound {
            self.ended = true;
            return Some(Err(failure));
        }
        self.idle = Some(idle);
        None
    }

    /// Passes on what the fold says; the first thing that ends the attempt does.
    async fn deliver(&self, out: Vec<Signal>) -> Result<(), Trouble> {
        for signal in out {
            match signal {
                Signal::Report(report) => self.link.tell(report).await?,
                Signal::Fatal(failure) => return Err(Trouble::Over(failure)),
                Signal::Runaway(failure) => {
                    // It asks again while anybody looks: the abort comes first, and whether it held is seen after.
                    let _ = tokio::time::timeout(RUNAWAY, self.api.abort(&self.session)).await;
                    return Err(Trouble::Over(failure));
                }
                // Only a dialect that speaks has anything to say.
                Signal::Say(_) | Signal::Close => {}
            }
        }
        Ok(())
    }

    /// Gives its word where the server waits for a person: nobody is there, and nothing may hang.
    async fn answer(&mut self) -> Result<(), Trouble> {
        for ask in self.api.asks().await? {
            if !self.answered.contains(&ask.id) && self.concerns(&ask).await? {
                self.reply(&ask).await?;
                self.answered.insert(ask.id);
            }
        }
        Ok(())
    }

    /// Whether an ask is of our session or of one that its agent has started, at whatever depth.
    async fn concerns(&mut self, ask: &Ask) -> Result<bool, ApiError> {
        let mut line = Vec::new();
        let mut session = ask.session.clone();
        let mut ours = false;
        while !self.strangers.contains(&session) && line.len() < 8 {
            if self.family.contains(&session) {
                ours = true;
                break;
            }
            let parent = self.api.session(&session).await?.parent;
            line.push(session);
            let Some(parent) = parent else { break };
            session = parent;
        }
        if ours { &mut self.family } else { &mut self.strangers }.extend(line);
        Ok(ours)
    }

    async fn reply(&mut self, ask: &Ask) -> Result<(), Trouble> {
        let (granted, alert, what) = match &ask.about {
            About::Permission(kind) => (
                grants(self.permissions, kind),
                format!("refused-{kind}"),
                format!("permission for `{kind}`"),
            ),
            About::Question(question) => {
                (false, "refused-question".to_owned(), format!("an answer to the question `{question}`"))
            }
        };
        let replied = match &ask.about {
            About::Permission(_) => self.api.permission(&ask.id, granted).await,
            About::Question(_) => self.api.dismiss(&ask.id).await,
        };
        match replied {
            // Somebody else was faster.
            Err(error) if error.is_missing() => return Ok(()),
            replied => replied?,
        }
        if !granted && self.alerts.insert(alert.clone()) {
            let message = format!("the agent asked for {what}, and nobody is there: it was refused");
            let alert = AlertRaised { alert, severity: Severity::Warning, message };
            self.link.tell(Report::Alert(alert)).await?;
        }
        Ok(())
    }

    /// Tells what of the messages has not been told, and keeps them where no stream has shown them.
    pub(super) async fn finish(&mut self, messages: &[Message]) {
        let mut out = Vec::new();
        self.fold.snapshot(messages, &mut out);
        if self.quiet || self.patched {
            for message in messages {
                self.transcript.line(message.raw.to_string().as_bytes());
            }
            let _ = self.link.tell(Report::Transcript(self.transcript.bytes())).await;
        }
        // What would end the attempt has done so already, or comes too late.
        for signal in out {
            if let Signal::Report(report) = signal {
                let _ = self.link.tell(report).await;
            }
        }
    }

    /// The stream was cut: what it misses is to be fetched once it is open again. Says whether it is the first time.
    pub(super) fn patch(&mut self) -> bool {
        self.fold.gap();
        self.missed = true;
        !std::mem::replace(&mut self.patched, true)
    }

    /// What the session's sub-agents have consumed since the prompt was sent.
    pub(super) async fn by_children(&self) -> (Tokens, f64) {
        let now = consumed(&self.api, &self.session).await;
        let (tokens, before) = (now.0, self.before.0);
        let since = Tokens {
            input: tokens.input.saturating_sub(before.input),
            output: tokens.output.saturating_sub(before.output),
            cache_read: tokens.cache_read.saturating_sub(before.cache_read),
            cache_write: tokens.cache_write.saturating_sub(before.cache_write),
        };
        (since, (now.1 - self.before.1).max(0.0))
    }
}

/// What the sub-agents of a session have consumed in all; nothing where the server does not say.
pub(super) async fn consumed(api: &Api, session: &str) -> (Tokens, f64) {
    let mut sum = (Tokens::default(), 0.0);
    for child in api.children(session).await.unwrap_or_default() {
        sum.0.input = sum.0.input.saturating_add(child.tokens.input);
        sum.0.output = sum.0.output.saturating_add(child.tokens.output);
        sum.0.cache_read = sum.0.cache_read.saturating_add(child.tokens.cache_read);
        sum.0.cache_write = sum.0.cache_write.saturating_add(child.tokens.cache_write);
        sum.1 += child.cost;
    }
    sum
}

/// Whether the profile lets the agent do a thing without asking.
fn grants(permissions: Option<Permissions>, kind: &str) -> bool {
    let reads = matches!(kind, "read" | "glob" | "grep" | "list" | "lsp");
    match permissions {
        Some(Permissions::Bypass) => true,
        Some(Permissions::AcceptEdits) => reads || kind == "edit",
        Some(Permissions::ReadOnly) => reads,
        None => false,
    }
}

fn silent(what: &str) -> Failure {
    Failure::ours(
        FaultClass::Transport,
        format!("the session {what}; the server says why on its event stream only"),
    )
}
