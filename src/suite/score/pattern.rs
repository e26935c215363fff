//! `regex`: the answer matches a pattern, and a part of it may have to be a given text.

use regex::{Regex, RegexBuilder};

use crate::event::Scored;

use super::mark::{graded, quoted};

/// Compiles a pattern. It is looked for anywhere in the answer; `^` and `$` are its ends unless the pattern says `(?m)`.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).case_insensitive(ignore_case).build()
}

/// 1 when the pattern matches, and where `group` is given when its first group is that text, with white space at the ends
/// left out; the first match counts.
pub(super) fn regex(
    output: &str,
    pattern: &Regex,
    group: Option<&str>,
    ignore_case: bool,
    pass: f64,
) -> Scored {
    let Some(found) = pattern.captures(output) else {
        return graded(0.0, pass, || format!("the answer does not match {}", quoted(pattern.as_str())));
    };
    let Some(wanted) = group else { return graded(1.0, pass, String::new) };
    let part = found.get(1).map_or("", |part| part.as_str()).trim();
    let wanted = wanted.trim();
    let same = part == wanted || (ignore_case && part.to_lowercase() == wanted.to_lowercase());
    graded(f64::from(u8::from(same)), pass, || format!("found {}, not {}", quoted(part), quoted(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (output, pattern, group, ignore_case, value) in [
            ("the answer is 42", r"\b42\b", None, false, 1.0),
            ("the answer is 421", r"\b42\b", None, false, 0.0),
            ("YES", "^yes$", None, true, 1.0),
            ("YES", "^yes$", None, false, 0.0),
            ("Answer: B \nbecause", r"Answer:(.*)", Some("B"), false, 1.0),
            ("Answer: b", r"Answer:\s*(\w)", Some("B"), true, 1.0),
            ("Answer: C", r"Answer:\s*(\w)", Some("B"), false, 0.0),
            ("Answer", r"Answer(:.*)?", Some("B"), false, 0.0),
        ] {
            let compiled = compile(pattern, ignore_case).unwrap();
            let scored = regex(output, &compiled, group, ignore_case, 1.0);
            assert_eq!(scored.value, Some(value), "{output:?} {pattern}");
        }
        assert!(compile("(", false).is_err());
    }
}
