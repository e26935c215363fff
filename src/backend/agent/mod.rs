//! Agent CLIs: what their output means, one dialect each.

pub mod claude;
pub mod dialect;
mod drive;
mod invoke;
pub mod lines;
pub mod text;

pub use claude::ClaudeDialect;
pub use dialect::{Dialect, ExitFacts, Signal};
pub use drive::{AgentHarness, Invocation};
pub use invoke::{AnyCommand, Claude};
pub use lines::{Line, LineSplitter};
pub use text::TextDialect;
