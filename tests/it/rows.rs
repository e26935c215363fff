//! The acceptance rows of fallback at run time: every one of them is a row of a table of some test, and where a row only
//! says which tests hold it, they are there.

use std::path::{Path, PathBuf};

mod abort;
mod complete;
mod delegation;
mod dialects;
mod server;
mod signals;
mod stage;

/// A row that other tests hold.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) says: &'static str,
    /// Where it means something else for us than for an older system: what, and why.
    pub(crate) decided: &'static str,
    /// Files, and tests in them.
    pub(crate) held_by: &'static [(&'static str, &'static str)],
}

/// A row without a decision of ours.
pub(crate) const fn row(
    id: &'static str,
    says: &'static str,
    held_by: &'static [(&'static str, &'static str)],
) -> Row {
    Row { id, says, decided: "", held_by }
}

const TABLES: [&[Row]; 4] = [signals::ROWS, abort::ROWS, complete::ROWS, delegation::ROWS];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of tests.
fn tests_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let inside = path.iter().any(|part| part == "tests" || part == "tests.rs");
        if path.is_dir() {
            tests_below(&path, files);
        } else if inside && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether a table in this text has the row: its id is a field `id`, or the first argument or field of a row. A row of
/// several parts may name them: `"B7-cooling"`.
fn has_row(text: &str, id: &str) -> bool {
    let found = |quoted: String| {
        text.match_indices(&quoted).any(|(at, _)| {
            let before = text[..at].trim_end();
            before.ends_with('(') || before.ends_with("id:")
        })
    };
    found(format!("\"{id}\",")) || found(format!("\"{id}-"))
}

/// Whether there is a test of this name in the text.
pub(crate) fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let before: Vec<&str> =
        text[..at].lines().rev().take_while(|line| !line.trim_end().ends_with('}')).collect();
    before.iter().take(4).any(|line| matches!(line.trim(), "#[test]" | "#[tokio::test]"))
        || text.contains("proptest! {") && text[..at].rfind("proptest! {").is_some()
}

#[test]
fn each_acceptance_row_is_a_row_of_a_table() {
    let listed = std::fs::read_to_string(root().join("tests/fixtures/rows.tsv")).unwrap();
    let ids: Vec<(&str, &str)> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap())
        .collect();
    let of = |group: char| ids.iter().filter(|(id, _)| id.starts_with(group)).count();
    let counts: Vec<usize> = "ABCDEFGHIJM".chars().map(of).collect();
    assert_eq!(counts, [52, 30, 14, 17, 12, 36, 10, 29, 16, 10, 23]);
    let mut files = Vec::new();
    tests_below(&root().join("src"), &mut files);
    tests_below(&root().join("tests/it"), &mut files);
    let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let missing: Vec<String> = ids
        .iter()
        .filter(|(id, _)| !texts.iter().any(|text| has_row(text, id)))
        .map(|(id, about)| format!("{id} ({about})"))
        .collect();
    assert!(missing.is_empty(), "{} rows are in no table:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn each_row_that_others_hold_names_tests_that_are_there() {
    for Row { id, says, decided, held_by } in TABLES.into_iter().flatten() {
        assert!(!held_by.is_empty(), "{id} ({says}; {decided}) is held by nothing");
        for (file, test) in *held_by {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            assert!(has_test(&text, test), "{id} ({says}): there is no test {test} in {file}");
        }
    }
}

#[test]
fn a_row_is_found_by_its_form_alone() {
    assert!(has_row("Row { id: \"B7\", x }", "B7"));
    assert!(has_row("row(\n    \"B7\",\n", "B7"));
    assert!(has_row("id: \"B7-cooling\",", "B7"));
    assert!(!has_row("// as in B7, \"B7\", and others", "B7"));
    assert!(!has_row("row(\"B71\", x)", "B7"));
    assert!(has_test("#[test]\nfn a() {", "a"));
    assert!(has_test("#[test]\n#[cfg_attr(not(real), ignore)]\nfn a() {", "a"));
    assert!(!has_test("#[test]\nfn b() {}\nfn a() {", "a"));
}
