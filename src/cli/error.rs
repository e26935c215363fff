//! One error type at the top: what, why, what to do, and the exit code.

use std::fmt::Write as _;

use super::exit;

/// An error that a person sees.
#[derive(Debug)]
pub(crate) struct CliError {
    code: u8,
    message: String,
    hints: Vec<String>,
    /// Whether `message` is a whole report of its own, with its own layout.
    rendered: bool,
}

impl CliError {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new(), rendered: false }
    }

    /// The caller asked for something that cannot be asked for.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// A report that is laid out already, such as a mistake in a TOML file.
    pub(crate) fn report(text: impl Into<String>) -> Self {
        Self { rendered: true, ..Self::new(exit::USAGE, text) }
    }

    /// What was asked for was done, and did not come to what it should.
    pub(crate) fn not_good(message: impl Into<String>) -> Self {
        Self::new(exit::NOT_GOOD, message)
    }

    /// It cannot be said yet how it ends.
    pub(crate) fn inconclusive(message: impl Into<String>) -> Self {
        Self::new(exit::INCONCLUSIVE, message)
    }

    /// Something that is needed is not there.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(exit::UNAVAILABLE, message)
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What is printed.
    pub(crate) fn render(&self) -> String {
        let mut text = if self.rendered { self.message.clone() } else { format!("error: {}", self.message) };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for hint in &self.hints {
            let _ = writeln!(text, "help: {hint}");
        }
        text
    }
}

/// Errors of the system are about the environment, and named with all their causes.
impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::new(exit::UNAVAILABLE, format!("{error:#}"))
    }
}

/// Wraps a room's error with its causes.
pub(crate) fn environment(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::from(anyhow::Error::new(error))
}
