//! The shell tool of the in-process harnesses: a child like any other, found and ended like any other.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Guard, Spec};

use super::chat::{Running, Shell, ShellCall, ShellOutput};

/// Runs `sh -c` through the guard.
pub(crate) struct GuardedShell {
    guard: Guard,
    environment: Vec<(OsString, OsString)>,
    grace: Duration,
}

impl GuardedShell {
    /// Commands get `environment` and nothing else, and `grace` between TERM and KILL.
    pub(crate) fn new(guard: Guard, environment: Vec<(OsString, OsString)>, grace: Duration) -> Self {
        Self { guard, environment, grace }
    }
}

impl Shell for GuardedShell {
    fn run<'a>(&'a self, call: ShellCall<'a>) -> Running<'a> {
        Box::pin(async move {
            let spec = Spec {
                program: PathBuf::from("sh"),
                args: vec!["-c".into(), format!("exec 2>&1\n{}", call.command).into()],
                env: self.environment.clone(),
                cwd: call.dir.to_owned(),
                stdin: crate::process::Stdin::default(),
            };
            let mut child = self.guard.spawn(spec).await.map_err(|error| error.to_string())?;
            let control = child.control();
            let limit = call.output_limit;
            let reading = child.take_stdout().map(|pipe| {
                let (tell, told) = tokio::sync::oneshot::channel();
                std::thread::spawn(move || {
                    let _ = tell.send(bounded(pipe, limit));
                });
                told
            });
            let mut stop = call.stop.clone();
            let mut asked = None;
            let mut timed_out = false;
            let timeout = tokio::time::sleep(call.timeout);
            tokio::pin!(timeout);
            let exit = loop {
                tokio::select! {
                    exit = child.wait() => break exit,
                    harder = stop.stopped(asked), if asked != Some(super::Stop::Now) => {
                        asked = Some(harder);
                        control.end(if harder == super::Stop::Now { Duration::ZERO } else { self.grace });
                    }
                    () = &mut timeout, if !timed_out => {
                        timed_out = true;
                        control.end(self.grace);
                    }
                }
            };
            let (output, dropped) = match reading {
                Some(reading) => tokio::time::timeout(Duration::from_secs(2), reading)
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .unwrap_or_default(),
                None => Default::default(),
            };
            Ok(ShellOutput { code: exit.code, output, dropped, timed_out })
        })
    }
}

/// Reads to the end and keeps the beginning.
fn bounded(mut pipe: impl Read, limit: usize) -> (Vec<u8>, u64) {
    let mut kept = Vec::new();
    let mut dropped = 0;
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut chunk) {
        let room = limit.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&chunk[..room]);
        dropped += (read - room) as u64;
    }
    (kept, dropped)
}
