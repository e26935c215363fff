//! What keys look like, for free text in the journal and in reports.
//!
//! A shape can be wrong in both directions, so prompts and transcripts are left alone. The tables of
//! `shape/tests.rs` say what must be taken out and what must stay.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

#[cfg(test)]
mod tests;

const MARK: &str = "[redacted]";

/// What a match is replaced by; `None` leaves it as it is.
type Rewrite = fn(&Captures<'_>) -> Option<String>;

/// In this order: what spans more comes first, so that the narrow shapes find nothing half done.
const SHAPES: &[(&str, Rewrite)] = &[
    // A block that was cut before its end is as secret as a whole one.
    (r"-----BEGIN [A-Z0-9 ]+-----(?s:.*?)(?:-----END [A-Z0-9 ]+-----|\z)", |_| Some(MARK.to_owned())),
    (
        r#"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:goog-)?api-key|x-auth-token)(["']?[ \t]*:[ \t]*["']?)([^\s"'][^\r\n"']*)"#,
        header,
    ),
    (r"(?i)\b(bearer|basic|digest|negotiate)([ \t]+)([A-Za-z0-9._~+/-]{8,}=*)", scheme),
    (r#"(?i)\b([a-z][a-z0-9+.-]*://)([^\s/?#"'<>]+)@"#, userinfo),
    (r#"([?&;])([A-Za-z0-9_.-]+)=([^&\s#"'<>]+)"#, query),
    (
        r#"(^|[\s"'\[(,`])(--[A-Za-z0-9][A-Za-z0-9_-]*)(=|[ \t]+|["'],\s*["'])("[^"]*"|'[^']*'|[^\s"'-][^\s"']*)"#,
        flag,
    ),
    (r#"(^|[\s"'\[(,`])(-u)([ \t]*|["'],\s*["'])(["']?)([^\s:"'/]+):([^\s"']+)"#, user_pass),
    // A known value's mark is passed over whole: its name is what a reader needs.
    (
        r#"\[secret:[A-Za-z_][A-Za-z0-9_]*\]|\b([A-Za-z_][A-Za-z0-9_.-]*)(\\?["']?)([ \t]*[=:][ \t]*)("[^"]*"|'[^']*'|\\"[^"]*\\"|[^\s"',;&)\]}=>][^\s"',;&)\]}]*)"#,
        assignment,
    ),
    (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", |_| Some(MARK.to_owned())),
    (
        r"\b(?:sk-[A-Za-z0-9_-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}\b|AIza[A-Za-z0-9_-]{30,}|(?:hf|gsk)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|xai-[A-Za-z0-9]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|ya29\.[A-Za-z0-9_-]{16,})",
        prefix,
    ),
];

/// All of them compile; a test says so.
static COMPILED: LazyLock<Vec<(Regex, Rewrite)>> = LazyLock::new(|| {
    SHAPES.iter().filter_map(|(shape, rewrite)| Some((Regex::new(shape).ok()?, *rewrite))).collect()
});

/// Replaces whatever looks like a credential by `[redacted]`. Run it before cutting the text.
pub fn redact_shapes(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (shape, rewrite) in COMPILED.iter() {
        let replaced = shape.replace_all(&text, |found: &Captures<'_>| {
            rewrite(found).unwrap_or_else(|| part(found, 0).to_owned())
        });
        if let Cow::Owned(replaced) = replaced {
            // A match that stays is no change.
            if replaced != *text {
                text = Cow::Owned(replaced);
            }
        }
    }
    text
}

/// Whether a variable, a key or a flag of this name holds a secret: `OPENAI_API_KEY`, `dbPassword`, `--auth-token`.
///
/// Goes by words, so that `KEYBOARD`, `max_tokens` and `SSH_AUTH_SOCK` are none, and by the last word, so that
/// `TOKEN_FILE` and `KEY_ID`, which say where or which, are none either.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let before = before.last().map_or("", String::as_str);
    match last.as_str() {
        "KEY" => !matches!(
            before,
            "PUBLIC" | "PRIMARY" | "FOREIGN" | "SORT" | "CACHE" | "PARTITION" | "INDEX" | "MAP" | "HOT"
        ),
        "KEYS" => matches!(before, "API" | "SECRET" | "PRIVATE" | "ACCESS"),
        "TOKEN" => !matches!(before, "MAX" | "MIN" | "PER" | "NEXT" | "EOS" | "BOS" | "PAD" | "STOP"),
        "PAT" | "PWD" => !before.is_empty(),
        "SECRET" | "SECRETS" | "PASSWORD" | "PASSWORDS" | "PASSWD" | "PASSPHRASE" | "CREDENTIAL"
        | "CREDENTIALS" | "APIKEY" | "APIKEYS" | "APITOKEN" | "AUTHTOKEN" | "ACCESSTOKEN" | "ACCESSKEY"
        | "SECRETKEY" | "PRIVATEKEY" | "CLIENTSECRET" | "DBPASSWORD" => true,
        last => last.ends_with("PASSWORD") || last.ends_with("APIKEY"),
    }
}

/// The words of a name, in capitals: parted by anything but letters and digits, and where `camelCase` parts them.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    for c in name.chars() {
        let parts = !c.is_alphanumeric();
        if (parts || (lower_before && c.is_uppercase())) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !parts {
            word.extend(c.to_uppercase());
        }
        lower_before = c.is_lowercase() || c.is_ascii_digit();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn part<'t>(found: &Captures<'t>, group: usize) -> &'t str {
    found.get(group).map_or("", |part| part.as_str())
}

/// The match with its last group replaced; what was replaced already stays, with its name.
fn without(found: &Captures<'_>, group: usize) -> Option<String> {
    let (whole, value) = (found.get(0)?, found.get(group)?);
    let bare = value.as_str().trim_matches(|c| matches!(c, '"' | '\'' | '\\'));
    if bare.is_empty() || bare.starts_with("[redacted") || bare.starts_with("[secret:") {
        return None;
    }
    let start = value.start() - whole.start() + value.as_str().find(bare)?;
    let text = whole.as_str();
    Some(format!("{}{MARK}{}", text.get(..start)?, text.get(start + bare.len()..)?))
}

fn header(found: &Captures<'_>) -> Option<String> {
    // `Authorization: required` is prose.
    let value = part(found, 3);
    let plain =
        value.len() < 24 && value.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '.' | ','));
    if plain && !value.contains("asic ") && !value.contains("earer ") { None } else { without(found, 3) }
}

fn scheme(found: &Captures<'_>) -> Option<String> {
    let value = part(found, 3);
    let odd = value.bytes().any(|b| b.is_ascii_digit() || b == b'=');
    let mixed = value.chars().skip(1).any(char::is_uppercase) && value.chars().any(char::is_lowercase);
    if odd || (mixed && value.len().is_multiple_of(4)) { without(found, 3) } else { None }
}

fn userinfo(found: &Captures<'_>) -> Option<String> {
    if matches!(part(found, 2), "git") { None } else { without(found, 2) }
}

fn query(found: &Captures<'_>) -> Option<String> {
    let name = part(found, 2).to_ascii_lowercase();
    let named = matches!(
        name.as_str(),
        "sig" | "signature" | "auth" | "pwd" | "x-amz-signature" | "x-goog-signature"
    );
    if named || is_secret_name(&name) { without(found, 3) } else { None }
}

fn flag(found: &Captures<'_>) -> Option<String> {
    let name = part(found, 2);
    if name.eq_ignore_ascii_case("--key") || !is_secret_name(name) || is_reference(part(found, 4)) {
        return None;
    }
    without(found, 4)
}

fn user_pass(found: &Captures<'_>) -> Option<String> {
    let (user, pass) = (part(found, 5), part(found, 6));
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if pass.starts_with("//") || is_reference(pass) || (numeric(user) && numeric(pass)) {
        return None;
    }
    without(found, 6)
}

fn assignment(found: &Captures<'_>) -> Option<String> {
    let (name, quote, sign, value) = (part(found, 1), part(found, 2), part(found, 3), part(found, 4));
    let bare = value.trim_matches(|c| matches!(c, '"' | '\'' | '\\'));
    let lower = name.to_ascii_lowercase();
    if !is_secret_name(name) || lower == "key" || is_reference(bare) {
        return None;
    }
    if matches!(bare, "null" | "None" | "none" | "true" | "false" | "undefined") {
        return None;
    }
    // One small number after `token` is a place or a count.
    let number = bare.len() <= 6 && bare.bytes().all(|b| b.is_ascii_digit());
    if lower.ends_with("token") && number {
        return None;
    }
    // `unexpected token: identifier` is prose; `api_key: identifier` is not.
    let one_word = lower.bytes().all(|b| b.is_ascii_lowercase()) && name == lower;
    if sign.contains(':') && quote.is_empty() && one_word && !lower.starts_with("pass") {
        let wordy = bare.trim_end_matches(['.', ',']).bytes().all(|b| b.is_ascii_alphabetic());
        if wordy || bare.len() < 8 {
            return None;
        }
    }
    without(found, 4)
}

fn prefix(found: &Captures<'_>) -> Option<String> {
    // Words joined by hyphens may begin with `sk-` too; a key has digits.
    let text = part(found, 0);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 && text.starts_with("sk-") { None } else { Some(MARK.to_owned()) }
}

/// `$NAME` and `<placeholder>` name a secret without being one.
fn is_reference(value: &str) -> bool {
    value.starts_with('$') || value.starts_with('<') || value.starts_with('{')
}
