//! The prompt of an attempt, told from our own record. Pure.
//!
//! There is one turn of the user, and each conversation sees it once: as it is where nothing was done yet, not at all
//! where the agent goes on with a session that has it, and before a summary of what was done where a new conversation
//! takes over. Whose words a prompt has is a typed field; no text is searched for marks.
#![cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "some of it is for an agent that is spoken to again, by a steer or a supervisor"
    )
)]

mod opening;
mod summary;
mod wrap;

use crate::backend::Image;
use crate::event::{Opening, Provenance};

pub(crate) use opening::{Facts, opening};
pub(crate) use summary::{Deed, Done, MOST};
pub(crate) use wrap::{unwrap, wrap};

/// One part of what somebody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Words.
    Text(String),
    /// An image.
    Image(Image),
}

/// What somebody says to the agent at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// On whose behalf.
    pub(crate) origin: Provenance,
    /// All of it, in order.
    pub(crate) parts: Vec<Part>,
}

impl Turn {
    /// A turn of some words and the images that go along with them.
    pub(crate) fn new(origin: Provenance, text: impl Into<String>, images: &[Image]) -> Self {
        let mut parts = vec![Part::Text(text.into())];
        parts.extend(images.iter().cloned().map(Part::Image));
        Self { origin, parts }
    }

    /// Its words, as they are; texts apart from each other by an empty line.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::text).collect();
        texts.join("\n\n")
    }

    /// Its images, in order.
    pub(crate) fn images(&self) -> Vec<Image> {
        self.parts.iter().filter_map(Part::image).cloned().collect()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.text().is_some_and(|text| text.trim().is_empty()))
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image(_) => None,
        }
    }

    fn image(&self) -> Option<&Image> {
        match self {
            Self::Text(_) => None,
            Self::Image(image) => Some(image),
        }
    }
}

/// What an agent was started with. It is kept for the whole of its life: every later attempt needs it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The prompt it was started with: of the user, or of the agent that it works for.
    pub(crate) turn: Option<Turn>,
    /// The system prompt.
    pub(crate) system: Option<String>,
    /// The tools it is offered; all that its harness has, where none are named.
    pub(crate) tools: Vec<String>,
}

/// What a conversation is told from: how it was started, and all that was said to the agent since. It ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Story {
    launch: Launch,
    turns: Vec<Turn>,
}

/// The prompt of an attempt, with all that goes along with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telling {
    /// How the conversation begins.
    pub(crate) opening: Opening,
    /// Whose prompt this is.
    pub(crate) origin: Provenance,
    /// Its words.
    pub(crate) text: String,
    /// Its images.
    pub(crate) images: Vec<Image>,
    /// The system prompt.
    pub(crate) system: Option<String>,
    /// The tools.
    pub(crate) tools: Vec<String>,
}

impl Story {
    /// The story of an agent that is about to be started: there is none without its beginning.
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, turns: Vec::new() }
    }

    /// Somebody says something to the agent.
    pub(crate) fn said(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// What it was started with.
    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The turn that the agent works on: the last one of the user, else the one it was started with.
    pub(crate) fn base(&self) -> Option<&Turn> {
        let start = || self.launch.turn.as_ref().filter(|turn| !turn.is_empty());
        last_of_the_user(&self.turns).or_else(start)
    }

    /// The prompt of an attempt that begins like this, when so much was done before it.
    ///
    /// Where there is no turn to begin with, all that can be said is that the work goes on.
    pub(crate) fn tell(&self, opening: Opening, done: &Done) -> Telling {
        let (origin, text, images) = match (opening, self.base()) {
            (Opening::Fresh | Opening::Carried, Some(turn)) => (turn.origin, turn.text(), turn.images()),
            (Opening::Retold, Some(turn)) => {
                (turn.origin, format!("{}\n\n{}", turn.text(), summary::block(done)), turn.images())
            }
            (Opening::Resumed, _) | (Opening::Fresh | Opening::Carried, None) => {
                (Provenance::Internal, wrap(summary::go_on(done)), Vec::new())
            }
            (Opening::Retold, None) => (Provenance::Internal, wrap(&summary::block(done)), Vec::new()),
        };
        let Launch { turn: _, system, tools } = self.launch.clone();
        Telling { opening, origin, text, images, system, tools }
    }
}

/// The last turn of the user that says anything. Whose it is says its field, whatever its words look like.
pub(crate) fn last_of_the_user(turns: &[Turn]) -> Option<&Turn> {
    turns.iter().rev().find(|turn| turn.origin == Provenance::User && !turn.is_empty())
}

#[cfg(test)]
mod tests;
