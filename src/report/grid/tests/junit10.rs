//! The test report against the schema that its consumers use, and what is in it.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use super::sample::{self, Sample};
use super::xml;

/// An element of a report.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
            let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
            let value = std::str::from_utf8(&attribute.value).unwrap();
            (name, quick_xml::escape::unescape(value).unwrap().into_owned())
        };
        Self {
            name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
            attributes: start.attributes().map(|it| attribute(it.unwrap())).collect(),
            ..Self::default()
        }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn named<'a>(&'a self, name: &str, value: &str) -> &'a Element {
        self.children
            .iter()
            .find(|child| child.name == name && child.attributes["name"] == value)
            .unwrap_or_else(|| panic!("no {name} {value}"))
    }
}

fn parse(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => open.last_mut().unwrap().children.push(Element::of(&start)),
            Event::End(_) => {
                let element = open.pop().unwrap();
                open.last_mut().unwrap().children.push(element);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.decode().unwrap()),
            Event::GeneralRef(_) => open.last_mut().unwrap().text.push('&'),
            Event::Eof => break,
            _ => {}
        }
    }
    open.pop().unwrap().children.pop().unwrap()
}

/// What the schema says of each element: attributes, and which of them must be there; children; text or not.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../tests/fixtures/junit-10.json")).unwrap()
}

/// What is wrong with an element and all below it.
fn faults(element: &Element, schema: &Value, faults: &mut Vec<String>) {
    let name = element.name.as_str();
    let Some(rule) = schema.get(name) else { return faults.push(format!("<{name}> is not known")) };
    let list = |key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap_or_default() };
    let (required, optional) = (list("required"), list("optional"));
    faults.extend(
        required
            .iter()
            .filter(|it| !element.attributes.contains_key(*it))
            .map(|it| format!("<{name}> has no {it}")),
    );
    let known = |it: &&String| required.contains(it) || optional.contains(it);
    faults.extend(
        element.attributes.keys().filter(|it| !known(it)).map(|it| format!("<{name}> must not have {it}")),
    );
    if rule["time"] == "surefire"
        && let Some(time) = element.attributes.get("time")
        && (time.is_empty() || time.chars().any(|c| !c.is_ascii_digit() && c != '.' && c != ','))
    {
        faults.push(format!("<{name}> has a time of {time}"));
    }
    let children = list("children");
    let places: Vec<Option<usize>> =
        element.children.iter().map(|child| children.iter().position(|it| *it == child.name)).collect();
    faults.extend(
        element
            .children
            .iter()
            .filter(|it| !children.contains(&it.name))
            .map(|it| format!("<{name}> must not have <{}>", it.name)),
    );
    if rule["in_order"] == true && places.windows(2).any(|pair| pair[0] >= pair[1]) {
        faults.push(format!("<{name}> has its parts in another order"));
    }
    if rule["text"] != true && !element.text.trim().is_empty() {
        faults.push(format!("<{name}> must not have text"));
    }
    for child in &element.children {
        self::faults(child, schema, faults);
    }
}

fn wrong(xml: &str) -> Vec<String> {
    let mut found = Vec::new();
    faults(&parse(xml), &schema(), &mut found);
    found
}

#[test]
fn each_report_is_as_its_consumers_want_it() {
    let samples: Vec<(&str, Sample)> = vec![
        ("pass", sample::pass()),
        ("fail", sample::fail()),
        ("inconclusive", sample::inconclusive()),
        ("cut_off", sample::cut_off()),
        ("outage", sample::outage(12)),
        ("measured", sample::measured()),
        ("nothing", Sample::of(&[])),
    ];
    for (name, sample) in samples {
        let xml = xml(&sample.view());
        assert_eq!(wrong(&xml), Vec::<String>::new(), "{name}: {xml}");
    }
}

#[test]
fn the_check_of_the_structure_can_fail() {
    let xml = xml(&sample::pass().view());
    for (from, to) in [
        ("<testsuites name", "<testsuites skipped=\"1\" name"),
        ("<testcase name=\"case-0\"", "<testcase timestamp=\"now\" name=\"case-0\""),
        (" type=\"missing.infrastructure\"", ""),
        ("<properties>", "text<properties>"),
        ("time=\"", "time=\"soon"),
    ] {
        assert!(xml.contains(from), "{from}");
        assert!(!wrong(&xml.replacen(from, to, 1)).is_empty(), "{from}");
    }
}

#[test]
fn trials_are_to_a_case_what_reruns_are_to_a_test() {
    let xml = xml(&sample::inconclusive().view());
    insta::assert_snapshot!("junit", xml);
    let report = parse(&xml);
    let suites: Vec<&str> = report.all("testsuite").map(|suite| suite.attributes["name"].as_str()).collect();
    assert_eq!(suites, ["gate", "fixer", "fixer-v2", "fixer-v2+half"]);
    let kinds = |arm: &str, case: &str| -> Vec<String> {
        let test = report.named("testsuite", arm).named("testcase", case);
        test.children.iter().filter(|it| it.name != "system-out").map(|it| it.name.clone()).collect()
    };
    // All trials pass; one of three fails; all fail.
    assert!(kinds("fixer-v2", "case-0").is_empty());
    assert_eq!(kinds("fixer-v2", "case-1"), ["flakyFailure"]);
    assert_eq!(kinds("fixer", "case-1"), ["failure", "rerunFailure", "rerunFailure"]);
    // One of three is missing; all are; two were never run.
    assert_eq!(kinds("fixer-v2", "case-2"), ["flakyError"]);
    assert_eq!(kinds("fixer-v2+half", "case-3"), ["error", "rerunError", "rerunError"]);
    assert_eq!(kinds("fixer-v2+half", "case-4"), ["flakyError", "flakyError"]);
    let arm = report.named("testsuite", "fixer-v2+half");
    let count = |name: &str| arm.attributes[name].parse::<usize>().unwrap();
    assert_eq!((count("tests"), count("failures"), count("errors")), (5, 2, 1));
    // The gate says what the exit code says.
    let gate = report.named("testsuite", "gate");
    assert!(gate.named("testcase", "fixer-v2 may ship").all("failure").next().is_none());
    let undecided = gate.named("testcase", "fixer-v2+half may ship").all("error").next().unwrap();
    assert_eq!(undecided.attributes["type"], "missing-decides");
}
