//! What of a session stands in the way of a prompt. Pure: what was seen is folded, in order.

use crate::event::Provenance;

use super::Source;

/// Something that was seen of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A prompt was sent. Only a turn of the user begins anew; others answer nothing and end nothing.
    Prompted(Provenance),
    /// The model begins to answer.
    Began,
    /// A tool runs.
    ToolCalled,
    /// It has ended.
    ToolReturned,
    /// The agent asks its user something, and goes on only with the answer.
    Questioned,
    /// The question was answered.
    Answered,
    /// A turn of the model has ended, and calls so many tools; with none, the agent has done.
    Finished {
        /// How many.
        calls: u64,
    },
    /// The turn has failed, and nobody ended it: a tool that it started may still run.
    Failed,
    /// We ended the attempt ourselves and its processes are gone: what it left open stays so for ever and means nothing.
    EndedByUs,
    /// What was said in the session can be read, or cannot.
    Readable(bool),
    /// Whether the agent is at work can be asked, or cannot.
    Status(bool),
}

/// A session, as far as it matters for its next prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// A turn is under way.
    streaming: bool,
    tools: usize,
    question: bool,
    unreadable: bool,
    no_status: bool,
}

impl Session {
    /// The session after something more was seen.
    #[must_use]
    pub(crate) fn then(mut self, seen: Seen) -> Self {
        match seen {
            Seen::Prompted(Provenance::User) => {
                (self.streaming, self.tools, self.question) = (false, 0, false);
            }
            // Nothing of it is left to be looked at.
            Seen::EndedByUs => self = Self { no_status: self.no_status, ..Self::default() },
            Seen::Prompted(Provenance::Supervisor | Provenance::Internal) => {}
            Seen::Began => self.streaming = true,
            Seen::ToolCalled => (self.streaming, self.tools) = (true, self.tools.saturating_add(1)),
            Seen::ToolReturned => self.tools = self.tools.saturating_sub(1),
            Seen::Questioned => self.question = true,
            Seen::Answered => self.question = false,
            // Turns that call tools are followed by one that reads their answers.
            Seen::Finished { calls } => self.streaming = calls > 0,
            Seen::Failed => self.streaming = false,
            Seen::Readable(readable) => self.unreadable = !readable,
            Seen::Status(known) => self.no_status = !known,
        }
        self
    }

    /// Whether the session cannot be read; what cannot be seen must be taken for a reason to wait.
    pub(crate) fn is_unreadable(self) -> bool {
        self.unreadable
    }

    /// Whether a prompt of this source has to wait.
    ///
    /// Nobody speaks into a turn that is under way. Beyond that the user may always speak: that is also how a question
    /// is answered. Where nobody can say whether the agent is at work, that alone holds nothing up.
    pub(crate) fn blocks(self, source: &Source) -> bool {
        let at_work = self.tools > 0 || (self.streaming && !self.no_status);
        at_work || (!source.is_user() && (self.question || self.unreadable))
    }
}
