//! The catalogue of defenses: what each one is worth now, and the incident that it stands for.
//!
//! One list: `peek --defenses` shows it with its values, `provost-supervise(1)` without. A defense without an incident has
//! no place in it, and neither has one that no test holds.

use crate::event::Tally;
use crate::profile::{Profile, Supervise};

mod catalogue;
mod reading;
#[cfg(test)]
mod tests;

pub use catalogue::DEFENSES;

/// Something that keeps a loop from harm.
#[derive(Clone, Copy, Debug)]
pub struct Defense {
    /// Names it, in `peek --defenses` and in `defense.acted`.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What happened where it was missing.
    pub incident: &'static str,
    /// The test that holds it.
    pub test: &'static str,
    /// The key that sets it; absent where nothing does.
    pub key: Option<&'static str>,
    now: fn(&Now<'_>) -> Reading,
}

/// How a defense stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It watches.
    Active,
    /// The profile, or the verb, does without it.
    Off,
    /// It has met what it is for, and that is not over.
    Tripped,
    /// This host does not give it what it needs.
    Degraded,
}

impl State {
    /// The word in `peek --defenses`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Off => "off",
            Self::Tripped => "tripped",
            Self::Degraded => "degraded",
        }
    }
}

/// A defense, and how it stands now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which.
    pub defense: &'static Defense,
    /// What it is set to, or what it has counted, in words.
    pub value: String,
    /// How it stands.
    pub state: State,
}

/// What a standing is read from.
struct Now<'a> {
    profile: &'a Profile,
    /// Absent where the profile is not under `supervise`.
    supervise: Option<&'a Supervise>,
    tally: &'a Tally,
}

/// A value and a state.
struct Reading {
    value: String,
    state: State,
}

/// How each defense stands, in the order of the catalogue: by the profile of a run, and the fold of its journal.
pub fn standing(profile: &Profile, tally: &Tally) -> Vec<Standing> {
    let now = Now { profile, supervise: profile.supervise.as_ref(), tally };
    let stands = |defense: &'static Defense| {
        let Reading { value, state } = (defense.now)(&now);
        Standing { defense, value, state }
    };
    DEFENSES.iter().map(stands).collect()
}

/// What a page of the manual says of a defense: its name, its key in backquotes, and what it does and stands for.
pub fn rows() -> impl Iterator<Item = (&'static str, String, String)> {
    DEFENSES.iter().map(|defense| {
        let key = defense.key.map(|key| format!("`{key}`")).unwrap_or_default();
        (defense.name, key, format!("{} Stands for: {}", defense.about, defense.incident))
    })
}
