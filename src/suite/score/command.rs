//! `command`: a program scores. It runs in the suite's directory, and the case and its answer are on its standard input.
//!
//! - The last number that it prints on its standard output is the value; it must be from 0 to 1.
//! - Where it prints none, exit code 0 is 1 and another one is 0.
//! - Exit code 0 is passed, and another one is not; where the suite sets `pass` and a number was printed, the number says it.
//! - A program that does not start, does not end in time, is ended by a signal, or exits with 126 or 127, as a shell does
//!   that found nothing to run, is missing and never zero. So is a number outside of the range.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::backend::registry::check_environment;
use crate::backend::{Errand, Returned};
use crate::event::Scored;
use crate::suite::Stage;
use crate::text::truncate;

use super::Answered;
use super::mark::{missing, reaches};
use super::number;

/// Characters of what it said that are kept as the reason.
const KEPT: usize = 240;

/// A program that scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// How long it may take.
    pub(super) timeout: Duration,
    /// The suite's directory: where it runs, and what a program that is named by a path is relative to.
    pub(super) dir: PathBuf,
}

impl Command {
    /// Asks the program.
    pub(super) async fn score(&self, answered: &Answered<'_>, stage: &Stage, pass: Option<f64>) -> Scored {
        let name = self.argv.first().cloned().unwrap_or_default();
        let program = if name.contains('/') {
            self.dir.join(&name).to_string_lossy().into_owned()
        } else {
            name.clone()
        };
        let text = |os: std::ffi::OsString| os.into_string().ok();
        let environment = check_environment(&stage.environment, &stage.secrets).into_iter();
        let errand = Errand {
            program,
            args: self.argv.iter().skip(1).cloned().collect(),
            environment: environment.filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
            patience: self.timeout,
            cwd: Some(self.dir.clone()),
            input: input(answered).into_bytes(),
            keeps_end: true,
        };
        match errand.ask(&stage.guard).await {
            Ok(Returned::Said { code, out, err }) => {
                let clean = |text: &str| stage.secrets.redact_str(text).0.into_owned();
                read(code, &clean(&out), &clean(&err), pass)
            }
            Ok(Returned::Absent) => missing(format!("the program `{name}` is not there")),
            Ok(Returned::Late) => {
                missing(format!("`{name}` did not end within {} s", self.timeout.as_secs_f64()))
            }
            Err(error) => missing(format!("`{name}` did not start: {error}")),
        }
    }
}

/// What it can read: the case and its answer, in one line.
fn input(answered: &Answered<'_>) -> String {
    let Answered { case, output, workspace, trial, .. } = answered;
    let fields = json!({
        "id": case.id, "input": case.input, "expected": case.expected, "tags": case.tags, "fields": case.fields,
        "output": output, "workspace": workspace, "trial": trial,
    });
    format!("{fields}\n")
}

/// What a program said.
fn read(code: Option<i32>, out: &str, err: &str, pass: Option<f64>) -> Scored {
    let last =
        |text: &str| text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let (said, complaint) = (last(out), last(err));
    let told = |what: String| match complaint.clone().or_else(|| said.clone()) {
        Some(line) => format!("{what}: {}", truncate(&line, KEPT)),
        None => what,
    };
    let code = match code {
        None => return missing(told("the program was ended by a signal".to_owned())),
        Some(code @ (126 | 127)) => return missing(told(format!("the program exited with {code}"))),
        Some(code) => code,
    };
    // A scorer that divides by zero has no opinion.
    let no_number =
        said.as_deref().and_then(|line| line.parse::<f64>().ok()).is_some_and(|it| !it.is_finite());
    if no_number {
        return missing(told("the program gave no finite number".to_owned()));
    }
    let number = number::last(out);
    if let Some(number) = number.filter(|number| !(0.0..=1.0).contains(number)) {
        return missing(format!("the program gave {number}, which is not from 0 to 1"));
    }
    let value = number.unwrap_or(f64::from(u8::from(code == 0)));
    let passed = match (pass, number) {
        (Some(pass), Some(_)) => reaches(value, pass),
        _ => code == 0,
    };
    let why = match (&said, &complaint) {
        (Some(line), _) if line.parse::<f64>().is_err() => Some(truncate(line, KEPT).into_owned()),
        (_, Some(line)) if value < 1.0 => Some(truncate(line, KEPT).into_owned()),
        _ if code != 0 => Some(format!("exit code {code}")),
        _ => None,
    };
    Scored { value: Some(value), passed: Some(passed), why, ..Scored::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says() {
        for (code, out, pass, value, passed) in [
            (Some(0), "", None, Some(1.0), Some(true)),
            (Some(1), "", None, Some(0.0), Some(false)),
            (Some(0), "checked 12 of 16\n0.75\n", None, Some(0.75), Some(true)),
            (Some(3), "0.75", None, Some(0.75), Some(false)),
            (Some(0), "0.75", Some(0.8), Some(0.75), Some(false)),
            (Some(1), "0.9", Some(0.8), Some(0.9), Some(true)),
            (Some(0), "well done", Some(0.5), Some(1.0), Some(true)),
            // No opinion is missing, and never zero.
            (Some(0), "1.5", None, None, None),
            (Some(0), "score: -0.1", None, None, None),
            (Some(0), "nan", None, None, None),
            (Some(0), "inf", None, None, None),
            (Some(127), "", None, None, None),
            (Some(126), "", None, None, None),
            (None, "0.5", None, None, None),
        ] {
            let scored = read(code, out, "", pass);
            assert_eq!((scored.value, scored.passed), (value, passed), "{code:?} {out:?} {pass:?}");
            assert!(value.is_some() || scored.why.is_some(), "missing says why");
        }
    }

    #[test]
    fn the_reason_is_what_it_said_last() {
        let scored = read(Some(1), "", "Traceback\nAssertionError: no verb\n", None);
        assert_eq!(scored.why.as_deref(), Some("AssertionError: no verb"));
        assert_eq!(read(Some(1), "too long\n", "", None).why.as_deref(), Some("too long"));
        assert_eq!(read(Some(1), "", "", None).why.as_deref(), Some("exit code 1"));
        assert_eq!(read(Some(0), "1\n", "a warning", None).why, None);
    }
}
