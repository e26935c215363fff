//! What the page opens on a click: prompts, answers and what scored them, as JSON that a script of the page shows as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path};

use serde::Serialize;

use crate::event::{CellIndex, Place, Sha256, Trial};
use crate::report::human::style;

use super::super::view::{GridView, Stands};
use super::super::words;
use super::figures;

/// Bytes of text that a page takes along; what does not fit is named by its hash, and found in the run directory.
const TEXTS: usize = 5 << 20;

/// The whole of it.
#[derive(Debug, Serialize)]
struct Data<'a> {
    arms: Vec<&'a str>,
    scores: Vec<&'a str>,
    cases: BTreeMap<usize, Vec<Cell<'a>>>,
    texts: Vec<Text>,
}

/// A text, or its name where it was left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Text {
    Is(String),
    Left(Sha256),
}

#[derive(Debug, Serialize)]
struct Cell<'a> {
    index: u64,
    arm: usize,
    trial: u64,
    missing: Option<String>,
    prompts: Vec<usize>,
    output: Option<usize>,
    scores: Vec<Score<'a>>,
    facts: String,
    log: Option<String>,
}

#[derive(Debug, Serialize)]
struct Score<'a> {
    name: &'a str,
    value: Option<String>,
    passed: Option<bool>,
    why: Option<&'a str>,
    parts: Vec<String>,
    prompts: Vec<usize>,
    replies: Vec<usize>,
}

/// The texts of a page, each once.
struct Shelf<'a> {
    view: &'a GridView<'a>,
    places: BTreeMap<&'a Sha256, usize>,
    texts: Vec<Text>,
    room: usize,
}

impl<'a> Shelf<'a> {
    fn put(&mut self, sha256: &'a Sha256) -> usize {
        if let Some(place) = self.places.get(sha256) {
            return *place;
        }
        let text = match (self.view.texts)(sha256) {
            Some(text) if text.len() <= self.room => {
                self.room -= text.len();
                Text::Is(text)
            }
            _ => Text::Left(sha256.clone()),
        };
        self.places.insert(sha256, self.texts.len());
        self.texts.push(text);
        self.texts.len() - 1
    }

    fn put_all(&mut self, sha256: &'a [Sha256]) -> Vec<usize> {
        sha256.iter().map(|sha256| self.put(sha256)).collect()
    }
}

/// The JSON for the cells of `cases`, fit to stand in a script element.
pub(super) fn json<'a>(
    view: &'a GridView<'a>,
    standing: &'a BTreeMap<CellIndex, Stands>,
    cases: &[usize],
) -> String {
    let Some(plan) = view.sheet.plan() else { return "null".to_owned() };
    let mut shelf = Shelf { view, places: BTreeMap::new(), texts: Vec::new(), room: TEXTS };
    // Where there is no room for all, answers matter more than prompts, and these more than what judges were sent.
    for stands in standing.values() {
        stands.ended.output_sha256.as_ref().map(|sha256| shelf.put(sha256));
    }
    for stands in standing.values() {
        shelf.put_all(&stands.ended.prompts);
    }
    let mut rows = BTreeMap::new();
    for case in cases {
        let places = (1..=plan.trials).flat_map(|trial| {
            (0..plan.arms.len()).map(move |arm| Place { arm, case: *case, trial: Trial(trial) })
        });
        let cells = places.filter_map(|place| {
            let stands = standing.get(&view.sheet.cell(place)?)?;
            Some(cell(stands, place, &mut shelf))
        });
        rows.insert(*case, cells.collect());
    }
    let data = Data {
        arms: plan.arms.iter().map(|arm| arm.name.as_str()).collect(),
        scores: plan.scores.iter().map(crate::event::ScoreName::as_str).collect(),
        cases: rows,
        texts: shelf.texts,
    };
    in_script(&serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned()))
}

fn cell<'a>(stands: &'a Stands, place: Place, shelf: &mut Shelf<'a>) -> Cell<'a> {
    let ended = &stands.ended;
    let missing = ended.missing.as_ref().map(|missing| {
        let class = missing.class.map_or_else(String::new, |class| format!(", {class}"));
        format!("{}{class}: {}", words::missing(missing.reason), missing.evidence)
    });
    let mut facts = vec![style::millis(ended.duration_ms), figures::usage(ended.usage.as_ref())];
    if ended.attempts > 1 {
        facts.push(style::plural(ended.attempts, "request"));
    }
    if ended.rounds > 1 {
        facts.push(style::plural(ended.rounds, "round"));
    }
    facts.extend(ended.model.clone());
    let mut scores: Vec<Score<'a>> = stands
        .scores()
        .into_iter()
        .map(|(name, scored)| {
            let judged = stands.judged(name);
            let mut parts: Vec<String> = scored
                .dimensions
                .iter()
                .map(|(part, value)| format!("{part} {}", figures::value(*value, false)))
                .collect();
            parts.extend(
                scored.agreement.map(|agreement| format!("agreement {}", figures::value(agreement, false))),
            );
            parts.extend(
                judged.and_then(|judged| judged.model.as_ref()).map(|model| format!("judged by {model}")),
            );
            Score {
                name: name.as_str(),
                value: scored.value.map(|value| figures::value(value, false)),
                passed: scored.passed,
                why: scored.why.as_deref(),
                parts,
                prompts: judged.map_or_else(Vec::new, |judged| shelf.put_all(&judged.prompts)),
                replies: judged.map_or_else(Vec::new, |judged| shelf.put_all(&judged.replies)),
            }
        })
        .collect();
    // In the order of the plan: what decides is looked for first.
    let order = |name: &str| {
        shelf.view.sheet.plan().and_then(|plan| plan.scores.iter().position(|score| score.as_str() == name))
    };
    scores.sort_by_key(|score| order(score.name));
    Cell {
        index: ended.cell.0,
        arm: place.arm,
        trial: place.trial.0,
        missing,
        prompts: ended.prompts.iter().filter_map(|sha256| shelf.places.get(sha256).copied()).collect(),
        output: ended.output_sha256.as_ref().and_then(|sha256| shelf.places.get(sha256).copied()),
        scores,
        facts: facts.join(" · "),
        log: ended.transcript.as_deref().and_then(link),
    }
}

/// A link to a file of the run directory, which the page lies in; `None` for what would lead out of it.
fn link(path: &str) -> Option<String> {
    let parts = Path::new(path).components().map(|part| match part {
        Component::Normal(part) => Some(encoded(part.to_str()?)),
        _ => None,
    });
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    (!parts.is_empty()).then(|| format!("./{}", parts.join("/")))
}

fn encoded(part: &str) -> String {
    let mut encoded = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// JSON that neither ends the element that it stands in nor begins a comment of it.
fn in_script(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_in_the_run_directory() {
        assert_eq!(link("rounds/root.c1-1.log").as_deref(), Some("./rounds/root.c1-1.log"));
        assert_eq!(link("rounds/a b\"#?.log").as_deref(), Some("./rounds/a%20b%22%23%3F.log"));
        assert_eq!(link("javascript:alert(1)").as_deref(), Some("./javascript%3Aalert%281%29"));
        for outside in ["", "/etc/passwd", "../x", "a/../../x", "."] {
            assert_eq!(link(outside), None, "{outside}");
        }
    }

    #[test]
    fn json_cannot_end_its_element_and_says_the_same() {
        let text = "</script><!--<script>&\u{2028}\u{2029}";
        let safe = in_script(&serde_json::to_string(text).unwrap());
        assert!(!safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }
}
