//! A score of a suite, made ready: everything that can be wrong with it is found before the first cell.

use std::path::Path;
use std::time::Duration;

use jsonschema::Validator;
use regex::Regex;

use crate::event::Scored;
use crate::profile::{Score, ScoreKind, ScoreOptions};
use crate::suite::{Case, Template};

use super::Answered;
use super::command::Command;
use super::json::{Form, json};
use super::mark::{graded, missing};
use super::number::{Tolerance, Where, number};
use super::pattern::{compile, regex};
use super::text::{Lenience, Parts, contains, exact};
use super::wanted::{Wanted, optional};

/// How long a program may take to score, where the suite does not say it.
const PATIENCE: Duration = Duration::from_mins(1);

/// How an answer is scored.
#[derive(Debug)]
pub(super) enum Rule {
    Exact {
        wanted: Wanted,
        lenience: Lenience,
    },
    Contains {
        any: Option<Wanted>,
        all: Vec<Template>,
        none: Vec<Template>,
        lenience: Lenience,
    },
    Regex {
        pattern: Regex,
        group: Option<Template>,
        ignore_case: bool,
    },
    Number {
        wanted: Wanted,
        place: Where,
        tolerance: Tolerance,
    },
    Json {
        schema: Option<Box<Validator>>,
        path: Option<String>,
        wanted: Option<Wanted>,
    },
    Check,
    Command(Command),
    /// Somebody else reads its options.
    Judge,
}

impl Rule {
    /// Reads the options of a score. `dir` is the suite's directory.
    ///
    /// # Errors
    ///
    /// What cannot be read, in words.
    pub(super) fn new(score: &Score, dir: &Path) -> Result<Self, String> {
        let options = &score.options;
        let ignore_case = options.ignore_case.unwrap_or(false);
        let wanted =
            || Wanted::new(options.expected.as_deref()).map_err(|error| format!("`expected`: {error}"));
        Ok(match score.kind {
            ScoreKind::Exact => {
                let lenience = Lenience { case: ignore_case, space: options.ignore_space.unwrap_or(true) };
                Self::Exact { wanted: wanted()?, lenience }
            }
            ScoreKind::Contains => {
                let alone = options.all.is_empty() && options.none.is_empty();
                Self::Contains {
                    any: (alone || options.expected.is_some()).then(wanted).transpose()?,
                    all: templates("all", &options.all)?,
                    none: templates("none", &options.none)?,
                    lenience: Lenience { case: ignore_case, space: false },
                }
            }
            ScoreKind::Regex => {
                let source = options.pattern.as_deref().ok_or("it has no `pattern`")?;
                let pattern = pattern(source, ignore_case)?;
                if options.group.is_some() && pattern.captures_len() < 2 {
                    return Err("`group` is set, and the pattern has no group".to_owned());
                }
                let group = options.group.as_deref().map(Template::new).transpose();
                Self::Regex {
                    pattern,
                    group: group.map_err(|error| format!("`group`: {error}"))?,
                    ignore_case,
                }
            }
            ScoreKind::Number => {
                let place = match options.pattern.as_deref() {
                    None => Where::Last,
                    Some(source) => Where::Group(pattern(source, ignore_case)?),
                };
                if matches!(&place, Where::Group(pattern) if pattern.captures_len() < 2) {
                    return Err("the pattern has no group for the number".to_owned());
                }
                let tolerance = Tolerance {
                    absolute: options.tolerance.unwrap_or(0.0),
                    relative: options.relative.unwrap_or(0.0),
                };
                Self::Number { wanted: wanted()?, place, tolerance }
            }
            ScoreKind::Json => {
                // A schema alone says all; else the value is compared.
                let compares =
                    options.expected.is_some() || options.path.is_some() || options.schema.is_none();
                Self::Json {
                    schema: schema(options, dir)?.map(Box::new),
                    path: options.path.clone(),
                    wanted: compares.then(wanted).transpose()?,
                }
            }
            ScoreKind::Check => Self::Check,
            ScoreKind::Command => {
                let argv = options.command.as_ref().ok_or("it has no `command`")?;
                let timeout = options.timeout.map_or(PATIENCE, |timeout| timeout.0);
                Self::Command(Command { argv: argv.0.clone(), timeout, dir: dir.to_owned() })
            }
            ScoreKind::Judge => Self::Judge,
        })
    }

    /// Whether it takes a program or a judge.
    pub(super) fn takes_time(&self) -> bool {
        matches!(self, Self::Command(_) | Self::Judge)
    }

    /// The score of an answer; `None` where its case has no such score, or where it takes its time.
    pub(super) fn at_once(&self, answered: &Answered<'_>, pass: Option<f64>) -> Option<Scored> {
        match self.apply(answered, pass.unwrap_or(1.0)) {
            Ok(scored) => scored,
            Err(why) => Some(missing(why)),
        }
    }

    fn apply(&self, answered: &Answered<'_>, pass: f64) -> Result<Option<Scored>, String> {
        let Answered { case, output, .. } = answered;
        Ok(match self {
            Self::Exact { wanted, lenience } => {
                wanted.texts(case)?.map(|wanted| exact(output, &wanted, *lenience, pass))
            }
            Self::Contains { any, all, none, lenience } => {
                let any = any.as_ref().map(|any| any.texts(case)).transpose()?.flatten();
                let (all, none) = (present(all, case)?, present(none, case)?);
                let parts = Parts { any: any.unwrap_or_default(), all, none };
                (parts != Parts::default()).then(|| contains(output, &parts, *lenience, pass))
            }
            Self::Regex { pattern, group, ignore_case } => {
                let group = match group {
                    None => None,
                    Some(group) => match optional(group, case)? {
                        None => return Ok(None),
                        text => text,
                    },
                };
                Some(regex(output, pattern, group.as_deref(), *ignore_case, pass))
            }
            Self::Number { wanted, place, tolerance } => {
                wanted.texts(case)?.map(|wanted| number(output, &wanted, place, *tolerance, pass))
            }
            Self::Json { schema, path, wanted } => {
                let wanted = match wanted {
                    None => Vec::new(),
                    Some(wanted) => match wanted.values(case)? {
                        None => return Ok(None),
                        Some(values) => values,
                    },
                };
                let form = Form { schema: schema.as_deref(), path: path.as_deref(), wanted: &wanted };
                Some(json(output, &form, pass))
            }
            Self::Check => Some(check(answered.check, pass)),
            Self::Command(_) | Self::Judge => None,
        })
    }
}

/// What the check of the cell said: its score where it gives one, else whether it has passed.
fn check(check: Option<&(bool, Option<f64>, String)>, pass: f64) -> Scored {
    let Some((delivered, score, evidence)) = check else {
        return missing(
            "no check ran: neither the case nor the profile has one, or the answer is a stored one",
        );
    };
    let why = || {
        evidence.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not pass").to_owned()
    };
    match score {
        None => graded(f64::from(u8::from(*delivered)), pass, why),
        Some(score) if (0.0..=1.0).contains(score) => graded(*score, pass, why),
        Some(score) => missing(format!("the check gave {score}, which is not from 0 to 1")),
    }
}

/// The texts of those templates that do not say none.
fn present(templates: &[Template], case: &Case) -> Result<Vec<String>, String> {
    let texts: Result<Vec<Option<String>>, String> =
        templates.iter().map(|template| optional(template, case)).collect();
    Ok(texts?.into_iter().flatten().collect())
}

fn templates(option: &str, sources: &[String]) -> Result<Vec<Template>, String> {
    let read = |source: &String| Template::new(source).map_err(|error| format!("`{option}`: {error}"));
    sources.iter().map(read).collect()
}

fn pattern(source: &str, ignore_case: bool) -> Result<Regex, String> {
    compile(source, ignore_case).map_err(|error| format!("`pattern`: {error}"))
}

fn schema(options: &ScoreOptions, dir: &Path) -> Result<Option<Validator>, String> {
    let Some(path) = &options.schema else { return Ok(None) };
    let path = dir.join(path);
    let wrong = |what: &str| format!("`schema`: {} {what}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let schema = serde_json::from_str(&text).map_err(|error| wrong(&format!("is not JSON: {error}")))?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| wrong(&format!("is not a JSON schema: {error}")))?;
    Ok(Some(validator))
}

#[cfg(test)]
mod tests;
