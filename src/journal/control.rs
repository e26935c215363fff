//! Requests that other processes leave for a live run: one file each in `control/`, there until it is answered.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir};
use crate::event::RequestId;
use crate::file::{self, Bell};

/// What is longer is no request to stop.
const LONGEST_STOP: u64 = 4096;
/// A message for the agent is at most this long, bytes of UTF-8.
pub const LONGEST_STEER: usize = 16 * 1024;
/// What is longer is no request to steer: JSON may need six bytes for one of a message.
const LONGEST_STEER_FILE: u64 = LONGEST_STOP + 6 * LONGEST_STEER as u64;

/// Somebody wants the run to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// The request; the answer names it.
    pub id: RequestId,
    /// When it was left.
    pub at: Timestamp,
    /// Whether the agent is to be ended without its grace.
    pub now: bool,
    /// Process id of who left it.
    pub pid: u32,
}

/// Somebody wants the agent to be told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteerRequest {
    /// The request; the answer names it.
    pub id: RequestId,
    /// When it was left.
    pub at: Timestamp,
    /// The message, at most [`LONGEST_STEER`] bytes.
    pub text: String,
    /// Process id of who left it.
    pub pid: u32,
}

impl RunDir {
    fn stop_request(&self, id: &RequestId) -> PathBuf {
        self.control().join(format!("stop-{id}.json"))
    }

    /// Hangs the bell that whoever leaves a request rings. For who holds the journal's lock. Needs a tokio runtime.
    pub fn bell(&self) -> Bell {
        Bell::hang(&self.bell_path())
    }

    fn bell_path(&self) -> PathBuf {
        self.control().join("bell")
    }

    fn steer_request(&self, id: &RequestId) -> PathBuf {
        self.control().join(format!("steer-{id}.json"))
    }

    /// Leaves a request, and rings. It is seen whole or not at all; it need not outlive a power failure, which no run does.
    pub fn leave_stop(&self, request: &StopRequest) -> Result<(), JournalError> {
        self.leave(&self.stop_request(&request.id), request)
    }

    /// Leaves a message for the agent, as [`RunDir::leave_stop`] leaves a request to end.
    pub fn leave_steer(&self, request: &SteerRequest) -> Result<(), JournalError> {
        self.leave(&self.steer_request(&request.id), request)
    }

    fn leave(&self, path: &Path, request: &impl Serialize) -> Result<(), JournalError> {
        let failed = |error| io_error("write", path)(error);
        let mut text = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        file::write_atomic_unsynced(path, &text).map_err(failed)?;
        file::ring(&self.bell_path());
        Ok(())
    }

    /// The requests to stop that are there, in the order in which they were left. What is none is passed over.
    pub fn stop_requests(&self) -> Vec<StopRequest> {
        let mut requests = self.requests("stop-", LONGEST_STOP, |request: &StopRequest| &request.id);
        requests.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        requests
    }

    /// The messages for the agent that are there, in the order in which they were left. What is none is passed over.
    pub fn steer_requests(&self) -> Vec<SteerRequest> {
        let mut requests = self.requests("steer-", LONGEST_STEER_FILE, |request: &SteerRequest| &request.id);
        requests.retain(|request| request.text.len() <= LONGEST_STEER && !request.text.trim().is_empty());
        requests.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        requests
    }

    fn requests<T: DeserializeOwned>(
        &self,
        prefix: &str,
        longest: u64,
        names: impl Fn(&T) -> &RequestId,
    ) -> Vec<T> {
        let entries = fs::read_dir(self.control()).into_iter().flatten().flatten();
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_prefix(prefix)?.strip_suffix(".json")?;
            let mut text = Vec::new();
            fs::File::open(entry.path()).ok()?.take(longest).read_to_end(&mut text).ok()?;
            serde_json::from_slice(&text).ok().filter(|request: &T| names(request).as_str() == id)
        };
        entries.filter_map(read).collect()
    }

    /// Takes away a request to stop that is answered in the journal.
    pub fn close_stop(&self, id: &RequestId) -> Result<(), JournalError> {
        close(&self.stop_request(id))
    }

    /// Takes away a message that is answered in the journal.
    pub fn close_steer(&self, id: &RequestId) -> Result<(), JournalError> {
        close(&self.steer_request(id))
    }

    /// Whether a provost writes the journal.
    pub fn is_live(&self) -> Result<bool, JournalError> {
        let path = self.journal();
        file::is_locked(&path).map_err(io_error("open", &path))
    }
}

fn close(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, second: i64, now: bool) -> StopRequest {
        let at = Timestamp::from_second(second).unwrap();
        StopRequest { id: RequestId::new(id), at, now, pid: 7 }
    }

    #[test]
    fn requests_are_read_in_order_until_they_are_closed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(temp.path().join("run")).unwrap();
        let (first, second) = (request("b", 1, false), request("a", 2, true));
        for request in [&second, &first, &first] {
            dir.leave_stop(request).unwrap();
        }
        assert_eq!(dir.stop_requests(), [first.clone(), second.clone()]);
        dir.close_stop(&first.id).unwrap();
        dir.close_stop(&first.id).unwrap();
        assert_eq!(dir.stop_requests(), [second]);
    }

    #[tokio::test]
    async fn who_leaves_a_request_rings() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(temp.path().join("run")).unwrap();
        let mut bell = dir.bell();
        let leaves = request("a", 1, false);
        dir.leave_stop(&leaves).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), bell.rung()).await.unwrap();
        assert_eq!(dir.stop_requests(), [leaves]);
    }

    #[test]
    fn what_is_no_request_is_passed_over() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(temp.path().join("run")).unwrap();
        let good = request("good", 1, false);
        dir.leave_stop(&good).unwrap();
        let text = fs::read_to_string(dir.control().join("stop-good.json")).unwrap();
        let half = &text[..text.len() / 2];
        for (name, text) in [
            ("stop-half.json", half),
            ("stop-empty.json", ""),
            ("stop-other.json", &text),
            ("steer-good.json", &text),
        ] {
            file::write_atomic_unsynced(&dir.control().join(name), text.as_bytes()).unwrap();
        }
        fs::create_dir(dir.control().join("stop-dir.json")).unwrap();
        assert_eq!(dir.stop_requests(), [good]);
    }
    #[test]
    fn a_message_is_read_whole_and_one_that_is_too_long_or_empty_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::create(temp.path().join("run")).unwrap();
        let at = Timestamp::from_second(3).unwrap();
        let steer = |id: &str, text: String| SteerRequest { id: RequestId::new(id), at, text, pid: 7 };
        // Each of these bytes takes six in JSON.
        let longest = steer("a", "\u{1}".repeat(LONGEST_STEER));
        dir.leave_steer(&longest).unwrap();
        dir.leave_steer(&steer("b", "x".repeat(LONGEST_STEER + 1))).unwrap();
        dir.leave_steer(&steer("c", " \n".to_owned())).unwrap();
        dir.leave_stop(&request("d", 1, false)).unwrap();
        assert_eq!(dir.steer_requests(), std::slice::from_ref(&longest));
        assert_eq!(dir.stop_requests().len(), 1);
        dir.close_steer(&longest.id).unwrap();
        dir.close_steer(&longest.id).unwrap();
        assert_eq!(dir.steer_requests(), []);
    }
}
