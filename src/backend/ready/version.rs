//! The version of an agent CLI, by its own word.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Memory, Notice};
use crate::backend::agent::{Versions, invocation};
use crate::backend::registry::{self, Unavailable};
use crate::file::Secrets;
use crate::process::{Guard, Spec, Stdin};
use crate::profile::Profile;

/// How long a program may take to say its version; those that run on Node or Python take seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of its words that are looked at.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Characters of its words that an error quotes.
const QUOTED: usize = 200;

/// `major.minor.patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u64, u64, u64);

impl Version {
    /// The first one in a text.
    fn find(text: &str) -> Option<Self> {
        let pattern = regex::Regex::new(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})").ok()?;
        let found = pattern.captures(text)?;
        let part = |index| found.get(index).and_then(|part| part.as_str().parse().ok());
        Some(Self(part(1)?, part(2)?, part(3)?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The question for one program's version.
#[derive(Clone, Debug)]
pub struct VersionCheck {
    harness: String,
    program: PathBuf,
    /// Words of `agent.command` between the program and its arguments.
    prefix: Vec<OsString>,
    versions: Versions,
    environment: Vec<(OsString, OsString)>,
    workspace: PathBuf,
    secrets: Arc<Secrets>,
}

impl VersionCheck {
    /// The question for the program of a profile; `None` where there is no program, or nobody knows its versions.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the program is not there.
    pub fn of(
        profile: &Profile,
        environment: &BTreeMap<String, String>,
        workspace: &Path,
        secrets: Arc<Secrets>,
    ) -> Result<Option<Self>, Unavailable> {
        let Some(invocation) = invocation(profile) else { return Ok(None) };
        let Some(versions) = invocation.versions() else { return Ok(None) };
        let program = registry::program(profile, invocation.program(), environment, workspace)?;
        let words = profile.agent.command.iter().flat_map(|argv| argv.0.iter().skip(1));
        let prefix = words.map(OsString::from).collect();
        let environment = registry::os(registry::agent_environment(profile, environment));
        let harness = profile.agent.harness.clone();
        let workspace = workspace.to_owned();
        Ok(Some(Self { harness, program, prefix, versions, environment, workspace, secrets }))
    }

    /// What is known of this very program from before; `None` when it must be asked.
    pub fn remembered(&self, memory: &Memory) -> Option<Result<Notice, Unavailable>> {
        // With words in between, another file may be what says the version.
        if !self.prefix.is_empty() {
            return None;
        }
        let version = Version::find(&memory.find(&self.program)?)?;
        Some(self.judge(Some(version)))
    }

    /// Asks the program, and remembers what it said.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], when it does not start, fails, hangs, or is too old.
    pub async fn ask(&self, guard: &Guard, memory: Option<&Memory>) -> Result<Notice, Unavailable> {
        let arguments = self.versions.arguments.iter().map(OsString::from);
        let spec = Spec {
            program: self.program.clone(),
            args: self.prefix.iter().cloned().chain(arguments).collect(),
            env: self.environment.clone(),
            cwd: self.workspace.clone(),
            stdin: Stdin::default(),
        };
        let mut child =
            guard.spawn(spec).await.map_err(|error| self.broken(&format!("does not start: {error}")))?;
        let control = child.control();
        let outputs = [child.take_stdout().map(collect), child.take_stderr().map(collect)];
        let exit = tokio::select! {
            exit = child.wait() => Some(exit),
            () = tokio::time::sleep(PATIENCE) => {
                control.end(Duration::ZERO);
                child.wait().await;
                None
            }
        };
        let mut said = Vec::new();
        for output in outputs.into_iter().flatten() {
            // Whoever else holds the pipe is not waited for.
            let output = tokio::time::timeout(Duration::from_secs(2), output).await;
            said.extend(output.ok().and_then(Result::ok).unwrap_or_default());
            said.push(b'\n');
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        match exit {
            None => Err(self.broken(&format!("did not say its version within {} s", PATIENCE.as_secs()))),
            Some(exit) if exit.code != Some(0) => {
                let how = exit.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                let said = self.secrets.redact_str(&said).0.into_owned();
                let line: String = said
                    .lines()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or("nothing")
                    .chars()
                    .take(QUOTED)
                    .collect();
                Err(self.broken(&format!(
                    "ended with {how} when asked for its version, and said: {}",
                    line.trim()
                )))
            }
            Some(_) => {
                let version = Version::find(&said);
                let judged = self.judge(version);
                // One that is refused is asked again, since the remedy is to replace it.
                if let (Some(memory), Some(version), Ok(_), true) =
                    (memory, version, &judged, self.prefix.is_empty())
                {
                    memory.keep(&self.program, &version.to_string());
                }
                judged
            }
        }
    }

    /// What a version means.
    fn judge(&self, version: Option<Version>) -> Result<Notice, Unavailable> {
        let Versions { tested, oldest, .. } = self.versions;
        let name = &self.harness;
        let Some(version) = version else {
            let text = format!("`{name}` did not say its version; {tested} is the one that was tested");
            return Ok(Notice::unusual("version", text));
        };
        if Version::find(oldest).is_some_and(|oldest| version < oldest) {
            return Err(Unavailable {
                what: format!("{} is `{name}` {version}, which is too old", self.program.display()),
                remedy: format!("install {oldest} or newer; {tested} is the one that was tested"),
            });
        }
        if Version::find(tested) == Some(version) {
            return Ok(Notice::usual("version", format!("`{name}` {version}, the one that was tested")));
        }
        Ok(Notice::unusual("version", format!("`{name}` {version} was not tested; {tested} was")))
    }

    fn broken(&self, how: &str) -> Unavailable {
        let (tested, program) = (self.versions.tested, self.program.display());
        Unavailable {
            what: format!("the program {program} {how}"),
            remedy: format!("install `{}` {tested} again, or correct `agent.command`", self.harness),
        }
    }
}

/// Reads to the end, so that the program never waits for us, and keeps the beginning.
pub(in crate::backend) fn collect(mut pipe: impl Read + Send + 'static) -> oneshot::Receiver<Vec<u8>> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut chunk) {
            let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(read);
            kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
        let _ = tell.send(kept);
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> VersionCheck {
        VersionCheck {
            harness: "claude".to_owned(),
            program: PathBuf::from("/opt/claude"),
            prefix: Vec::new(),
            versions: Versions { arguments: &["--version"], tested: "2.10.3", oldest: "2.0.0" },
            environment: Vec::new(),
            workspace: PathBuf::from("/"),
            secrets: Arc::new(Secrets::new([])),
        }
    }

    #[test]
    fn the_first_version_in_a_text_is_the_one() {
        for (text, version) in [
            ("2.1.328 (Claude Code)", Some(Version(2, 1, 328))),
            ("codex-cli 0.169.0", Some(Version(0, 169, 0))),
            ("aider 0.86.2\n", Some(Version(0, 86, 2))),
            ("v1.18.33-beta.1, needs 20.0.0", Some(Version(1, 18, 33))),
            ("warning: 12 things\n\u{1b}[1m0.61.0\u{1b}[0m", Some(Version(0, 61, 0))),
            ("1.2", None),
            ("", None),
            ("99999999999999999999.1.2", Some(Version(999_999_999, 1, 2))),
        ] {
            assert_eq!(Version::find(text), version, "{text}");
        }
    }

    #[test]
    fn a_version_is_as_tested_or_noticed_or_too_old() {
        for (version, usual) in [
            ("2.10.3", Some(true)),
            ("2.9.9", Some(false)),
            ("3.0.0", Some(false)),
            ("2.0.0", Some(false)),
            ("1.99.99", None),
        ] {
            match (check().judge(Version::find(version)), usual) {
                (Ok(notice), Some(usual)) => assert_eq!(notice.usual, usual, "{version}"),
                (Err(unavailable), None) => {
                    assert!(
                        unavailable.what.contains("`claude` 1.99.99, which is too old"),
                        "{unavailable:?}"
                    );
                    assert!(unavailable.remedy.contains("2.0.0 or newer"), "{unavailable:?}");
                }
                (judged, _) => panic!("{version}: {judged:?}"),
            }
        }
        assert!(!check().judge(None).unwrap().usual);
    }
}
