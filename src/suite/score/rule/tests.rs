use serde_json::{Value, json};

use super::*;
use crate::event::{CellIndex, Trial};

/// A score as the suite has it after loading.
fn score(table: Value) -> Score {
    let mut table = table;
    table["name"] = json!("s");
    serde_json::from_value(table).unwrap()
}

fn rule(table: &Value) -> Result<Rule, String> {
    Rule::new(&score(table.clone()), Path::new("/nowhere"))
}

fn of(
    table: &Value,
    case: &Value,
    output: &str,
    check: Option<&(bool, Option<f64>, String)>,
) -> Option<Scored> {
    let mut case = case.clone();
    case["input"] = json!("?");
    let case = Case::from_json(case).unwrap();
    let answered = Answered {
        case: &case,
        output,
        workspace: None,
        check,
        cell: CellIndex(0),
        trial: Trial(1),
        seed: 0,
        rival: None,
    };
    rule(table).unwrap().at_once(&answered, score(table.clone()).pass)
}

/// What a score is to be: a value, missing, or not there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Value(f64),
    Missing,
    Absent,
}

#[test]
fn every_kind_reads_its_options() {
    use Is::{Absent, Missing, Value};
    let capital = json!({"expected": "Paris"});
    for (table, case, output, is) in [
        (json!({"kind": "exact"}), &capital, " Paris\n", Value(1.0)),
        (json!({"kind": "exact", "options": {"ignore_space": false}}), &capital, "Paris\n", Value(0.0)),
        (json!({"kind": "exact", "options": {"ignore_case": true}}), &capital, "PARIS", Value(1.0)),
        (
            json!({"kind": "exact", "options": {"expected": "{{ expected }}!"}}),
            &capital,
            "Paris!",
            Value(1.0),
        ),
        // The suite's fault is missing, with its reason.
        (json!({"kind": "exact"}), &json!({}), "Paris", Missing),
        (json!({"kind": "exact", "options": {"expected": "{{ city }}"}}), &capital, "Paris", Missing),
        // What the template says is none does not exist.
        (
            json!({"kind": "exact", "options": {"expected": "{{ city | default(none) }}"}}),
            &capital,
            "x",
            Absent,
        ),
        (json!({"kind": "contains"}), &capital, "It is Paris.", Value(1.0)),
        (json!({"kind": "contains", "options": {"all": ["Paris", "river"]}}), &capital, "Paris", Value(0.5)),
        (json!({"kind": "contains", "options": {"none": ["sorry"]}}), &json!({}), "Paris", Value(1.0)),
        (json!({"kind": "contains", "options": {"none": ["sorry"]}}), &json!({}), "sorry", Value(0.0)),
        (
            json!({"kind": "contains", "options": {"all": ["{{ expected }}", "{{ also | default(none) }}"]}}),
            &capital,
            "Paris",
            Value(1.0),
        ),
        (
            json!({"kind": "contains", "options": {"all": ["{{ also | default(none) }}"]}}),
            &capital,
            "x",
            Absent,
        ),
        (json!({"kind": "regex", "options": {"pattern": "^P.+s$"}}), &json!({}), "Paris", Value(1.0)),
        (
            json!({"kind": "regex", "options": {"pattern": "is (\\w+)", "group": "{{ expected }}"}}),
            &capital,
            "It is Lyon",
            Value(0.0),
        ),
        (json!({"kind": "number"}), &json!({"expected": 12}), "so 12.0", Value(1.0)),
        (
            json!({"kind": "number", "options": {"tolerance": 0.5}}),
            &json!({"expected": 12}),
            "12.4",
            Value(1.0),
        ),
        (json!({"kind": "number"}), &json!({"expected": "dozen"}), "12", Missing),
        (json!({"kind": "json"}), &json!({}), "[1]", Value(1.0)),
        (json!({"kind": "json"}), &json!({"expected": {"a": 1}}), r#"{"a": 1.0}"#, Value(1.0)),
        (
            json!({"kind": "json", "options": {"path": "a"}}),
            &json!({"expected": 2}),
            r#"{"a": 1}"#,
            Value(0.0),
        ),
        (json!({"kind": "json", "options": {"path": "a"}}), &json!({}), r#"{"a": 1}"#, Value(1.0)),
        (json!({"kind": "check"}), &json!({}), "x", Missing),
    ] {
        let scored = of(&table, case, output, None);
        let found = match &scored {
            None => Absent,
            Some(Scored { value: Some(value), .. }) => Value(*value),
            Some(missing) => {
                assert!(missing.why.is_some() && missing.passed.is_none(), "{missing:?}");
                Missing
            }
        };
        assert_eq!(found, is, "{table} {case} {output:?}: {scored:?}");
    }
}

#[test]
fn a_check_gives_its_score_or_whether_it_passed() {
    let table = json!({"kind": "check", "pass": 0.5});
    let of = |check| of(&table, &json!({}), "x", Some(&check)).unwrap();
    let said = |scored: Scored| (scored.value, scored.passed);
    assert_eq!(said(of((true, None, String::new()))), (Some(1.0), Some(true)));
    assert_eq!(said(of((false, Some(0.75), String::new()))), (Some(0.75), Some(true)));
    assert_eq!(said(of((true, Some(7.0), String::new()))), (None, None));
    let failed = of((false, None, "1 test failed\n\n".to_owned()));
    assert_eq!(
        (failed.why.as_deref(), said(failed.clone())),
        (Some("1 test failed"), (Some(0.0), Some(false)))
    );
}

#[test]
fn what_is_wrong_is_found_before_the_first_cell() {
    for (table, why) in [
        (json!({"kind": "exact", "options": {"expected": "{{ a"}}), "`expected`"),
        (json!({"kind": "contains", "options": {"all": ["{% if %}"]}}), "`all`"),
        (json!({"kind": "regex"}), "no `pattern`"),
        (json!({"kind": "regex", "options": {"pattern": "("}}), "`pattern`"),
        (json!({"kind": "regex", "options": {"pattern": "a", "group": "b"}}), "no group"),
        (json!({"kind": "number", "options": {"pattern": "a"}}), "no group"),
        (json!({"kind": "json", "options": {"schema": "gone.json"}}), "cannot be read"),
        (json!({"kind": "command"}), "no `command`"),
    ] {
        assert!(rule(&table).is_err_and(|wrong| wrong.contains(why)), "{table}");
    }
}

#[test]
fn a_schema_lies_in_the_directory_of_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    crate::file::write_atomic(&dir.path().join("form.json"), br#"{"type": "object", "required": ["a"]}"#)
        .unwrap();
    let table = score(json!({"kind": "json", "options": {"schema": "form.json"}}));
    let rule = Rule::new(&table, dir.path()).unwrap();
    // A schema alone says all: what the case expects is not looked at.
    let case = Case::from_json(json!({"input": "?", "expected": "other"})).unwrap();
    let value = |output| {
        let (cell, trial) = (CellIndex(0), Trial(1));
        let answered =
            Answered { case: &case, output, workspace: None, check: None, cell, trial, seed: 0, rival: None };
        rule.at_once(&answered, None).unwrap().value
    };
    assert_eq!((value(r#"{"a": 0}"#), value("{}")), (Some(1.0), Some(0.0)));
    crate::file::write_atomic(&dir.path().join("form.json"), br#"{"type": "no such"}"#).unwrap();
    assert!(Rule::new(&table, dir.path()).is_err_and(|why| why.contains("is not a JSON schema")));
}
