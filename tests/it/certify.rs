//! `provost certify` from outside: real processes against a server on this machine that counts what it is asked.

mod before;
mod binary;
mod cells;
mod cut;
mod interrupted;
mod judged;
mod looked;
mod money;
mod seal;
mod shards;
mod stored;
mod verdicts;

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::support::completions::{self, Turn};
use crate::support::http::{Response, Server, Step};
use crate::support::sandbox::{Ran, Sandbox, events, finish, of_kind};

/// A suite of numbered questions, and a server that plays every model that it is asked for.
struct Bench {
    sandbox: Sandbox,
    server: Server,
}

/// What the model of that name says to the question of that number.
type Saying = fn(&str, u64) -> &'static str;

/// `good` knows all answers, `bad` none, everyone else every second one.
fn by_name(model: &str, number: u64) -> &'static str {
    match model {
        "good" => "yes",
        "bad" => "no",
        _ if number.is_multiple_of(2) => "yes",
        _ => "no",
    }
}

const GATE: &str = "[gate]\nscore = \"right\"\n";

impl Bench {
    /// With so many cases; `gate` are the tables after the score. The server takes `slow` for each answer.
    fn new(cases: u64, gate: &str, slow: Duration, saying: Saying) -> Self {
        let server = Server::answering(move |_, request| {
            let turn = Turn::Say(saying(&model(&request.body), number(&request.body)));
            let wait = Response::steps(vec![Step::Wait(slow)]);
            Some(wait.and(completions::answer(request, &turn)))
        });
        Self::against(server, cases, gate)
    }

    fn against(server: Server, cases: u64, gate: &str) -> Self {
        let bench = Self { sandbox: Sandbox::new(""), server };
        for name in ["good", "bad", "base"] {
            bench.chat(name, "");
        }
        let line = |n: u64| {
            format!(
                "{{\"id\": \"c{n}\", \"n\": {n}, \"input\": \"?\", \"expected\": \"yes\", \"tags\": [\"t{}\"]}}\n",
                n % 2
            )
        };
        bench.sandbox.write("cases.jsonl", &(0..cases).map(line).collect::<String>());
        bench.suite("Question {{ n }}: yes or no?", 1, gate);
        bench
    }

    /// The suite, anew.
    fn suite(&self, template: &str, trials: u32, gate: &str) {
        self.sandbox.write(
            "suite.toml",
            &format!(
                "schema = 1\nname = \"questions\"\n[cases]\nfile = \"cases.jsonl\"\ntemplate = \"{template}\"\n\
                 [trials]\ncount = {trials}\nretries = 0\nconcurrency = 4\n\
                 [[score]]\nname = \"right\"\nkind = \"exact\"\n{gate}"
            ),
        );
    }

    /// A profile that asks the server for the model of its own name.
    fn chat(&self, name: &str, rest: &str) {
        let url = self.server.url();
        self.sandbox.write(
            &format!("{name}.toml"),
            &format!(
                "schema = 1\nname = \"{name}\"\n[agent]\nharness = \"chat\"\nmodel = \"local/{name}\"\n\
                 endpoint = \"here\"\ntools = []\n{rest}\n\
                 [endpoints.here]\napi = \"openai\"\nbase_url = \"{url}\"\nmax_concurrency = 4\n"
            ),
        );
    }

    /// A profile whose agent is a shell script.
    fn shell(&self, name: &str, script: &str, rest: &str) {
        self.sandbox.write(&format!("{name}.sh"), script);
        let script = self.sandbox.path(&format!("{name}.sh"));
        self.sandbox.write(
            &format!("{name}.toml"),
            &format!(
                "schema = 1\nname = \"{name}\"\n[agent]\nharness = \"command\"\ncommand = [\"sh\", \"{}\"]\n{rest}",
                script.display()
            ),
        );
    }

    fn args<'a>(candidate: &'a str, baseline: &'a str, out: &'a str) -> Vec<&'a str> {
        vec!["certify", "-p", candidate, "--baseline", baseline, "-S", "suite.toml", "--out", out]
    }

    fn start(&self, args: &[&str]) -> Child {
        self.sandbox.start(args)
    }

    fn run(&self, args: &[&str]) -> Ran {
        finish(self.start(args))
    }

    /// `good` or what it is, against a baseline, with more arguments.
    #[track_caller]
    fn certify(&self, candidate: &str, baseline: &str, out: &str, more: &[&str], code: i32) -> Ran {
        let mut args = Self::args(candidate, baseline, out);
        args.extend(more);
        self.call(&args, code)
    }

    #[track_caller]
    fn call(&self, args: &[&str], code: i32) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}\n{}\n{}", ran.err, ran.out);
        ran
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    fn events(&self, out: &str) -> Vec<Value> {
        events(&self.path(out))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.sandbox.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn certificate(&self, out: &str) -> Value {
        self.json(&format!("{out}/certificate.json"))
    }

    /// The reasons of the run as a whole.
    fn reasons(&self, out: &str) -> Vec<String> {
        let certificate = self.certificate(out);
        let reasons = certificate["body"]["certified"]["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
    }

    /// Requests so far.
    fn asked(&self) -> usize {
        self.server.requests().len()
    }
}

/// The model that a request is for, by the last word of its name.
fn model(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let model = body["model"].as_str().unwrap();
    model.rsplit('/').next().unwrap().to_owned()
}

/// The number of the question that a request asks.
fn number(body: &str) -> u64 {
    let (_, rest) = body.split_once("Question ").unwrap();
    rest.split(':').next().unwrap().parse().unwrap()
}

/// The events of one kind, of a run that was read.
fn ended<'a>(events: &'a [Value], arm: &str) -> Vec<&'a Value> {
    of_kind(events, "cell.ended").into_iter().filter(|cell| cell["arm"] == arm).collect()
}
