//! What the process was given: environment, directory, terminals. Read once, here and nowhere else.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use crate::report::Look;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR`, `CI` or `TERM=dumb` say otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The surroundings of one call.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The environment; values that are no text are left out.
    pub(crate) environment: BTreeMap<String, String>,
    /// The current directory.
    pub(crate) cwd: PathBuf,
    /// The arguments.
    pub(crate) argv: Vec<String>,
    /// The machine, as it calls itself.
    pub(crate) host: String,
    colour: Colour,
}

impl Context {
    /// Reads the surroundings.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn read(colour: Colour) -> std::io::Result<Self> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Ok(Self {
            environment: std::env::vars_os().filter_map(text).collect(),
            cwd: std::env::current_dir()?,
            argv: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            host: nix::unistd::gethostname()
                .ok()
                .and_then(|name| name.into_string().ok())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "localhost".to_owned()),
            colour,
        })
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn plain(&self) -> bool {
        self.variable("NO_COLOR").is_some() || self.variable("CI").is_some() || self.dumb()
    }

    fn dumb(&self) -> bool {
        self.variable("TERM").is_none_or(|term| term == "dumb")
    }

    fn look(&self, terminal: bool) -> Look {
        let colour = match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !self.plain(),
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| self.variable(name));
        let unicode = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Look { colour, unicode }
    }

    /// How standard error looks.
    pub(crate) fn stderr_look(&self) -> Look {
        self.look(std::io::stderr().is_terminal())
    }

    /// How standard output looks.
    pub(crate) fn stdout_look(&self) -> Look {
        self.look(std::io::stdout().is_terminal())
    }

    /// Whether a moving display makes sense.
    pub(crate) fn animated(&self) -> bool {
        std::io::stderr().is_terminal() && !self.dumb() && self.variable("CI").is_none()
    }

    /// Columns of standard output.
    pub(crate) fn width(&self) -> usize {
        let columns = self.variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let terminal = || console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        columns.or_else(terminal).unwrap_or(100).clamp(20, 200)
    }

    /// Where facts are that all runs of the user share; `None` when the surroundings do not say.
    pub(crate) fn state(&self) -> Option<PathBuf> {
        let absolute = |name| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME");
        let state = state.or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        state.map(|state| state.join("provost"))
    }

    /// Whether a workflow of GitHub runs this.
    pub(crate) fn in_actions(&self) -> bool {
        self.variable("GITHUB_ACTIONS") == Some("true")
    }

    /// The file that a step of such a workflow shows as its summary.
    pub(crate) fn github_summary(&self) -> Option<PathBuf> {
        self.variable("GITHUB_STEP_SUMMARY").map(PathBuf::from)
    }

    /// Where runs are.
    pub(crate) fn root(&self, flag: Option<&PathBuf>) -> PathBuf {
        let root = flag.cloned().or_else(|| self.variable("PROVOST_ROOT").map(PathBuf::from));
        self.cwd.join(root.unwrap_or_else(|| PathBuf::from(".provost")))
    }
}

/// Prints data to standard output. A reader that has gone is no error.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says something on standard error. When that is gone there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
