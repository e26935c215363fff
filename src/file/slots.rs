//! Slots that processes share: each is a byte of one file, and whoever has its lock has the slot.
//!
//! The kernel gives back the slots of a process that has ended, however it ended. A lock belongs to the open file, so
//! that several holders in one process do not see each other as one; who has which slot of the same open file is for its
//! owner to know.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

/// A file of slots, and one number that its users keep in it.
#[derive(Debug)]
pub struct Slots {
    #[cfg(target_os = "linux")]
    file: File,
    #[cfg(not(target_os = "linux"))]
    never: std::convert::Infallible,
}

#[cfg(target_os = "linux")]
impl Slots {
    /// Opens the file, for its owner alone, and makes it when it is not there. What is in it stays.
    ///
    /// # Errors
    ///
    /// It cannot be opened for writing.
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut open = File::options();
        open.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Self { file: open.open(path)? })
    }

    /// Takes a slot; false when another one has it. Never waits. One that this open file has already is taken again.
    ///
    /// # Errors
    ///
    /// The file system keeps no locks, or too many are held on this machine.
    pub fn take(&self, slot: u64) -> io::Result<bool> {
        match self.lock(nix::libc::F_WRLCK, slot) {
            Ok(()) => Ok(true),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a slot back.
    ///
    /// # Errors
    ///
    /// As [`Slots::take`].
    pub fn give(&self, slot: u64) -> io::Result<()> {
        self.lock(nix::libc::F_UNLCK, slot).map_err(io::Error::from)
    }

    /// How many of these slots others have; this open file's own do not count. Takes two questions for each.
    ///
    /// # Errors
    ///
    /// As [`Slots::take`].
    pub fn taken_by_others(&self, slots: Range<u64>) -> io::Result<u64> {
        let mut count = 0;
        let mut ranges = vec![slots];
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            let mut asked = flock(nix::libc::F_WRLCK, range.start, range.end - range.start);
            nix::fcntl::fcntl(&self.file, nix::fcntl::FcntlArg::F_OFD_GETLK(&mut asked))?;
            if asked.l_type == short(nix::libc::F_UNLCK) {
                continue;
            }
            // Which of several is named first is not said.
            let found = u64::try_from(asked.l_start).unwrap_or(range.start).clamp(range.start, range.end - 1);
            let length = u64::try_from(asked.l_len).unwrap_or(1).max(1);
            let end = found.saturating_add(length).min(range.end);
            count += end - found;
            ranges.push(range.start..found);
            ranges.push(end..range.end);
        }
        Ok(count)
    }

    /// The number in the file; 0 when there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn number(&self) -> io::Result<i64> {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = [0; 8];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(i64::from_le_bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Writes the number. Whoever changes it holds a slot that all have agreed on, from before it is read.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn set_number(&self, number: i64) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        self.file.write_all_at(&number.to_le_bytes(), 0)
    }

    fn lock(&self, kind: nix::libc::c_int, slot: u64) -> nix::Result<()> {
        let lock = flock(kind, slot, 1);
        nix::fcntl::fcntl(&self.file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).map(drop)
    }
}

#[cfg(target_os = "linux")]
fn flock(kind: nix::libc::c_int, start: u64, length: u64) -> nix::libc::flock {
    nix::libc::flock {
        l_type: short(kind),
        l_whence: short(nix::libc::SEEK_SET),
        l_start: i64::try_from(start).unwrap_or(i64::MAX),
        l_len: i64::try_from(length).unwrap_or(i64::MAX),
        // Has to be 0 for a lock of an open file.
        l_pid: 0,
    }
}

/// The constants are all below four.
#[cfg(target_os = "linux")]
fn short(constant: nix::libc::c_int) -> nix::libc::c_short {
    nix::libc::c_short::try_from(constant).unwrap_or_default()
}

/// Other systems have no locks that belong to an open file and are told byte by byte; nothing is shared there.
#[cfg(not(target_os = "linux"))]
impl Slots {
    /// Always an error.
    ///
    /// # Errors
    ///
    /// Unsupported.
    pub fn open(_path: &Path) -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn take(&self, _slot: u64) -> io::Result<bool> {
        match self.never {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn give(&self, _slot: u64) -> io::Result<()> {
        match self.never {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn taken_by_others(&self, _slots: Range<u64>) -> io::Result<u64> {
        match self.never {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn number(&self) -> io::Result<i64> {
        match self.never {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_number(&self, _number: i64) -> io::Result<()> {
        match self.never {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_one_holder_and_comes_back_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let (one, two) = (Slots::open(&path).unwrap(), Slots::open(&path).unwrap());
        assert!(one.take(7).unwrap());
        assert!(!two.take(7).unwrap());
        assert!(two.take(8).unwrap());
        assert!(one.take(1 << 40).unwrap());
        assert_eq!(
            (one.taken_by_others(0..u64::MAX >> 2).unwrap(), two.taken_by_others(0..10).unwrap()),
            (1, 1)
        );
        assert_eq!(two.taken_by_others(0..u64::MAX >> 2).unwrap(), 2);
        one.give(7).unwrap();
        assert!(two.take(7).unwrap());
        // Two bytes side by side may be told as one lock.
        assert_eq!(one.taken_by_others(0..10).unwrap(), 2);
        drop(two);
        assert!(one.take(7).unwrap() && one.take(8).unwrap());
        assert_eq!(one.taken_by_others(0..10).unwrap(), 0);
    }

    #[test]
    fn the_number_is_there_for_whoever_opens_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let one = Slots::open(&path).unwrap();
        assert_eq!(one.number().unwrap(), 0);
        one.set_number(-3).unwrap();
        assert_eq!(Slots::open(&path).unwrap().number().unwrap(), -3);
    }
}
