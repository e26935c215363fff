//! `provost service`: the unit that is written, what is told to the service manager, and that a stop of it drains.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::run::needed;
use crate::support::sandbox::{lives, signal, wait_for};

const PROFILE: &str =
    "schema = 1\nname = \"fixer\"\n[agent]\nharness = \"command\"\ncommand = [\"sh\", \"agent.sh\"]\n";

/// Plays `systemctl`: writes down what it is asked, and answers what the stage says.
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$@\" >>\"$STAGE/asked\"\n\
    case \"$*\" in *' show '*|'show '*) cat \"$STAGE/answer\" 2>/dev/null;; esac\n\
    if [ -e \"$STAGE/slow\" ]; then sleep 600; fi\nexit 0\n";

/// A project, a home, and a `systemctl` that is none.
struct Stage {
    dir: tempfile::TempDir,
    /// The project.
    work: PathBuf,
    systemctl: bool,
}

impl Stage {
    fn new(project: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let work = root.join(project);
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("home")).unwrap();
        std::fs::create_dir_all(&work).unwrap();
        std::fs::write(root.join("bin/systemctl"), SYSTEMCTL).unwrap();
        std::fs::set_permissions(root.join("bin/systemctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(work.join("provost.toml"), PROFILE).unwrap();
        let stage = Self { dir, work, systemctl: true };
        stage.answers("inactive", "dead");
        stage
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// What the manager says of the service from now on.
    fn answers(&self, active: &str, sub: &str) {
        let text = format!("ActiveState={active}\nSubState={sub}\nMainPID=42\nStateChangeTimestamp=now\n");
        std::fs::write(self.root().join("answer"), text).unwrap();
    }

    /// What it was asked since the last call.
    fn asked(&self) -> Vec<String> {
        let path = self.root().join("asked");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    fn unit(&self) -> PathBuf {
        self.root().join("home/.config/systemd/user/provost-fixer.service")
    }

    fn service(&self, args: &[&str]) -> Output {
        let path = if self.systemctl {
            format!("{}/bin:/usr/bin:/bin", self.root().display())
        } else {
            String::new()
        };
        Command::new(env!("CARGO_BIN_EXE_provost"))
            .arg("service")
            .args(args)
            .current_dir(&self.work)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.root().join("home"))
            .env("STAGE", self.root())
            .output()
            .unwrap()
    }

    /// Calls it, and asserts how it exits; gives what it said on both streams.
    #[track_caller]
    fn exits(&self, code: i32, args: &[&str]) -> String {
        let output = self.service(args);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

/// The value of a key of a unit.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap()
}

/// The words of a command line of a unit, by the rules of systemd.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), None::<String>, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' if !within => words.extend(word.take()),
            '"' => {
                within = !within;
                word.get_or_insert_default();
            }
            '\\' | '%' | '$' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The issue: the generated unit passes `systemd-analyze verify`, of a user and of the system, also where the project has a
/// name that nobody would choose.
#[test]
#[cfg_attr(not(real_systemd), ignore = "needs systemd-analyze; .ci/install-real installs it")]
fn systemd_itself_accepts_the_unit() {
    let analyze = needed("PROVOST_TEST_SYSTEMD");
    let stage = Stage::new("100% my $HOME 'x' \"q\" \\ é;");
    let runtime = stage.root().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let verify = |unit: &[u8], user: bool| {
        let path = stage.root().join("provost-fixer.service");
        std::fs::write(&path, unit).unwrap();
        let output = Command::new(&analyze)
            .args(if user { &["--user", "verify"][..] } else { &["verify"] })
            .arg(&path)
            .env("XDG_RUNTIME_DIR", &runtime)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (user, args) in
        [(true, &["install", "--print"][..]), (false, &["install", "--print", "--system", "--user", "root"])]
    {
        let flags = ["--", "--metrics-file", "a b;c$d%e", ";"];
        let output = stage.service(&[args, &flags].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(verify(&output.stdout, user), (true, String::new()));
        // And it would say so if it were wrong.
        let text = String::from_utf8(output.stdout).unwrap();
        let broken = text.replace("KillMode=mixed", "KillMode=gently").replace("Type=exec", "Type=exact");
        let (accepted, said) = verify(broken.as_bytes(), user);
        assert!(!accepted || said.contains("gently"), "{said}");
    }
}

#[test]
fn print_touches_nothing_and_the_words_come_back() {
    let stage = Stage::new("a b");
    let unit = stage.exits(0, &["install", "--print", "--", "--rounds", "5", "Do: 100% $HOME"]);
    let (profile, root) = (stage.work.join("provost.toml"), stage.work.join(".provost"));
    let expected = [
        env!("CARGO_BIN_EXE_provost"),
        "supervise",
        "-p",
        profile.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
        "--rounds",
        "5",
        "Do: 100% $HOME",
    ];
    assert_eq!(words(value(&unit, "ExecStart")), expected);
    assert_eq!(value(&unit, "WorkingDirectory"), stage.work.to_str().unwrap());
    assert_eq!(stage.asked(), Vec::<String>::new());
    assert!(!stage.root().join("home/.config").exists());
}

#[test]
fn install_writes_the_unit_and_starts_it() {
    let stage = Stage::new("project");
    let said = stage.exits(0, &["install"]);
    assert!(said.contains("started") && said.contains("loginctl enable-linger"), "{said}");
    assert!(said.contains("home/.config/provost/fixer.env"), "{said}");
    let unit = stage.unit();
    assert_eq!(std::fs::metadata(&unit).unwrap().permissions().mode() & 0o777, 0o644);
    let show = "--user show --property=ActiveState,SubState,MainPID,StateChangeTimestamp,Result,ExecMainStatus provost-fixer.service";
    let expected = [show, "--user daemon-reload", "--user enable --now provost-fixer.service"];
    assert_eq!(stage.asked(), expected);
    // Again, while it runs: nothing is cut off.
    stage.answers("active", "running");
    let said = stage.exits(0, &["install", "-q"]);
    assert_eq!(said, "");
    assert!(!stage.asked().iter().any(|asked| asked.contains("stop") || asked.contains("restart")));
    let said = stage.exits(0, &["install"]);
    assert!(said.contains("systemctl --user restart provost-fixer.service"), "{said}");
}

/// Section 14: a second unit of the same name whose `WorkingDirectory` is another one is refused, unless it is forced; one that
/// somebody else wrote always is.
#[test]
fn the_service_of_another_project_is_not_replaced() {
    let mut stage = Stage::new("project");
    stage.exits(0, &["install"]);
    let (first, other) = (stage.work.clone(), stage.root().join("other"));
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("provost.toml"), PROFILE).unwrap();
    stage.work.clone_from(&other);
    let said = stage.exits(2, &["install"]);
    assert!(said.contains(first.to_str().unwrap()) && said.contains("--name"), "{said}");
    assert_eq!(
        value(&std::fs::read_to_string(stage.unit()).unwrap(), "WorkingDirectory"),
        first.to_str().unwrap()
    );
    stage.exits(0, &["install", "--name", "second"]);
    stage.exits(0, &["install", "--force"]);
    assert_eq!(
        value(&std::fs::read_to_string(stage.unit()).unwrap(), "WorkingDirectory"),
        other.to_str().unwrap()
    );

    std::fs::write(stage.unit(), "[Service]\nExecStart=/bin/true\n").unwrap();
    for args in
        [&["install", "--force"][..], &["uninstall", "--name", "fixer"], &["status", "--name", "fixer"]]
    {
        let said = stage.exits(2, args);
        assert!(said.contains("was not written by provost"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(stage.unit()).unwrap(), "[Service]\nExecStart=/bin/true\n");
}

/// Scar "newline in `work_dir`": a control character would be another line of the unit.
#[test]
fn a_control_character_never_reaches_a_unit() {
    let stage = Stage::new("a\nExecStartPre=/bin/evil");
    let said = stage.exits(2, &["install", "--print"]);
    assert!(said.contains("control character") && !said.contains("\nExecStartPre"), "{said}");
    let stage = Stage::new("project");
    let said = stage.exits(2, &["install", "--print", "--", "--label", "a=\u{1b}b"]);
    assert!(said.contains("control character"), "{said}");
    stage.exits(2, &["install", "--print", "--name", "a/../b"]);
}

#[test]
fn a_secret_never_reaches_a_unit() {
    let stage = Stage::new("project");
    let key = "sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let said = stage.exits(2, &["install", "--print", "--", "--set", key]);
    assert!(said.contains("secret") && said.contains("help: ") && !said.contains("api03"), "{said}");
    let unit = stage.exits(0, &["install", "--print"]);
    assert!(value(&unit, "EnvironmentFile").starts_with('-'), "{unit}");
}

/// W14: nothing is said to have been done that was not.
#[test]
fn without_a_service_manager_it_says_what_is_to_do() {
    let mut stage = Stage::new("project");
    stage.systemctl = false;
    let said = stage.exits(4, &["install"]);
    assert!(said.contains("there is no `systemctl` here"), "{said}");
    assert!(said.contains("systemctl --user enable --now provost-fixer.service"), "{said}");
    assert!(stage.unit().exists());
    stage.exits(4, &["status"]);
    stage.exits(4, &["uninstall"]);
    assert!(stage.unit().exists());
}

/// W14: the exit code of `status` can be trusted, also where there is no service at all.
#[test]
fn status_says_how_it_is() {
    let stage = Stage::new("project");
    let said = stage.exits(1, &["status"]);
    assert!(said.contains("no service of provost"), "{said}");
    stage.exits(0, &["install"]);
    for (active, sub, code) in [
        ("active", "running", 0),
        ("activating", "auto-restart", 0),
        ("deactivating", "stop-sigterm", 3),
        ("inactive", "dead", 1),
        ("failed", "failed", 1),
    ] {
        stage.answers(active, sub);
        let said = stage.exits(code, &["status"]);
        assert!(said.contains(&format!("provost-fixer.service: {active} ({sub})")), "{said}");
        assert!(said.contains("no run under"), "{said}");
    }
    stage.exits(1, &["status", "--name", "absent"]);
}

/// W14 and scar "systemd control-group kill defeated the drain": while a round drains, its unit stays, since systemd would
/// read the default settings in its place; nothing is said to be gone that is not.
#[test]
fn uninstall_drains_before_it_removes() {
    let stage = Stage::new("project");
    stage.exits(0, &["install"]);
    stage.asked();
    stage.answers("deactivating", "stop-sigterm");
    let said = stage.exits(3, &["uninstall"]);
    assert!(said.contains("drains"), "{said}");
    assert!(stage.unit().exists());
    let asked = stage.asked();
    assert_eq!(asked[0], "--user stop --no-block provost-fixer.service");
    assert_eq!(asked[1], "--user disable --no-reload provost-fixer.service");
    assert!(
        !asked.iter().any(|asked| asked.contains("daemon-reload") || asked.contains("kill")),
        "{asked:?}"
    );

    stage.answers("inactive", "dead");
    let said = stage.exits(0, &["uninstall"]);
    assert!(said.contains("removed"), "{said}");
    assert!(!stage.unit().exists());
    assert_eq!(stage.asked().last().unwrap(), "--user daemon-reload");
    stage.exits(1, &["uninstall"]);
}

#[test]
fn a_manager_that_hangs_is_not_waited_for() {
    let stage = Stage::new("project");
    stage.exits(0, &["install"]);
    std::fs::write(stage.root().join("slow"), "").unwrap();
    let begun = Instant::now();
    let said = stage.exits(4, &["status"]);
    assert!(said.contains("did not answer within 10 s"), "{said}");
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn the_owner_of_a_service_of_the_system_is_named() {
    let stage = Stage::new("project");
    let said = stage.exits(2, &["install", "--system", "--print"]);
    assert!(said.contains("--user USER"), "{said}");
    let said = stage.exits(2, &["install", "--system", "--print", "--user", "nobody-of-this-name"]);
    assert!(said.contains("there is no user"), "{said}");
    let unit = stage.exits(0, &["install", "--system", "--print", "--user", "root"]);
    assert_eq!((value(&unit, "User"), value(&unit, "WantedBy")), ("root", "multi-user.target"));
    assert_eq!(value(&unit, "EnvironmentFile"), "-/etc/provost/fixer.env");
}

/// Scar R725 and the issue: the unit's own command line, its own stop signal in mid-round: the round goes on to its end.
#[test]
fn the_stop_of_the_unit_lets_the_round_drain() {
    let stage = Stage::new("a b");
    let agent = "echo $$ > pid\nwhile ! [ -e go ]; do sleep 0.05; done\nrm pid\necho done\n";
    std::fs::write(stage.work.join("agent.sh"), agent).unwrap();
    assert!(Command::new("git").args(["init", "-q"]).current_dir(&stage.work).status().unwrap().success());
    let unit = stage.exits(0, &["install", "--print", "--", "Go on."]);
    let line = words(value(&unit, "ExecStart"));
    let mut service = Command::new(&line[0])
        .args(&line[1..])
        .current_dir(value(&unit, "WorkingDirectory").replace("%%", "%"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", stage.root().join("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(stage.root().join("said")).unwrap())
        .spawn()
        .unwrap();
    let pid = stage.work.join("pid");
    let read = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<u32>().ok();
    wait_for("the agent", || read(&pid).is_some());
    let agent = read(&pid).unwrap();
    let name = value(&unit, "KillSignal").trim_start_matches("SIG").to_owned();
    signal(service.id(), &name);
    // Long enough for a supervisor that does not drain to be gone.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(service.try_wait().unwrap(), None, "it did not drain");
    assert!(lives(agent), "the agent was not let go on");
    std::fs::write(stage.work.join("go"), "").unwrap();
    let code = service.wait().unwrap().code();
    let said = std::fs::read_to_string(stage.root().join("said")).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let runs = std::fs::read_dir(stage.work.join(".provost/runs")).unwrap();
    let runs: Vec<PathBuf> = runs.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let journal = std::fs::read_to_string(runs[0].join("journal.jsonl")).unwrap();
    let events = journal.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ended: Vec<_> = events.filter(|event| event["kind"] == "round.ended").collect();
    assert_eq!(ended.len(), 1, "the next round does not begin: {journal}");
    assert_eq!(ended[0]["outcome"], "answered", "{journal}");
}
