use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::event::HostSampled;
use crate::report::samples;

/// A sample as a scraper reads it: name, labels, value.
type Read = (String, BTreeMap<String, String>, f64);

/// Reads the text format, as strictly as its specification is written.
fn read(text: &str) -> Result<Vec<Read>, String> {
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut closed = BTreeSet::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    if !text.ends_with('\n') {
        return Err("no line end at the end".to_owned());
    }
    for line in text.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, more) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
            if !is_name(name, true) {
                return wrong("no name of a metric");
            }
            if name != current {
                closed.insert(std::mem::replace(&mut current, name.to_owned()));
                if closed.contains(name) {
                    return wrong("the lines of a metric stand apart");
                }
            }
            match what {
                Some("HELP") if !more.is_empty() => {}
                Some("TYPE") if matches!(more, "counter" | "gauge") => {
                    if types.insert(name.to_owned(), more.to_owned()).is_some() {
                        return wrong("a second type");
                    }
                }
                _ => return wrong("neither help nor type"),
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, mut rest) = line.split_at(end);
        if name != current || !types.contains_key(name) {
            return wrong("a sample without its type above it");
        }
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let Some((label, after)) = rest.split_once("=\"") else { return wrong("no label") };
                if !is_name(label, false) || label.starts_with("__") {
                    return wrong("no name of a label");
                }
                let Some((value, after)) = quoted(after) else { return wrong("no value of a label") };
                if labels.insert(label.to_owned(), value).is_some() {
                    return wrong("a label twice");
                }
                match after.as_bytes().first() {
                    Some(b',') => rest = &after[1..],
                    Some(b'}') => {
                        rest = &after[1..];
                        break;
                    }
                    _ => return wrong("labels without an end"),
                }
            }
        }
        let Some(value) = rest.strip_prefix(' ') else { return wrong("no space before the value") };
        let value: f64 = match value {
            "NaN" => f64::NAN,
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            other if other.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                other.parse().map_err(|_| format!("no number: {line}"))?
            }
            _ => return wrong("no number"),
        };
        if types[name] == "counter" && (!name.ends_with("_total") || value < 0.0) {
            return wrong("no counter");
        }
        if !seen.insert(format!("{name}{labels:?}")) {
            return wrong("a sample twice");
        }
        samples.push((name.to_owned(), labels, value));
    }
    Ok(samples)
}

fn is_name(text: &str, colon: bool) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    !text.is_empty() && text.chars().all(valid) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The text up to the closing quote, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                '\\' => '\\',
                '"' => '"',
                'n' => '\n',
                _ => return None,
            }),
            '\n' => return None,
            c => value.push(c),
        }
    }
    None
}

fn value(read: &[Read], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |found: &BTreeMap<String, String>| {
        labels.iter().all(|(label, word)| found.get(*label).is_some_and(|found| found == word))
    };
    let mut found = read.iter().filter(|(found, with, _)| found == name && has(with));
    let value = found.next().map(|(_, _, value)| *value);
    assert!(found.next().is_none(), "{name} {labels:?} is not one sample");
    value
}

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn file(path: &Path) -> Vec<Read> {
    read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// G10: what monitoring reads.
#[test]
fn a_run_is_numbers_that_a_scraper_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.prom");
    let board = Board::new(&path).unwrap();
    let odd = "a \"b\"\\ c\nd\u{e9}";
    let mut metrics =
        Metrics::new(Arc::clone(&board), labels(&[("team", odd), ("a.b", "1"), ("a-b", "2"), ("1", "x")]));
    let events = samples::run();
    let tally = samples::fold(&events);
    let run = tally.started.as_ref().unwrap().run.to_string();
    metrics.event(&events[0], b"", &tally).unwrap();
    metrics.finish(&tally).unwrap();
    let read = file(&path);
    let of =
        |name: &str, more: &[(&str, &str)]| value(&read, name, &[&[("run", run.as_str())], more].concat());
    assert_eq!(
        of("provost_run_info", &[("label_team", odd), ("label_a_b", "1"), ("label_1", "x")]),
        Some(1.0)
    );
    assert_eq!(of("provost_rounds_started_total", &[]), Some(2.0));
    let settled: f64 = ["answered", "failed", "stopped"]
        .iter()
        .filter_map(|word| of("provost_rounds_total", &[("outcome", word)]))
        .sum();
    assert!((settled - 2.0).abs() < f64::EPSILON);
    assert_eq!(of("provost_run_phase", &[("phase", "ended")]), Some(1.0));
    assert_eq!(of("provost_run_phase", &[("phase", "round")]), Some(0.0));
    assert_eq!(of("provost_run_exit_code", &[]), Some(0.0));
    assert_eq!(of("provost_run_ended", &[("outcome", "delivered")]), Some(1.0));
    assert_eq!(of("provost_spend_known", &[]), Some(0.0));
    assert_eq!(of("provost_check_delivered", &[]), Some(1.0));
    assert_eq!(of("provost_wait_until_timestamp_seconds", &[]), None);
    assert_eq!(of("provost_host_load1", &[]), None, "what is not told is not zero");
    assert_eq!(value(&read, "provost_metrics_write_errors_total", &[]), Some(0.0));
}

#[test]
fn a_run_that_waits_says_until_when_and_which_alerts_are_open() {
    let mut events = samples::run();
    let waits = events.iter().position(|event| event.kind.word() == "wait.started").unwrap();
    events.truncate(waits + 1);
    let mut tally = samples::fold(&events);
    tally.wait_cause = Some(crate::event::WaitCause::MemoryLoop);
    tally.host =
        Some(HostSampled { disk_used_pct: Some(91.5), mem_free_mb: Some(2), ..HostSampled::default() });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.prom");
    let board = Board::new(&path).unwrap();
    Metrics::new(Arc::clone(&board), []).finish(&tally).unwrap();
    let read = file(&path);
    let until = tally.wait.as_ref().unwrap().1.as_second();
    #[expect(clippy::cast_precision_loss, reason = "a second of this century")]
    let until = until as f64;
    assert_eq!(
        value(&read, "provost_wait_until_timestamp_seconds", &[("cause", "memory_loop")]),
        Some(until)
    );
    assert_eq!(value(&read, "provost_alerts_open", &[("severity", "warning")]), Some(1.0));
    assert!(value(&read, "provost_alert_since_timestamp_seconds", &[("alert", "no_progress")]).is_some());
    assert_eq!(value(&read, "provost_host_disk_used_ratio", &[]), Some(0.915));
    assert_eq!(value(&read, "provost_host_memory_free_bytes", &[]), Some(2.0 * 1024.0 * 1024.0));
}

#[test]
fn members_of_a_fleet_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.prom");
    let board = Board::new(&path).unwrap();
    let tally = samples::fold(&samples::run());
    for run in ["one", "two"] {
        let mut tally = tally.clone();
        tally.started.as_mut().unwrap().run = RunId::new(run);
        Metrics::new(Arc::clone(&board), []).finish(&tally).unwrap();
    }
    let read = file(&path);
    for run in ["one", "two"] {
        assert_eq!(
            value(&read, "provost_turns_total", &[("run", run)]),
            Some(f64::from(u32::try_from(tally.turns).unwrap()))
        );
    }
}

#[test]
fn what_happens_is_written_soon_and_not_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.prom");
    let board = Board::new(&path).unwrap();
    let mut metrics = Metrics::new(Arc::clone(&board), []);
    let events = samples::run();
    let mut tally = Tally::default();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let mut files = BTreeSet::from([inode(&path)]);
    for event in &events {
        tally.apply(event);
        metrics.event(event, b"", &tally).unwrap();
        files.insert(inode(&path));
    }
    assert!(files.len() < events.len() / 2, "{} files of {} events", files.len(), events.len());
    // The last event is in it, though no further one comes.
    let deadline = std::time::Duration::from_secs(20);
    let begun = std::time::Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "a few events")]
    let last = events.len() as f64;
    while value(&file(&path), "provost_events_total", &[]) != Some(last) {
        assert!(begun.elapsed() < deadline, "the last event was never written");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_file_that_cannot_be_written_is_refused_at_first_and_counted_later() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Board::new(&dir.path().join("missing/provost.prom")).is_err());
    let place = dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let path = place.join("provost.prom");
    let board = Board::new(&path).unwrap();
    let tally = samples::fold(&samples::run());
    let mut metrics = Metrics::new(Arc::clone(&board), []);
    std::fs::remove_dir_all(&place).unwrap();
    metrics.finish(&tally).unwrap();
    std::fs::create_dir(&place).unwrap();
    metrics.finish(&tally).unwrap();
    assert!(value(&file(&path), "provost_metrics_write_errors_total", &[]) >= Some(1.0));
}

#[test]
fn numbers_and_texts_of_every_kind_can_be_read_back() {
    let odd = [0.0, -1.5, 1e300, 1e-300, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
    for (place, number) in odd.into_iter().enumerate() {
        let text = format!("{place}\\n\\\\\"\n,}}{{=");
        let mut out = String::new();
        let sample = (vec![("x".to_owned(), text.clone())], number);
        text::family(&mut out, "m", text::Type::Gauge, "a \\ b\nc", [sample]);
        let read = read(&out).unwrap();
        assert_eq!((read[0].1["x"].as_str(), read[0].2.to_bits()), (text.as_str(), number.to_bits()));
    }
    assert!(read("a 1\n").is_err() && read("# TYPE a gauge\na{b=\"\\x\"} 1\n").is_err());
}
