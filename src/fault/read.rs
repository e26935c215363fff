//! Reading words: what a text says that the wire did not say in a field of its own.

/// The first `limit` bytes of a text, cut at a character.
pub(super) fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Lower case, with straight apostrophes, so that phrases need one spelling only.
pub(super) fn normal(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.contains('\u{2019}') { lower.replace('\u{2019}', "'") } else { lower }
}

/// How far apart the parts of a phrase may be: more is another sentence.
const GAP: usize = 120;

/// Whether a phrase occurs; `…` in it stands for anything short.
pub(super) fn says(words: &str, phrase: &str) -> bool {
    let mut parts = phrase.split('…');
    let Some(first) = parts.next() else { return false };
    // A text that does not have the last part is not looked through for the first, which may be a frequent word.
    let last = parts.clone().next_back().unwrap_or(first);
    if memchr::memmem::find(words.as_bytes(), last.as_bytes()).is_none() {
        return false;
    }
    words.match_indices(first).any(|(at, _)| {
        let mut rest = &words[at + first.len()..];
        parts.clone().all(|part| match head(rest, GAP + part.len()).find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    })
}

/// What comes before a status that is only said in words; `[503]` counts at the beginning.
pub(super) const STATUS_LEADS: [&str; 6] =
    ["status code ", "api error: ", "last status: ", "unexpected status ", "http error ", "http status "];

/// An HTTP status of a failure that is only said in words.
pub(super) fn status(words: &str) -> Option<u16> {
    let number = |rest: &str| -> Option<u16> {
        let digits = rest.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok().filter(|status| (400..=599).contains(status))
    };
    // A fourth digit is never one of a status, and `[503 rows]` has none.
    let led = |lead: &&str| {
        let rest = &words[words.find(*lead)? + lead.len()..];
        number(rest).filter(|_| !rest.as_bytes().get(3).is_some_and(u8::is_ascii_digit))
    };
    STATUS_LEADS.iter().find_map(led).or_else(|| {
        // A bracket further on may hold anything.
        let rest = words.strip_prefix('[')?;
        number(rest).filter(|_| rest.as_bytes().get(3) == Some(&b']'))
    })
}

/// What comes before a wait that is only said in words.
pub(super) const WAIT_LEADS: [&str; 10] = [
    "try again in ",
    "retry in ",
    "retrying in ",
    "retry after ",
    "resets in ",
    "reset in ",
    "reset after ",
    "please wait ",
    "请在",
    "请等待",
];

/// A wait in seconds that is only said in words: `try again in 1.2s`, `reset in 1m30s`, `retrying in ~2 weeks`, `请在 30
/// 秒后重试`.
pub(super) fn wait(words: &str) -> Option<f64> {
    WAIT_LEADS.iter().find_map(|before| {
        // A lead may come before it is one.
        words.match_indices(before).take(LEADS).find_map(|(at, _)| {
            let rest = words[at + before.len()..].trim_start_matches([' ', '~']);
            let (mut seconds, mut rest) = one_length(rest)?;
            // `1m30s` and `2 days 3 hours` are one wait.
            while let Some((more, after)) = one_length(rest.trim_start_matches(' ')) {
                seconds += more;
                rest = after;
            }
            Some(seconds).filter(|wait| wait.is_finite())
        })
    })
}

/// So many places where a lead stands are looked at.
const LEADS: usize = 8;

/// A number with its unit, in seconds, and what follows them.
fn one_length(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].trim_end_matches('.').parse().ok()?;
    let rest = text[end..].trim_start();
    let (unit, rest) = rest.split_at(unit_end(rest));
    let seconds = match unit {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "" | "s" | "sec" | "secs" | "second" | "seconds" | "秒" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" | "分钟" | "分" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" | "小时" => 3600.0,
        "d" | "day" | "days" | "天" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    // A number without a unit ends a wait: what follows it is another matter.
    Some((number * seconds, if unit.is_empty() { "" } else { rest }))
}

/// Where the unit of a number ends: letters, or one of the Chinese units, which stand without a space before what follows.
fn unit_end(text: &str) -> usize {
    const CHINESE: [&str; 5] = ["分钟", "小时", "秒", "分", "天"];
    let letters = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    match CHINESE.iter().find(|unit| text.starts_with(**unit)) {
        Some(unit) => unit.len(),
        None => letters,
    }
}
