//! An agent in a container: its runtime is asked to stop it when we end the round, since the client that we see is not it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::{Errand, Returned};
use crate::event::{AlertRaised, Severity};
use crate::process::{Guard, Spec};
use crate::profile::find_container;

/// How long the runtime may take to stop a container; the container has half of it before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is longer is no id.
const LONGEST: usize = 128;

/// A container that an agent runs in.
pub(super) struct Boxed {
    /// What reaches the runtime: everything before the verb.
    runtime: Vec<String>,
    /// Where the runtime writes the id.
    id_file: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Boxed {
    /// Finds the container that a program starts, and has its id written beside the transcript, which no container sees.
    /// `None` where there is none, or where the command names a file of its own.
    pub(super) fn prepare(spec: &mut Spec, transcript: &Path) -> Option<Self> {
        let argv: Vec<String> = std::iter::once(spec.program.as_os_str())
            .chain(spec.args.iter().map(OsString::as_os_str))
            .map(|word| word.to_str().map(str::to_owned))
            .collect::<Option<_>>()?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let container = find_container(&words).filter(|container| !container.names_its_id_file)?;
        let id_file = transcript.with_extension("cid");
        // The runtime writes over no file; an earlier attempt has left its own.
        let _ = std::fs::remove_file(&id_file);
        let mut option = OsString::from("--cidfile=");
        option.push(&id_file);
        // The program itself is no argument.
        spec.args.insert(container.verb_at, option);
        let text = |(name, value): &(OsString, OsString)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        Some(Self {
            runtime: argv[..container.verb_at].to_vec(),
            id_file,
            environment: spec.env.iter().filter_map(text).collect(),
        })
    }

    /// Has the container stopped; what a person should know when it may still run.
    pub(super) async fn stop(&self, guard: &Guard) -> Option<AlertRaised> {
        let id = self.id()?;
        let (program, before) = self.runtime.split_first()?;
        let more = ["stop", "-t", "5", "--", &id].map(str::to_owned);
        let errand = Errand {
            program: program.clone(),
            args: before.iter().cloned().chain(more).collect(),
            environment: self.environment.clone(),
            patience: PATIENCE,
            ..Errand::default()
        };
        let why = match errand.ask(guard).await {
            Ok(Returned::Said { code: Some(0), .. }) => return None,
            // It has gone by itself.
            Ok(Returned::Said { err, .. }) if err.to_lowercase().contains("no such container") => {
                return None;
            }
            Ok(Returned::Said { err, .. }) => err.lines().next().unwrap_or("it refused").to_owned(),
            Ok(Returned::Absent) => "it is not there".to_owned(),
            Ok(Returned::Late) => format!("it did not answer within {} s", PATIENCE.as_secs()),
            Err(error) => error.to_string(),
        };
        Some(AlertRaised {
            alert: "container".to_owned(),
            severity: Severity::Warning,
            message: format!("the agent's container {id} may still run: `{program} stop`: {why}"),
        })
    }

    /// The id, if the file holds one and nothing else: 12 to 64 hex digits.
    fn id(&self) -> Option<String> {
        let bytes = std::fs::read(&self.id_file).ok().filter(|bytes| bytes.len() <= LONGEST)?;
        let id = String::from_utf8(bytes).ok()?.trim().to_owned();
        let fits = (12..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(line: &str) -> Spec {
        let mut words = line.split_whitespace();
        Spec {
            program: words.next().unwrap().into(),
            args: words.map(OsString::from).collect(),
            ..Spec::default()
        }
    }

    #[test]
    fn the_id_is_asked_for_right_behind_the_verb() {
        let mut spec = spec("sudo -u me docker --context far run -i image agent run");
        let boxed = Boxed::prepare(&mut spec, Path::new("/r/rounds/root-3.log")).unwrap();
        let args: Vec<&str> = spec.args.iter().map(|arg| arg.to_str().unwrap()).collect();
        let wanted = "-u me docker --context far run --cidfile=/r/rounds/root-3.cid -i image agent run";
        assert_eq!(args.join(" "), wanted);
        assert_eq!(boxed.runtime.join(" "), "sudo -u me docker --context far");
        for line in ["docker run --cidfile /mine image", "docker exec box agent", "claude -p run"] {
            let mut spec = self::spec(line);
            let before = spec.clone();
            assert!(Boxed::prepare(&mut spec, Path::new("/r/root-1.log")).is_none(), "{line}");
            assert_eq!(spec, before, "{line}");
        }
    }

    /// Scar "cidfile poisoned by the container": what is no id is never handed to the runtime.
    #[test]
    fn only_an_id_is_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let long = "a".repeat(65);
        let rows = [
            ("0123456789ab\n", true),
            ("0123456789ab", true),
            ("--all", false),
            ("0123456789ab; rm -rf /", false),
            ("0123456789ag", false),
            ("0123", false),
            ("", false),
            (long.as_str(), false),
        ];
        for (text, is_one) in rows {
            let id_file = dir.path().join("x.cid");
            crate::file::write_atomic_unsynced(&id_file, text.as_bytes()).unwrap();
            let boxed = Boxed { runtime: Vec::new(), id_file, environment: BTreeMap::new() };
            assert_eq!(boxed.id().is_some(), is_one, "{text:?}");
        }
    }
}
