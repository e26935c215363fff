use std::path::Path;

use super::*;
use crate::event::{AttemptNumber, NodeId, RoundNumber, SessionId};
use crate::file::write_atomic;
use crate::profile::{Source, load};

/// The call of a profile, as a user would write it.
fn call(profile: &str, session: SessionPlan, system: Option<&str>) -> (Vec<String>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("schema = 1\nname = \"t\"\n{profile}");
    write_atomic(&dir.path().join("p.toml"), text.as_bytes()).unwrap();
    let loaded = load(Source { path: Path::new("p.toml"), sets: &[], cwd: dir.path() }).unwrap();
    let request = Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: system.map(str::to_owned),
        user: "-do\n it ".to_owned(),
        session,
        workspace: dir.path().to_owned(),
        transcript: dir.path().join("root-1.log"),
        directory: dir.path().to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay: Vec::new(),
    };
    let call = Codex::new(&loaded.profile).call(&request).unwrap();
    (call.args.into_iter().map(|arg| arg.into_string().unwrap()).collect(), call.stdin)
}

fn fresh() -> SessionPlan {
    SessionPlan::Fresh(SessionId::new("ours"))
}

/// What `-c` sets, read the way it is read: as a value of TOML.
fn setting(args: &[String], key: &str) -> Option<Value> {
    let given = args.windows(2).filter(|pair| pair[0] == "-c");
    let value = given.filter_map(|pair| pair[1].split_once('=')).find(|(name, _)| *name == key)?.1;
    toml::from_str::<Table>(&format!("it = {value}")).unwrap().remove("it")
}

#[test]
fn whatever_a_value_holds_arrives_as_it_is() {
    let system = "«a» \"b\" \\c\n\t'''d''' \u{7f} \"\"\" = # {x}\r\n";
    let profile = r#"
[agent]
harness = "codex"
permissions = "accept-edits"
[agent.env]
B = "x"
[agent.mcp."a.b"]
command = ["py thon", "-c", "print('\"')"]
env = { A = "1 \"2\"" }
[agent.mcp.web]
url = "https://mcp.example/x"
key_env = "TOKEN"
"#;
    let (args, stdin) = call(profile, fresh(), Some(system));
    assert_eq!(setting(&args, "developer_instructions"), Some(system.into()));
    assert_eq!(setting(&args, "sandbox_mode"), Some("workspace-write".into()));
    let servers = setting(&args, "mcp_servers").unwrap();
    let (server, web) = (&servers["a.b"], &servers["web"]);
    assert_eq!(server["command"].as_str(), Some("py thon"));
    assert_eq!(server["args"][1].as_str(), Some("print('\"')"));
    assert_eq!(server["env"]["A"].as_str(), Some("1 \"2\""));
    assert!(server["env_vars"].as_array().unwrap().contains(&"B".into()), "{server}");
    assert_eq!(web["url"].as_str(), Some("https://mcp.example/x"));
    assert_eq!(web["bearer_token_env_var"].as_str(), Some("TOKEN"));
    for server in [server, web] {
        assert_eq!(server["default_tools_approval_mode"].as_str(), Some("approve"));
    }
    assert_eq!(stdin, b"-do\n it ");
}

#[test]
fn an_endpoint_is_a_provider_whose_key_goes_by_name() {
    let profile = r#"
[agent]
harness = "codex"
model = "p/m/n"
endpoint = "here"
[endpoints.here]
api = "openai-responses"
base_url = "http://127.0.0.1:9/v1/"
key_env = "K"
[round]
stall = "7s"
"#;
    let (args, _) = call(profile, fresh(), None);
    assert_eq!(setting(&args, "model_provider"), Some("provost".into()));
    let provider = &setting(&args, "model_providers").unwrap()["provost"];
    assert_eq!(provider["base_url"].as_str(), Some("http://127.0.0.1:9/v1"));
    assert_eq!(provider["env_key"].as_str(), Some("K"));
    assert_eq!(provider["stream_idle_timeout_ms"].as_integer(), Some(7000));
    assert!(args.windows(2).any(|pair| pair == ["-m", "m/n"]), "{args:?}");
    // The user's own login and sandbox stay as they are where the profile names none.
    let (args, _) = call("[agent]\nharness = \"codex\"\n", fresh(), None);
    for key in ["model_provider", "model_providers", "sandbox_mode", "mcp_servers", "developer_instructions"]
    {
        assert_eq!(setting(&args, key), None, "{key}");
    }
    assert!(!args.iter().any(|arg| arg == "-m"), "{args:?}");
}

#[test]
fn a_conversation_is_begun_continued_or_forked() {
    let profile = "[agent]\nharness = \"codex\"\npermissions = \"bypass\"\nargs = [\"-i\", \"a.png\"]\n";
    let known = SessionId::new("0-1");
    let fork = SessionPlan::Fork { parent: known.clone(), id: SessionId::new("ours") };
    let plans: [(_, &[&str], &[&str]); 3] = [
        (fresh(), &["exec", "--json"], &["--", "-"]),
        (SessionPlan::Continue(known), &["exec", "resume", "--json"], &["--", "0-1", "-"]),
        (fork, &["exec", "fork", "--json"], &["--", "0-1", "-"]),
    ];
    for (plan, first, last) in plans {
        let (args, _) = call(profile, plan, None);
        assert!(args.iter().zip(first).all(|(arg, word)| arg == word), "{args:?}");
        assert!(args.iter().rev().zip(last.iter().rev()).all(|(arg, word)| arg == word), "{args:?}");
        assert!(args.iter().any(|arg| arg == "--dangerously-bypass-approvals-and-sandbox"), "{args:?}");
        assert!(!args.iter().any(|arg| arg == "ours"), "it chooses its own ids: {args:?}");
    }
    let (args, stdin) = call("[agent]\nharness = \"codex\"\nprompt_via = \"argv\"\n", fresh(), None);
    assert_eq!((args.last().map(String::as_str), stdin), (Some("-do\n it "), Vec::new()));
}
