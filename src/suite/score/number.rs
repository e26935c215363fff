//! `number`: a number in the answer is the expected one, up to a tolerance.

use regex::Regex;

use crate::event::Scored;

use super::mark::{graded, missing, quoted};

/// Slack at the edge of a tolerance, relative: `1.1` is within `0.1` of `1`, whatever binary fractions make of it.
const SLACK: f64 = 1e-12;

/// How far off a number may be: the larger of the two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tolerance {
    /// In the number's own unit.
    pub(super) absolute: f64,
    /// As a share of the expected number.
    pub(super) relative: f64,
}

impl Tolerance {
    fn holds(self, found: f64, wanted: f64) -> bool {
        let allowed = self.absolute.max(self.relative * wanted.abs());
        let slack = if allowed > 0.0 { SLACK * found.abs().max(wanted.abs()) } else { 0.0 };
        (found - wanted).abs() <= allowed + slack
    }
}

/// Where the number is.
#[derive(Clone, Debug)]
pub(super) enum Where {
    /// The last number of the answer.
    Last,
    /// The first group of the last match of a pattern.
    Group(Regex),
}

/// 1 when the number of the answer is within the tolerance of one that is wanted, else 0; an answer without a number is 0.
/// What is wanted and is no number is missing: it is the suite's fault, not the agent's.
pub(super) fn number(
    output: &str,
    wanted: &[String],
    place: &Where,
    tolerance: Tolerance,
    pass: f64,
) -> Scored {
    let mut numbers = Vec::new();
    for text in wanted {
        let Some(number) = whole(text) else {
            return missing(format!("what is expected is no number: {}", quoted(text)));
        };
        numbers.push(number);
    }
    let found = match place {
        Where::Last => last(output),
        Where::Group(pattern) => pattern
            .captures_iter(output)
            .last()
            .and_then(|found| last(found.get(1).map_or("", |group| group.as_str()))),
    };
    let Some(found) = found else {
        return graded(0.0, pass, || "there is no number in the answer".to_owned());
    };
    let near = numbers.iter().any(|wanted| tolerance.holds(found, *wanted));
    graded(f64::from(u8::from(near)), pass, || {
        let wanted: Vec<String> = numbers.iter().map(f64::to_string).collect();
        format!("found {found}, expected {}", wanted.join(" or "))
    })
}

/// The number that a text is, if it is one and nothing else; a sign of currency before it and a percent sign behind it
/// are left out.
fn whole(text: &str) -> Option<f64> {
    let text = text.trim().trim_start_matches(['$', '€', '£']).trim_end_matches('%').trim_end();
    let (found, span) = scan(text).last()?;
    (span == (0..text.len())).then_some(found)
}

/// The last number in a text. Commas that part thousands are part of it: `1,234.5`.
pub(super) fn last(text: &str) -> Option<f64> {
    scan(text).last().map(|(number, _)| number)
}

/// The numbers of a text. A sign belongs to one unless it follows a letter, a digit or a closing bracket (`3-5` is 3 and
/// 5), and digits within a word (`gpt4`) are none.
fn scan(text: &str) -> impl Iterator<Item = (f64, std::ops::Range<usize>)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let rest = text.get(at..)?;
            let before = text.get(..at)?.chars().next_back();
            let joined = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
            if !joined && let Some((number, length)) = number_at(rest, before) {
                let span = at..at + length;
                at = span.end;
                return Some((number, span));
            }
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        None
    })
}

/// The number at the beginning of a text, and its length in bytes.
fn number_at(text: &str, before: Option<char>) -> Option<(f64, usize)> {
    let mut plain = String::new();
    let mut at = 0;
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-' | '\u{2212}'));
    if let Some(sign) = sign {
        if before.is_some_and(|c| c == ')' || c == ']') {
            return None;
        }
        plain.push(if sign == '+' { '+' } else { '-' });
        at += sign.len_utf8();
    }
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut first = digits(at);
    plain.push_str(text.get(at..at + first)?);
    at += first;
    // Thousands: one to three digits, and then groups of three.
    while (1..=3).contains(&first) && bytes.get(at) == Some(&b',') && digits(at + 1) == 3 {
        plain.push_str(text.get(at + 1..at + 4)?);
        at += 4;
    }
    if bytes.get(at) == Some(&b'.') && digits(at + 1) > 0 {
        let fraction = digits(at + 1);
        plain.push_str(text.get(at..=at + fraction)?);
        at += 1 + fraction;
        first += fraction;
    }
    if first == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let power = digits(at + 1 + sign);
        if power > 0 {
            plain.push_str(text.get(at..at + 1 + sign + power)?);
            at += 1 + sign + power;
        }
    }
    let number: f64 = plain.parse().ok()?;
    number.is_finite().then_some((number, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_a_text() {
        for (text, found) in [
            ("It is 42.", Some(42.0)),
            ("7 apples, so 1,234.5 in all", Some(1234.5)),
            ("1,2,3", Some(3.0)),
            ("costs $1,000,000", Some(1e6)),
            ("from 3-5", Some(5.0)),
            ("from 3 to -5", Some(-5.0)),
            ("x = \u{2212}2", Some(-2.0)),
            ("(1)-2", Some(2.0)),
            (".5", Some(0.5)),
            ("6.02e23", Some(6.02e23)),
            ("1e-3 m", Some(0.001)),
            ("12 eggs", Some(12.0)),
            ("gpt4 says 7 of gpt5", Some(7.0)),
            ("95%", Some(95.0)),
            ("\\boxed{17}", Some(17.0)),
            ("1e999", None),
            ("none at all", None),
            ("", None),
            ("über 9 Äpfel", Some(9.0)),
        ] {
            assert_eq!(last(text), found, "{text:?}");
        }
    }

    #[test]
    fn what_is_expected_is_a_number_and_nothing_else() {
        for (text, number) in [
            ("42", Some(42.0)),
            (" -1,234.5 ", Some(-1234.5)),
            ("$10", Some(10.0)),
            ("95 %", Some(95.0)),
            ("4 2", None),
            ("about 42", None),
            ("", None),
        ] {
            assert_eq!(whole(text), number, "{text:?}");
        }
    }

    #[test]
    fn tolerances() {
        let score = |output: &str, wanted: &str, absolute, relative| {
            let tolerance = Tolerance { absolute, relative };
            number(output, &[wanted.to_owned()], &Where::Last, tolerance, 1.0).value
        };
        assert_eq!(score("0.1", "0.10", 0.0, 0.0), Some(1.0));
        assert_eq!(score("1.1", "1", 0.1, 0.0), Some(1.0), "the edge counts");
        assert_eq!(score("1.11", "1", 0.1, 0.0), Some(0.0));
        assert_eq!(score("1.11", "1", 0.0, 0.2), Some(1.0));
        assert_eq!(
            score("-90", "-100", 0.0, 0.1),
            Some(1.0),
            "a share of what is expected, whatever its sign"
        );
        assert_eq!(score("no idea", "1", 9.0, 0.0), Some(0.0), "no number is 0 and not missing");
        assert_eq!(score("1", "one", 0.0, 0.0), None, "the suite's fault is missing");
    }

    #[test]
    fn a_pattern_says_where() {
        let place = Where::Group(Regex::new(r"Answer: (\S+)").unwrap());
        let text = "Answer: 3? No. Answer: 4, and 5 is wrong";
        let score = |text: &str| number(text, &["4".to_owned()], &place, Tolerance::default(), 1.0).value;
        assert_eq!(score(text), Some(1.0), "the last match counts");
        assert_eq!(score("4"), Some(0.0));
    }
}
