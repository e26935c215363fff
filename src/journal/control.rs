//! Requests that other processes leave for a live run: one file each in `control/`, there until it is answered.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir};
use crate::event::RequestId;
use crate::file::{self, Bell};

/// What is longer is no request.
const LONGEST: u64 = 4096;

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

    /// Leaves a request, and rings. It is seen whole or not at all; it need not outlive a power failure, which no run does.
    pub fn leave_stop(&self, request: &StopRequest) -> Result<(), JournalError> {
        let path = self.stop_request(&request.id);
        let failed = |error| io_error("write", &path)(error);
        let mut text = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        file::write_atomic_unsynced(&path, &text).map_err(failed)?;
        file::ring(&self.bell_path());
        Ok(())
    }

    /// The requests that are there, in the order in which they were left. What is none is passed over.
    pub fn stop_requests(&self) -> Vec<StopRequest> {
        let entries = fs::read_dir(self.control()).into_iter().flatten().flatten();
        let mut requests: Vec<StopRequest> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let id = name.strip_prefix("stop-")?.strip_suffix(".json")?;
                let mut text = Vec::new();
                fs::File::open(entry.path()).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
                serde_json::from_slice(&text).ok().filter(|request: &StopRequest| request.id.as_str() == id)
            })
            .collect();
        requests.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        requests
    }

    /// Takes away a request that is answered in the journal.
    pub fn close_stop(&self, id: &RequestId) -> Result<(), JournalError> {
        let path = self.stop_request(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Whether a provost writes the journal.
    pub fn is_live(&self) -> Result<bool, JournalError> {
        let path = self.journal();
        file::is_locked(&path).map_err(io_error("open", &path))
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
}
