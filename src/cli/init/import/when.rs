//! Windows of time, and what is looked for.

use toml::Value;

use super::draft::Draft;
use super::problem::Problem;
use super::source::{Leaf, Source};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Their alerts that can end the loop, and ours.
const ALARMS: &[(&str, &str)] = &[
    ("oauth_fail", "auth_failure"),
    ("disk_critical", "disk_critical"),
    ("disk_warning", "disk_warning"),
    ("disk_growth", "disk_growth"),
    ("mem_pressure", "memory_pressure"),
    ("mem_signal_unavailable", "memory_unknown"),
    ("mem_pressure_gate_inert", "memory_gate_inert"),
    ("network_fail", "network_failures"),
    ("rate_limit_active", "rate_limit"),
    ("anomaly_repetitive_active", "repeated_tool"),
    ("timeout_rate", "timeout_rate"),
    ("hung", "hung"),
    ("orphan_chain", "orphan_chain"),
];

/// A window in our words: `Mon-Fri,Sun 09:00-17:30` is `Mon..Fri,Sun 09:00-17:30`. `None` when it is none.
pub(super) fn window(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (days, hours) = match words.as_slice() {
        [hours] => (None, *hours),
        [days, hours] => (Some(*days), *hours),
        _ => return None,
    };
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    if from == 24 * 60 || from == to {
        return None;
    }
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let ours = |token: &str| match token.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            (first <= last).then(|| format!("{}..{}", DAYS[first], DAYS[last]))
        }
        None => Some(DAYS[day(token)?].to_owned()),
    };
    let Some(days) = days else { return Some(hours.to_owned()) };
    let days: Option<Vec<String>> = days.split(',').map(ours).collect();
    Some(format!("{} {hours}", days?.join(",")))
}

/// Minutes since midnight, up to `24:00`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && (hours < 24 || hours == 24 && minutes == 0)).then_some(hours * 60 + minutes)
}

/// Moves a schedule over.
pub(super) fn schedule(source: &mut Source, draft: &mut Draft, path: &[&str], table: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut take = |key: &str| source.take(&path.iter().copied().chain([key]).collect::<Vec<_>>());
    if let Some(leaf) = take("timezone") {
        let zone = leaf.text().unwrap_or_default();
        if jiff::tz::TimeZone::get(zone).is_err() {
            let help = "write a name such as \"Europe/Berlin\"";
            problems.push(Problem::new(
                format!("there is no time zone `{zone}`"),
                leaf.span.clone(),
                "unknown",
                help,
            ));
        }
        draft.put(table, "timezone", zone, Some(&leaf));
    }
    for (theirs, ours) in [("run_windows", "run"), ("pause_windows", "pause")] {
        let Some(leaf) = take(theirs) else { continue };
        let mut windows = Vec::new();
        for text in leaf.texts() {
            match window(&text) {
                Some(window) => windows.push(window),
                None => problems.push(Problem::new(
                    format!("`{text}` is not a window of time"),
                    leaf.span.clone(),
                    "expected `[DAYS ]HH:MM-HH:MM`",
                    "write it as \"09:00-17:30\" or \"Mon-Fri 22:00-06:00\"; days ascend, and the end is not the start",
                )),
            }
        }
        draft.put(table, ours, windows, Some(&leaf));
    }
    problems
}

/// Moves over what is looked for and what ends the loop.
pub(super) fn detect(source: &mut Source, draft: &mut Draft) -> Result<(), Problem> {
    if let Some(leaf) = source.take(&["monitor", "auto_stop_on"]) {
        let mut alarms = Vec::new();
        for name in leaf.texts() {
            match ALARMS.iter().find(|(theirs, _)| *theirs == name) {
                Some((_, ours)) => alarms.push((*ours).to_owned()),
                None if name == "supervisor_stale" => {
                    let text = "`supervisor_stale` is seen from outside, by `provost peek --alerts`, and cannot end a loop that hangs";
                    draft.gone("monitor.auto_stop_on", None, text);
                }
                None => {
                    let known: Vec<&str> = ALARMS.iter().map(|(theirs, _)| *theirs).collect();
                    let help = format!("use some of {}", known.join(", "));
                    return Err(Problem::new(
                        format!("there is no alert `{name}`"),
                        leaf.span,
                        "unknown",
                        help,
                    ));
                }
            }
        }
        draft.put("supervise", "auto_stop", alarms, Some(&leaf));
    }
    let window = source.take(&["monitor", "anomaly_repetitive_window"]);
    let threshold = source.take(&["monitor", "anomaly_repetitive_threshold"]);
    let count = |leaf: &Option<Leaf>| leaf.as_ref().and_then(Leaf::whole).unwrap_or(0);
    match (count(&window), count(&threshold)) {
        (_, 0) | (0, _) if window.is_some() || threshold.is_some() => {
            draft.put("supervise.detect", "repeat_window", 0, window.as_ref().or(threshold.as_ref()));
            if let (Some(_), Some(threshold)) = (&window, &threshold) {
                draft.remark("supervise.detect", "repeat_window", threshold.comments().cloned());
            }
        }
        (most, least) if least > most => {
            let span = threshold.map_or(0..0, |leaf| leaf.span);
            let help = "write a number up to `anomaly_repetitive_window`";
            return Err(Problem::new(
                "more calls must be the same than are looked at",
                span,
                "too many",
                help,
            ));
        }
        (most, least) if most > 0 => {
            draft.put("supervise.detect", "repeat_window", most, window.as_ref());
            draft.put("supervise.detect", "repeat_threshold", least, threshold.as_ref());
        }
        _ => {}
    }
    if let Some(leaf) = source.take(&["monitor", "supervisor_stale_threshold_s"]) {
        draft.put(
            "supervise.detect",
            "stale",
            Value::from(super::table::seconds_as_text(leaf.whole().unwrap_or(0))),
            Some(&leaf),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_put_in_our_words_or_refused() {
        for (theirs, ours) in [
            ("09:00-17:30", Some("09:00-17:30")),
            ("mon-FRI 22:00-06:00", Some("Mon..Fri 22:00-06:00")),
            ("Mon-Wed,sat  00:00-24:00", Some("Mon..Wed,Sat 00:00-24:00")),
            ("Fri-Mon 09:00-10:00", None),
            ("24:00-06:00", None),
            ("09:00-09:00", None),
            ("9:00-10:00", None),
            ("Mon 09:60-10:00", None),
            ("weekdays 09:00-10:00", None),
            ("", None),
        ] {
            assert_eq!(window(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
