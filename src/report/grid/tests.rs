//! Runs of many cells, written by hand, through every report of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::*;
use crate::event::{Event, Tally};
use crate::report::human::{Lines, Look, Progress, Verbosity};
use crate::report::{PageView, Reporter, RunState, page, snapshot};

mod junit10;
mod sample;

use sample::Sample;

const PLAIN: Look = Look { colour: false, unicode: true };
const COLOUR: Look = Look { colour: true, unicode: true };

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines(look: Look, verbosity: Verbosity, events: &[Event]) -> String {
    let out = Shared::default();
    let mut lines = Lines::new(Box::new(out.clone()), look, verbosity, ".provost/runs/x");
    feed(&mut lines, events);
    String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
}

fn feed(reporter: &mut dyn Reporter, events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.apply(event);
        reporter.event(event, b"", &tally).unwrap();
    }
    tally
}

/// The test report as it is written.
fn xml(view: &GridView<'_>) -> String {
    let mut bytes = Vec::new();
    junit(view).unwrap().write_to(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn lines_of_a_pipe() {
    insta::assert_snapshot!("lines", lines(PLAIN, Verbosity::Normal, &sample::inconclusive().events));
}

#[test]
fn lines_at_length_in_ascii() {
    let ascii = Look { colour: false, unicode: false };
    insta::assert_snapshot!("lines_verbose", lines(ascii, Verbosity::Verbose, &sample::fail().events));
}

#[test]
fn quiet_says_only_how_it_ended() {
    let said = lines(PLAIN, Verbosity::Quiet, &sample::pass().events);
    assert_eq!(
        said,
        "certified · exit code 0 · 39 cells answered · 4 missing · 1m 32s · spend unknown (at least $0.02) · .provost/runs/x\n"
    );
}

#[test]
fn colours_are_only_added() {
    let sample = sample::inconclusive();
    let coloured = lines(COLOUR, Verbosity::Verbose, &sample.events);
    assert!(coloured.contains("\x1b["), "{coloured:?}");
    assert_eq!(console::strip_ansi_codes(&coloured), lines(PLAIN, Verbosity::Verbose, &sample.events));
    let coloured = table(&sample.view(), COLOUR, 100);
    assert!(coloured.contains("\x1b[33mINCONCLUSIVE"), "{coloured:?}");
    assert_eq!(console::strip_ansi_codes(&coloured), table(&sample.view(), PLAIN, 100));
}

#[test]
fn a_permanent_outage_is_not_a_wall_of_lines() {
    let sample = sample::outage(200);
    let said = lines(PLAIN, Verbosity::Normal, &sample.events);
    assert_eq!(said.matches("is missing").count(), 5, "{said}");
    assert_eq!(said.matches("only counted").count(), 1, "{said}");
    assert!(said.lines().count() < 70, "{said}");
}

#[test]
fn tables_of_verdicts() {
    for (name, sample) in
        [("pass", sample::pass()), ("fail", sample::fail()), ("inconclusive", sample::inconclusive())]
    {
        for width in [80, 120] {
            let shown = table(&sample.view(), PLAIN, width);
            assert!(shown.lines().all(|line| console::measure_text_width(line) <= width), "{shown}");
            insta::assert_snapshot!(format!("table_{name}_{width}"), shown);
        }
    }
}

#[test]
fn a_run_without_a_gate_and_one_without_an_end_have_a_table() {
    let measured = sample::measured();
    insta::assert_snapshot!("table_measured", table(&measured.view(), PLAIN, 80));
    insta::assert_snapshot!("table_cut_off", table(&sample::cut_off().view(), PLAIN, 80));
    let nothing = Sample::of(&[]);
    for width in [0, 1, 40] {
        let _ = table(&nothing.view(), PLAIN, width);
    }
}

#[test]
fn the_pull_request_is_told() {
    for (name, sample) in
        [("pass", sample::pass()), ("fail", sample::fail()), ("inconclusive", sample::inconclusive())]
    {
        insta::assert_snapshot!(format!("markdown_{name}"), markdown(&sample.view()));
    }
    insta::assert_snapshot!("markdown_measured", markdown(&sample::measured().view()));
    insta::assert_snapshot!("markdown_cut_off", markdown(&sample::cut_off().view()));
}

#[test]
fn the_job_is_annotated() {
    let mut all = vec![sample::pass(), sample::fail(), sample::inconclusive()];
    all.extend([sample::cut_off(), sample::measured()]);
    let said: Vec<String> = all.iter().map(|sample| annotations(&sample.view())).collect();
    insta::assert_snapshot!("annotations", said.join("\n"));
    assert!(said.iter().flat_map(|said| said.lines()).all(|line| line.starts_with("::")));
}

#[test]
fn each_cell_is_a_row_of_the_table() {
    let sample = sample::inconclusive();
    let text = csv(&sample.view()).unwrap();
    insta::assert_snapshot!("csv", text);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 45);
    let count = |column: &str, value: &str| rows.iter().filter(|row| row[column] == value).count();
    assert_eq!((count("missing", "not_run"), count("missing", "infrastructure")), (2, 4));
    // Totals are those of the fold, which the verdict rests on.
    for (arm, totals) in sample.sheet.plan().unwrap().arms.iter().zip(sample.sheet.arms()) {
        let of = |row: &&BTreeMap<String, String>| row["arm"] == arm.name.as_str();
        let answered = rows.iter().filter(of).filter(|row| row["missing"].is_empty()).count() as u64;
        assert_eq!(answered, totals.answered, "{}", arm.name);
        let attempts: u64 =
            rows.iter().filter(of).filter_map(|row| row["attempts"].parse::<u64>().ok()).sum();
        assert_eq!(attempts, totals.attempts, "{}", arm.name);
    }
}

#[test]
fn numbers_of_the_csv_are_read_back_bit_by_bit() {
    let value = 0.1_f64 + 0.2;
    let text = sample::with_value(value);
    let text = csv(&text.view()).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let read: f64 = rows[0]["score.exact"].parse().unwrap();
    assert_eq!(read.to_bits(), value.to_bits());
}

#[test]
fn secrets_and_escapes_reach_no_report() {
    let sample = sample::inconclusive();
    let view = sample.view();
    let reports = [
        lines(PLAIN, Verbosity::Verbose, &sample.events),
        table(&view, PLAIN, 200),
        markdown(&view),
        xml(&view),
        annotations(&view),
        csv(&view).unwrap(),
    ];
    for report in reports {
        assert!(!report.contains("sk-abcdef") && !report.contains('\u{1b}'), "{report}");
    }
}

/// Grids: stored runs side by side.
#[test]
fn stored_runs_stand_side_by_side() {
    let of = |run: &str, model: &str, sample: &Sample| {
        let labels = BTreeMap::from([
            ("model".to_owned(), model.to_owned()),
            ("prompt".to_owned(), "short".to_owned()),
        ]);
        grid_rows(run, &labels, &sample.sheet, None, sample.ended())
    };
    let rows: Vec<GridRow> = [
        of("a", "m-1", &sample::pass()),
        of("b", "m-2", &sample::fail()),
        of("c", "m-3", &sample::cut_off()),
    ]
    .concat();
    assert_eq!(rows.len(), 6);
    assert_eq!(differences(&rows), Vec::<String>::new());
    insta::assert_snapshot!("rows_80", rows_table(&rows, PLAIN, 80));
    insta::assert_snapshot!("rows_120", rows_table(&rows, PLAIN, 120));
    insta::assert_snapshot!("rows_markdown", rows_markdown(&rows));
    insta::assert_snapshot!("rows_csv", rows_csv(&rows).unwrap());
    // Directories are named once, and each row by what is its own.
    let below = |row: &GridRow| GridRow { run: format!("grid/of/{}", row.run), ..row.clone() };
    let below: Vec<GridRow> = rows.iter().map(below).collect();
    let names_both = rows_table(&rows, PLAIN, 80).replace("prompt=short", "prompt=short, in grid/of/");
    assert_eq!(rows_table(&below, PLAIN, 80), names_both);
    assert!(rows_csv(&below).unwrap().contains("\ngrid/of/c,"));
    let json = rows_json(&rows);
    assert_eq!(json["rows"][0]["effect"]["low"], 0.011);
    assert_eq!(json["rows"][4]["verdict"], serde_json::Value::Null);
    // The judge's spend is unknown; the arm's own is known.
    assert!(json["rows"][0]["usd"].is_number());
    let other = [rows, grid_rows("d", &BTreeMap::new(), &sample::measured().sheet, None, None)].concat();
    assert_eq!(differences(&other).len(), 3, "{:?}", differences(&other));
    assert!(rows_table(&other, PLAIN, 120).contains("not comparable: the cases are not the same"));
}

#[test]
fn a_verdict_is_as_its_schema_says() {
    let schema = result_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let sample = sample::inconclusive();
    let mut result = serde_json::to_value(sample.sheet.verdict().unwrap()).unwrap();
    assert!(
        validator.is_valid(&result),
        "{:?}",
        validator.iter_errors(&result).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    result["certified"]["reasons"][0] = "because".into();
    assert!(!validator.is_valid(&result));
}

/// A display over the first `count` events, at the time of the last of them.
fn display(width: u16, count: usize) -> (InMemoryTerm, Progress) {
    let term = InMemoryTerm::new(40, width);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 200);
    let sample = sample::inconclusive();
    let clock = Arc::new(Mutex::new(sample.events[0].at));
    let now = Arc::clone(&clock);
    let mut progress =
        Progress::new(target, PLAIN, Verbosity::Normal, "runs/x", Box::new(move || *now.lock().unwrap()));
    let mut tally = Tally::default();
    for event in &sample.events[..count] {
        *clock.lock().unwrap() = event.at;
        tally.apply(event);
        progress.event(event, b"", &tally).unwrap();
    }
    // Lets the draw limit pass, so that the next draw is not dropped.
    std::thread::sleep(std::time::Duration::from_millis(60));
    progress.tick(&tally).unwrap();
    (term, progress)
}

#[test]
fn the_display_has_a_bar_over_the_cells() {
    for width in [40, 80] {
        insta::assert_snapshot!(format!("display_{width}"), display(width, 60).0.contents());
    }
}

/// What `peek` sees after the first `count` events, at the time of the last of them.
fn peeked<'a>(sample: &Sample, tally: &'a mut Tally, count: usize, state: RunState) -> PageView<'a> {
    let events = &sample.events[..count];
    for event in events {
        tally.apply(event);
    }
    PageView {
        run_dir: "runs/x".to_owned(),
        state,
        task: "triage".to_owned(),
        workspace: String::new(),
        labels: vec!["model=m-1".to_owned()],
        tally,
        now: events.last().unwrap().at,
        deadlines: Vec::new(),
        torn_bytes: 0,
        bad_lines: 0,
    }
}

#[test]
fn a_look_at_a_live_and_at_a_finished_run() {
    let sample = sample::inconclusive();
    let mut tally = Tally::default();
    let live = peeked(&sample, &mut tally, 60, RunState::Live);
    insta::assert_snapshot!("peek_live", page(&live, false, 80));
    let mut tally = Tally::default();
    let over = peeked(&sample, &mut tally, sample.events.len(), RunState::Finished);
    insta::assert_snapshot!("peek_finished", page(&over, false, 80));
}

/// The tally counts what the rows add up to.
#[test]
fn a_look_agrees_with_the_rows() {
    let samples: [fn() -> Sample; 5] =
        [sample::pass, sample::fail, sample::inconclusive, sample::cut_off, sample::measured];
    for sample in samples.iter().map(|sample| sample()) {
        let mut tally = Tally::default();
        let seen = snapshot(&peeked(&sample, &mut tally, sample.events.len(), RunState::Finished));
        let plan = sample.sheet.plan().unwrap();
        let score = sample.sheet.score(outcome::deciding(&sample.sheet).unwrap()).unwrap();
        let arms = seen["cells"]["arms"].as_array().unwrap();
        assert_eq!(arms.len(), plan.arms.len());
        for (at, (arm, totals)) in arms.iter().zip(sample.sheet.arms()).enumerate() {
            assert_eq!(arm["arm"], plan.arms[at].name.as_str());
            assert_eq!(arm["answered"], totals.answered, "{arm}");
            assert_eq!(arm["missing"], totals.missing.values().sum::<u64>(), "{arm}");
            let rows = sample.sheet.rows().filter(|(_, place, _)| place.arm == at);
            let values: Vec<f64> = rows.filter_map(|(.., row)| row.value(score)).collect();
            assert_eq!(arm["scored"], values.len(), "{arm}");
            let mean = values.iter().sum::<f64>() / figure::float(values.len() as u64);
            let is_mean = arm["mean"].as_f64().map_or(values.is_empty(), |it| (it - mean).abs() < 1e-12);
            assert!(is_mean, "{arm}: {mean}");
            assert_eq!(arm["usd"].as_f64(), totals.spend.usd_known.then_some(totals.spend.usd), "{arm}");
        }
        let verdict = sample.sheet.verdict().map(|reached| serde_json::to_value(reached.verdict).unwrap());
        assert_eq!(seen["cells"]["verdict"], verdict.unwrap_or_default());
    }
}

#[test]
fn the_display_goes_when_the_run_ends() {
    let sample = sample::inconclusive();
    let (term, mut progress) = display(100, sample.events.len());
    progress.finish(&sample.tally).unwrap();
    let shown = term.contents();
    assert!(shown.ends_with("runs/x") && !shown.contains("in flight"), "{shown}");
}
