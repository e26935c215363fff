//! A directory that is watched for files that come into it.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Where the kernel does not say that a file has come, it is looked for this often.
const LOOK: Duration = Duration::from_millis(100);

/// Tells when a file may have come into a directory, which the caller then looks at.
///
/// On Linux the kernel says so, and nothing happens before. Elsewhere, and where the kernel has no watch left for us, it
/// is time to look every 100 ms.
#[derive(Debug)]
pub struct Watch {
    #[cfg(target_os = "linux")]
    notices: Option<tokio::net::unix::pipe::Receiver>,
}

impl Watch {
    /// Watches a directory. Files that are there already are not told. Needs a tokio runtime.
    pub fn of(dir: &Path) -> Self {
        #[cfg(target_os = "linux")]
        return Self { notices: notices(dir).ok() };
        #[cfg(not(target_os = "linux"))]
        {
            let _ = dir;
            Self {}
        }
    }

    /// Waits until something may have come since the last time. Can be cancelled: what came is told the next time.
    pub async fn changed(&mut self) {
        #[cfg(target_os = "linux")]
        while let Some(notices) = &self.notices {
            // What the notices say is of no interest, since they can overflow.
            let read = match notices.readable().await {
                Ok(()) => notices.try_read(&mut [0; 4096]),
                Err(error) => Err(error),
            };
            match read {
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.notices = None,
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The kernel's notices of whole files: renamed into the directory, or written there and closed. They are read like what
/// comes through a pipe.
#[cfg(target_os = "linux")]
fn notices(dir: &Path) -> io::Result<tokio::net::unix::pipe::Receiver> {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    inotify.add_watch(dir, AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE)?;
    tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(inotify.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::write_atomic_unsynced;

    /// Far more than it takes, and far less than a test may hang.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_file_that_comes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::of(dir.path());
        for name in ["first", "second"] {
            write_atomic_unsynced(&dir.path().join(name), b"x").unwrap();
            tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn nothing_is_told_while_nothing_comes() {
        let dir = tempfile::tempdir().unwrap();
        write_atomic_unsynced(&dir.path().join("there"), b"x").unwrap();
        let mut watch = Watch::of(dir.path());
        let early = tokio::time::timeout(3 * LOOK, watch.changed()).await;
        assert!(early.is_err(), "woken for nothing");
    }

    #[tokio::test]
    async fn without_the_kernel_it_is_looked_all_the_same() {
        let mut watch = Watch::of(Path::new("/no/such/directory"));
        tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap();
    }
}
