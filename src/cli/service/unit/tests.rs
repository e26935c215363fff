use proptest::prelude::*;

use super::*;

fn unit(arguments: &[&str]) -> Unit {
    Unit {
        name: "fixer".to_owned(),
        program: "/opt/a b/provost".to_owned(),
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        directory: "/home/u/100% mine".to_owned(),
        root: "/home/u/100% mine/.provost".to_owned(),
        path: Some("/home/u/$bin:/usr/bin".to_owned()),
        keys: "/home/u/.config/provost/fixer.env".to_owned(),
        stop: Duration::from_secs(2145),
        brakes: false,
        owner: None,
    }
}

/// Takes a line of words apart by the rules of systemd: quotes, backslashes, `%%`, and `$$` where variables are filled in.
fn words(line: &str, dollars: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut within = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' if !within => words.extend(word.take()),
            '"' => {
                within = !within;
                word.get_or_insert_default();
            }
            '\\' => {
                let escaped = chars.next().unwrap();
                assert!(['"', '\\'].contains(&escaped), "an escape that systemd reads otherwise: {escaped}");
                word.get_or_insert_default().push(escaped);
            }
            '%' => {
                assert_eq!(chars.next(), Some('%'), "a specifier in {line}");
                word.get_or_insert_default().push('%');
            }
            '$' if dollars => {
                assert_eq!(chars.next(), Some('$'), "a variable in {line}");
                word.get_or_insert_default().push('$');
            }
            '\'' | ';' if !within => panic!("{c} has a meaning out of quotes: {line}"),
            c => word.get_or_insert_default().push(c),
        }
    }
    assert!(!within, "an open quote in {line}");
    words.extend(word);
    words
}

fn line<'a>(text: &'a str, key: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let line = lines.next().unwrap_or_else(|| panic!("no {key} in {text}"));
    assert_eq!(lines.next(), None, "{key} twice");
    line
}

proptest! {
    #[test]
    fn whatever_is_in_a_word_comes_back(arguments in proptest::collection::vec("[ -~äß🦀]{0,12}", 0..6)) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let text = unit(&arguments).systemd();
        // The program is not looked at for variables.
        let (program, rest) = line(&text, "ExecStart").split_at("\"/opt/a b/provost\"".len());
        prop_assert_eq!(words(program, false), ["/opt/a b/provost"]);
        prop_assert_eq!(words(rest, true), arguments);
    }
}

#[test]
fn a_unit_is_this_text() {
    let unit = unit(&[
        "supervise",
        "-p",
        "/home/u/100% mine/p$1 \"x\"\\y.toml",
        "--root",
        "/home/u/100% mine/.provost",
        ";",
        "",
    ]);
    insta::assert_snapshot!(unit.systemd());
    assert!(is_ours(&unit.systemd()));
    assert_eq!(noted(&unit.systemd(), "Root"), Some("/home/u/100% mine/.provost"));
    assert_eq!(words(line(&unit.systemd(), "Environment"), false), ["PATH=/home/u/$bin:/usr/bin"]);
    assert!(!is_ours("[Unit]\nDescription=[X-Provost]\n"));
    assert_eq!(
        (name("provost-a.b.service"), name("provost.service"), name("x-a.service")),
        (Some("a.b"), None, None)
    );
}

/// Scar "systemd control-group kill defeated the drain": TERM reaches provost alone, and the time is the round's.
#[test]
fn a_stop_lets_the_round_drain() {
    let text = unit(&[]).systemd();
    assert_eq!((line(&text, "KillMode"), line(&text, "KillSignal")), ("mixed", "SIGTERM"));
    assert_eq!(line(&text, "TimeoutStopSec"), "2145s");
    assert_eq!(line(&text, "RestartPreventExitStatus"), "2 3 4 5 6");
}

/// A brake without delegation fails open: the control group is not ours to write to.
#[test]
fn a_service_that_may_brake_has_its_control_group() {
    let mut unit = unit(&[]);
    assert!(!unit.systemd().contains("Delegate="));
    unit.brakes = true;
    assert_eq!(line(&unit.systemd(), "Delegate"), "memory");
}

#[test]
fn a_unit_of_the_system_is_somebody_s() {
    let mut unit = unit(&[]);
    unit.owner = Some(("u".to_owned(), "staff".to_owned()));
    let text = unit.systemd();
    assert_eq!((line(&text, "User"), line(&text, "Group")), ("u", "staff"));
    assert_eq!(line(&text, "WantedBy"), "multi-user.target");
}
