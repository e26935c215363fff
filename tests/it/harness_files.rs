//! What Gemini CLI and aider are called with, and which files they are given.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provost::backend::agent::{Call, Environment, ExitFacts, invocation};
use provost::backend::{Request, SessionPlan};
use provost::event::{AttemptNumber, Failure, FaultClass, NodeId, RoundNumber, SessionId, Sha256};
use provost::profile::{Source, load};
use serde_json::{Value, json};

use crate::support::run::holds;

/// A user's home, a workspace and a run directory.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["home", "work", "run"] {
            std::fs::create_dir(place.path(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A request whose system prompt is on record, as it is before an agent starts.
    fn request(&self, system: Option<&str>, user: &str) -> Request {
        if let Some(system) = system {
            self.write(&format!("run/prompts/{}.txt", Sha256::of(system.as_bytes())), system);
        }
        Request {
            node: NodeId::root(),
            round: RoundNumber(1),
            attempt: AttemptNumber(1),
            system: system.map(str::to_owned),
            user: user.to_owned(),
            session: SessionPlan::Fresh(SessionId::new("5f0c")),
            workspace: self.path("work"),
            transcript: self.path("run/rounds/root-1.log"),
            directory: self.path("run"),
            images: Vec::new(),
            terse: false,
            takes_cut: false,
            replay: Vec::new(),
        }
    }

    fn call(&self, profile: &str, request: &Request) -> Result<Call, Failure> {
        self.write("provost.toml", &format!("schema = 1\nname = \"calls\"\n{profile}"));
        let cwd = self.dir.path();
        let loaded = load(Source { path: Path::new("provost.toml"), sets: &[], cwd })
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        let environment = [(OsString::from("HOME"), self.path("home").into_os_string())];
        invocation(&loaded.profile).unwrap().call_in(request, &environment)
    }

    /// The home that Gemini CLI is given for its node.
    fn home(&self) -> PathBuf {
        self.path("run/harness/gemini").join(NodeId::root().as_str())
    }

    /// The text of a file below that home.
    fn given(&self, name: &str) -> String {
        std::fs::read_to_string(self.home().join(".gemini").join(name)).unwrap()
    }

    fn settings(&self) -> Value {
        serde_json::from_str(&self.given("settings.json")).unwrap()
    }
}

fn words(call: &Call) -> Vec<&str> {
    call.args.iter().map(|word| word.to_str().unwrap()).collect()
}

const GEMINI: &str = "[agent]\nharness = \"gemini\"\nmodel = \"google/gemini-2.5-pro\"\n";
const OPENCODE: &str = "[agent]\nharness = \"opencode\"\n";
const AIDER: &str = "[agent]\nharness = \"aider\"\nmodel = \"deepseek/deepseek-chat\"\n";

#[test]
fn gemini_gets_a_home_that_is_its_users_but_for_settings_and_instructions() {
    let place = Place::new();
    place.write(
        "home/.gemini/settings.json",
        "{ \"general\": {\"vimMode\": true, \"maxAttempts\": 9} } // mine",
    );
    place.write("home/.gemini/GEMINI.md", "Be kind.\n");
    place.write("home/.gemini/oauth_creds.json", "{}");
    place.write("home/.env", "A=1");
    let call = place.call(GEMINI, &place.request(Some("Be brief."), "-- do it")).unwrap();
    let home = place.home();
    assert!(call.env.contains(&("GEMINI_CLI_HOME".into(), home.clone().into())), "{:?}", call.env);
    assert_eq!(call.stdin, b"-- do it");
    let expected = ["--output-format", "stream-json", "--session-id", "5f0c", "--model", "gemini-2.5-pro"];
    assert_eq!(words(&call), expected);
    assert_eq!(
        place.settings()["general"],
        json!({"vimMode": true, "maxAttempts": 1, "enableAutoUpdate": false, "enableAutoUpdateNotification": false})
    );
    // Who logs in stays who they are: no endpoint was named.
    assert_eq!(place.settings().get("security"), None);
    assert_eq!(place.given("GEMINI.md"), "Be kind.\n\nBe brief.");
    for link in [".gemini/oauth_creds.json", ".env"] {
        assert_eq!(std::fs::read_link(home.join(link)).unwrap(), place.path("home").join(link));
    }
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.join(".gemini")), mode(&home.join(".gemini/settings.json"))), (0o700, 0o600));
    // A second attempt finds it all there.
    let again = place.call(GEMINI, &place.request(None, "go on")).unwrap();
    assert_eq!(again.env, call.env);
}

#[test]
fn gemini_reads_the_system_prompt_where_the_project_keeps_its_instructions() {
    let place = Place::new();
    place.write("home/.gemini/settings.json", r#"{"context": {"fileName": "MINE.md"}}"#);
    place.write("work/.gemini/settings.json", r#"{"context": {"fileName": ["OURS.md", "GEMINI.md"]}}"#);
    place.call(GEMINI, &place.request(Some("Be brief."), "do it")).unwrap();
    assert_eq!(place.given("OURS.md"), "Be brief.");
}

#[test]
fn gemini_is_given_no_secret_in_a_file() {
    let place = Place::new();
    place.write("home/.gemini/settings.json", r#"{"mcpServers": {"theirs": {"headers": {"X": "literal"}}}}"#);
    let profile = format!(
        "{GEMINI}endpoint = \"e\"\npermissions = \"bypass\"\n[agent.mcp.ours]\nurl = \"http://127.0.0.1:1/mcp\"\n\
         key_env = \"TOKEN\"\n[endpoints.e]\napi = \"gemini\"\nbase_url = \"http://127.0.0.1:1/v1beta\"\n"
    );
    let call = place.call(&profile, &place.request(None, "do it")).unwrap();
    let settings = place.settings();
    assert_eq!(settings["mcpServers"]["theirs"]["headers"]["X"], "${PROVOST_SETTING_0}");
    assert!(call.env.contains(&("PROVOST_SETTING_0".into(), "literal".into())), "{:?}", call.env);
    let ours = json!({"httpUrl": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}, "trust": true});
    assert_eq!(settings["mcpServers"]["ours"], ours);
    assert_eq!(settings["security"]["auth"]["selectedType"], "gemini-api-key");
    assert!(words(&call).ends_with(&["--approval-mode", "yolo"]), "{:?}", words(&call));
}

#[test]
fn gemini_is_pointed_at_the_endpoint_without_its_version_path() {
    let place = Place::new();
    for path in ["", "/", "/v1", "/v1beta", "/v1beta/"] {
        let profile = format!(
            "{GEMINI}endpoint = \"e\"\n[endpoints.e]\napi = \"gemini\"\nbase_url = \"http://h:1/x{path}\"\nkey_env = \"KEY\"\n"
        );
        place.write("provost.toml", &format!("schema = 1\nname = \"calls\"\n{profile}"));
        let loaded =
            load(Source { path: Path::new("provost.toml"), sets: &[], cwd: place.dir.path() }).unwrap();
        let caller = Environment::from([("KEY".to_owned(), "k".to_owned())]);
        let set = invocation(&loaded.profile).unwrap().environment(&caller);
        assert_eq!(set["GOOGLE_GEMINI_BASE_URL"], "http://h:1/x", "{path}");
        assert_eq!(set["GEMINI_API_KEY"], "k");
    }
}

#[test]
fn what_an_agent_cannot_be_given_whole_is_refused_with_a_remedy() {
    let place = Place::new();
    let said = |failed: Result<Call, Failure>| {
        let failure = failed.unwrap_err();
        assert_eq!(failure.class, FaultClass::ConfigMissing);
        failure.evidence
    };
    let request = place.request(Some("Read @notes.md first."), "do it");
    assert!(said(place.call(GEMINI, &request)).contains("backticks"));
    // On record it stands with its secret hidden, and so under another name.
    let request = Request { system: Some("The key is k-123.".to_owned()), ..place.request(None, "do it") };
    for profile in [GEMINI, AIDER, OPENCODE] {
        assert!(said(place.call(profile, &request)).contains("the value of a secret"), "{profile}");
        assert!(!holds(&place.path("run"), b"k-123"), "{profile}");
    }
    place.write("home/.gemini/settings.json", "{ \"general\": ");
    let broken = said(place.call(GEMINI, &place.request(None, "do it")));
    assert!(broken.contains("settings.json") && broken.contains("correct it"), "{broken}");
}

#[test]
fn aider_makes_no_repository_and_leaves_one_that_is_there_to_its_user() {
    let place = Place::new();
    let request = place.request(Some("Be brief."), "do it");
    let call = place.call(AIDER, &request).unwrap();
    assert!(words(&call).contains(&"--no-git"), "{:?}", words(&call));
    std::fs::create_dir(place.path("work/.git")).unwrap();
    let call = place.call(AIDER, &request).unwrap();
    let words = words(&call);
    assert!(!words.contains(&"--no-git") && !words.contains(&"--restore-chat-history"), "{words:?}");
    let after = |flag: &str| words[words.iter().position(|word| *word == flag).unwrap() + 1];
    assert_eq!((after("--model"), after("--message-file")), ("deepseek/deepseek-chat", "/dev/stdin"));
    assert_eq!(std::fs::read_to_string(after("--read")).unwrap(), "Be brief.");
    assert_eq!(after("--chat-history-file"), "/dev/null");
}

#[test]
fn aider_keeps_what_was_said_only_where_it_goes_on_and_only_without_secrets() {
    let place = Place::new();
    let profile = format!("{AIDER}[lineage]\nsession = \"continue\"\n");
    let request = place.request(None, "do it");
    // The task is not on record as it is, and so it holds a secret.
    assert!(place.call(&profile, &request).unwrap_err().evidence.contains("the value of a secret"));
    place.write(&format!("run/prompts/{}.txt", Sha256::of(b"do it")), "do it");
    let call = place.call(&profile, &request).unwrap();
    let words = words(&call);
    let at = words.iter().position(|word| *word == "--chat-history-file").unwrap();
    let history = PathBuf::from(words[at + 1]);
    assert!(history.starts_with(place.path("run/harness/aider")), "{history:?}");
    let again = Request { session: SessionPlan::Continue(SessionId::new("5f0c")), ..request };
    let again = place.call(&profile, &again).unwrap();
    assert!(again.args.contains(&history.into()) && again.args.contains(&"--restore-chat-history".into()));
}

#[test]
fn aider_takes_no_task_for_a_command() {
    let place = Place::new();
    for (task, sent) in [("!ls", "\n!ls"), ("/run ls", "\n/run ls"), ("ls", "ls"), (" /x", " /x"), ("", "")] {
        let call = place.call(AIDER, &place.request(None, task)).unwrap();
        assert_eq!(call.stdin, sent.as_bytes());
    }
}

#[test]
fn neither_forks_a_conversation() {
    let place = Place::new();
    for profile in [GEMINI, AIDER] {
        let fork = SessionPlan::Fork { parent: SessionId::new("a"), id: SessionId::new("b") };
        let request = Request { session: fork, ..place.request(None, "do it") };
        assert!(place.call(profile, &request).unwrap_err().evidence.contains("lineage.fork"));
    }
}

#[test]
fn any_command_may_speak_the_protocol_of_gemini() {
    let place = Place::new();
    let profile =
        "[agent]\nharness = \"command\"\ncommand = [\"my-agent\"]\nprotocol = \"gemini-stream-json\"\n";
    place.write("provost.toml", &format!("schema = 1\nname = \"calls\"\n{profile}"));
    let loaded = load(Source { path: Path::new("provost.toml"), sets: &[], cwd: place.dir.path() }).unwrap();
    let mut dialect = invocation(&loaded.profile).unwrap().dialect(&place.request(None, "do it"));
    let lines = [
        r#"{"type":"message","role":"assistant","content":"Fo","delta":true}"#,
        r#"{"type":"message","role":"assistant","content":"ur.","delta":true}"#,
        r#"{"type":"result","status":"success","stats":{}}"#,
    ];
    for line in lines {
        dialect.line(line.as_bytes(), &mut Vec::new());
    }
    let exit = ExitFacts { code: Some(0), signal: None };
    assert_eq!(dialect.finish(exit, "").unwrap().text, "Four.");
}
