//! How the conversation of the next attempt begins.

use crate::event::Opening;

/// What is known when an attempt has failed and another one follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Something came of the attempts before: text, or a tool that was called.
    pub(crate) did: bool,
    /// A tool ran when the attempt was ended: what it did is in doubt, and counts as done.
    pub(crate) tool_in_flight: bool,
    /// The next attempt has the same harness.
    pub(crate) same_harness: bool,
    /// It has the same endpoint and account. With the same harness, only the model can be another one.
    pub(crate) same_place: bool,
    /// The harness goes on from recorded steps.
    pub(crate) replays: bool,
    /// The recorded steps mean the same at another place: nothing in them is for their maker's eyes only, such as
    /// signed thoughts.
    pub(crate) portable: bool,
    /// The harness can continue a session.
    pub(crate) continues: bool,
    /// The session of the failed attempt is known, and is there.
    pub(crate) session_known: bool,
    /// The conversation had grown too large for the model.
    pub(crate) overflowed: bool,
}

/// How the next attempt begins.
///
/// - A conversation that was too large is told anew, shorter: going on with it would overflow again.
/// - Before anything came of it, the turn is simply sent again.
/// - Recorded steps are gone on from, by the harness that recorded them.
/// - A session is gone on with where at most the model changes.
/// - Otherwise the turn is told with what was done; no call of a tool is made again by us.
pub(crate) fn opening(facts: &Facts) -> Opening {
    let place = facts.same_harness && facts.same_place;
    if facts.overflowed {
        Opening::Retold
    } else if !facts.did && !facts.tool_in_flight {
        Opening::Fresh
    } else if facts.replays && facts.same_harness && (place || facts.portable) {
        Opening::Carried
    } else if place && facts.continues && facts.session_known {
        Opening::Resumed
    } else {
        Opening::Retold
    }
}
