//! What will be written, and what could not be taken over.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A score: its name, its kind, and the lines of its options.
pub(super) type ScoreDraft = (String, &'static str, Vec<String>);

/// A suite as it grows.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) template: String,
    /// Whether each profile has a template of its own.
    pub(super) own_templates: bool,
    pub(super) trials: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) cases: Vec<Map<String, Value>>,
    pub(super) scores: Vec<ScoreDraft>,
    /// Profiles, and whatever else stands beside the suite: name and text.
    pub(super) profiles: Vec<(String, String)>,
    pub(super) others: Vec<(String, String)>,
    /// What was not taken over: where it stood, and why.
    pub(super) left: Vec<(String, String)>,
    /// What was done otherwise than it was there.
    pub(super) remarks: Vec<String>,
}

impl Draft {
    /// Notes what is not taken over.
    pub(super) fn leave(&mut self, place: impl Into<String>, why: impl Into<String>) {
        let entry = (place.into(), why.into());
        // A test that makes several cases has its mistakes once.
        if !self.left.contains(&entry) {
            self.left.push(entry);
        }
    }

    /// All files with their texts.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let mut files =
            vec![("suite.toml".to_owned(), self.suite()), ("cases.jsonl".to_owned(), String::new())];
        for case in &self.cases {
            let _ = writeln!(files[1].1, "{}", Value::Object(case.clone()));
        }
        files.extend(self.profiles.iter().chain(&self.others).cloned());
        files
    }

    /// The names of the profiles that can be measured.
    pub(super) fn profile_files(&self) -> Vec<String> {
        self.profiles.iter().map(|(name, _)| name.clone()).collect()
    }

    /// In a few words.
    pub(super) fn about(&self) -> String {
        let count = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            count => format!("{count} {noun}s"),
        };
        format!(
            "{}, {} and {}",
            count(self.cases.len(), "case"),
            count(self.scores.len(), "score"),
            count(self.profiles.len(), "profile")
        )
    }

    /// What is to be known, one line each.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for remark in &self.remarks {
            let _ = writeln!(text, "note: {remark}");
        }
        if !self.left.is_empty() {
            let _ = writeln!(text, "not taken over:");
        }
        for (place, why) in &self.left {
            let _ = writeln!(text, "  {place}: {why}");
        }
        text
    }

    fn suite(&self) -> String {
        let mut text = format!(
            "# All keys: `provost schema suite`, provost-suite(5). What is wrong: `provost suite check -S FILE`.\n\
             schema = 1\nname = {}\n",
            quoted(&self.name)
        );
        if !self.description.is_empty() {
            let _ = writeln!(text, "description = {}", quoted(&self.description));
        }
        let _ = write!(text, "\n[cases]\nfile = \"cases.jsonl\"\ntemplate = {}\n", quoted(&self.template));
        let count = self.trials.unwrap_or(1);
        let _ = write!(text, "\n[trials]\ncount = {count}   # repetitions of each case\n");
        if let Some(concurrency) = self.concurrency {
            let _ = writeln!(text, "concurrency = {concurrency}");
        }
        for (name, kind, options) in &self.scores {
            let _ = write!(text, "\n[[score]]\nname = {}\nkind = \"{kind}\"\n", quoted(name));
            if !options.is_empty() {
                let _ = write!(text, "[score.options]\n{}\n", options.join("\n"));
            }
        }
        if let Some((first, ..)) = self.scores.first() {
            let _ = write!(
                text,
                "\n# What decides whether a change may ship: it must not be worse than the baseline by more than the margin.\n\
                 [gate]\nscore = {}\nmode = \"non-inferiority\"   # superiority | non-inferiority | threshold\n\
                 margin = 0.05\n",
                quoted(first)
            );
        }
        text
    }
}

/// A text as TOML writes it; over several lines where it has some.
pub(super) fn quoted(text: &str) -> String {
    let plain = !text.contains("'''") && !text.contains('\r') && !text.ends_with('\'');
    let printable = text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t');
    if text.contains('\n') && plain && printable {
        return format!("'''\n{text}'''");
    }
    toml::Value::from(text).to_string()
}

/// A name that can be that of a file, unlike those `taken`.
pub(super) fn file_name(wanted: &str, taken: &[&str]) -> String {
    let mut name = String::new();
    for c in wanted.chars().take(60) {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            '.' | '_' => name.push(c),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_matches(['-', '.']).to_owned();
    let name = if name.is_empty() { "unnamed".to_owned() } else { name };
    if !taken.contains(&name.as_str()) {
        return name;
    }
    // As many names as are taken, and one more, cannot all be.
    let numbers = 2..taken.len() + 3;
    let mut free = numbers.map(|number| format!("{name}-{number}"));
    free.find(|name| !taken.contains(&name.as_str())).unwrap_or(name)
}
