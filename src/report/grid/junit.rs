//! The run as a test report, `JUnit` XML, for what shows test reports.
//!
//! One suite an arm, one test a case, and before them the gate as a test of its own. The score that decides says what
//! passed. Trials are to a case what reruns are to a test: one that passes and fails is flaky, one whose trials all fail
//! has failed, and one without any answer is an error. Only what the schema of Jenkins' xUnit plugin (`junit-10`) knows
//! is written: it is the strictest of those in use.

use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use tempfile::SpooledTempFile;

use super::outcome::{self, Outcome, Tried};
use super::{GridView, account, figure, foresight, words};
use crate::event::{ArmFixed, Certified, Place, PlanFixed, ScoreName, Trial, Verdict};
use crate::file::redact_shapes;
use crate::text;

/// Characters of one answer that are shown.
const SHOWN_ANSWER: usize = 2000;
/// Tests that are held at the same time.
const CASES_AT_ONCE: usize = 256;
/// Characters of answers that are shown in all.
const SHOWN_ANSWERS: usize = 4_000_000;

/// Bytes of tests that are held in memory; more of them lie in a file without a name.
const IN_MEMORY: usize = 1 << 20;

/// The report, ready to be written.
#[derive(Debug)]
pub struct Junit {
    parts: Vec<Part>,
    /// The tests of all arms, one behind the other.
    tests: BufWriter<SpooledTempFile>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// So many bytes of the tests.
    Tests(u64),
}

impl Junit {
    fn new() -> Self {
        Self { parts: Vec::new(), tests: BufWriter::new(SpooledTempFile::new(IN_MEMORY)) }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What was put away cannot be read, or the report cannot be written.
    pub fn write_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.tests.flush()?;
        let tests = self.tests.get_mut();
        tests.rewind()?;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write_all(text.as_bytes())?,
                Part::Tests(bytes) => drop(io::copy(&mut io::Read::by_ref(tests).take(*bytes), out)?),
            }
        }
        Ok(())
    }
}

/// The report.
///
/// # Errors
/// When the tests cannot be put away. No text can cause that: what XML does not know is left out.
pub fn junit(view: &GridView<'_>) -> io::Result<Junit> {
    let mut junit = Junit::new();
    let Some(plan) = view.sheet.plan() else {
        junit.parts.push(Part::Text(Rendered::of(&Report::new("provost"))?.whole()));
        return Ok(junit);
    };
    let mut report = Report::new(plan.suite.as_str());
    if let Some(gate) = gate(view, plan, view.figures()) {
        count(&mut report, &gate);
        junit.parts.push(Part::Text(Rendered::of_suite(gate)?.whole()));
    }
    let score = outcome::deciding(view.sheet);
    let mut room = SHOWN_ANSWERS;
    for (index, arm) in plan.arms.iter().enumerate() {
        let mut suite = TestSuite::new(arm.name.as_str());
        about(&mut suite, view, arm, score);
        let mut time = Duration::ZERO;
        let mut bytes = 0;
        let all = view.sheet.cases().len();
        for from in (0..all).step_by(CASES_AT_ONCE) {
            let mut part = TestSuite::new("part");
            for case in from..all.min(from + CASES_AT_ONCE) {
                let tried = tried(view, plan, index, case, score);
                let took =
                    tried.iter().filter_map(|tried| Some(tried.stands.as_ref()?.ended.duration_ms)).sum();
                let took = Duration::from_millis(took);
                time += took;
                let mut test = test(view, &tried, case, score, &mut room);
                test.set_classname(format!("{}.{}", plan.suite, arm.name)).set_time(took);
                part.add_test_case(test);
            }
            suite.tests += part.tests;
            suite.skipped += part.skipped;
            suite.errors += part.errors;
            suite.failures += part.failures;
            let inside = Rendered::of_suite(part)?.inside;
            junit.tests.write_all(inside.as_bytes())?;
            bytes += inside.len() as u64;
        }
        suite.set_time(time);
        count(&mut report, &suite);
        let frame = Rendered::of_suite(suite)?;
        let parts = [Part::Text(frame.head + &frame.inside), Part::Tests(bytes), Part::Text(frame.tail)];
        junit.parts.extend(parts);
    }
    let frame = Rendered::of(&report)?;
    junit.parts.insert(0, Part::Text(frame.head));
    junit.parts.push(Part::Text(frame.tail));
    Ok(junit)
}

fn count(report: &mut Report, suite: &TestSuite) {
    report.tests += suite.tests;
    report.skipped += suite.skipped;
    report.errors += suite.errors;
    report.failures += suite.failures;
}

/// An element as it is written: a run has more tests than should be held as tests all at once, and the elements that hold
/// them say in front how many there are.
struct Rendered {
    head: String,
    inside: String,
    tail: String,
}

impl Rendered {
    /// The whole report, with no suite in it.
    fn of(report: &Report) -> io::Result<Self> {
        let xml = report.to_string().map_err(io::Error::other)?;
        // The schema knows `skipped` of a suite, and not of the whole. No value of an attribute has a bare quote in it.
        let xml = xml.replacen(&format!(" skipped=\"{}\" failures=", report.skipped), " failures=", 1);
        Ok(Self::cut(&xml, xml.find("<testsuites").unwrap_or(0), "testsuites"))
    }

    fn of_suite(suite: TestSuite) -> io::Result<Self> {
        let mut report = Report::new("report");
        report.add_test_suite(suite);
        let xml = report.to_string().map_err(io::Error::other)?;
        let (from, to) = (xml.find("\n    <testsuite "), xml.rfind("\n</testsuites>"));
        let suite = &xml[from.unwrap_or(0)..to.unwrap_or(xml.len())];
        Ok(Self::cut(suite, 0, "testsuite"))
    }

    /// Cuts an element into its tags and what is between. Within an attribute and within text there is neither a bare `<`
    /// nor a bare `>`.
    fn cut(xml: &str, from: usize, tag: &str) -> Self {
        let begin = xml[from..].find('>').map_or(xml.len(), |end| from + end + 1);
        let end = xml.rfind(&format!("</{tag}>")).unwrap_or(xml.len());
        let end = begin.max(begin + xml[begin..end].trim_end().len());
        let cut = |range: std::ops::Range<usize>| xml[range].to_owned();
        Self { head: cut(0..begin), inside: cut(begin..end), tail: cut(end..xml.len()) }
    }

    fn whole(self) -> String {
        self.head + &self.inside + &self.tail
    }
}

/// The gate: a test for each candidate.
fn gate(view: &GridView<'_>, plan: &PlanFixed, certified: Option<&Certified>) -> Option<TestSuite> {
    let gate = plan.gate.as_ref()?;
    let mut suite = TestSuite::new("gate");
    suite.add_property(("demand", foresight::demand(gate).as_str()));
    suite.add_property(("plan_sha256", plan.plan_sha256.hex().as_str()));
    if let Some(reached) = view.sheet.verdict() {
        suite.add_property(("evidence_sha256", reached.evidence_sha256.hex().as_str()));
    }
    let accounts = certified.map(|certified| account::accounts(view.sheet, certified)).unwrap_or_default();
    if accounts.is_empty() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("no-verdict").set_message("The run ended without a verdict.");
        suite.add_test_case(TestCase::new("there is a verdict", status));
    }
    for each in accounts {
        let keys: Vec<String> = each.reasons.iter().map(words::key).collect();
        let titles: Vec<&str> = each.reasons.iter().map(|reason| words::words(*reason).0).collect();
        let mut status = match each.verdict {
            Some(Verdict::Pass) => TestCaseStatus::success(),
            Some(Verdict::Fail) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Some(Verdict::Inconclusive) | None => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        status.set_type(keys.join(", ")).set_message(titles.join(" "));
        let name = if each.arm.is_empty() { "may ship".to_owned() } else { format!("{} may ship", each.arm) };
        let mut test = TestCase::new(name, status);
        let remedies = each.reasons.iter().map(|reason| words::remedy(*reason, view.sheet));
        let told: Vec<String> = remedies.chain(each.settles).chain(each.facts).collect();
        test.set_classname(format!("{}.gate", plan.suite)).set_system_out(told.join("\n"));
        suite.add_test_case(test);
    }
    Some(suite)
}

/// What the tests of an arm are about.
fn about(suite: &mut TestSuite, view: &GridView<'_>, arm: &ArmFixed, score: Option<&ScoreName>) {
    suite.add_property(("role", words::role(arm.role)));
    suite.add_property(("profile", arm.profile.as_str()));
    suite.add_property(("harness", arm.harness.as_str()));
    for (name, value) in [("model", &arm.model), ("treatment", &arm.treatment), ("stored", &arm.stored)] {
        suite.add_properties(value.as_deref().map(|value| (name, value)));
    }
    suite.add_properties(score.map(|score| ("score", score.as_str())));
    suite.add_property(("provenance_sha256", arm.provenance_sha256.hex().as_str()));
    for (name, value) in view.labels {
        suite.add_property((format!("label.{name}").as_str(), value.as_str()));
    }
}

/// All trials of a case on an arm.
fn tried(
    view: &GridView<'_>,
    plan: &PlanFixed,
    arm: usize,
    case: usize,
    score: Option<&ScoreName>,
) -> Vec<Tried> {
    let one = |trial| {
        let stands = view.sheet.cell(Place { arm, case, trial }).and_then(view.stands);
        let outcome = match score {
            Some(score) => outcome::outcome(stands.as_ref(), score),
            None => Outcome::Absent,
        };
        Tried { trial, outcome, stands }
    };
    (1..=plan.trials).map(|trial| one(Trial(trial))).collect()
}

fn test(
    view: &GridView<'_>,
    tried: &[Tried],
    case: usize,
    score: Option<&ScoreName>,
    room: &mut usize,
) -> TestCase {
    let passed = tried.iter().any(|tried| matches!(tried.outcome, Outcome::Passed | Outcome::Measured(_)));
    let absent = tried.iter().all(|tried| tried.outcome == Outcome::Absent);
    let mut bad: Vec<(&Tried, NonSuccessKind, String)> =
        tried.iter().filter_map(|tried| Some((tried, kind(&tried.outcome)?, ty(&tried.outcome)))).collect();
    // What has failed says more than what is missing, so it comes first: it names the test's own outcome.
    bad.sort_by_key(|(_, kind, _)| *kind != NonSuccessKind::Failure);
    let line = |tried: &Tried| {
        redact_shapes(&format!("trial {}: {}", tried.trial, tried.outcome.line())).into_owned()
    };
    let mut status = if passed {
        TestCaseStatus::success()
    } else if absent || bad.is_empty() {
        let mut status = TestCaseStatus::skipped();
        status.set_message(Outcome::Absent.line());
        status
    } else {
        let (first, kind, ty) = bad.remove(0);
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(line(first)).set_type(ty).set_description(answer(view, first, room));
        status
    };
    for (tried, kind, ty) in bad {
        let mut rerun = TestRerun::new(kind);
        rerun.set_message(line(tried)).set_type(ty);
        let answer = answer(view, tried, room);
        if !answer.is_empty() {
            rerun.set_system_out(answer);
        }
        status.add_rerun(rerun);
    }
    let fixed = view.sheet.cases().get(case);
    let mut test = TestCase::new(fixed.map_or("", |fixed| fixed.id), status);
    if let Some(group) = fixed.and_then(|fixed| fixed.group) {
        test.extra.insert("group".into(), group.into());
    }
    if tried.len() > 1 || score.is_none() {
        let means: Vec<String> = view
            .sheet
            .plan()
            .iter()
            .flat_map(|plan| plan.scores.iter().enumerate())
            .filter_map(|(at, name)| {
                let arm = tried
                    .iter()
                    .find_map(|tried| tried.stands.as_ref())
                    .and_then(|it| view.sheet.arm(&it.ended.arm))?;
                let (mean, count) = outcome::mean(view.sheet, arm, case, at)?;
                Some(format!("{name}: {} over {}", figure::number(mean), text::plural(count, "trial")))
            })
            .collect();
        if !means.is_empty() {
            test.set_system_out(means.join("\n"));
        }
    }
    test
}

/// Whether an outcome is none to be glad of, and which kind it is.
fn kind(outcome: &Outcome) -> Option<NonSuccessKind> {
    match outcome {
        Outcome::Passed | Outcome::Measured(_) | Outcome::Absent => None,
        Outcome::Failed { .. } => Some(NonSuccessKind::Failure),
        Outcome::Missing { .. } => Some(NonSuccessKind::Error),
    }
}

fn ty(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Missing { reason, .. } => format!("missing.{}", words::key(reason)),
        _ => "failed".to_owned(),
    }
}

/// The beginning of an answer, while there is room for answers.
fn answer(view: &GridView<'_>, tried: &Tried, room: &mut usize) -> String {
    let sha256 = tried.stands.as_ref().and_then(|stands| stands.ended.output_sha256.as_ref());
    let Some(answer) = sha256.filter(|_| *room > 0).and_then(|sha256| (view.texts)(sha256)) else {
        return String::new();
    };
    let shown = text::truncate(&redact_shapes(&answer), SHOWN_ANSWER).into_owned();
    *room = room.saturating_sub(shown.len());
    shown
}
