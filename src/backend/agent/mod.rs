//! Agent CLIs: what their output means, one dialect each.

pub mod claude;
mod command;
pub mod dialect;
mod drive;
mod invoke;
pub mod lines;
pub mod opencode;
pub mod text;

pub use claude::{Claude, ClaudeDialect};
pub use command::AnyCommand;
pub use dialect::{Dialect, ExitFacts, Signal};
pub use drive::AgentHarness;
pub use invoke::{Call, Environment, Invocation, Versions, invocation};
pub use lines::{Line, LineSplitter};
pub use text::TextDialect;
