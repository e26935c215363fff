//! Agent CLIs: what their output means, one dialect each.

pub mod aider;
pub mod claude;
mod command;
pub mod dialect;
mod drive;
mod files;
pub mod gemini;
mod invoke;
pub mod lines;
mod price;
pub mod text;

pub use aider::{Aider, AiderDialect};
pub use claude::{Claude, ClaudeDialect};
pub use command::AnyCommand;
pub use dialect::{Dialect, ExitFacts, Signal};
pub use drive::AgentHarness;
pub use gemini::{Gemini, GeminiDialect};
pub use invoke::{Call, Environment, Invocation, Versions, invocation};
pub use lines::{Line, LineSplitter};
pub use text::TextDialect;
