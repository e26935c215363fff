//! A real model of the smallest size, on this machine, behind a real server.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::run::needed;

/// The server, which ends with the test.
pub(crate) struct Served {
    child: Child,
    pub(crate) port: u16,
}

impl Served {
    pub(crate) fn start() -> Self {
        let python = needed("PROVOST_TEST_PYTHON");
        // Free a moment ago; the server takes no listener from outside.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/serve_model.py"))
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output.lines().map_while(Result::ok).any(|line| line.starts_with("ready "));
        let served = Self { child, port };
        assert!(ready, "serve_model.py ended before it served");
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
