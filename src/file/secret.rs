//! Secret values that provost knows, replaced before anything is written.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

/// Shorter values are words and numbers that occur by chance; replacing them would destroy text and hide nothing.
const SHORTEST: usize = 6;

/// The values that must not be written, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Longest first; a value may be here in several spellings.
    entries: Vec<Entry>,
    /// `None` when there is nothing to find, or too much for an automaton; [`Secrets::find`] then goes by hand.
    automaton: Option<AhoCorasick>,
    /// Which bytes a value can begin with.
    first: Vec<bool>,
}

struct Entry {
    value: Vec<u8>,
    mark: Vec<u8>,
    name: String,
}

impl Secrets {
    /// Takes names and values. Values under six bytes are ignored; each is also found as JSON spells it.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for (name, value) in values {
            for spelling in spellings(&value) {
                if spelling.len() >= SHORTEST && !entries.iter().any(|known| known.value == spelling) {
                    let mark = format!("[secret:{name}]").into_bytes();
                    entries.push(Entry { value: spelling, mark, name: name.clone() });
                }
            }
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.value.len()));
        let automaton = if entries.is_empty() {
            None
        } else {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(entries.iter().map(|entry| &entry.value))
                .ok()
        };
        let mut first = vec![false; 256];
        for byte in entries.iter().filter_map(|entry| entry.value.first()) {
            if let Some(flag) = first.get_mut(usize::from(*byte)) {
                *flag = true;
            }
        }
        Self { inner: Arc::new(Inner { entries, automaton, first }) }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.inner.entries.is_empty()
    }

    /// Replaces each value by `[secret:NAME]` and says how many there were.
    pub fn redact<'a>(&self, bytes: &'a [u8]) -> (Cow<'a, [u8]>, u64) {
        let mut out = Vec::new();
        let mut count = 0;
        let mut cursor = 0;
        while let Some((range, mark)) = self.find(bytes, cursor) {
            out.extend_from_slice(bytes.get(cursor..range.start).unwrap_or_default());
            out.extend_from_slice(mark);
            cursor = range.end;
            count += 1;
        }
        if count == 0 {
            return (Cow::Borrowed(bytes), 0);
        }
        out.extend_from_slice(bytes.get(cursor..).unwrap_or_default());
        (Cow::Owned(out), count)
    }

    /// [`Secrets::redact`] for text.
    pub fn redact_str<'a>(&self, text: &'a str) -> (Cow<'a, str>, u64) {
        match self.redact(text.as_bytes()) {
            (Cow::Borrowed(_), count) => (Cow::Borrowed(text), count),
            // Values and marks are whole texts, so that what remains is one as well.
            (Cow::Owned(bytes), count) => (Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()), count),
        }
    }

    /// The first value at or after `from`, the longest of those that begin there, and what replaces it.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<(Range<usize>, &[u8])> {
        if self.is_empty() {
            return None;
        }
        let Some(automaton) = &self.inner.automaton else { return self.find_by_hand(bytes, from) };
        let found = automaton.find(aho_corasick::Input::new(bytes).range(from..))?;
        let entry = self.inner.entries.get(found.pattern().as_usize())?;
        Some((found.range(), &entry.mark))
    }

    /// Where the longest suffix of `bytes[from..]` begins that more bytes could turn into a value; the end if none.
    pub(super) fn undecided(&self, bytes: &[u8], from: usize) -> usize {
        let longest = self.inner.entries.first().map_or(0, |entry| entry.value.len());
        let start = from.max((bytes.len() + 1).saturating_sub(longest));
        let tail = bytes.get(start..).unwrap_or_default();
        for (at, byte) in tail.iter().enumerate() {
            if !self.inner.first.get(usize::from(*byte)).is_some_and(|can| *can) {
                continue;
            }
            let suffix = tail.get(at..).unwrap_or_default();
            let longer = self.inner.entries.iter().take_while(|entry| entry.value.len() > suffix.len());
            if longer.into_iter().any(|entry| entry.value.starts_with(suffix)) {
                return start + at;
            }
        }
        bytes.len()
    }

    fn find_by_hand(&self, bytes: &[u8], from: usize) -> Option<(Range<usize>, &[u8])> {
        (from..bytes.len()).find_map(|at| {
            let rest = bytes.get(at..)?;
            let entry = self.inner.entries.iter().find(|entry| rest.starts_with(&entry.value))?;
            Some((at..at + entry.value.len(), entry.mark.as_slice()))
        })
    }
}

/// The value as it is, as JSON writes it, and as JSON writes it in ASCII only.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![value.as_bytes().to_vec()];
    if let Ok(quoted) = serde_json::to_string(value)
        && let Some(json) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
    {
        let mut ascii = String::with_capacity(json.len());
        let mut units = [0; 2];
        for c in json.chars() {
            if c.is_ascii() {
                ascii.push(c);
            } else {
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
        spellings.push(json.as_bytes().to_vec());
        spellings.push(ascii.into_bytes());
    }
    spellings
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: std::collections::BTreeSet<&str> =
            self.inner.entries.iter().map(|entry| entry.name.as_str()).collect();
        f.debug_tuple("Secrets").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        Secrets::new(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn replaces_values_and_counts_them() {
        let secrets = secrets(&[("A", "hunter2hunter2"), ("B", "s3cr3t")]);
        let (text, count) = secrets.redact_str("x hunter2hunter2 y s3cr3t s3cr3t");
        assert_eq!(text, "x [secret:A] y [secret:B] [secret:B]");
        assert_eq!(count, 3);
    }

    #[test]
    fn the_longest_value_wins() {
        let secrets = secrets(&[("SHORT", "abcdef"), ("LONG", "abcdefgh")]);
        assert_eq!(secrets.redact_str("abcdefgh abcdefg").0, "[secret:LONG] [secret:SHORT]g");
    }

    #[test]
    fn by_hand_finds_what_the_automaton_finds() {
        let secrets = secrets(&[("SHORT", "abcabc"), ("LONG", "abcabcab"), ("OTHER", "bcabca")]);
        let text = b"xabcabcabxbcabcabcabcabcab";
        for from in 0..=text.len() {
            assert_eq!(secrets.find(text, from), secrets.find_by_hand(text, from));
        }
    }

    #[test]
    fn short_values_stay() {
        let (text, count) = secrets(&[("N", "12345"), ("E", "")]).redact_str("12345");
        assert!(matches!(text, Cow::Borrowed("12345")) && count == 0);
    }

    #[test]
    fn finds_a_value_as_json_spells_it() {
        let secrets = secrets(&[("P", "pass\"wörd\n")]);
        let json = serde_json::to_string("say pass\"wörd\n!").unwrap();
        assert_eq!(secrets.redact_str(&json).0, "\"say [secret:P]!\"");
        assert_eq!(secrets.redact_str(r#"pass\"w\u00f6rd\n"#).0, "[secret:P]");
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", secrets(&[("API_KEY", "hunter2hunter2")]));
        assert!(shown.contains("API_KEY") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let (bytes, count) = secrets(&[("A", "secret")]).redact(b"\xff\xfesecret\xff").clone();
        assert_eq!((bytes.as_ref(), count), (b"\xff\xfe[secret:A]\xff".as_slice(), 1));
    }
}
