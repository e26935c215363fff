#![expect(clippy::disallowed_methods, reason = "tests write files as a person would")]

use super::*;

struct Echo;

impl Shell for Echo {
    fn run<'a>(&'a self, call: ShellCall<'a>) -> Running<'a> {
        Box::pin(async move {
            match call.command {
                "slow" => Ok(ShellOutput { timed_out: true, ..ShellOutput::default() }),
                "bad" => Ok(ShellOutput { code: Some(2), output: b"no".to_vec(), ..ShellOutput::default() }),
                text => Ok(ShellOutput { code: Some(0), output: text.into(), ..ShellOutput::default() }),
            }
        })
    }
}

fn toolbox(dir: &Path) -> Toolbox {
    let tools = vec![Tool::Read, Tool::Write, Tool::Edit, Tool::List, Tool::Shell];
    Toolbox::new(tools, dir.to_owned(), Arc::new(Echo), Duration::from_secs(1))
}

async fn call(dir: &Path, name: &str, arguments: Value) -> ToolAnswer {
    toolbox(dir).run(name, &arguments.to_string(), false, &Link::new().0).await
}

async fn again(dir: &Path, name: &str, arguments: Value) -> ToolAnswer {
    toolbox(dir).run(name, &arguments.to_string(), true, &Link::new().0).await
}

#[tokio::test]
async fn files_are_written_read_edited_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(call(dir, "write", json!({"path": "a/b.txt", "content": "one\ntwo\nthree\n"})).await.ok);
    let part = call(dir, "read", json!({"path": "a/b.txt", "offset": 2, "limit": 1})).await;
    assert_eq!(part.text, "two\n[more lines follow; go on with offset 3]");
    assert!(!call(dir, "read", json!({"path": "a/b.txt", "offset": 9})).await.ok);
    assert!(call(dir, "edit", json!({"path": "a/b.txt", "old": "two", "new": "2"})).await.ok);
    assert_eq!(call(dir, "read", json!({"path": "a/b.txt"})).await.text, "one\n2\nthree\n");
    assert_eq!(call(dir, "list", json!({})).await.text, "a/\n");
    assert_eq!(call(dir, "list", json!({"path": "a"})).await.text, "b.txt\n");
}

#[tokio::test]
async fn an_edit_needs_its_text_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("f"), "aa b").unwrap();
    let twice = call(dir, "edit", json!({"path": "f", "old": "a", "new": "x"})).await;
    assert!(!twice.ok && twice.text.contains("2 times"), "{}", twice.text);
    let never = call(dir, "edit", json!({"path": "f", "old": "z", "new": "x"})).await;
    assert!(!never.ok && never.text.starts_with("ERROR: "), "{}", never.text);
    assert!(!call(dir, "edit", json!({"path": "f", "old": "", "new": "x"})).await.ok);
    assert_eq!(std::fs::read_to_string(dir.join("f")).unwrap(), "aa b");
}

#[tokio::test]
async fn an_edit_that_runs_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (old, new, after) in [("x", "y", "a y b"), ("x", "xx", "a xx b"), ("x ", "", "a b")] {
        std::fs::write(dir.join("f"), "a x b").unwrap();
        for _ in 0..3 {
            assert!(again(dir, "edit", json!({"path": "f", "old": old, "new": new})).await.ok);
            assert_eq!(std::fs::read_to_string(dir.join("f")).unwrap(), after);
        }
    }
}

#[tokio::test]
async fn what_is_outside_or_no_file_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("ws");
    std::fs::create_dir(&root).unwrap();
    for path in ["../x", "/etc/passwd", "missing", "."] {
        let answer = call(&root, "read", json!({"path": path})).await;
        assert!(!answer.ok && answer.text.starts_with("ERROR: "), "{path}: {}", answer.text);
    }
    assert!(!call(&root, "write", json!({"path": "../x", "content": "y"})).await.ok);
    assert!(!dir.path().join("x").exists());
}

#[tokio::test]
async fn a_malformed_call_is_answered_with_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let tools = toolbox(dir.path());
    let link = Link::new().0;
    for (name, arguments, what) in [
        ("read", "{\"path\":", "expected: {"),
        ("read", "{}", "missing field `path`"),
        ("read", "{\"path\":\"a\",\"colour\":1}", "colour"),
        ("rm", "{}", "there is no tool `rm`; there are: read, write"),
    ] {
        let answer = tools.run(name, arguments, false, &link).await;
        assert!(!answer.ok && answer.text.contains(what), "{}", answer.text);
    }
    assert_eq!(tools.run("list", "", false, &link).await.text, "[empty]");
}

#[tokio::test]
async fn output_is_bounded_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("wide"), "é".repeat(OUTPUT_LIMIT)).unwrap();
    std::fs::write(dir.join("long"), "0123456789\n".repeat(OUTPUT_LIMIT / 8)).unwrap();
    for file in ["wide", "long"] {
        let answer = call(dir, "read", json!({"path": file})).await;
        assert!(
            answer.ok && answer.text.len() < OUTPUT_LIMIT + 200 && answer.text.contains("[cut"),
            "{file}"
        );
    }
    let long = call(dir, "shell", json!({"command": "x".repeat(3 * OUTPUT_LIMIT)})).await;
    assert!(long.text.len() < OUTPUT_LIMIT + 200 && long.text.contains("[cut"));
}

#[tokio::test]
async fn a_command_says_how_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let run = async |command: &str| call(dir.path(), "shell", json!({"command": command})).await;
    assert_eq!(run("hello").await, ToolAnswer { ok: true, text: "hello".to_owned() });
    assert_eq!(run("").await.text, "[no output]");
    assert_eq!(run("bad").await.text, "ERROR: exit code 2\nno");
    assert!(run("slow").await.text.contains("ended after 1 s"));
}

#[test]
fn a_call_is_about_its_path_or_command() {
    assert_eq!(about(r#"{"path":"a"}"#), "a");
    assert_eq!(about("{\"command\":\"ls\\nrm\"}"), "ls");
    assert_eq!(about("{"), "");
}
