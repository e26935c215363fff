use super::*;

fn wrong(text: &str) -> (usize, String) {
    Script::from_toml(text).unwrap_err()
}

#[test]
fn rounds_and_attempts_repeat_their_last() {
    let script = Script::from_toml(
        r#"
schema = 1
[[round]]
[[round.turn]]
fault = { status = 429, text = "slow down", retry_after = 2 }
repeat = 2
[[round.turn]]
text = "editing"
delay = "50ms"
tool = [{ name = "edit", path = "a", old = "x", new = "y" }]
[[round]]
[[round.turn]]
text = "done"
usage = { input = 3, output = 1, usd = 0.5 }
"#,
    )
    .unwrap();
    let part = |round, attempt| script.part(RoundNumber(round), AttemptNumber(attempt));
    assert!(part(1, 1)[0].fault.is_some());
    assert!(part(1, 2)[0].fault.is_some());
    for attempt in [3, 4, 9] {
        assert_eq!(part(1, attempt).len(), 2);
        assert_eq!(part(1, attempt)[0].delay, Some(Duration::from_millis(50)));
        assert_eq!(part(1, attempt)[1].text, "editing");
    }
    assert_eq!(part(2, 1), part(7, 1));
    assert_eq!(part(2, 1)[0].text, "done");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    assert_eq!(wrong("schema = 2\n[[round]]\n[[round.turn]]\n"), (1, "`schema` must be 1".to_owned()));
    assert_eq!(wrong("schema = 1\n"), (1, "there is no round".to_owned()));
    let (line, message) = wrong("schema = 1\n[[round]]\n[[round.turn]]\ntxt = \"a\"\n");
    assert!(line == 4 && message.contains("txt"), "{line} {message}");
    let (line, message) = wrong("schema = 1\n\n[[round]]\n");
    assert!(line == 3 && message.contains("no turn"), "{line} {message}");
    let head = "schema = 1\n[[round]]\n[[round.turn]]\ntext = \"a\"\n[[round.turn]]\n";
    for (turn, at, what) in [
        ("delay = \"soon\"", 6, "soon"),
        ("tool = [{ name = \"wirte\", path = \"a\" }]", 5, "wirte"),
        ("hang = true\nno_payload = true", 5, "only one"),
        ("repeat = 0", 5, "repeat"),
        ("repeat = 20000", 5, "repeat"),
        ("usage = { usd = -1.0 }", 5, "usd"),
        ("fault = { stat = 1 }", 6, "stat"),
    ] {
        let (line, message) = wrong(&format!("{head}{turn}\n"));
        assert!(line == at && message.contains(what), "{turn}: {line} {message}");
    }
}

#[test]
fn json_lines_are_a_script_too() {
    let script = Script::from_lines(
        "{\"text\":\"one\"}\n\n{\"round\":2,\"tool\":[{\"name\":\"list\"}]}\n{\"round\":2,\"text\":\"two\"}\n",
    )
    .unwrap();
    assert_eq!(script.part(RoundNumber(1), AttemptNumber(1))[0].text, "one");
    assert_eq!(script.part(RoundNumber(5), AttemptNumber(1)).len(), 2);
    assert_eq!(Script::from_lines("{\"text\":\"a\"}\n{\"x\":1}").unwrap_err().0, 2);
    assert_eq!(Script::from_lines("{\"round\":2}").unwrap_err().0, 1);
    assert_eq!(Script::from_lines("{\"round\":0}").unwrap_err().0, 1);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Script::load(Path::new("not/there.toml")).unwrap_err();
    assert!(error.to_string().starts_with("script `not/there.toml`: "), "{error}");
}
