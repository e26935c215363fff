//! The keys of an `agent-runner.toml` of schema version 1, and what each may hold.

use toml::Value;

/// What a key may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Text,
    /// A text that names a file or a directory: without control characters.
    Place,
    /// One of these.
    Word(&'static [&'static str]),
    Texts,
    /// Texts, at least one.
    SomeTexts,
    /// A whole number from and to.
    Whole(i64, i64),
    /// A number above the first and up to the second.
    Above(f64, f64),
    /// A number from and to.
    Number(f64, f64),
    Flag,
    /// Anything that has a plain text.
    Scalar,
    /// Tables.
    Checks,
}

const MANY: i64 = i64::MAX;
const ANY: f64 = f64::INFINITY;

/// The keys; `*` is any name.
#[rustfmt::skip]
pub(super) const KEYS: &[(&str, Form)] = &[
    ("schema_version", Form::Whole(1, 1)),
    ("agent.command", Form::SomeTexts),
    ("agent.prompt_arg_template", Form::Texts),
    ("agent.name", Form::Text),
    ("agent.env.*", Form::Scalar),
    ("agent.prompt_delivery", Form::Word(&["argv", "stdin"])),
    ("agent.exec_prefix", Form::Texts),
    ("agent.terminal_marker", Form::Text),
    ("agent.sigterm_grace_s", Form::Whole(1, 12)),
    ("runtime.work_dir", Form::Place),
    ("runtime.log_dir", Form::Place),
    ("runtime.round_budget_s", Form::Whole(1, MANY)),
    ("runtime.restart_delay_s", Form::Whole(1, MANY)),
    ("runtime.round_log_retention", Form::Whole(0, MANY)),
    ("runtime.narrative_file", Form::Place),
    ("runtime.transient_error_action", Form::Word(&["back_off", "skip", "stop"])),
    ("runtime.max_rounds", Form::Whole(1, MANY)),
    ("runtime.stop_file", Form::Place),
    ("runtime.substrate_fingerprint_paths", Form::Texts),
    ("runtime.fresh_eyes_every_n", Form::Whole(1, MANY)),
    ("runtime.dry_run", Form::Flag),
    ("runtime.max_grace_after_result_s", Form::Whole(0, MANY)),
    ("runtime.grace_kill_ignore_patterns", Form::Texts),
    ("prompt.file", Form::Place),
    ("prompt.files", Form::SomeTexts),
    ("prompt.inject_context", Form::Flag),
    ("prompt.context_injection_mode", Form::Word(&["prepend", "file", "none"])),
    ("prompt.concat_separator", Form::Text),
    ("prompt.strip_yaml_frontmatter", Form::Flag),
    ("vcs.dirty_action", Form::Word(&["stash", "ignore", "auto_commit"])),
    ("vcs.stash_idempotency_s", Form::Whole(1, MANY)),
    ("monitor.auth_fail_patterns", Form::Texts),
    ("monitor.auth_fail_hint", Form::Text),
    ("monitor.auto_stop_on", Form::Texts),
    ("monitor.remote_failure_tolerance_s", Form::Whole(0, 3600)),
    ("monitor.anomaly_repetitive_window", Form::Whole(0, MANY)),
    ("monitor.anomaly_repetitive_threshold", Form::Whole(0, MANY)),
    ("monitor.round_progress_interval_s", Form::Whole(0, MANY)),
    ("monitor.supervisor_stale_threshold_s", Form::Whole(0, MANY)),
    ("monitor.host_health.disk.warning_pct", Form::Number(0.0, 100.0)),
    ("monitor.host_health.disk.critical_pct", Form::Number(0.0, 100.0)),
    ("monitor.host_health.disk.growth_window_s", Form::Whole(1, MANY)),
    ("monitor.host_health.disk.disk_growth_pct_per_hr_warning", Form::Above(0.0, ANY)),
    ("monitor.host_health.disk.inode_growth_pct_per_hr_warning", Form::Above(0.0, ANY)),
    ("monitor.host_health.memory.avail_min_mb", Form::Whole(0, MANY)),
    ("monitor.host_health.memory.free_low_mb", Form::Whole(1, MANY)),
    ("monitor.host_health.memory.swap_out_noise_floor_mb", Form::Whole(1, MANY)),
    ("monitor.host_health.pressure.full_avg10_critical", Form::Above(0.0, 100.0)),
    ("monitor.host_health.pressure.some_avg10_warning", Form::Above(0.0, 100.0)),
    ("monitor.host_health.pressure.critical_consecutive_samples", Form::Whole(1, MANY)),
    ("monitor.host_health.pressure.in_round_terminate", Form::Flag),
    ("monitor.host_health.pressure.in_round_nudge", Form::Flag),
    ("monitor.host_health.pressure.cgroup_growth_rate_warning_mb_per_min", Form::Above(0.0, ANY)),
    ("monitor.host_health.brake.memory_high", Form::Flag),
    ("monitor.host_health.brake.memory_high_step_pct", Form::Whole(0, 50)),
    ("monitor.host_health.brake.warning_consecutive_samples", Form::Whole(1, MANY)),
    ("phases.list", Form::Texts),
    ("phases.phase_policy", Form::Word(&["wait", "skip"])),
    ("phases.*.round_budget_s", Form::Whole(1, MANY)),
    ("phases.*.runtime.round_budget_s", Form::Whole(1, MANY)),
    ("phases.*.prompt.files", Form::Texts),
    ("phases.*.agent.command", Form::SomeTexts),
    ("phases.*.agent.prompt_arg_template", Form::Texts),
    ("phases.*.agent.name", Form::Text),
    ("phases.*.agent.env.*", Form::Scalar),
    ("phases.*.agent.prompt_delivery", Form::Word(&["argv", "stdin"])),
    ("phases.*.agent.terminal_marker", Form::Text),
    ("phases.*.agent.sigterm_grace_s", Form::Whole(1, 12)),
    ("phases.*.schedule.timezone", Form::Text),
    ("phases.*.schedule.run_windows", Form::Texts),
    ("phases.*.schedule.pause_windows", Form::Texts),
    ("schedule.timezone", Form::Text),
    ("schedule.run_windows", Form::Texts),
    ("schedule.pause_windows", Form::Texts),
    ("plugins.disable", Form::Texts),
    ("goal.ledger", Form::Place),
    ("goal.checks", Form::Checks),
];

/// What stands at a way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    Key(Form),
    Table,
    Unknown,
}

/// Looks a way up; a key that is named goes before one that may have any name.
pub(super) fn find(path: &[String]) -> Found {
    let fits = |pattern: &str, whole: bool| {
        let words: Vec<&str> = pattern.split('.').collect();
        let long = if whole { words.len() == path.len() } else { words.len() > path.len() };
        long && words.iter().zip(path).all(|(word, name)| *word == "*" || word == name)
    };
    let named = |pattern: &str| !pattern.contains('*');
    let keys = || KEYS.iter().filter(|(pattern, _)| fits(pattern, true));
    match keys().find(|(pattern, _)| named(pattern)).or_else(|| keys().next()) {
        Some((_, form)) => Found::Key(*form),
        None if KEYS.iter().any(|(pattern, _)| fits(pattern, false)) => Found::Table,
        None => Found::Unknown,
    }
}

/// A way as it is written.
pub(super) fn dotted(path: &[String]) -> String {
    let bare =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let word = |word: &String| if bare(word) { word.clone() } else { Value::from(word.as_str()).to_string() };
    path.iter().map(word).collect::<Vec<_>>().join(".")
}

/// What to do about a key that nobody knows.
pub(super) fn near(path: &[String]) -> String {
    let Some((wrong, table)) = path.split_last() else { return String::new() };
    let mut known: Vec<&str> = Vec::new();
    for (pattern, _) in KEYS {
        let words: Vec<&str> = pattern.split('.').collect();
        let within = words.iter().zip(table).all(|(word, name)| *word == "*" || word == name);
        if let Some(word) =
            words.get(table.len()).filter(|word| within && **word != "*" && words.len() > table.len())
            && !known.contains(word)
        {
            known.push(word);
        }
    }
    let close = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance);
    match close {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => {
            format!("`{}` knows {}; `agent-runner migrate` renames old keys", dotted(table), known.join(", "))
        }
    }
}

impl Form {
    /// Whether a value is of this form; else what is wanted.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let texts = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_str));
        let number = value.as_float().or_else(|| value.as_integer().map(whole_as_number));
        let (fits, wanted) = match self {
            Self::Text => (value.is_str(), "a text".to_owned()),
            Self::Place => (
                value.as_str().is_some_and(|text| !text.is_empty() && !text.contains(char::is_control)),
                "a path without control characters".to_owned(),
            ),
            Self::Word(words) => (
                value.as_str().is_some_and(|text| words.contains(&text)),
                format!("one of {}", words.join(", ")),
            ),
            Self::Texts => (texts(value), "a list of texts".to_owned()),
            Self::SomeTexts => (
                texts(value) && value.as_array().is_some_and(|items| !items.is_empty()),
                "a list of texts, at least one".to_owned(),
            ),
            Self::Whole(from, MANY) => {
                (value.as_integer().is_some_and(|n| n >= from), format!("a whole number of {from} or more"))
            }
            Self::Whole(from, to) => (
                value.as_integer().is_some_and(|n| (from..=to).contains(&n)),
                format!("a whole number from {from} to {to}"),
            ),
            Self::Above(from, to) if to.is_infinite() => {
                (number.is_some_and(|n| n > from && n.is_finite()), format!("a number above {from}"))
            }
            Self::Above(from, to) => {
                (number.is_some_and(|n| n > from && n <= to), format!("a number above {from} and up to {to}"))
            }
            Self::Number(from, to) => {
                (number.is_some_and(|n| (from..=to).contains(&n)), format!("a number from {from} to {to}"))
            }
            Self::Flag => (value.is_bool(), "`true` or `false`".to_owned()),
            Self::Scalar => (!value.is_array() && !value.is_table(), "a text".to_owned()),
            Self::Checks => return checks(value),
        };
        if fits { Ok(()) } else { Err(wanted) }
    }
}

/// Percentages and sizes that are written as whole numbers.
fn whole_as_number(whole: i64) -> f64 {
    i32::try_from(whole).map_or(f64::INFINITY, f64::from)
}

/// The rules of `[[goal.checks]]`.
fn checks(value: &Value) -> Result<(), String> {
    let wrong = || "tables with `name`, `cmd`, and perhaps `cwd` and `timeout_s`".to_owned();
    for check in value.as_array().ok_or_else(wrong)? {
        for (key, value) in check.as_table().ok_or_else(wrong)? {
            let form = match key.as_str() {
                "name" => Form::Text,
                "cmd" => Form::SomeTexts,
                "cwd" => Form::Place,
                "timeout_s" => Form::Whole(1, 30),
                _ => return Err(format!("{}, but there is `{key}`", wrong())),
            };
            form.check(value).map_err(|wanted| format!("{wanted} as `{key}`"))?;
        }
        if check.get("cmd").is_none() {
            return Err("a `cmd` in each of them".to_owned());
        }
    }
    Ok(())
}
