//! Reports for people: plain lines, and a display on a terminal that scrolls the same lines above itself.

mod lines;
mod looped;
mod narrate;
mod progress;
pub(super) mod style;
mod voice;

pub use lines::Lines;
pub use narrate::{Narrator, Verbosity};
pub(super) use narrate::{budget, checked, evidence};
pub use progress::{Now, Progress};
pub use style::{Look, clean};
