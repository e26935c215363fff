//! A bell in a directory: one process waits for it, and any other that may write there rings it.
//!
//! A socket, since it has what a watch of the kernel has not: its end costs nothing (to close an inotify descriptor takes
//! 10 to 20 ms, which would be most of what a run needs to end), there may be any number of them, and it is the same on
//! every system.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixDatagram;

/// Where there can be no bell, it is time to look this often.
const LOOK: Duration = Duration::from_millis(100);
/// A socket's address holds no longer path, on any system; it also has to end in a zero.
const LONGEST: usize = 100;

/// Waits to be rung. Nothing happens before that; only where the file system has no sockets it is rung every 100 ms.
#[derive(Debug)]
pub struct Bell {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Bell {
    /// Hangs the bell there, in place of one that a dead process has left: the caller is the only one who may. Needs a
    /// tokio runtime.
    pub fn hang(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        Self { path: path.to_owned(), socket: addressed(path, |address| UnixDatagram::bind(address)).ok() }
    }

    /// Waits until it is rung; at once, if it was since the last time. Can be cancelled.
    pub async fn rung(&mut self) {
        if let Some(socket) = &self.socket {
            if socket.recv(&mut [0; 1]).await.is_ok() {
                // However often: it is one look.
                while socket.try_recv(&mut [0; 1]).is_ok() {}
                return;
            }
            self.socket = None;
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if self.socket.take().is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Rings. Where nobody hears it, nothing happens.
pub fn ring(path: &Path) {
    let rung = addressed(path, |address| {
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(&[1], address)
    });
    // A bell that is full of rings rings already.
    drop(rung);
}

/// Gives an address for a path, however long that is where the system has a shorter name for it.
fn addressed<T>(path: &Path, then: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let short = path.as_os_str().len() <= LONGEST;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !short && cfg!(target_os = "linux") => {
            let parent = std::fs::File::open(parent)?;
            then(&Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name))
        }
        _ => then(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than it takes, and far less than a test may hang.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn hears(bell: &mut Bell) -> bool {
        tokio::time::timeout(PATIENCE, bell.rung()).await.is_ok()
    }

    #[tokio::test]
    async fn is_heard_each_time_also_when_nobody_waited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bell");
        let mut bell = Bell::hang(&path);
        for _ in 0..3 {
            ring(&path);
            ring(&path);
            assert!(hears(&mut bell).await);
            let again = tokio::time::timeout(3 * LOOK, bell.rung()).await;
            assert!(again.is_err(), "rings that came together are one, and silence is none");
        }
        drop(bell);
        assert!(!path.exists());
        ring(&path);
    }

    #[tokio::test]
    async fn takes_the_place_of_one_that_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bell");
        drop(std::os::unix::net::UnixDatagram::bind(&path).unwrap());
        ring(&path);
        let mut bell = Bell::hang(&path);
        ring(&path);
        assert!(hears(&mut bell).await);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hangs_at_the_end_of_a_long_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d".repeat(200));
        std::fs::create_dir(&path).unwrap();
        let path = path.join("bell");
        let mut bell = Bell::hang(&path);
        assert!(bell.socket.is_some() && path.exists());
        ring(&path);
        assert!(hears(&mut bell).await);
    }

    #[tokio::test]
    async fn without_a_bell_it_is_looked_all_the_same() {
        assert!(hears(&mut Bell::hang(Path::new("/no/such/directory/bell"))).await);
    }
}
