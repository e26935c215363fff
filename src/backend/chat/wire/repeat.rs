//! The fast path: nearly every event of a stream is the one before with another text, and is read without parsing.
//!
//! **What is read here is what the parser would have read.** An event is taken only if it is, byte for byte, an event
//! that was parsed, but for the inside of strings and the digits of a number: so it is JSON of the same form, and nothing
//! in it is new but those. All else goes to the parser.

use std::borrow::Cow;

use super::lenient::Text;

/// So many events in a row that are no repetition: this server has none.
const TRIES: u32 = 64;

/// A number that counts events, and a text of random length that hides the length of the other: neither means anything.
const COUNT: &str = "\"sequence_number\":";
const PADDING: &str = "\"obfuscation\":\"";

/// What repeats, and what it is about.
#[derive(Debug)]
pub(super) struct Repeat<T> {
    learned: Option<Learned<T>>,
    misses: u32,
}

#[derive(Debug)]
struct Learned<T> {
    /// Up to the count, or up to the opening quote of the text.
    head: Vec<u8>,
    /// From behind the count up to the opening quote of the text.
    counted: Option<Vec<u8>>,
    /// From the closing quote of the text, up to the padding, or to the end.
    tail: Vec<u8>,
    /// From the closing quote of the padding.
    padded: Option<Vec<u8>>,
    about: T,
}

impl<T> Default for Repeat<T> {
    fn default() -> Self {
        Self { learned: None, misses: 0 }
    }
}

impl<T> Repeat<T> {
    /// Remembers an event that was parsed, and that says `text` and nothing else; `about` is all that acting on it takes.
    pub(super) fn learn(&mut self, data: &str, text: &Text<'_>, about: T) {
        self.misses += 1;
        if self.misses > TRIES {
            self.learned = None;
            return;
        }
        let Some((head, tail)) = around(data, text) else { return };
        let (head, counted) = match head.find(COUNT) {
            Some(at) => {
                let digits = &head[at + COUNT.len()..];
                let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
                (&head[..at + COUNT.len()], Some(after.as_bytes().to_vec()))
            }
            None => (head, None),
        };
        let (tail, padded) = match tail.find(PADDING) {
            Some(at) => {
                let (until, padding) = tail.split_at(at + PADDING.len());
                let Some(end) = inside(padding.as_bytes()) else { return };
                (until, Some(padding.as_bytes()[end..].to_vec()))
            }
            None => (tail, None),
        };
        let (head, tail) = (head.as_bytes().to_vec(), tail.as_bytes().to_vec());
        self.learned = Some(Learned { head, counted, tail, padded, about });
    }

    /// The text of an event that repeats the one that was learned.
    pub(super) fn text<'d>(&mut self, data: &'d str) -> Option<(Text<'d>, &T)> {
        let learned = self.learned.as_ref()?;
        let text = learned.text(data)?;
        self.misses = 0;
        Some((text, &learned.about))
    }
}

impl<T> Learned<T> {
    fn text<'d>(&self, data: &'d str) -> Option<Text<'d>> {
        let mut rest = data.as_bytes().strip_prefix(&*self.head)?;
        if let Some(counted) = &self.counted {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            // No number begins with a zero, but for zero.
            if digits == 0 || digits > 15 || (digits > 1 && rest[0] == b'0') {
                return None;
            }
            rest = rest[digits..].strip_prefix(&**counted)?;
        }
        let start = data.len() - rest.len();
        let (end, escaped) = string_end(rest)?;
        let mut after = rest[end..].strip_prefix(&*self.tail)?;
        if let Some(padded) = &self.padded {
            after = &after[inside(after)?..];
            after = after.strip_prefix(&**padded)?;
        }
        if !after.is_empty() {
            return None;
        }
        if escaped {
            // With its quotes it is JSON by itself, and what is wrong with it is found there.
            return serde_json::from_str(data.get(start - 1..=start + end)?).ok();
        }
        Some(Text(Cow::Borrowed(data.get(start..start + end)?)))
    }
}

/// What stands before and behind a text that is a piece of the data; `None` when it is a copy.
fn around<'d>(data: &'d str, text: &str) -> Option<(&'d str, &'d str)> {
    let start = text.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    let end = start.checked_add(text.len())?;
    // A copy may lie anywhere, even close behind.
    if data.get(start..end)? != text || !data[..start].ends_with('"') || !data[end..].starts_with('"') {
        return None;
    }
    Some((&data[..start], &data[end..]))
}

/// Where a JSON string ends, given what follows its opening quote, and whether anything in it is escaped.
fn string_end(text: &[u8]) -> Option<(usize, bool)> {
    let mut escaped = false;
    let mut at = 0;
    loop {
        at += text[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        match text[at] {
            b'"' => return Some((at, escaped)),
            // What a backslash escapes is never an end.
            b'\\' => at += 2,
            _ => return None,
        }
        escaped = true;
        if at > text.len() {
            return None;
        }
    }
}

/// Where a string without anything escaped ends.
fn inside(text: &[u8]) -> Option<usize> {
    string_end(text).filter(|(_, escaped)| !escaped).map(|(end, _)| end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        delta: Text<'a>,
    }

    fn learned(data: &str) -> Repeat<()> {
        let event: Event<'_> = serde_json::from_str(data).unwrap();
        let mut repeat = Repeat::default();
        repeat.learn(data, &event.delta, ());
        repeat
    }

    const SAID: &str = r#"{"type":"t","sequence_number":7,"delta":"one","obfuscation":"xyz","last":[1]}"#;

    #[test]
    fn a_repetition_is_known_by_all_but_its_text() {
        let mut repeat = learned(SAID);
        let mut read = |from: &str, to: &str| {
            let data = SAID.replace(from, to);
            repeat.text(&data).map(|(text, ())| text.to_string())
        };
        assert_eq!(read("one", "two").as_deref(), Some("two"));
        assert_eq!(read("one", "").as_deref(), Some(""));
        assert_eq!(read("one", r#"a\n\u00e9\"b\\"#).as_deref(), Some("a\né\"b\\"));
        assert_eq!(read("7", "4711").as_deref(), Some("one"));
        assert_eq!(read("xyz", "").as_deref(), Some("one"));
        for (from, to) in [
            ("7", "07"),
            ("7", "-7"),
            ("7", ""),
            ("one", "\n"),
            ("one", r"\x"),
            ("one", r"\"),
            ("xyz", r#"","error":"x"#),
            ("one", r#"x","error":"x"#),
            ("[1]", "[2]"),
            ("\"t\"", "\"u\""),
            ("]}", "]} "),
            ("]}", "]"),
        ] {
            assert_eq!(read(from, to), None, "{to}");
        }
    }

    #[test]
    fn who_never_repeats_is_not_learned_from() {
        let mut repeat = Repeat::default();
        for number in 0..=TRIES {
            let data = format!(r#"{{"n":{number},"delta":"x"}}"#);
            assert!(repeat.text(&data).is_none());
            let event: Event<'_> = serde_json::from_str(&data).unwrap();
            repeat.learn(&data, &event.delta, ());
        }
        assert!(repeat.learned.is_none());
        // A copy has no place in the data.
        let copied = Text(Cow::Owned("one".to_owned()));
        let mut repeat = Repeat::default();
        repeat.learn(SAID, &copied, ());
        assert!(repeat.learned.is_none());
    }

    proptest! {
        #[test]
        fn what_is_read_without_parsing_is_what_the_parser_reads(
            text in r#"([a-z"\\ön/{}:,\x00-\x1f]|\\u00e9|\\"|","error":"){0,12}"#,
            count in "(0|-)?[0-9]{0,17}",
            padding in r#"[a-z"\\,:{}]{0,6}"#,
            end in "[}\\], ]{0,3}",
        ) {
            let data = SAID
                .replace("one", &text)
                .replace('7', &count)
                .replace("xyz", &padding)
                .replace("]}", &format!("]{end}"));
            if let Some((read, ())) = learned(SAID).text(&data) {
                let mut parsed: Value = serde_json::from_str(&data).unwrap();
                prop_assert_eq!(&parsed["delta"], &*read);
                let mut expected: Value = serde_json::from_str(SAID).unwrap();
                for key in ["delta", "sequence_number", "obfuscation"] {
                    parsed[key] = json!(null);
                    expected[key] = json!(null);
                }
                prop_assert_eq!(parsed, expected);
            }
        }
    }
}
