//! `exact` and `contains`: the answer is the expected text, or has it in it.

use std::borrow::Cow;

use crate::event::Scored;

use super::mark::{graded, missing, quoted};

/// What does not matter when texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lenience {
    /// Upper and lower case are the same.
    pub(super) case: bool,
    /// Runs of white space are one space, and nothing at the ends.
    pub(super) space: bool,
}

impl Lenience {
    /// The text as it is compared.
    fn apply<'a>(self, text: &'a str) -> Cow<'a, str> {
        let spaced: Cow<'a, str> = if self.space {
            text.split_whitespace().collect::<Vec<_>>().join(" ").into()
        } else {
            text.into()
        };
        if self.case { spaced.to_lowercase().into() } else { spaced }
    }
}

/// 1 when the answer is one of the wanted texts, else 0.
pub(super) fn exact(output: &str, wanted: &[String], lenience: Lenience, pass: f64) -> Scored {
    let said = lenience.apply(output);
    let same = wanted.iter().any(|text| lenience.apply(text) == said);
    graded(f64::from(u8::from(same)), pass, || format!("expected {}", one_of(wanted)))
}

/// What `contains` looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// One of these must be there; where there are none, nothing is asked for.
    pub(super) any: Vec<String>,
    /// Each of these should be there.
    pub(super) all: Vec<String>,
    /// None of these may be there.
    pub(super) none: Vec<String>,
}

/// The share of `all`, with `any` as one more of them, that is in the answer; 0 when one of `none` is. An empty text is in
/// every answer, so that looking for one is missing, not 1.
pub(super) fn contains(output: &str, parts: &Parts, lenience: Lenience, pass: f64) -> Scored {
    let Parts { any, all, none } = parts;
    if any.iter().chain(all).chain(none).any(String::is_empty) {
        return missing("one of the texts to look for is empty");
    }
    let said = lenience.apply(output);
    let there = |text: &String| said.contains(lenience.apply(text).as_ref());
    if let Some(text) = none.iter().find(|text| there(text)) {
        return graded(0.0, pass, || format!("the answer contains {}", quoted(text)));
    }
    let mut lacking: Vec<String> = all.iter().filter(|text| !there(text)).map(|text| quoted(text)).collect();
    let wanted = all.len() + usize::from(!any.is_empty());
    if !any.is_empty() && !any.iter().any(there) {
        lacking.push(one_of(any));
    }
    let value = if wanted == 0 { 1.0 } else { share(wanted - lacking.len(), wanted) };
    graded(value, pass, || format!("the answer does not contain {}", lacking.join(", ")))
}

/// `part / whole`; counts of texts in one score are far below 2^32.
fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole)
}

fn one_of(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    texts.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Lenience = Lenience { case: false, space: false };
    const LENIENT: Lenience = Lenience { case: true, space: true };
    const USUAL: Lenience = Lenience { case: false, space: true };

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn exact_texts() {
        for (output, wanted, lenience, value) in [
            ("Paris", &["Paris"][..], STRICT, 1.0),
            ("Paris\n", &["Paris"], STRICT, 0.0),
            (" New \n York\t", &["New York"], USUAL, 1.0),
            ("new york", &["New York"], USUAL, 0.0),
            ("ÉCOLE", &["école"], LENIENT, 1.0),
            ("Lyon", &["Paris", "Lyon"], USUAL, 1.0),
            ("Paris.", &["Paris"], USUAL, 0.0),
            ("", &[""], USUAL, 1.0),
        ] {
            let scored = exact(output, &texts(wanted), lenience, 1.0);
            assert_eq!(scored.value, Some(value), "{output:?} {wanted:?}");
            assert_eq!(scored.passed, Some(value > 0.5));
            assert_eq!(scored.why.is_some(), value < 1.0);
        }
    }

    #[test]
    fn contained_texts() {
        let parts = |any: &[&str], all: &[&str], none: &[&str]| Parts {
            any: texts(any),
            all: texts(all),
            none: texts(none),
        };
        for (output, parts, value) in [
            ("a b c", parts(&["b"], &[], &[]), Some(1.0)),
            ("a b c", parts(&["x", "c"], &[], &[]), Some(1.0)),
            ("a b c", parts(&[], &["a", "b", "x", "y"], &[]), Some(0.5)),
            ("a b c", parts(&["x"], &["a", "b", "c"], &[]), Some(0.75)),
            ("a b c", parts(&[], &["a"], &["c"]), Some(0.0)),
            ("a b c", parts(&[], &[], &["x"]), Some(1.0)),
            ("a b c", parts(&[], &[], &["c"]), Some(0.0)),
            // An empty text would make a score that nothing can fail.
            ("a b c", parts(&[""], &[], &[]), None),
            ("a b c", parts(&[], &["a", ""], &[]), None),
        ] {
            assert_eq!(contains(output, &parts, STRICT, 1.0).value, value, "{parts:?}");
        }
        let most = contains("a b", &parts(&[], &["a", "b", "c"], &[]), STRICT, 2.0 / 3.0);
        assert_eq!(most.passed, Some(true), "the edge counts");
        assert!(most.why.is_some_and(|why| why.contains("`c`") && !why.contains("`a`")));
        assert_eq!(contains("A  B", &parts(&["a b"], &[], &[]), LENIENT, 1.0).value, Some(1.0));
    }
}
