//! Assertions of tests, as fields of cases that scores look at.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::draft::{Draft, ScoreDraft, quoted};
use super::vars::fill;

/// How many texts of one kind an answer may have to contain.
const SLOTS: usize = 12;

/// What is claimed of the answers of all cases, so far.
#[derive(Default)]
pub(super) struct Claims {
    /// Cases with an expected text.
    exact: usize,
    /// The largest number of texts of each field.
    slots: BTreeMap<&'static str, usize>,
    /// Cases with texts where case matters, and where it does not.
    looking: [usize; 2],
    checks: usize,
    rubrics: usize,
    /// Whether any needs the schema that all JSON meets.
    any_json: bool,
    /// Schemas by their text.
    schemas: Vec<String>,
}

/// The four ways to look for a text: its field, and whether it must be absent and case does not matter.
const TEXTS: [(&str, bool, bool); 4] = [
    ("contains", false, false),
    ("not_contains", true, false),
    ("icontains", false, true),
    ("not_icontains", true, true),
];

impl Claims {
    /// Takes over what is claimed of one case, as fields of it.
    pub(super) fn take(
        &mut self,
        draft: &mut Draft,
        place: &str,
        asserts: &[Value],
        case: &mut Map<String, Value>,
    ) {
        let vars = case.clone();
        let mut texts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let mut rubrics: Vec<String> = Vec::new();
        for (index, assert) in asserts.iter().enumerate() {
            let kind = assert.get("type").and_then(Value::as_str).unwrap_or_default();
            let place = format!("{place}.assert[{index}] ({kind})");
            for key in ["threshold", "transform", "contextTransform", "rubricPrompt"] {
                if assert.get(key).is_some() {
                    draft.leave(
                        format!("{place}.{key}"),
                        "the score decides by its own rule; see `pass` of a score",
                    );
                }
            }
            let mut values: Vec<String> = Vec::new();
            let given = match assert.get("value") {
                Some(Value::Array(items)) => items.clone(),
                Some(Value::String(list)) if kind.contains("-all") || kind.contains("-any") => {
                    list.split(',').map(|part| Value::from(part.trim())).collect()
                }
                Some(value) => vec![value.clone()],
                None => Vec::new(),
            };
            let mut filled = true;
            for value in given {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if text.starts_with("file://") {
                    draft.leave(&place, "its value is in a file");
                    filled = false;
                    break;
                }
                match fill(&text, &vars) {
                    Ok(text) => values.push(text),
                    Err(why) => {
                        draft.leave(&place, why);
                        filled = false;
                        break;
                    }
                }
            }
            if !filled {
                continue;
            }
            match kind {
                "equals" if !case.contains_key("equals") => {
                    case.entry("expected").or_insert_with(|| Value::from(values.concat()));
                    case.insert("equals".to_owned(), Value::from(values.concat()));
                    self.exact += 1;
                }
                "contains" | "contains-all" => texts.entry("contains").or_default().extend(values),
                "icontains" | "icontains-all" => texts.entry("icontains").or_default().extend(values),
                "not-contains" | "not-contains-any" => texts.entry("not_contains").or_default().extend(values),
                "not-icontains" | "not-icontains-any" => texts.entry("not_icontains").or_default().extend(values),
                "regex" => self.check(draft, &place, case, &json!({ "regex": values.concat() })),
                "starts-with" => {
                    let pattern = format!("^{}", regex::escape(&values.concat()));
                    self.check(draft, &place, case, &json!({ "regex": pattern }));
                }
                "contains-any" | "icontains-any" => {
                    let any: Vec<String> = values.iter().map(|text| regex::escape(text)).collect();
                    let flag = if kind.starts_with('i') { "(?i)" } else { "" };
                    let pattern = format!("{flag}(?:{})", any.join("|"));
                    self.check(draft, &place, case, &json!({ "regex": pattern }));
                }
                "is-json" => {
                    let schema = assert.get("value").filter(|value| value.is_object()).map(Value::to_string);
                    let file = match schema {
                        None => {
                            self.any_json = true;
                            "schemas/any.json".to_owned()
                        }
                        Some(schema) => format!("schemas/{}.json", self.schema(schema)),
                    };
                    self.check(draft, &place, case, &json!({ "json": { "schema": file } }));
                }
                "llm-rubric" | "g-eval" => rubrics.extend(values),
                "javascript" | "python" | "ruby" | "webhook" => draft.leave(
                    &place,
                    "a program of theirs; write a `command` score, which reads the case as JSON on its standard input",
                ),
                "cost" | "latency" | "perplexity" => draft.leave(&place, "reports show it, and no score does"),
                "" => draft.leave(&place, "it has no type"),
                _ => draft.leave(&place, "no score does the same"),
            }
        }
        for ignores in [false, true] {
            let fields = TEXTS.iter().filter(|(_, _, also)| *also == ignores);
            let any = fields.filter_map(|(field, ..)| texts.get(field)).any(|found| !found.is_empty());
            self.looking[usize::from(ignores)] += usize::from(any);
        }
        for (field, _, _) in TEXTS {
            let Some(found) = texts.remove(field) else { continue };
            if found.len() > SLOTS {
                draft.leave(
                    format!("{place}: {field}"),
                    format!("of {} texts the first {SLOTS} are taken", found.len()),
                );
            }
            let most = self.slots.entry(field).or_default();
            *most = (*most).max(found.len().min(SLOTS));
            for (number, text) in (1..=SLOTS).zip(found) {
                case.insert(format!("{field}_{number}"), Value::from(text));
            }
        }
        if !rubrics.is_empty() {
            self.rubrics += 1;
            case.insert("rubric".to_owned(), Value::from(rubrics.join("\n")));
        }
    }

    /// Whether anything is to be judged.
    pub(super) fn needs_judge(&self) -> bool {
        self.rubrics > 0
    }

    fn check(&mut self, draft: &mut Draft, place: &str, case: &mut Map<String, Value>, check: &Value) {
        if let Some(pattern) = check.get("regex").and_then(Value::as_str)
            && regex::Regex::new(pattern).is_err()
        {
            draft.leave(
                place,
                format!("`{pattern}` is no pattern here: look-around and back-references are not known"),
            );
            return;
        }
        if case.contains_key("check") {
            draft.leave(place, "the case has a check already, and it can have one");
            return;
        }
        case.insert("check".to_owned(), check.clone());
        self.checks += 1;
    }

    fn schema(&mut self, schema: String) -> usize {
        let known = self.schemas.iter().position(|other| *other == schema);
        known.unwrap_or_else(|| {
            self.schemas.push(schema);
            self.schemas.len() - 1
        }) + 1
    }

    /// The scores that all of it comes to, those that most cases have first. `judge` is the profile that can judge.
    pub(super) fn finish(self, draft: &mut Draft, judge: Option<String>) {
        let mut scores: Vec<(usize, ScoreDraft)> = Vec::new();
        if self.exact > 0 {
            let expected = "expected = \"{{ equals | default(none) }}\"".to_owned();
            let options = vec![expected, "ignore_space = false".to_owned()];
            scores.push((self.exact, ("equals".to_owned(), "exact", options)));
        }
        for (name, ignore_case) in [("contains", false), ("icontains", true)] {
            let mut options = Vec::new();
            for (field, absent, ignores) in TEXTS {
                let Some(most) = self.slots.get(field).filter(|_| ignores == ignore_case) else { continue };
                let slots: Vec<String> = (1..=*most)
                    .map(|number| quoted(&format!("{{{{ {field}_{number} | default(none) }}}}")))
                    .collect();
                options.push(format!("{} = [{}]", if absent { "none" } else { "all" }, slots.join(", ")));
            }
            if !options.is_empty() {
                if ignore_case {
                    options.push("ignore_case = true".to_owned());
                }
                let cases = self.looking[usize::from(ignore_case)];
                scores.push((cases, (name.to_owned(), "contains", options)));
            }
        }
        if self.checks > 0 {
            scores.push((self.checks, ("check".to_owned(), "check", Vec::new())));
            let what = "patterns and JSON are checks of their cases: an agent with rounds left hears of them";
            draft.remarks.push(what.to_owned());
        }
        if self.any_json {
            draft.others.push(("schemas/any.json".to_owned(), "{}\n".to_owned()));
        }
        for (number, schema) in (1..).zip(self.schemas) {
            draft.others.push((format!("schemas/{number}.json"), format!("{schema}\n")));
        }
        match (self.rubrics, judge) {
            (0, _) => {}
            (cases, None) => {
                draft.leave(format!("llm-rubric of {cases} cases"), "no provider is there to judge by it");
            }
            (cases, Some(judge)) => {
                let profile = format!("profile = {}", quoted(&judge));
                let options = vec![profile, "rubric = \"{{ rubric | default(none) }}\"".to_owned()];
                scores.push((cases, ("rubric".to_owned(), "judge", options)));
            }
        }
        scores.sort_by_key(|(cases, _)| std::cmp::Reverse(*cases));
        draft.scores.extend(scores.into_iter().map(|(_, score)| score));
        if draft.scores.is_empty() {
            draft.leave("scores", "no test claims what a score can decide; write a `[[score]]` of your own");
            draft.scores.push(("answered".to_owned(), "regex", vec!["pattern = '\\S'".to_owned()]));
        }
    }
}
