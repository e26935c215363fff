//! Files of cases, good and bad.

use std::io::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A directory with files in it.
fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
    dir
}

fn cases(file: PathBuf, limit: u64) -> Cases {
    Cases { file, template: "{{ input }}".to_owned(), limit, workspace: None }
}

/// The cases of a file with this name and text, or what is said about it, without the directory.
fn read(name: &str, text: &str) -> Result<Vec<Case>, String> {
    let dir = dir(&[(name, text), ("data/a.txt", "A"), ("data/b.txt", "B")]);
    read_cases(&cases(dir.path().join(name), 0), |_| true)
        .map(|cases| cases.iter().map(Result::unwrap).collect())
        .map_err(|errors| errors.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

#[test]
fn a_case_has_what_its_line_says() {
    let line = r#"{"id":"a","input":"2+2?","expected":4,"tags":["math"],"group":"g","files":["data/a.txt",{"from":"data/b.txt","to":"./b"}],"check":{"contains":"4"},"lang":"en"}"#;
    let found = read("c.jsonl", &format!("\u{feff}{line}\r\n\n")).unwrap();
    let [case] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((case.id.as_str(), &case.input, &case.expected), ("a", &json!("2+2?"), &Some(json!(4))));
    assert_eq!((case.tags.as_slice(), case.group.as_deref()), (&["math".to_owned()][..], Some("g")));
    let targets: Vec<&Path> = case.files.iter().map(|file| file.to.as_path()).collect();
    assert_eq!(targets, [Path::new("data/a.txt"), Path::new("b")]);
    assert!(case.files.iter().all(|file| file.from.is_absolute()));
    assert_eq!(case.check.as_ref().unwrap().contains.as_deref(), Some("4"));
    assert_eq!(case.fields.get("lang"), Some(&json!("en")));
    assert!(case.has_own_id());
}

#[test]
fn each_form_gives_the_same_cases() {
    let forms = [
        (
            "c.jsonl",
            "{\"id\":\"a\",\"input\":\"x, y\",\"tags\":[\"p\",\"q\"]}\n{\"id\":\"b\",\"input\":\"z\",\"expected\":\"1\"}\n",
        ),
        (
            "c.json",
            "[\n {\"id\":\"a\",\"input\":\"x, y\",\"tags\":[\"p\",\"q\"]},\n {\"id\":\"b\",\"input\":\"z\",\"expected\":\"1\"}\n]\n",
        ),
        ("c.csv", "id,input,tags,expected\na,\"x, y\",p; q,\nb,z,,1\n"),
        ("c.tsv", "id\tinput\ttags\texpected\na\tx, y\tp;q\t\nb\tz\t\t1\n"),
        ("c.yaml", "- id: a\n  input: x, y\n  tags: [p, q]\n- {id: b, input: z, expected: \"1\"}\n"),
    ];
    let first = read(forms[0].0, forms[0].1).unwrap();
    assert_eq!(first.len(), 2);
    for (name, text) in forms {
        assert_eq!(read(name, text).unwrap(), first, "{name}");
    }
}

#[test]
fn a_limit_leaves_the_rest_unread() {
    let dir = dir(&[("c.jsonl", "{\"id\":1,\"input\":\"x\"}\n{\"id\":2,\"input\":\"y\"}\nbroken\n")]);
    let file = dir.path().join("c.jsonl");
    assert_eq!(read_cases(&cases(file.clone(), 2), |_| true).unwrap().len(), 2);
    assert!(read_cases(&cases(file, 0), |_| true).is_err());
}

#[test]
fn everything_wrong_is_told_with_its_line() {
    let rows: [(&str, &str, &[&str]); 22] = [
        (
            "c.jsonl",
            "{\"id\":\"a\",\"input\":\"x\"}\n{\"id\":\"a\",\"input\":\"y\"}\n",
            &["c.jsonl:2: the id `a` is there twice, as in line 1; give each case an id of its own"],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\"}\n\n{\"input\":\"x\"}\n",
            &["c.jsonl:3: the same case is there twice, as in line 1; remove one, or give each an `id`"],
        ),
        (
            "c.jsonl",
            "{\"id\":\"a\"}\n{\"id\":\"b\",\"Question\":\"y\"}\n{\"id\":\"c\",\"input\":3}\n",
            &[
                "c.jsonl:1: the case has no `input`; add what the agent is asked",
                "c.jsonl:2: the case has no `input`; rename `Question`, or add `input` beside it",
                "c.jsonl:3: `input` is neither a text nor a list of messages; put other values beside it, as fields that the template names",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":[]}\n{\"input\":[{\"role\":\"user\"}]}",
            &[
                "c.jsonl:1: `input` is a list, and not of messages; write objects with a text `role` and a text `content`",
                "c.jsonl:2: `input` is a list, and not of messages; write objects with a text `role` and a text `content`",
            ],
        ),
        (
            "c.jsonl",
            "{\"id\":\"a\",\"input\":\"x\"\n[1]\n",
            &[
                "c.jsonl:1: this is not JSON: EOF while parsing an object (column 21); write one object a line",
                "c.jsonl:2: this is not a case; write an object with `input`, and `id`, `expected` and others as needed",
            ],
        ),
        (
            "c.jsonl",
            "{\"id\":\" \",\"group\":[],\"tags\":[1],\"input\":\"x\"}\n",
            &[
                "c.jsonl:1: `id` is empty; write a name, or leave it out",
                "c.jsonl:1: `group` is not a name; write a text or a whole number",
                "c.jsonl:1: `tags` is not a list of words; write a list of words such as `[\"short\", \"billing\"]`",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"files\":[\"../x\",\"/etc/passwd\",\"data/a.txt\",\"data/c.txt\"]}\n",
            &[
                "c.jsonl:1: a file cannot go to `../x`: it leaves the workspace; name a path within the workspace, as `{\"from\": …, \"to\": \"name\"}`",
                "c.jsonl:1: a file cannot go to `/etc/passwd`: it is absolute; name a path within the workspace, as `{\"from\": …, \"to\": \"name\"}`",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"files\":[\"data/c.txt\",\"data\"]}\n",
            &[
                "c.jsonl:1: the file `data/c.txt` of the case cannot be read: there is no such file; paths are relative to the file of the cases",
                "c.jsonl:1: the file `data` of the case cannot be read: this is a directory; paths are relative to the file of the cases",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"files\":{\"n\":\"data/a.txt\",\"./n\":\"data/b.txt\"}}\n",
            &["c.jsonl:1: two files go to `n`; give each a `to` of its own"],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"files\":[{\"form\":\"a\"}]}\n",
            &[
                "c.jsonl:1: `files` is not a list of files; write a list such as `[\"data/a.txt\", {\"from\": \"data/b.txt\", \"to\": \"b.txt\"}]`",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"check\":{}}\n{\"input\":\"y\",\"check\":{\"regex\":\"(\"}}\n",
            &[
                "c.jsonl:1: `check` does not say in one way how to check; give it exactly one of `command`, `regex`, `contains`, `json`",
                "c.jsonl:2: `check.regex` is not a regular expression: unclosed group; mend it, or use `contains`",
            ],
        ),
        (
            "c.jsonl",
            "{\"input\":\"x\",\"check\":{\"json\":{\"schema\":\"no.json\"}}}\n",
            &[
                "c.jsonl:1: the schema `no.json` of the check cannot be read: there is no such file; paths are relative to the file of the cases",
            ],
        ),
        ("c.jsonl", "\n \n", &["c.jsonl: there is no case in it; add one; a suite needs at least one"]),
        (
            "c.json",
            "[\n{\"id\":\"a\",\"input\":\"x\"},\n\n{\"id\":\"b\"}]",
            &["c.json:4: the case has no `input`; add what the agent is asked"],
        ),
        (
            "c.json",
            "{\"input\":\"x\"}\n",
            &[
                "c.json:1: this is not a list of cases: invalid type: map, expected a sequence; write a list of objects, or one object a line into a file that ends in `.jsonl`",
            ],
        ),
        ("c.csv", "id,input,input\na,b,c\n", &["c.csv:1: two columns are called `input`; rename one"]),
        (
            "c.csv",
            "id,,input\na,b,c\n",
            &["c.csv:1: column 2 has no name; name each column in the first line"],
        ),
        (
            "c.csv",
            "id,input\na,b,c\nd,\n",
            &[
                "c.csv:2: 3 values, but 2 columns; put a value with the separator in it between quotes",
                "c.csv:3: the case has no `input`; add what the agent is asked",
            ],
        ),
        (
            "c.csv",
            "id,input,check\na,b,{\n",
            &["c.csv:2: `check` is not JSON: EOF while parsing an object; write it as one object"],
        ),
        (
            "c.yaml",
            "- id: a\n  input: x\n- id: b\n",
            &["c.yaml:3: the case has no `input`; add what the agent is asked"],
        ),
        ("c.jsnl", "{}", &["c.jsnl: `.jsnl` is no format of cases; did you mean `.jsonl`?"]),
        (
            "cases",
            "{}",
            &[
                "cases: the name says no format; name it `.jsonl`, `.json`, `.csv`, `.tsv` or `.yaml`, as it is written",
            ],
        ),
    ];
    for (name, text, said) in rows {
        assert_eq!(read(name, text).unwrap_err(), said.join("\n"), "{text}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["c.jsonl", "c.json", "c.csv", "c.yaml"] {
        let file = dir.path().join(name);
        let bytes: &[u8] = if name == "c.csv" { b"id,input\na,\xff\n" } else { b"[\"\xff\"]\n" };
        std::fs::File::create(&file).unwrap().write_all(bytes).unwrap();
        assert!(read_cases(&cases(file, 0), |_| true).is_err(), "{name}");
    }
    let absent = read_cases(&cases(dir.path().join("no.jsonl"), 0), |_| true).unwrap_err();
    assert!(absent.to_string().contains("the cases cannot be read: there is no such file"), "{absent}");
}

#[test]
fn many_mistakes_are_counted() {
    let text = "{}\n".repeat(100);
    let said = read("c.jsonl", &text).unwrap_err();
    assert_eq!(said.lines().count(), 41);
    assert!(said.ends_with("\nand 60 further mistakes"), "{said}");
}

#[test]
fn the_digest_is_of_the_content() {
    let with = |text: &str, file: &str| {
        let dir = dir(&[("c.jsonl", text), ("data/a.txt", file)]);
        read_cases(&cases(dir.path().join("c.jsonl"), 0), |_| true).unwrap().get(0).unwrap().unwrap()
    };
    let line = "{\"input\":\"x\",\"z\":{\"b\":1,\"a\":\"\\u00e9\\n\"},\"files\":[\"data/a.txt\"]}";
    let other_order = "{\"files\":[\"data/a.txt\"],\"z\":{\"a\":\"é\\n\",\"b\":1},  \"input\":\"x\"}";
    let first = with(line, "A");
    assert_eq!(first.sha256, with(other_order, "A").sha256, "the order of fields says nothing");
    assert_eq!(first.id, with(other_order, "A").id);
    assert_ne!(first.sha256, with(line, "B").sha256, "what is in its files does");
    assert_ne!(first.sha256, with(&line.replace("\"x\"", "\"y\""), "A").sha256);
    assert!(!first.has_own_id() && first.id.as_str().starts_with("c-") && first.id.as_str().len() == 18);
    // `printf '{"input":"x"}' | sha256sum`
    let plain = Case::from_json(json!({ "input": "x" })).unwrap();
    assert_eq!(plain.sha256, Sha256::of(b"{\"input\":\"x\"}"));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        text in "[\\[\\]{}\",:;a-z0-9 \n\t-]{0,80}",
        extension in "(jsonl|json|csv|tsv|yaml)",
    ) {
        // Either cases or a message; never a panic, and every message has a remedy.
        if let Err(said) = read(&format!("c.{extension}"), &text) {
            prop_assert!(said.lines().next().is_some_and(|line| line.contains("; ")), "{}", said);
        }
    }

    #[test]
    fn what_is_written_is_read(
        rows in proptest::collection::btree_map("[a-zA-Z0-9_-]{1,10}", (".{1,30}", ".{0,10}", proptest::option::of("[a-z]{1,4}")), 1..12),
    ) {
        let (mut lines, mut table) = (String::new(), csv::Writer::from_writer(Vec::new()));
        table.write_record(["id", "input", "note", "group"]).unwrap();
        for (id, (input, note, group)) in &rows {
            lines.push_str(&json!({ "id": id, "input": input, "note": note, "group": group }).to_string());
            lines.push('\n');
            table.write_record([id, input, note, group.as_deref().unwrap_or_default()]).unwrap();
        }
        let read_lines = read("c.jsonl", &lines).unwrap();
        prop_assert_eq!(read_lines.len(), rows.len());
        for case in &read_lines {
            let (input, note, group) = &rows[case.id.as_str()];
            prop_assert_eq!(case.input.as_str(), Some(input.as_str()));
            prop_assert_eq!(case.fields["note"].as_str(), Some(note.as_str()));
            prop_assert_eq!(case.group.as_ref(), group.as_ref());
        }
        if rows.values().all(|(input, ..)| !input.trim().is_empty()) {
            let table = String::from_utf8(table.into_inner().unwrap()).unwrap();
            let read_table = read("c.csv", &table).unwrap();
            let pairs = |cases: &[Case]| -> Vec<(CaseId, Value, Option<String>)> {
                cases.iter().map(|case| (case.id.clone(), case.input.clone(), case.group.clone())).collect()
            };
            prop_assert_eq!(pairs(&read_table), pairs(&read_lines));
        }
    }
}
