//! One writer at a time. The lock is on an open file and goes with its process, however that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// A reader that asks whether a lock is held must hold it for an instant itself; a writer outwaits that.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the exclusive lock of an open file; false means that somebody else holds it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether somebody holds the exclusive lock of the file; a file that is not there is locked by nobody.
///
/// Several may ask at the same time without seeing each other: asking takes the shared lock only.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_until_the_file_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(!is_locked(&path).unwrap());
        let first = File::create(&path).unwrap();
        assert!(try_lock(&first).unwrap());
        assert!(is_locked(&path).unwrap());
        let second = File::open(&path).unwrap();
        assert!(!try_lock(&second).unwrap());
        drop(first);
        assert!(!is_locked(&path).unwrap());
        assert!(try_lock(&second).unwrap());
    }

    #[test]
    fn a_glance_does_not_stop_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        reader.try_lock_shared().unwrap();
        let glance = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            drop(reader);
        });
        assert!(try_lock(&writer).unwrap());
        glance.join().unwrap();
    }
}
