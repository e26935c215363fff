//! Agent CLIs: what their output means, one dialect each.

pub mod acp;
pub mod aider;
mod aside;
mod boxed;
pub mod claude;
pub mod codex;
mod command;
pub mod dialect;
mod drive;
mod files;
pub mod gemini;
mod invoke;
pub mod lines;
mod loops;
pub mod opencode;
mod scan;
pub mod text;
mod voice;

pub use acp::{Acp, AcpDialect};
pub use aider::{Aider, AiderDialect};
pub use aside::{Aside, Listener};
pub use claude::{Claude, ClaudeDialect};
pub use codex::{Codex, CodexDialect};
pub use command::AnyCommand;
pub use dialect::{Dialect, ExitFacts, Signal};
pub use drive::AgentHarness;
pub use gemini::{Gemini, GeminiDialect};
pub use invoke::{Call, Environment, Invocation, Versions, invocation};
pub use lines::{Line, LineSplitter};
pub use loops::OWN_LOOPS;
pub use opencode::{Opencode, OpencodeDialect};
pub use text::TextDialect;
