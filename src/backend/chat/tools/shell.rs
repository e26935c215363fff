//! `shell`: a command in the workspace. Processes belong to the process room; here is only what we need of it.

use std::fmt::Write as _;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use serde::Deserialize;

use super::{OUTPUT_LIMIT, bounded};
use crate::backend::Link;

/// What a shell is asked to do.
#[derive(Clone, Debug)]
pub struct ShellCall<'a> {
    /// The argument of `sh -c`.
    pub command: &'a str,
    /// The workspace; absolute.
    pub dir: &'a Path,
    /// The command is ended after this time.
    pub timeout: Duration,
    /// Bytes of output that are wanted, at most: the rest is read and dropped.
    pub output_limit: usize,
    /// Says when the attempt is to stop; the command is ended then.
    pub stop: Link,
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellOutput {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error as they came.
    pub output: Vec<u8>,
    /// Bytes of output that were dropped.
    pub dropped: u64,
    /// Whether it was ended by its timeout.
    pub timed_out: bool,
}

/// The future of a command.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<ShellOutput, String>> + Send + 'a>>;

/// Runs shell commands. The future ends only when nothing of the command is left running, also after a stop.
pub trait Shell: Send + Sync {
    /// Runs one command with standard input closed.
    ///
    /// # Errors
    ///
    /// Words for the model, when the command could not be run at all.
    fn run<'a>(&'a self, call: ShellCall<'a>) -> Running<'a>;
}

/// A shell that runs nothing, for a harness without the `shell` tool.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShell;

impl Shell for NoShell {
    fn run<'a>(&'a self, _call: ShellCall<'a>) -> Running<'a> {
        Box::pin(async { Err("there is no shell here".to_owned()) })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pub(super) command: String,
}

pub(super) async fn run(
    shell: &dyn Shell,
    dir: &Path,
    timeout: Duration,
    arguments: &Arguments,
    stop: &Link,
) -> Result<String, String> {
    let call = ShellCall {
        command: &arguments.command,
        dir,
        timeout,
        output_limit: OUTPUT_LIMIT,
        stop: stop.clone(),
    };
    let done = shell.run(call).await?;
    let mut text = bounded(&String::from_utf8_lossy(&done.output), OUTPUT_LIMIT);
    if done.dropped > 0 {
        let _ = write!(text, "\n[{} bytes of output were dropped]", done.dropped);
    }
    if done.timed_out {
        return Err(format!("the command was ended after {} s\n{text}", timeout.as_secs_f64()));
    }
    match done.code {
        Some(0) if text.is_empty() => Ok("[no output]".to_owned()),
        Some(0) => Ok(text),
        Some(code) => Err(format!("exit code {code}\n{text}")),
        None => Err(format!("ended by a signal\n{text}")),
    }
}
