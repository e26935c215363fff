//! A mock provider that somebody else has written, as a process of its own; and the verdict of the one that grades its
//! clients.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use provost::profile::Api;
use serde_json::{Value, json};

use super::run::needed;

/// A mock that runs; it ends with the test.
pub(crate) struct Mock {
    child: Child,
    pub(crate) address: String,
    _dir: tempfile::TempDir,
}

impl Mock {
    /// Starts a program that says where it listens.
    pub(crate) fn start(variable: &str, arguments: &[&str], file: Option<(&str, Value)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some((name, content)) = file {
            let config = json!({ "llm": { "fixtures": name, "logLevel": "warn" } });
            std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
            std::fs::write(dir.path().join(name), content.to_string()).unwrap();
        }
        let (said, says) = std::io::pipe().unwrap();
        let mut child = Command::new(needed(variable))
            .args(arguments)
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(says.try_clone().unwrap())
            .stderr(says)
            .spawn()
            .unwrap();
        let address = BufReader::new(said).lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once(" on http://")?;
            Some(rest.split([' ', '/']).next().unwrap_or_default().to_owned())
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{variable} ended before it listened");
        };
        Self { child, address, _dir: dir }
    }

    /// llmock, with these arguments; a pause between chunks lets it see when its client hangs up.
    pub(crate) fn llmock(more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--port", "0", "--stream-chunk-delay-ms", "20"];
        arguments.extend(more);
        Self::start("PROVOST_TEST_LLMOCK", &arguments, None)
    }

    /// Asks the mock itself.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 ") || head.contains(" 201 ") || head.contains(" 204 "), "{answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where llmock speaks an API.
pub(crate) fn llmock_url(mock: &Mock, api: Api) -> String {
    let prefix = if api == Api::Anthropic { "/anthropic" } else { "" };
    format!("http://{}{prefix}/v1", mock.address)
}

/// llmock's verdict on us, with nothing to complain of.
pub(crate) fn passes(mock: &Mock, what: &str, story: &str) -> Value {
    let verdict = mock.ask("GET", "/_llmock/verdict", None);
    assert_eq!(verdict["passed"], true, "{what}: {verdict}\n{story}");
    assert_eq!(verdict["findings"], json!([]), "{what}: {verdict}\n{story}");
    verdict
}
