//! What an agent's output means, line by line.
//!
//! **Invariant: a dialect is a pure state machine.** It sees lines and at last how the process ended; it reads no clock
//! and touches no file, so that every captured run can be replayed through it.

use crate::backend::{Answer, Report};
use crate::event::Failure;

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitFacts {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What a line means.
#[derive(Debug)]
pub enum Signal {
    /// Something to report.
    Report(Report),
    /// The attempt has failed already, although the agent would go on: end it now.
    Fatal(Failure),
    /// As [`Signal::Fatal`], and every moment costs money: no grace.
    Runaway(Failure),
    /// A line for the agent's standard input, without its newline. Only from a conversation.
    Say(Vec<u8>),
    /// Nothing more will be said: the agent's standard input ends. Only from a conversation.
    Close,
}

/// The output of one kind of agent.
///
/// One that is also a conversation says something itself: with [`Signal::Say`], whenever it is called.
pub trait Dialect: Send {
    /// What a conversation begins with; called once, before any line.
    fn open(&mut self, _out: &mut Vec<Signal>) {}

    /// Asks the agent to leave its work, and says whether it was asked: a conversation that has not begun to work, and
    /// output that nobody answers to, can only be ended.
    fn interrupt(&mut self, _out: &mut Vec<Signal>) -> bool {
        false
    }

    /// Takes one line, without its newline.
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>);

    /// Gives out streamed text that was held back; call it once a chunk of output, not once a line.
    fn flush(&mut self, _out: &mut Vec<Signal>) {}

    /// Gives out all that was held back, since no more lines will come; call it before [`Dialect::finish`].
    fn end(&mut self, out: &mut Vec<Signal>) {
        self.flush(out);
    }

    /// The text that had come of a message that did not end, bounded to its last part.
    fn partial(&self) -> &str;

    /// The one verdict on the attempt.
    ///
    /// # Errors
    ///
    /// The classified failure, when there was no explicit success with a meaningful payload.
    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure>;
}

/// Whether the model has begun to answer, and whether that is told.
#[derive(Debug, Default)]
pub(super) struct Begun {
    begun: bool,
    told: bool,
}

impl Begun {
    /// Something of an answer has come.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// Tells it, once; call it from [`Dialect::flush`].
    pub(super) fn tell(&mut self, out: &mut Vec<Signal>) {
        if self.begun && !std::mem::replace(&mut self.told, true) {
            out.push(Signal::Report(Report::Begun));
        }
    }
}

/// A text that grows at its end and keeps only its last part.
#[derive(Debug, Default)]
pub(super) struct Tail {
    text: String,
    limit: usize,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub(super) fn push(&mut self, more: &str) {
        self.text.push_str(more);
        // Cutting at twice the limit makes the copying rare enough not to count.
        if self.text.len() > self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let start = self.text.ceil_char_boundary(self.text.len().saturating_sub(self.limit));
        self.text.drain(..start);
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    pub(super) fn as_str(&self) -> &str {
        last(&self.text, self.limit)
    }

    /// Takes the text out.
    pub(super) fn take(&mut self) -> String {
        self.cut();
        std::mem::take(&mut self.text)
    }
}

/// The last `limit` bytes of a text, cut at a character.
pub(super) fn last(text: &str, limit: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(limit))..]
}
