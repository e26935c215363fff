//! The line between a running attempt and the engine: reports go up, the order to stop comes down.

use tokio::sync::{mpsc, oneshot, watch};

use crate::event::{
    AgentExited, AlertRaised, AttemptAccepted, AttemptRetrying, Failure, FaultClass, PromptPart, RequestId,
    ToolCalled, ToolId, TurnNumber, Usage, UsageReported, UsageSource,
};

/// What an attempt reports. The engine turns each into events; most into one of the same name.
#[derive(Debug)]
pub enum Report {
    /// This text is about to be sent. [`Link::record`] it: it must be on disk first.
    Prompt {
        /// Who gets it.
        target: String,
        /// Which part of the request.
        part: PromptPart,
        /// The text, byte for byte.
        text: String,
    },
    /// The agent process runs.
    Spawned {
        /// Its process id.
        pid: u32,
        /// The program, without arguments.
        program: String,
    },
    /// The other side has taken the request.
    Accepted(AttemptAccepted),
    /// The first piece of the model's answer is on its way, whatever it will be: from here on silence is a stall.
    Begun,
    /// Text as it streams, for people who watch.
    Text(String),
    /// One inference has ended. [`Link::record`] it where it was paid for.
    Turn {
        /// Its number in the attempt.
        turn: TurnNumber,
        /// The whole message, where a resume could use it.
        message: Option<Vec<u8>>,
        /// Its text.
        text: String,
        /// How many tools it calls.
        tool_calls: u64,
        /// What it consumed and who says so.
        usage: Option<(Usage, UsageSource)>,
    },
    /// A tool is in flight.
    ToolCalled(ToolCalled),
    /// It has answered.
    ToolReturned {
        /// The call.
        id: ToolId,
        /// Whether it worked.
        ok: bool,
        /// Size of its answer.
        bytes: u64,
        /// The answer, where provost ran the tool.
        result: Option<Vec<u8>>,
    },
    /// Somebody said what was consumed.
    Usage(UsageReported),
    /// The agent retries by itself.
    Retrying(AttemptRetrying),
    /// So many bytes of transcript by now: a sign of life.
    Transcript(u64),
    /// The terminal event is here; the process should go now.
    ResultSeen,
    /// The process is gone.
    Exited(AgentExited),
    /// Something a person should know.
    Alert(AlertRaised),
    /// A request is about to be sent; [`Link::leave`] asks whether it may.
    Leave,
    /// The next request says this to the model, in the name of the user. [`Link::record`] it: it must be on disk first.
    Steered(Word),
}

/// A message of a person for the agent of the attempt that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The request that brought it.
    pub id: RequestId,
    /// The message.
    pub text: String,
}

/// How an attempt is to be ended. A later, larger one overtakes an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The result is here: as soon as nothing that the agent started works any more, as [`Stop::Gracefully`].
    WhenIdle,
    /// TERM, grace, KILL.
    Gracefully,
    /// KILL.
    Now,
}

/// A report, and the engine's answer that it is on record.
#[derive(Debug)]
pub struct Message {
    /// What happened.
    pub report: Report,
    /// Told once it is on record.
    pub recorded: Option<oneshot::Sender<()>>,
}

/// The engine does not listen any more; the attempt is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has gone")]
pub struct Gone;

/// An attempt's end of the line.
#[derive(Clone, Debug)]
pub struct Link {
    reports: mpsc::Sender<Message>,
    stop: watch::Receiver<Option<Stop>>,
    words: Option<watch::Receiver<Vec<Word>>>,
}

impl Link {
    /// Makes a line: the attempt's end, the engine's ear, and the engine's switch.
    pub fn new() -> (Self, mpsc::Receiver<Message>, watch::Sender<Option<Stop>>) {
        let (reports, ear) = mpsc::channel(256);
        let (switch, stop) = watch::channel(None);
        (Self { reports, stop, words: None }, ear, switch)
    }

    /// With what people say while the attempt runs: a list that only grows.
    #[must_use]
    pub fn with_words(self, words: watch::Receiver<Vec<Word>>) -> Self {
        Self { words: Some(words), ..self }
    }

    /// The messages for the agent after the first `heard`, oldest first.
    pub fn words(&self, heard: usize) -> Vec<Word> {
        let words = self.words.as_ref().map(watch::Receiver::borrow);
        words.map_or_else(Vec::new, |words| words.iter().skip(heard).cloned().collect())
    }

    /// Reports, and goes on at once.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody listens.
    pub async fn tell(&self, report: Report) -> Result<(), Gone> {
        self.reports.send(Message { report, recorded: None }).await.map_err(|_| Gone)
    }

    /// Reports from a thread that may block.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody listens.
    pub fn tell_blocking(&self, report: Report) -> Result<(), Gone> {
        self.reports.blocking_send(Message { report, recorded: None }).map_err(|_| Gone)
    }

    /// Reports, and goes on once it is on record.
    ///
    /// # Errors
    ///
    /// [`Gone`] when nobody listens, or when it could not be recorded.
    pub async fn record(&self, report: Report) -> Result<(), Gone> {
        let (recorded, done) = oneshot::channel();
        self.reports.send(Message { report, recorded: Some(recorded) }).await.map_err(|_| Gone)?;
        done.await.map_err(|_| Gone)
    }

    /// Asks whether a request may be sent now, and goes on once it may: others may have been told to keep away from the
    /// same account. An agent CLI asks before it is started, our own loop before each request.
    ///
    /// # Errors
    ///
    /// The attempt ends here; the engine knows why.
    pub async fn leave(&self) -> Result<(), Failure> {
        let ended = |gone: Gone| Failure::ours(FaultClass::SelfAbort, gone.to_string());
        self.record(Report::Leave).await.map_err(ended)
    }

    /// Waits for the order to stop, or for a harder one than `than`.
    pub async fn stopped(&mut self, than: Option<Stop>) -> Stop {
        match self.stop.wait_for(|stop| *stop > than).await {
            Ok(stop) => stop.unwrap_or(Stop::Now),
            Err(_) => Stop::Now,
        }
    }

    /// The order so far.
    pub fn stop_now(&self) -> Option<Stop> {
        *self.stop.borrow()
    }
}
