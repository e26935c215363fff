//! Errors inside of errors: a text that is JSON, or holds some, is read for what a machine said in it.
//!
//! Libraries wrap what a provider answered, routers wrap that again, and some put the whole into a text. Each level may
//! say a status, a code, a name, a wait, and words. The status that stands furthest out wins, codes and words count from
//! every level. Nothing is built of what is read: an error may carry the whole request that failed.

use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How deep values are followed, texts that are JSON included.
const DEPTH: u8 = 12;
/// So many places of a text are tried.
const PLACES: usize = 4;
/// So many names and codes are kept.
const WORDS: usize = 24;
/// No name or code that means something is longer.
const WORD_BYTES: usize = 64;

/// What the JSON in a text says.
#[derive(Debug, Default)]
pub(super) struct Nested {
    /// Its place in the text.
    pub(super) from: usize,
    /// Where the text goes on.
    pub(super) to: usize,
    /// Codes, types and names of all levels, as they were written.
    pub(super) words: Vec<String>,
    /// What is said in words, of all levels.
    pub(super) texts: Vec<String>,
    /// Seconds to wait.
    pub(super) retry_after: Option<f64>,
    /// When a limit resets.
    pub(super) reset_at: Option<Timestamp>,
    /// Which quotas are used up: their ids.
    pub(super) quotas: Vec<String>,
    /// Whether a library thinks that it may be repeated, and how far in it says so.
    retryable: Option<(u8, bool)>,
    /// The outermost status, with its depth and how much its key is one for statuses.
    status: Option<(u8, u8, u16)>,
    /// The outermost that blames the request.
    refusal: Option<(u8, u8, u16)>,
}

impl Nested {
    /// The status that stands furthest out. A failure of a server that wraps a refusal is that refusal: a proxy answers
    /// for its provider.
    pub(super) fn status(&self) -> Option<u16> {
        match (self.status, self.refusal) {
            (Some((_, _, 500..)), Some((_, _, refusal))) => Some(refusal),
            (status, _) => status.map(|(_, _, status)| status),
        }
    }

    /// Whether a library thinks that it may be repeated.
    pub(super) fn retryable(&self) -> Option<bool> {
        self.retryable.map(|(_, flag)| flag)
    }

    fn take_status(&mut self, depth: u8, rank: u8, number: u64) {
        let Some(status) = u16::try_from(number).ok().filter(|status| (400..=599).contains(status)) else {
            return;
        };
        let found = (depth, rank, status);
        let outer = |old: Option<(u8, u8, u16)>| match old {
            Some(old) if (old.0, old.1) <= (depth, rank) => Some(old),
            _ => Some(found),
        };
        self.status = outer(self.status);
        if status < 500 {
            self.refusal = outer(self.refusal);
        }
    }

    fn take_word(&mut self, word: &str) {
        let word = word.trim();
        if self.words.len() < WORDS && !word.is_empty() && word.len() <= WORD_BYTES {
            self.words.push(word.to_owned());
        }
    }

    /// `X: text` is a name and a text.
    fn take_name(&mut self, name: &str) {
        match name.split_once(": ") {
            Some((name, text)) => {
                self.take_word(name);
                self.take_text(text);
            }
            None => self.take_word(name),
        }
    }

    fn take_text(&mut self, text: &str) {
        if self.texts.len() < WORDS && !text.trim().is_empty() {
            self.texts.push(text.to_owned());
        }
    }

    fn take_wait(&mut self, seconds: f64) {
        let wait = Some(seconds).filter(|wait| wait.is_finite() && *wait >= 0.0);
        self.retry_after = self.retry_after.or(wait);
    }

    /// Seconds or milliseconds since 1970.
    fn take_moment(&mut self, number: u64) {
        let number = i64::try_from(number).ok();
        let moment = match number {
            Some(millis @ 100_000_000_000..) => Timestamp::from_millisecond(millis).ok(),
            Some(second @ 1_000_000_000..) => Timestamp::from_second(second).ok(),
            _ => None,
        };
        self.reset_at = self.reset_at.or(moment);
    }
}

/// Reads the first error that a text quotes as JSON; what is cut off counts as far as it goes.
pub(super) fn read(text: &str) -> Option<Nested> {
    memchr::memchr_iter(b'{', text.as_bytes())
        .filter(|at| text[at + 1..].trim_start().starts_with('"'))
        .take(PLACES)
        .find_map(|at| read_at(text, at, 0))
        .filter(|nested| !nested.is_empty())
}

impl Nested {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
            && self.texts.is_empty()
            && self.quotas.is_empty()
            && self.status.is_none()
            && self.retryable.is_none()
            && self.retry_after.is_none()
            && self.reset_at.is_none()
    }
}

fn read_at(text: &str, at: usize, depth: u8) -> Option<Nested> {
    let mut nested = Nested { from: at, to: text.len(), ..Nested::default() };
    let mut json = serde_json::Deserializer::from_str(&text[at..]);
    let look = Look { nested: &mut nested, depth, role: Role::Error };
    match look.deserialize(&mut json) {
        Ok(()) => nested.to = at + json.into_iter::<IgnoredAny>().byte_offset(),
        Err(error) if error.is_eof() => {}
        Err(_) => return None,
    }
    Some(nested)
}

/// What a value is, by the key that it stands under.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// An error, or a wrapper of one; a bare string is its text.
    Error,
    /// A text, or an error in its place.
    Text,
    /// A name, which may have its text behind it.
    Name,
    /// A code: a name, or a status.
    Code,
    /// A status, by the rank of its key.
    Status(u8),
    /// A wait, in so many seconds a unit.
    Wait(f64),
    /// A moment.
    Moment,
    /// Whether it may be repeated.
    Flag,
    /// The headers of a response.
    Headers,
    /// The id of a quota.
    Quota,
    /// Nothing of interest.
    Other,
}

/// The role of a key, whatever way its words are joined.
fn role(key: &str) -> Role {
    let mut plain = [0_u8; 24];
    let mut length = 0;
    for byte in key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')) {
        let Some(place) = plain.get_mut(length) else { return Role::Other };
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    match &plain[..length] {
        b"statuscode" | b"httpstatus" | b"httpstatuscode" => Role::Status(0),
        b"status" => Role::Status(1),
        b"code" | b"errorcode" => Role::Code,
        b"type" | b"name" | b"reason" | b"errortype" | b"errorname" => Role::Name,
        b"message" | b"msg" | b"errormessage" | b"detail" | b"description" | b"errordescription"
        | b"title" | b"responsebody" | b"body" | b"raw" => Role::Text,
        b"error" | b"data" | b"cause" | b"errors" | b"details" | b"lasterror" | b"response"
        | b"innererror" | b"metadata" | b"violations" => Role::Error,
        b"retryafter" | b"retryafterseconds" | b"resetsinseconds" | b"retrydelay" => Role::Wait(1.0),
        b"retryafterms" => Role::Wait(0.001),
        b"resetsat" | b"resetat" | b"resettime" => Role::Moment,
        b"isretryable" | b"retryable" => Role::Flag,
        b"responseheaders" | b"headers" => Role::Headers,
        b"quotaid" => Role::Quota,
        _ => Role::Other,
    }
}

/// Reads one value in its role.
struct Look<'n> {
    nested: &'n mut Nested,
    depth: u8,
    role: Role,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.role == Role::Other || self.depth >= DEPTH {
            deserializer.deserialize_ignored_any(IgnoredAny).map(drop)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(role) = map.next_key_seed(KeySeed)? {
            // Of headers, only the waits are about the failure; a name, a code or a flag is no object.
            let role = match (self.role, role) {
                (Role::Headers, Role::Wait(unit)) => Role::Wait(unit),
                (Role::Error | Role::Text, role) => role,
                _ => Role::Other,
            };
            map.next_value_seed(Look { nested: self.nested, depth: self.depth + 1, role })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let role = if matches!(self.role, Role::Error | Role::Text) { self.role } else { Role::Other };
        while seq.next_element_seed(Look { nested: self.nested, depth: self.depth + 1, role })?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        match self.role {
            Role::Error | Role::Text => self.text(text),
            Role::Name => self.nested.take_name(text),
            // Digits in quotes are no status: they may be anybody's numbers.
            Role::Code | Role::Status(_) => self.nested.take_word(text),
            Role::Wait(unit) => {
                let number = text.trim().trim_end_matches('s').parse::<f64>();
                if let Ok(number) = number {
                    self.nested.take_wait(number * unit);
                }
            }
            Role::Moment => {
                self.nested.reset_at = self.nested.reset_at.or_else(|| text.trim().parse().ok());
            }
            Role::Quota => {
                if self.nested.quotas.len() < WORDS && text.len() <= 2 * WORD_BYTES {
                    self.nested.quotas.push(text.to_owned());
                }
            }
            Role::Flag | Role::Headers | Role::Other => {}
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match self.role {
            Role::Status(rank) => self.nested.take_status(self.depth, rank, number),
            Role::Code => {
                self.nested.take_status(self.depth, 2, number);
                self.nested.take_word(&number.to_string());
            }
            Role::Moment => self.nested.take_moment(number),
            Role::Wait(unit) => {
                if let Ok(number) = u32::try_from(number) {
                    self.nested.take_wait(f64::from(number) * unit);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if let Role::Wait(unit) = self.role {
            self.nested.take_wait(number * unit);
        }
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        if self.role == Role::Flag && self.nested.retryable.is_none_or(|(depth, _)| depth > self.depth) {
            self.nested.retryable = Some((self.depth, flag));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl Look<'_> {
    /// A text, or the error that it quotes.
    fn text(self, text: &str) {
        let quoted = memchr::memchr(b'{', text.as_bytes())
            .filter(|at| self.depth < DEPTH && text[at + 1..].trim_start().starts_with('"'));
        let inner = quoted.and_then(|at| read_at(text, at, self.depth + 1)).filter(|inner| !inner.is_empty());
        let Some(inner) = inner else {
            self.nested.take_text(text);
            return;
        };
        let outer = self.nested;
        outer.take_text(&text[..inner.from]);
        for found in [inner.status, inner.refusal].into_iter().flatten() {
            outer.take_status(found.0, found.1, u64::from(found.2));
        }
        inner.words.iter().for_each(|word| outer.take_word(word));
        inner.texts.iter().for_each(|text| outer.take_text(text));
        outer.quotas.extend(inner.quotas);
        outer.quotas.truncate(WORDS);
        outer.retry_after = outer.retry_after.or(inner.retry_after);
        outer.reset_at = outer.reset_at.or(inner.reset_at);
        outer.retryable = outer.retryable.or(inner.retryable);
        outer.take_text(&text[inner.to..]);
    }
}

/// Reads a key as its role, without a copy of it.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Role;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Role, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Role;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Role, E> {
        Ok(role(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_status_counts_and_digits_in_quotes_are_none() {
        let rows = [
            (r#"{"statusCode":429}"#, Some(429)),
            (r#"{"status_code":429}"#, Some(429)),
            (r#"{"data":{"error":{"cause":{"status":401}}}}"#, Some(401)),
            (r#"{"statusCode":"429","cause":{"statusCode":503}}"#, Some(503)),
            (r#"{"cause":{"statusCode":429},"statusCode":400}"#, Some(400)),
            (r#"{"code":502,"statusCode":429}"#, Some(429)),
            // A proxy's failure around a refusal is the refusal.
            (r#"{"statusCode":500,"error":{"code":402}}"#, Some(402)),
            (r#"{"statusCode":500,"error":{"code":503}}"#, Some(500)),
            (r#"{"statusCode":200,"error":{"code":404}}"#, Some(404)),
            (r#"{"statusCode":true,"status":-1,"code":1302}"#, None),
            (r#"{"requestBodyValues":{"statusCode":429}}"#, None),
            (r#"{"message":"{\"message\":\"{\\\"code\\\":529}\"}"}"#, Some(529)),
            (r#"API Error: 1 {"error":{"code":529}} more"#, Some(529)),
            // Cut off, it counts as far as it goes.
            (r#"{"error":{"code":529,"message":"Over"#, Some(529)),
            // No JSON, and then some.
            (r#"if x {"a" b} {"code":529}"#, Some(529)),
        ];
        for (text, status) in rows {
            assert_eq!(read(text).unwrap_or_default().status(), status, "{text}");
        }
    }

    #[test]
    fn what_stands_around_json_stays_and_what_it_carries_goes() {
        let said = r#"before {"name":"X: y","type":"t","message":"m {\"code\":\"c\",\"msg\":\"n\"} o","input":{"message":"no"}} after"#;
        let nested = read(said).unwrap();
        assert_eq!((&said[..nested.from], &said[nested.to..]), ("before ", " after"));
        assert_eq!(nested.words, ["X", "t", "c"]);
        assert_eq!(nested.texts, ["y", "m ", "n", " o"]);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = format!("{}1{}", r#"{"error":"#.repeat(100_000), "}".repeat(100_000));
        assert!(read(&deep).is_none());
        let within = format!(r#"{}{{"code":429}}{}"#, r#"{"error":"#.repeat(5), "}".repeat(5));
        assert_eq!(read(&within).unwrap().status(), Some(429));
        let beyond = format!(r#"{}{{"code":429}}{}"#, r#"{"error":"#.repeat(20), "}".repeat(20));
        assert!(read(&beyond).is_none());
        let mut quoted = r#"{"code":429}"#.to_owned();
        for _ in 0..20 {
            quoted = serde_json::json!({ "message": quoted }).to_string();
            quoted.truncate(100_000);
        }
        assert_eq!(read(&quoted).unwrap_or_default().status(), None);
        let many = format!(r#"{{"errors":[{}]}}"#, vec![r#"{"code":"x","message":"y"}"#; 1000].join(","));
        let many = read(&many).unwrap();
        assert_eq!((many.words.len(), many.texts.len()), (WORDS, WORDS));
    }
}
