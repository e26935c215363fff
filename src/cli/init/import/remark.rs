//! The comments of a file, and the keys that they stand at.

use std::ops::Range;

/// A comment: where it is, its words without the `#`, and whether an empty line follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) at: usize,
    pub(super) text: String,
    /// Nothing but white space stands before it on its line.
    pub(super) own_line: bool,
    /// The line after it is empty.
    pub(super) apart: bool,
}

/// Every comment of a valid TOML text, in order. A `#` within a string is none.
pub(super) fn remarks(text: &str) -> Vec<Remark> {
    let mut found = Vec::new();
    let mut rest: Range<usize> = 0..text.len();
    while let Some(tail) = text.get(rest.clone()).filter(|tail| !tail.is_empty()) {
        if let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| tail.starts_with(quote)) {
            rest.start += quoted(tail, quote);
        } else if tail.starts_with('#') {
            let line = tail.lines().next().unwrap_or_default();
            let before = text.get(..rest.start).unwrap_or_default();
            let own_line = before.rsplit('\n').next().is_none_or(|start| start.trim().is_empty());
            let after = tail.get(line.len()..).unwrap_or_default();
            let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).unwrap_or(after);
            let apart = after.lines().next().is_none_or(|next| next.trim().is_empty());
            let words = line.trim_start_matches('#').trim_end();
            let words = words.strip_prefix(' ').unwrap_or(words).to_owned();
            found.push(Remark { at: rest.start, text: words, own_line, apart });
            rest.start += line.len();
        } else {
            rest.start += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// How many bytes a string takes that begins here with `quote`.
fn quoted(tail: &str, quote: &str) -> usize {
    let escapes = quote.starts_with('"');
    let mut at = quote.len();
    while let Some(rest) = tail.get(at..).filter(|rest| !rest.is_empty()) {
        if escapes && rest.starts_with('\\') {
            at += 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
        } else if rest.starts_with(quote) {
            at += quote.len();
            // Up to two more quotes before the closing three belong to the text.
            let mark = quote.chars().next().unwrap_or('"');
            while quote.len() == 3 && tail.get(at..).is_some_and(|rest| rest.starts_with(mark)) {
                at += 1;
            }
            return at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    tail.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_only_outside_of_strings() {
        let text = "# top\n\na = \"# no\" # yes\nb = '''\n# no\n''''\nc = \"\"\"x \\\"\"\" # no\n\"\"\" # two\nd = ['#', # three\n# four\n]\n";
        let words: Vec<_> =
            remarks(text).into_iter().map(|remark| (remark.text, remark.own_line, remark.apart)).collect();
        let expected = [
            ("top", true, true),
            ("yes", false, false),
            ("two", false, false),
            ("three", false, false),
            ("four", true, false),
        ];
        assert_eq!(words, expected.map(|(text, own, apart)| (text.to_owned(), own, apart)));
    }
}
