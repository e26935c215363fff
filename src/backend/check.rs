//! The completion oracle: an independent word on whether the work is done.
//!
//! It never sees what the agent says of itself, except where the answer itself is what is checked.

use std::ffi::OsString;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::file::Secrets;
use crate::process::{Guard, Spec};
use crate::profile::{Check, JsonCheck};

/// What the end of an output is cut to for the journal, bytes.
const EVIDENCE: usize = 4 * 1024;
/// How much of an output is kept, bytes.
const KEPT: usize = 4 * 1024 * 1024;
/// How long it may take to see what has changed.
const SURVEY: Duration = Duration::from_secs(10);

/// A decision of the oracle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// Whether the work is done.
    pub delivered: bool,
    /// A score, if it gives one.
    pub score: Option<f64>,
    /// What it says: the end of its output, bounded.
    pub evidence: String,
    /// Exit code of a command.
    pub exit_code: Option<i32>,
    /// The whole output, bounded at 4 MiB from its end.
    pub output: Option<Vec<u8>>,
}

/// A check that runs.
pub type Checking = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// Decides whether an answer, or the state of the workspace, is what was asked for.
pub trait Oracle: Send + Sync {
    /// Decides. Dropping the future ends whatever it started.
    fn check(&self, answer: String) -> Checking;
}

/// Makes the oracle of a profile. `None` when the check names nothing to decide by, which the loader refuses.
pub fn oracle(
    check: &Check,
    guard: Guard,
    environment: Vec<(OsString, OsString)>,
    workspace: &Path,
    secrets: Arc<Secrets>,
) -> Option<Arc<dyn Oracle>> {
    if let Some(argv) = &check.command {
        let timeout = check.timeout.map_or(Duration::from_mins(10), |timeout| timeout.0);
        let workspace = workspace.to_owned();
        return Some(Arc::new(Command {
            argv: argv.0.clone(),
            timeout,
            guard,
            environment,
            workspace,
            secrets,
        }));
    }
    let rule = if let Some(text) = &check.contains {
        Rule::Contains(text.clone())
    } else if let Some(pattern) = &check.regex {
        Rule::Regex(regex::Regex::new(pattern).ok()?)
    } else {
        Rule::Json(check.json.clone()?)
    };
    Some(Arc::new(Matcher { rule: Arc::new(rule) }))
}

/// What has changed in the workspace, for an agent that takes over from another one: the evidence of its finding is what
/// `git` says, and nothing where there is no repository.
pub fn survey(
    guard: Guard,
    environment: Vec<(OsString, OsString)>,
    workspace: &Path,
    secrets: Arc<Secrets>,
) -> Arc<dyn Oracle> {
    let script = "git diff --stat HEAD 2>/dev/null; git ls-files --others --exclude-standard 2>/dev/null | \
        head -n 40 | sed 's/^/ new: /'";
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let (timeout, workspace) = (SURVEY, workspace.to_owned());
    Arc::new(Command { argv, timeout, guard, environment, workspace, secrets })
}

struct Command {
    argv: Vec<String>,
    timeout: Duration,
    guard: Guard,
    environment: Vec<(OsString, OsString)>,
    workspace: PathBuf,
    secrets: Arc<Secrets>,
}

impl Oracle for Command {
    fn check(&self, _answer: String) -> Checking {
        let spec = Spec {
            program: PathBuf::from(self.argv.first().cloned().unwrap_or_default()),
            args: self.argv.iter().skip(1).map(OsString::from).collect(),
            env: self.environment.clone(),
            cwd: self.workspace.clone(),
            stdin: crate::process::Stdin::default(),
        };
        let (guard, timeout, secrets) = (self.guard.clone(), self.timeout, Arc::clone(&self.secrets));
        Box::pin(async move {
            let mut child = match guard.spawn(spec).await {
                Ok(child) => child,
                Err(error) => {
                    return Finding {
                        evidence: format!("the check did not start: {error}"),
                        ..Finding::default()
                    };
                }
            };
            let control = child.control();
            let stdout = child.take_stdout().map(collect);
            let stderr = child.take_stderr().map(collect);
            let (exit, expired) = tokio::select! {
                exit = child.wait() => (exit, false),
                () = tokio::time::sleep(timeout) => {
                    control.end(Duration::from_secs(2));
                    (child.wait().await, true)
                }
            };
            let mut output = join(stdout).await;
            output.extend(join(stderr).await);
            let output = secrets.redact(&output).0.into_owned();
            let mut evidence = tail(&output, EVIDENCE);
            if expired {
                let expiry = format!("the check did not end within {timeout:?}");
                evidence = if evidence.is_empty() { expiry } else { format!("{evidence}\n{expiry}") };
            }
            Finding {
                delivered: exit.code == Some(0) && !expired,
                score: None,
                evidence,
                exit_code: exit.code,
                output: Some(output),
            }
        })
    }
}

/// Reads a pipe on a thread of its own, keeping its end.
pub(super) fn collect(mut pipe: impl Read + Send + 'static) -> tokio::sync::oneshot::Receiver<Vec<u8>> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut chunk) {
            kept.extend_from_slice(&chunk[..read]);
            if kept.len() > 2 * KEPT {
                kept.drain(..kept.len() - KEPT);
            }
        }
        kept.drain(..kept.len().saturating_sub(KEPT));
        let _ = tell.send(kept);
    });
    told
}

/// The process is gone, so its pipes end; one that a survivor holds open is not waited for longer.
async fn join(collected: Option<tokio::sync::oneshot::Receiver<Vec<u8>>>) -> Vec<u8> {
    let Some(collected) = collected else { return Vec::new() };
    tokio::time::timeout(Duration::from_secs(2), collected)
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

/// The end of a text, at a character boundary.
pub(crate) fn tail(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].trim_end().to_owned()
}

enum Rule {
    Contains(String),
    Regex(regex::Regex),
    Json(JsonCheck),
}

struct Matcher {
    rule: Arc<Rule>,
}

impl Oracle for Matcher {
    fn check(&self, answer: String) -> Checking {
        let rule = Arc::clone(&self.rule);
        Box::pin(async move {
            let refusal = match &*rule {
                Rule::Contains(text) => {
                    (!answer.contains(text)).then(|| format!("the answer does not contain `{text}`"))
                }
                Rule::Regex(pattern) => {
                    (!pattern.is_match(&answer)).then(|| format!("the answer does not match `{pattern}`"))
                }
                Rule::Json(check) => json(check, &answer).err(),
            };
            Finding {
                delivered: refusal.is_none(),
                evidence: refusal.unwrap_or_else(|| "the answer is as asked for".to_owned()),
                ..Finding::default()
            }
        })
    }
}

fn json(check: &JsonCheck, answer: &str) -> Result<(), String> {
    let value: serde_json::Value =
        serde_json::from_str(answer.trim()).map_err(|error| format!("the answer is not JSON: {error}"))?;
    if let Some(path) = &check.schema {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("failed to read {}: {error}", path.display()))?;
        let schema = serde_json::from_str(&text)
            .map_err(|error| format!("{} is not JSON: {error}", path.display()))?;
        let validator = jsonschema::validator_for(&schema)
            .map_err(|error| format!("{} is not a JSON schema: {error}", path.display()))?;
        validator.validate(&value).map_err(|error| format!("the answer does not fit the schema: {error}"))?;
    }
    let Some(path) = &check.path else { return Ok(()) };
    let found = path.split('.').try_fold(&value, |value, key| match key.parse::<usize>() {
        Ok(index) if value.is_array() => value.get(index),
        _ => value.get(key),
    });
    let Some(found) = found else { return Err(format!("the answer has no value at `{path}`")) };
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    match &check.equals {
        Some(wanted) if *wanted != text => Err(format!("`{path}` is `{text}`, not `{wanted}`")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_checks() {
        let check = |path: &str, equals: Option<&str>| JsonCheck {
            schema: None,
            path: Some(path.to_owned()),
            equals: equals.map(str::to_owned),
        };
        assert_eq!(json(&check("a.0.b", Some("1")), r#"{"a":[{"b":1}]}"#), Ok(()));
        assert!(json(&check("a.b", None), r#"{"a":{}}"#).is_err_and(|why| why.contains("no value at `a.b`")));
        assert!(json(&check("a", Some("y")), r#"{"a":"x"}"#).is_err_and(|why| why.contains("not `y`")));
        assert!(json(&check("a", None), "no").is_err_and(|why| why.contains("not JSON")));
    }

    #[test]
    fn the_tail_begins_at_a_character() {
        assert_eq!(tail("äöü".as_bytes(), 3), "ü");
    }
}
