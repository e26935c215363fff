//! One call of git: bounded, its output drained by a thread, and ended with all that it has started.

use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Tree, TreeError};
use crate::process::{Exit, ProcessError, Spec, Stdin};

/// How much of what git complains about is kept, bytes of its end.
const SAID: usize = 2 * 1024;
/// How much of an answer is kept, bytes; what is asked for here is far shorter.
const KEPT: u64 = 1024 * 1024;
/// How long a pipe may stay open once all that could write to it has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// Settings of every call. Nothing may live on behind it: what a call leaves running is ended with it.
const SETTINGS: [&str; 4] =
    ["gc.auto=0", "maintenance.auto=false", "core.fsmonitor=false", "submodule.recurse=false"];

/// Variables that would send git to another repository, or make it read a pathspec or show a difference in another way.
const REDIRECTS: [&str; 16] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_TRACE",
    "GIT_EDITOR",
];

/// Variables of every call: git asks nobody, and complains in English where it can be told to.
const VARIABLES: [(&str, &str); 4] =
    [("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", ":"), ("GIT_ADVICE", "0"), ("LANGUAGE", "en")];

/// What is asked of git.
#[derive(Debug)]
pub(super) struct Call {
    args: Vec<OsString>,
    stdin: Vec<u8>,
    bound: Duration,
    looks: bool,
}

/// What it has answered.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// How it ended.
    pub(super) exit: Exit,
    /// What was read of its output.
    pub(super) read: T,
    /// The end of what it complained about.
    pub(super) said: String,
}

impl<T> Answer<T> {
    pub(super) fn is_well(&self) -> bool {
        self.exit.code == Some(0)
    }
}

impl Call {
    /// A call that only looks: it takes no lock that it could do without.
    pub(super) fn look<S: AsRef<OsStr>>(bound: Duration, args: impl IntoIterator<Item = S>) -> Self {
        Self { looks: true, ..Self::change(bound, args) }
    }

    /// A call that changes something.
    pub(super) fn change<S: AsRef<OsStr>>(bound: Duration, args: impl IntoIterator<Item = S>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self { args, stdin: Vec::new(), bound, looks: false }
    }

    /// With more arguments.
    pub(super) fn with(mut self, args: &[OsString]) -> Self {
        self.args.extend_from_slice(args);
        self
    }

    /// With something to read.
    pub(super) fn reading(mut self, stdin: Vec<u8>) -> Self {
        self.stdin = stdin;
        self
    }

    /// `git stash`, for people.
    fn name(&self) -> String {
        let verb = self.args.iter().find(|arg| !arg.to_string_lossy().starts_with('-'));
        format!("git {}", verb.map_or_else(Default::default, |verb| verb.to_string_lossy()))
    }
}

impl Tree {
    /// Calls git and keeps what it prints.
    pub(super) async fn git(&self, call: Call) -> Result<Answer<Vec<u8>>, TreeError> {
        self.git_read(call, keep).await
    }

    /// As [`Tree::git`], where anything but an exit code of 0 is an error.
    pub(super) async fn git_well(&self, call: Call) -> Result<Vec<u8>, TreeError> {
        let name = call.name();
        let answer = self.git(call).await?;
        if answer.is_well() { Ok(answer.read) } else { Err(refused(name, &answer)) }
    }

    /// Calls git. `read` runs on a thread of its own, and must read to the end.
    pub(super) async fn git_read<T, R>(&self, call: Call, read: R) -> Result<Answer<T>, TreeError>
    where
        T: Default + Send + 'static,
        R: FnOnce(PipeReader) -> T + Send + 'static,
    {
        let name = call.name();
        let bound = call.bound;
        let mut child = self.guard.spawn(self.spec(call)).await.map_err(|error| match error {
            ProcessError::NotFound { .. } => TreeError::NoGit,
            error => TreeError::Start(error),
        })?;
        let control = child.control();
        let output = child.take_stdout().map(|pipe| on_thread(pipe, read));
        let complaints = child.take_stderr().map(|pipe| on_thread(pipe, tail));
        let exit = tokio::select! {
            exit = child.wait() => exit,
            () = tokio::time::sleep(bound) => {
                control.end(self.bounds.grace);
                child.wait().await;
                return Err(TreeError::TimedOut { call: name, bound, lock_removed: None });
            }
        };
        let said = String::from_utf8_lossy(&join(complaints).await).trim().to_owned();
        Ok(Answer { exit, read: join(output).await, said })
    }

    fn spec(&self, call: Call) -> Spec {
        let mut args = Vec::with_capacity(call.args.len() + 2 * SETTINGS.len());
        for setting in SETTINGS {
            args.extend(["-c".into(), setting.into()]);
        }
        args.extend(call.args);
        let ours = |name: &OsString| {
            REDIRECTS.iter().any(|known| name == known) || VARIABLES.iter().any(|(known, _)| name == known)
        };
        let mut env: Vec<(OsString, OsString)> =
            self.environment.iter().filter(|(name, _)| !ours(name)).cloned().collect();
        env.extend(VARIABLES.iter().map(|(name, value)| (name.into(), value.into())));
        if call.looks {
            env.push(("GIT_OPTIONAL_LOCKS".into(), "0".into()));
        }
        Spec {
            program: PathBuf::from("git"),
            args,
            env,
            cwd: self.workspace.clone(),
            stdin: Stdin::Bytes(call.stdin),
        }
    }
}

/// What a call that has failed of itself comes to.
pub(super) fn refused<T>(call: String, answer: &Answer<T>) -> TreeError {
    let said = answer.said.clone();
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        return TreeError::DiskFull { call, said };
    }
    if let Some(path) = held(&said) {
        return TreeError::Locked { path };
    }
    TreeError::Refused { call, code: answer.exit.code, said }
}

/// The lock, of a name or of the index, that another git holds.
fn held(said: &str) -> Option<PathBuf> {
    let (_, rest) = said.split_once("Unable to create '")?;
    let (path, why) = rest.split_once("': ")?;
    why.starts_with("File exists").then(|| PathBuf::from(path))
}

fn on_thread<T: Send + 'static>(
    pipe: PipeReader,
    read: impl FnOnce(PipeReader) -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = tell.send(read(pipe));
    });
    told
}

async fn join<T: Default>(reading: Option<oneshot::Receiver<T>>) -> T {
    let Some(reading) = reading else { return T::default() };
    tokio::time::timeout(DRAIN, reading).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Reads to the end and keeps the beginning.
fn keep(mut pipe: PipeReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(KEPT).read_to_end(&mut kept);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    kept
}

/// Reads to the end and keeps the end.
fn tail(mut pipe: PipeReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..read]);
        kept.drain(..kept.len().saturating_sub(SAID));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scar: minutes without space on the disk counted as crashes.
    #[test]
    fn a_full_disk_is_the_environment_s_fault_and_a_refusal_is_not() {
        let answer = |said: &str| Answer {
            exit: Exit { code: Some(128), ..Exit::default() },
            read: (),
            said: said.to_owned(),
        };
        for (said, environmental) in [
            ("error: unable to write file x: No space left on device", true),
            ("fatal: cannot create directory at 'x': Disk quota exceeded", true),
            ("error: pathspec 'x' did not match any file(s) known to git", false),
            ("fatal: Unable to create '/r/.git/refs/x.lock': Permission denied", false),
        ] {
            let error = refused("git add".to_owned(), &answer(said));
            assert_eq!(error.is_environmental(), environmental, "{error}");
            assert!(error.to_string().contains("git add") && error.to_string().contains(said));
        }
    }

    /// W8: a lock that somebody else holds is waited for, and uses up no round.
    #[test]
    fn a_lock_that_another_git_holds_is_named() {
        let said = "error: cannot lock ref 'refs/stash': Unable to create '/r/.git/refs/stash.lock': File exists.\n\n\
                    Another git process seems to be running in this repository";
        let answer =
            Answer { exit: Exit { code: Some(1), ..Exit::default() }, read: (), said: said.to_owned() };
        let error = refused("git stash".to_owned(), &answer);
        assert!(error.is_environmental());
        assert!(error.to_string().starts_with("/r/.git/refs/stash.lock is held"), "{error}");
    }
}
