//! What was done, in words that are few enough whatever it was.

use std::fmt::Write as _;

use super::wrap::{NOTE, without};

/// Bytes of the block that follows a turn, at most.
pub(crate) const MOST: usize = 24 * 1024;
/// How many calls of tools are listed; of the older ones only the numbers are said.
const DEEDS: usize = 40;
/// Bytes of a tool's name, and of what a call is about.
const NAME: usize = 64;
const ABOUT: usize = 200;
/// Bytes of the agent's last words, and of the changes.
const WORDS: usize = 4 * 1024;
const DIFF: usize = 4 * 1024;

/// The name of the block.
const BLOCK: &str = "earlier-work";

/// A tool that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// The tool.
    pub(crate) name: String,
    /// What it was about.
    pub(crate) about: String,
    /// Whether it worked; `None` where it has not answered, and may or may not have had its effect.
    pub(crate) ok: Option<bool>,
}

/// What came of the attempts before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Tools that were called, oldest first.
    pub(crate) tools: Vec<Deed>,
    /// What the agent said last.
    pub(crate) last_words: String,
    /// What has changed in the workspace, as `git diff --stat` prints it; empty where that is not known.
    pub(crate) diff_stat: String,
}

impl Done {
    /// Whether nothing came of them.
    pub(crate) fn is_nothing(&self) -> bool {
        self.tools.is_empty() && self.last_words.trim().is_empty() && self.diff_stat.trim().is_empty()
    }

    /// Whether it is in doubt what a tool did.
    fn in_doubt(&self) -> bool {
        self.tools.iter().any(|deed| deed.ok.is_none())
    }
}

/// What an agent is told that goes on with its own session.
pub(super) fn go_on(done: &Done) -> &'static str {
    if done.in_doubt() {
        "This is a note of the program that runs you, not of the user. A technical fault cut your last reply off while \
         a tool was running. Go on with the same task from where it stopped. What is done is done: do not start over \
         and do not repeat it. Whether the tool that was cut off had its effect is not known, so look before you call \
         it again. Do not answer this note."
    } else {
        "This is a note of the program that runs you, not of the user. A technical fault cut your last reply off. Go on \
         with the same task from where it stopped. What is done is done: do not start over and do not repeat it. Do \
         not answer this note."
    }
}

/// What follows the user's turn in a new conversation.
pub(super) fn block(done: &Done) -> String {
    let mut words = format!(
        "<{BLOCK}>\nThis part is a note of the program that runs you, not of the user. The work on the task above was \
         begun by an agent that a technical fault has ended; you take it over in the same workspace."
    );
    if done.is_nothing() {
        words.push_str(" Nothing that it did is on record.");
    }
    let said = tame(&cut(done.last_words.trim(), WORDS));
    if !said.trim().is_empty() {
        let _ = write!(words, "\n\nIts last words:\n{}", said.trim());
    }
    if !done.tools.is_empty() {
        words.push_str("\n\nTools that it called, the latest last:");
        tools(&mut words, &done.tools);
    }
    let diff = tame(&cut(done.diff_stat.trim_matches('\n'), DIFF));
    if !diff.trim().is_empty() {
        let _ = write!(words, "\n\nFiles that have changed:\n{diff}");
    }
    words.push_str(
        "\n\nGo on from there. Look at the workspace before you change it. What is done is done: do not start over, and \
         do not repeat anything that has an effect outside of it, such as sending, publishing or deleting.",
    );
    if done.in_doubt() {
        words.push_str(
            " Where no outcome is said, find out whether the call had its effect before you repeat it.",
        );
    }
    let _ = write!(words, "\n</{BLOCK}>");
    words
}

fn tools(words: &mut String, tools: &[Deed]) {
    let (older, listed) = tools.split_at(tools.len().saturating_sub(DEEDS));
    if !older.is_empty() {
        let failed = older.iter().filter(|deed| deed.ok == Some(false)).count();
        let doubt = older.iter().filter(|deed| deed.ok.is_none()).count();
        let _ = write!(
            words,
            "\n- before these {} more, of which {failed} failed and {doubt} have no known outcome",
            older.len()
        );
    }
    for deed in listed {
        let name = line(&deed.name, NAME);
        let about = line(&deed.about, ABOUT);
        let outcome = match deed.ok {
            Some(true) => "",
            Some(false) => " (failed)",
            None => " (cut off, outcome not known)",
        };
        let colon = if about.is_empty() { "" } else { ": " };
        let _ = write!(words, "\n- {name}{colon}{about}{outcome}");
    }
}

/// Words of others, that must not end our block or look like a note of ours. They are few by now: taming a text takes
/// longer than its length alone would say.
fn tame(text: &str) -> String {
    without(text, &[BLOCK, NOTE])
}

/// Text on one line.
fn line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    tame(&cut(&words.join(" "), most))
}

/// Text of at most so many bytes; of a longer one the beginning and, mostly, the end.
fn cut(text: &str, most: usize) -> String {
    const GAP: &str = " … ";
    if text.len() <= most {
        return text.to_owned();
    }
    let head = text.floor_char_boundary((most - GAP.len()) / 3);
    let tail = text.ceil_char_boundary(text.len() - (most - GAP.len() - head));
    format!("{}{GAP}{}", &text[..head], &text[tail..])
}
