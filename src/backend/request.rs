//! What an attempt is given and what it gives back.

use std::path::PathBuf;
use std::sync::Arc;

use super::chat;
use crate::event::{AttemptNumber, NodeId, RoundNumber, SessionId, Sha256, ToolId};

/// Whether an attempt starts a conversation or goes on with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPlan {
    /// A conversation of its own, under this id where the harness lets us choose.
    Fresh(SessionId),
    /// One that the harness knows already.
    Continue(SessionId),
    /// A conversation of its own that begins with all that was said in another.
    Fork {
        /// The one that is known already, and stays as it is.
        parent: SessionId,
        /// The new one, where the harness lets us choose.
        id: SessionId,
    },
}

impl SessionPlan {
    /// The conversation that this attempt adds to.
    pub fn id(&self) -> &SessionId {
        match self {
            Self::Fresh(id) | Self::Continue(id) | Self::Fork { id, .. } => id,
        }
    }

    /// The conversation that must be there already, if any.
    pub fn known(&self) -> Option<&SessionId> {
        match self {
            Self::Fresh(_) => None,
            Self::Continue(id) | Self::Fork { parent: id, .. } => Some(id),
        }
    }
}

/// A step of an interrupted attempt whose result is on record: it is taken from there and not paid again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// A model's whole message, as its `turn.ended` blob holds it.
    Turn(Vec<u8>),
    /// A tool that had answered.
    Tool {
        /// The call.
        id: ToolId,
        /// Whether it worked.
        ok: bool,
        /// Its answer.
        result: Vec<u8>,
    },
    /// A tool that was called and whose answer is not on record: it may or may not have run.
    InDoubt(ToolId),
    /// What a person said between two turns.
    Said(String),
}

impl Replayed {
    /// Without what only the model that made it understands, such as signed thoughts.
    #[must_use]
    pub fn impersonal(self) -> Self {
        match self {
            Self::Turn(bytes) => Self::Turn(chat::impersonal(bytes)),
            step => step,
        }
    }

    /// Puts a tool's answer in the place of its call.
    pub fn returned(steps: &mut Vec<Self>, id: ToolId, ok: bool, result: Vec<u8>) {
        let call = steps.iter().rposition(|step| matches!(step, Self::InDoubt(call) if *call == id));
        let step = Self::Tool { id, ok, result };
        match call {
            Some(at) => steps[at] = step,
            None => steps.push(step),
        }
    }
}

/// An image that goes along with what the user says.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it was read from; absolute.
    pub path: PathBuf,
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: &'static str,
    /// The file's content.
    pub bytes: Arc<[u8]>,
}

impl Image {
    /// An image, known by how its content begins; `None` for any other.
    pub fn new(path: PathBuf, bytes: Vec<u8>) -> Option<Self> {
        let media_type = match &bytes[..] {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', ..] => "image/gif",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return None,
        };
        Some(Self { path, media_type, bytes: bytes.into() })
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.path.display(), self.media_type, self.bytes.len())
    }
}

/// One attempt's work.
#[derive(Clone, Debug)]
pub struct Request {
    /// For whom.
    pub node: NodeId,
    /// In which round.
    pub round: RoundNumber,
    /// Which try.
    pub attempt: AttemptNumber,
    /// The system prompt.
    pub system: Option<String>,
    /// What the user says: files, context, task.
    pub user: String,
    /// Images that go along with it, on record already.
    pub images: Vec<Image>,
    /// The conversation.
    pub session: SessionPlan,
    /// Where the agent works; absolute.
    pub workspace: PathBuf,
    /// Where the raw transcript goes; absolute. Appended to, if it is there.
    pub transcript: PathBuf,
    /// The run directory, its owner's alone; absolute. Files that a harness needs for an agent go below `harness/` in
    /// it, and never hold the value of a secret.
    pub directory: PathBuf,
    /// Whether an attempt of ours that comes to one turn needs no transcript: what was sent and what came is on record.
    pub terse: bool,
    /// Whether a text that was cut at the output limit is an answer. Where no tools are offered, and of harnesses that play
    /// the turns themselves: an agent's work is not done when its last word is cut.
    pub takes_cut: bool,
    /// Steps of the same attempt that are on record already.
    pub replay: Vec<Replayed>,
}

/// A successful attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the agent said last.
    pub text: String,
    /// Why it stopped, in its own word.
    pub stop_reason: Option<String>,
}

impl Answer {
    /// Names the blob that holds the text.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }
}
