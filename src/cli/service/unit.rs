//! A service, and its systemd unit as a text.

use std::fmt::Write as _;
use std::time::Duration;

/// What marks a unit as ours. systemd passes over sections whose names begin so.
const OURS: &str = "[X-Provost]";

/// A service: everything that a service manager must know. No text in it has control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name, without prefix and suffix.
    pub(super) name: String,
    /// The program, absolute.
    pub(super) program: String,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Where it is started, absolute.
    pub(super) directory: String,
    /// Where its runs are kept, absolute.
    pub(super) root: String,
    /// The search path, which service managers have a short one of.
    pub(super) path: Option<String>,
    /// A file of variables that holds its keys; it may be missing.
    pub(super) keys: String,
    /// How long a stop may take: until the round that runs has ended by itself, and its tree is settled.
    pub(super) stop: Duration,
    /// Whether the memory brake of its profile writes to its control group.
    pub(super) brakes: bool,
    /// Whose it is, where it is one of the whole system: user and group.
    pub(super) owner: Option<(String, String)>,
}

impl Unit {
    /// The unit's file name.
    pub(super) fn file(&self) -> String {
        file(&self.name)
    }

    /// The unit as systemd reads it.
    pub(super) fn systemd(&self) -> String {
        let mut text = String::from(
            "# Written by `provost service install`, which replaces it; what you change belongs into a drop-in.\n",
        );
        let mut line = |words: String| {
            text.push_str(&words);
            text.push('\n');
        };
        line("[Unit]".to_owned());
        line(format!("Description=provost supervise ({})", percent(&self.name)));
        // A program that cannot even start is not started for ever.
        line("StartLimitIntervalSec=300".to_owned());
        line("StartLimitBurst=5".to_owned());
        line(String::new());
        line("[Service]".to_owned());
        line("Type=exec".to_owned());
        let words = std::iter::once(quoted(&self.program, false));
        let words: Vec<String> = words.chain(self.arguments.iter().map(|word| quoted(word, true))).collect();
        line(format!("ExecStart={}", words.join(" ")));
        line(format!("WorkingDirectory={}", percent(&self.directory)));
        if let Some((user, group)) = &self.owner {
            line(format!("User={user}"));
            line(format!("Group={group}"));
        }
        if let Some(path) = &self.path {
            line(format!("Environment={}", quoted(&format!("PATH={path}"), false)));
        }
        line(
            "# Keys go into this file, NAME=value a line, readable for you alone; never into this unit."
                .to_owned(),
        );
        line(format!("EnvironmentFile=-{}", percent(&self.keys)));
        line("# TERM reaches provost alone, which lets the round that runs go on to its end: that is what the time is for."
            .to_owned());
        line("KillMode=mixed".to_owned());
        line("KillSignal=SIGTERM".to_owned());
        line(format!("TimeoutStopSec={}s", self.stop.as_secs()));
        line(
            "# An agent that the kernel kills for its memory must not take the supervisor along.".to_owned(),
        );
        line("OOMPolicy=continue".to_owned());
        if self.brakes {
            line(
                "# `supervise.host.brake` writes the soft limit of this service's own control group."
                    .to_owned(),
            );
            line("Delegate=memory".to_owned());
        }
        line("# Done, misconfigured, refused, unavailable, out of budget, given up: `provost help exit-codes`.".to_owned());
        line("Restart=on-failure".to_owned());
        line("RestartSec=10s".to_owned());
        line("RestartPreventExitStatus=2 3 4 5 6".to_owned());
        line("SuccessExitStatus=130 143".to_owned());
        line(String::new());
        line("[Install]".to_owned());
        let target = if self.owner.is_some() { "multi-user.target" } else { "default.target" };
        line(format!("WantedBy={target}"));
        line(String::new());
        line(OURS.to_owned());
        line(format!("Root={}", self.root));
        let _ = writeln!(text, "Directory={}", self.directory);
        text
    }
}

/// The file of a service of this name.
pub(super) fn file(name: &str) -> String {
    format!("provost-{name}.service")
}

/// The name of the service that a file of this name is of.
pub(super) fn name(file: &str) -> Option<&str> {
    file.strip_prefix("provost-")?.strip_suffix(".service")
}

/// Whether a unit was written by us.
pub(super) fn is_ours(text: &str) -> bool {
    text.lines().any(|line| line.trim() == OURS)
}

/// What we have written down in a unit of ours: `Root` or `Directory`.
pub(super) fn noted<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, ours) = text.split_once(OURS)?;
    ours.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// A word as systemd takes it apart: quotes and backslashes are escaped, `%` stands for itself; `dollars` where variables
/// would be filled in.
fn quoted(word: &str, dollars: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '$' if dollars => text.push_str("$$"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A text that systemd takes as it is, but for its `%`.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests;
