//! Reading a string of a JSON line without parsing the line: for lines of which a transcript has millions.

use std::borrow::Cow;

/// Where a JSON string ends, given what follows its opening quote.
pub(super) fn string_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        // What a backslash escapes is never an end.
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

/// The text of a JSON string's inside. Nearly always the very bytes.
pub(super) fn unescaped(inside: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', inside).is_none() {
        return String::from_utf8_lossy(inside);
    }
    let quoted = format!("\"{}\"", String::from_utf8_lossy(inside));
    serde_json::from_str::<String>(&quoted).map_or_else(|_| String::from_utf8_lossy(inside), Cow::Owned)
}

/// A line whose one text changes from line to line, and nothing else.
#[derive(Debug)]
pub(super) struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Template {
    /// Learns from a line that was parsed, and in which the value of the key `text` was this; `None` where a line like it
    /// could be misread.
    pub(super) fn of(line: &str, text: &str) -> Option<Self> {
        const KEY: &str = "\"text\":\"";
        let at = line.find(KEY)? + KEY.len();
        // A second one might be the one that was read.
        let alone = line.matches("\"text\"").count() == 2 && line.contains("\"type\":\"text\"")
            || line.matches("\"text\"").count() == 1;
        let end = at + string_end(&line.as_bytes()[at..])?;
        let learnt = alone && &line[at..end] == text;
        learnt.then(|| Self { before: line[..at].into(), after: line[end..].into() })
    }

    /// The text of a line that is like the one it was learnt from.
    pub(super) fn text<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, str>> {
        let rest = line.strip_prefix(&self.before[..])?;
        let end = string_end(rest)?;
        (rest[end..] == self.after[..]).then(|| unescaped(&rest[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":7,"content":{"type":"text","text":"one"}}"#;

    #[test]
    fn a_line_like_the_one_that_was_parsed_is_read_the_same() {
        let template = Template::of(LINE, "one").unwrap();
        for text in ["", "two", "a \"quote\" and a \\", "ü \u{1F980}\n\"}}"] {
            let line = LINE.replace("\"one\"", &serde_json::to_string(text).unwrap());
            assert_eq!(template.text(line.as_bytes()).as_deref(), Some(text));
            for end in 0..line.len() {
                assert_eq!(template.text(&line.as_bytes()[..end]), None);
            }
        }
        for (from, to) in [("7", "8"), ("}}", "},\"more\":1}"), ("\"type\":\"text\"", "\"type\":\"next\"")] {
            assert_eq!(template.text(LINE.replace(from, to).as_bytes()), None);
        }
    }

    #[test]
    fn what_could_be_misread_is_not_learnt() {
        assert!(Template::of(LINE, "two").is_none());
        assert!(Template::of(r#"{"text":"one","content":{"text":"one"}}"#, "one").is_none());
        assert!(Template::of(r#"{"text":"\u006fne"}"#, "one").is_none());
        assert!(Template::of(r#"{"words":"one"}"#, "one").is_none());
    }
}
