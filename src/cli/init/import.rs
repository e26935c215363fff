//! `provost init --from agent-runner.toml`: a profile that does what the file of another supervisor did.
//!
//! Everything below is pure: a text and places in, a profile and a list out. [`source`] reads the file strictly, by
//! [`schema`], with its [`remark`]s; [`convert`] moves each key to ours or lists why there is none, into a [`draft`].

mod agent;
mod check;
mod convert;
mod draft;
mod problem;
mod remark;
mod schema;
mod source;
mod table;
mod when;
mod words;

use std::path::Path;

use super::write_new;
use crate::cli::context::{Context, say};
use crate::cli::data;
use crate::cli::error::CliError;
use crate::profile;

/// Reads `from`, and writes a profile to `to` or prints it.
pub(super) fn import(context: &Context, from: &Path, to: &Path, print: bool) -> Result<u8, CliError> {
    let (from_path, to_path) = (context.cwd.join(from), context.cwd.join(to));
    let text = std::fs::read(&from_path).map_err(|error| {
        CliError::usage(format!("cannot read {}: {error}", from.display()))
            .hint("name the `agent-runner.toml` of the project")
    })?;
    let text = String::from_utf8(text)
        .map_err(|_| CliError::usage(format!("{} is not text", from.display())).hint("save it as UTF-8"))?;
    let shown = from.display().to_string();
    let report = |problems| {
        let colour = context.stderr_look().colour;
        CliError::report(problem::render(problems, &shown, &text, colour))
    };
    let home = context.environment.get("HOME").map(Path::new);
    let place = convert::Place {
        from: from_path.parent().unwrap_or(&context.cwd),
        to: to_path.parent().unwrap_or(&context.cwd),
        cwd: &context.cwd,
        home,
        is_file: &|path| path.is_file(),
    };
    let source = source::Source::read(&text).map_err(report)?;
    let (head, foot) = (source.head.clone(), source.foot.clone());
    let (mut draft, left) = convert::convert(source, &place).map_err(report)?;
    for (key, leaf) in left.left() {
        draft.gone(&key, Some(leaf), "this importer has no rule for it");
    }
    let profile = draft.render(&shown, &head, &foot);
    if print {
        say(&draft.list());
        return data(&profile);
    }
    write_new(&to_path, &profile)?;
    say(&format!("wrote {} from {shown}\n{}", to.display(), draft.list()));
    match profile::load(profile::Source { path: to, sets: &[], cwd: &context.cwd }) {
        Ok(_) => {
            let to = to.display();
            say(&format!(
                "next: provost supervise --check -p {to}   (sees whether all is there)\n\
                 then: provost supervise -p {to}\n"
            ));
            Ok(0)
        }
        Err(error) => Err(CliError::report(error.render(context.stderr_look().colour))
            .hint(format!("correct {} there; nothing else needs to be done again", to.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of theirs, each once.
    const FULL: &str = include_str!("../../../tests/fixtures/agent-runner/full.toml");

    #[test]
    fn every_key_of_theirs_has_a_rule() {
        let source = source::Source::read(FULL).unwrap();
        for (pattern, _) in schema::KEYS {
            let there = source.left().any(|(key, _)| {
                let (key, pattern): (Vec<_>, Vec<_>) =
                    (key.split('.').collect(), pattern.split('.').collect());
                key.len() == pattern.len()
                    && key.iter().zip(&pattern).all(|(key, word)| *word == "*" || key == word)
            });
            // Two ways to say the same, of which a file has one.
            let other = ["prompt.file", "phases.*.runtime.round_budget_s"].contains(pattern);
            assert!(there || other, "the full file has no `{pattern}`");
        }
        let dir = Path::new("/project");
        let place = convert::Place {
            from: dir,
            to: dir,
            cwd: dir,
            home: Some(Path::new("/home/u")),
            is_file: &|_| true,
        };
        let (_, left) = convert::convert(source, &place).unwrap();
        assert_eq!(left.left().map(|(key, _)| key).collect::<Vec<_>>(), Vec::<String>::new());
    }
}
