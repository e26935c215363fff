//! The prompt: whether there is one, and whether an agent CLI would take it for one.

use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
use std::path::PathBuf;

use crate::engine::{assemble, strip_front_matter};
use crate::profile::Profile;

use super::{Finding, Subject};

const CHECK: &str = "prompt";

/// Reads the files of the prompt and judges what would be sent.
pub(super) fn check(subject: &Subject<'_>, least: Option<u64>) -> Finding {
    read(subject.profile, subject.task, least).1
}

/// The texts of the prompt files as they are now, front matter of the first stripped, and what is to be said of the prompt
/// that they make with the task.
pub(in crate::supervise) fn read(
    profile: &Profile,
    task: &str,
    least: Option<u64>,
) -> (Vec<String>, Finding) {
    let mut files = Vec::new();
    for path in &profile.prompt.files {
        match std::fs::read(path) {
            Ok(bytes) => files.push((path.clone(), bytes)),
            Err(error) => {
                let message = format!("the prompt {} cannot be read: {error}", path.display());
                let remedy = "write the file, or take it out of `prompt.files`";
                let gone = [NotFound, PermissionDenied, IsADirectory, NotADirectory].contains(&error.kind());
                let of = if gone { Finding::permanent } else { Finding::passing };
                return (Vec::new(), of(CHECK, message, remedy));
            }
        }
    }
    judge(&files, task, least)
}

/// Judges the texts as they will be sent: front matter of the first file stripped, joined, with the task behind them.
fn judge(files: &[(PathBuf, Vec<u8>)], task: &str, least: Option<u64>) -> (Vec<String>, Finding) {
    let mut texts = Vec::new();
    for (path, bytes) in files {
        let Ok(text) = str::from_utf8(bytes) else {
            let message = format!("the prompt {} is not UTF-8", path.display());
            return (texts, Finding::permanent(CHECK, message, "save it as UTF-8"));
        };
        let text = if texts.is_empty() { strip_front_matter(text) } else { text };
        texts.push(text.to_owned());
    }
    let finding = weigh(&texts, files, task, least);
    (texts, finding)
}

fn weigh(texts: &[String], files: &[(PathBuf, Vec<u8>)], task: &str, least: Option<u64>) -> Finding {
    let prompt = assemble(texts, task);
    if prompt.trim().is_empty() {
        let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        let message = if names.is_empty() {
            "there is neither a task nor a prompt file".to_owned()
        } else {
            format!("the prompt is empty: nothing is left of {} without front matter", names.join(", "))
        };
        return Finding::permanent(CHECK, message, "give a task, or write the file");
    }
    if let Some(what) = stumbling_block(&prompt) {
        let source = texts
            .iter()
            .zip(files)
            .find(|(text, _)| !text.trim_end().is_empty())
            .map_or_else(|| "the task".to_owned(), |(_, (path, _))| path.display().to_string());
        let message =
            format!("the prompt begins with {what}, in {source}: an agent CLI may take it for an option");
        return Finding::permanent(CHECK, message, "begin with a word");
    }
    let length = prompt.trim_end().len() as u64;
    if let Some(least) = least.filter(|least| length < *least) {
        let message = format!("the prompt has {length} bytes, and `supervise.min_prompt` wants {least}");
        return Finding::permanent(CHECK, message, "see whether a file of it has been emptied");
    }
    Finding::well(CHECK, format!("the prompt has {length} bytes"))
}

/// What a prompt must not begin with.
fn stumbling_block(prompt: &str) -> Option<&'static str> {
    match prompt.chars().next()? {
        '-' => Some("a dash"),
        ' ' => Some("a space"),
        '\n' => Some("an empty line"),
        '\r' => Some("a carriage return"),
        '\t' => Some("a tab"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files, task, least length, and what is found: nothing where all is well.
    type Row<'a> = (&'a [&'a [u8]], &'a str, Option<u64>, Option<&'a str>);

    /// Scar R721: a prompt that began with `---` was refused by the CLI, round after round for hours.
    #[test]
    fn a_prompt_that_an_agent_would_refuse_is_found_before_the_first_round() {
        let rows: &[Row<'_>] = &[
            (&[b"Do it."], "", None, None),
            (&[], "Do it.", None, None),
            (&[b"---\na: 1\n---\nDo it."], "", None, None),
            (&[b"---\na: 1\n---\n\n\nDo it."], "Now.", None, None),
            (&[b"\xef\xbb\xbf---\na: 1\n---\nDo it."], "", None, None),
            (&[b"One.", b"---\nrules\n---\n"], "", None, None),
            (&[], "", None, Some("neither a task nor a prompt file")),
            (&[b""], "", None, Some("the prompt is empty")),
            (&[b"---\na: 1\n---\n"], " \n", None, Some("the prompt is empty")),
            (&[b"---\nnever closed"], "", None, Some("begins with a dash, in f0")),
            (&[b"---\na: 1\n---\n- a list"], "", None, Some("begins with a dash, in f0")),
            (&[b"", b"-x"], "", None, Some("begins with a dash, in f1")),
            (&[], "--help", None, Some("begins with a dash, in the task")),
            (&[b" Do it."], "", None, Some("a space")),
            (&[b"\nDo it."], "", None, Some("an empty line")),
            (&[b"\r\nDo it."], "", None, Some("a carriage return")),
            (&[b"\tDo it."], "", None, Some("a tab")),
            (&[b"Do it.\xff"], "", None, Some("f0 is not UTF-8")),
            (&[b"12345"], "890", Some(10), None),
            (&[b"12345"], "89", Some(10), Some("has 9 bytes, and `supervise.min_prompt` wants 10")),
            (&[b"---\nlong: front matter\n---\n12345"], "", Some(10), Some("has 5 bytes")),
            (&[b"12345          \n\n\n"], "", Some(10), Some("has 5 bytes")),
        ];
        for (texts, task, least, wanted) in rows {
            let files: Vec<(PathBuf, Vec<u8>)> = texts
                .iter()
                .enumerate()
                .map(|(place, text)| (PathBuf::from(format!("f{place}")), text.to_vec()))
                .collect();
            let (_, finding) = judge(&files, task, *least);
            match wanted {
                None => assert!(finding.ok, "{texts:?} {task:?}: {finding:?}"),
                Some(words) => {
                    assert!(!finding.ok && finding.permanent, "{texts:?} {task:?}: {finding:?}");
                    assert!(finding.message.contains(words), "{texts:?} {task:?}: {finding:?}");
                    assert!(!finding.remedy.is_empty());
                }
            }
        }
    }
}
