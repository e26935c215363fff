//! A small program that is asked something, and is not waited for longer than agreed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::check::collect as collect_end;
use super::ready::collect;
use crate::process::{Guard, ProcessError, Spec, Stdin};

/// What the pipes of a program that has ended are given to run dry: another one may hold them.
const PIPES: Duration = Duration::from_secs(2);

/// A question to a program of the system, such as its service manager.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// What to run; looked up in the `PATH` of [`Errand::environment`].
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// How long it may take; then it is killed with all that it has started.
    pub patience: Duration,
    /// Where it works; `/` when absent.
    pub cwd: Option<PathBuf>,
    /// What it can read.
    pub input: Vec<u8>,
    /// Whether the end of what it prints is kept, at most 4 MiB, and not the beginning.
    pub keeps_end: bool,
}

/// How an errand went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The program has ended.
    Said {
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// The beginning of what it printed, at most 64 KiB; or its end.
        out: String,
        /// The beginning of its complaints, at most 64 KiB; or their end.
        err: String,
    },
    /// There is no such program here.
    Absent,
    /// It had not ended in time.
    Late,
}

impl Errand {
    /// Asks.
    ///
    /// # Errors
    ///
    /// When the program is there and does not start, or the guard has gone.
    pub async fn ask(&self, guard: &Guard) -> Result<Returned, ProcessError> {
        let os = |(name, value): (&String, &String)| (OsString::from(name), OsString::from(value));
        let spec = Spec {
            program: PathBuf::from(&self.program),
            args: self.args.iter().map(OsString::from).collect(),
            env: self.environment.iter().map(os).collect(),
            cwd: self.cwd.clone().unwrap_or_else(|| PathBuf::from("/")),
            stdin: Stdin::Bytes(self.input.clone()),
        };
        let mut child = match guard.spawn(spec).await {
            Ok(child) => child,
            Err(ProcessError::NotFound { .. }) => return Ok(Returned::Absent),
            Err(error) => return Err(error),
        };
        let control = child.control();
        let keep = |pipe| if self.keeps_end { collect_end(pipe) } else { collect(pipe) };
        let outputs = [child.take_stdout().map(keep), child.take_stderr().map(keep)];
        let Ok(exit) = tokio::time::timeout(self.patience, child.wait()).await else {
            control.end(Duration::ZERO);
            child.wait().await;
            return Ok(Returned::Late);
        };
        let mut texts = Vec::new();
        for output in outputs {
            let bytes = match output {
                Some(output) => tokio::time::timeout(PIPES, output).await.ok().and_then(Result::ok),
                None => None,
            };
            texts.push(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned());
        }
        let err = texts.pop().unwrap_or_default();
        let out = texts.pop().unwrap_or_default();
        Ok(Returned::Said { code: exit.code, out, err })
    }
}
