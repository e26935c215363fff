//! Books on disk: one file for each provider, read, changed and replaced under a lock.
//!
//! A reader sees a whole book at any moment, whoever is killed. A process that was stopped while it held the lock is
//! waited for shortly; then its lock file is taken away, and it notices before it would write something outdated. When
//! nothing can be written, the book of this process goes on in memory until it can.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::book::Book;
use super::{DAY, MINUTE};
use crate::event::Sha256;
use crate::file::ensure_private_dir;

/// Bytes of a book; a larger file is none of ours.
const FILE_LIMIT: u64 = 1024 * 1024;
/// How long a lock is waited for until its holder counts as stuck, in pauses.
const PAUSES: u32 = 200;
/// How often that is done while others get the lock and we do not.
const CROWD_ROUNDS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(1);
/// What is written half after a kill is swept away when it is this old, milliseconds.
const REST_AGE: i64 = MINUTE;
/// The format of the books, part of their names: another version neither reads nor harms them.
const PREFIX: &str = "v1-";

/// The books of a directory, or of this process alone.
#[derive(Debug)]
pub(super) struct Store {
    directory: Option<PathBuf>,
    /// Books that could not be written, by provider.
    aside: Mutex<BTreeMap<String, Aside>>,
    /// Books as their files were when they were last read, by provider.
    seen: Mutex<BTreeMap<String, Seen>>,
    /// What went wrong first; said once.
    trouble: Mutex<Trouble>,
}

/// A book in memory, and the file from which it was made.
#[derive(Debug, Default)]
struct Aside {
    seen: Vec<u8>,
    book: Book,
}

/// A book that was read. Its file is kept open, so that no other file can have its number, and a look at that is enough to
/// see whether there is another book by now.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    file: Option<File>,
    identity: Option<Identity>,
    book: Book,
}

#[derive(Debug, Default)]
struct Trouble {
    unsaid: Option<String>,
    happened: bool,
}

/// Why a book is not written.
enum Missed {
    /// Somebody holds the lock and does not let go.
    Held,
    /// The system does not let us.
    Failed(io::Error),
}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The lock of a book. It goes with the open file.
struct Lock {
    file: File,
    path: PathBuf,
}

impl Store {
    /// The books of `directory`; of this process alone without one.
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, aside: Mutex::default(), seen: Mutex::default(), trouble: Mutex::default() }
    }

    /// Where a file of this account lies that is not a book; nowhere without a directory.
    pub(super) fn beside(&self, provider: &str, account: &str, kind: &str) -> Option<PathBuf> {
        let name = Sha256::of(format!("{provider}\n{account}").as_bytes());
        self.directory.as_ref().map(|dir| dir.join(format!("{PREFIX}{name:.16}.{kind}")))
    }

    /// A glance at a book as it was written down: what is over by now may still be in it. Takes some microseconds.
    pub(super) fn glance<R>(&self, provider: &str, look: impl FnOnce(&Book) -> R) -> R {
        let aside = held(&self.aside);
        let Some(dir) = &self.directory else {
            return match aside.get(provider) {
                Some(aside) => look(&aside.book),
                None => look(&Book::new(provider)),
            };
        };
        if let Some(aside) = aside.get(provider) {
            return look(&current(&read(&book_path(dir, provider)), Some(aside), provider));
        }
        drop(aside);
        let mut seen = held(&self.seen);
        if !seen.contains_key(provider) {
            let path = book_path(dir, provider);
            let fresh = Seen { path, file: None, identity: None, book: Book::new(provider) };
            seen.insert(provider.to_owned(), fresh);
        }
        let Some(seen) = seen.get_mut(provider) else { return look(&Book::new(provider)) };
        seen.look_again(provider);
        look(&seen.book)
    }

    /// A look at a book without waiting for anybody. It may be a moment old.
    pub(super) fn look(&self, provider: &str, now: i64) -> Book {
        let mut book = self.glance(provider, Book::clone);
        if book.settle(now) {
            // It must be written down where time has begun again, or each look would move it.
            return self.change(provider, now, |book| book.clone());
        }
        book
    }

    /// Changes a book. Never fails: what cannot be written is kept in memory.
    pub(super) fn change<R>(&self, provider: &str, now: i64, change: impl Fn(&mut Book) -> R) -> R {
        let missed = match &self.directory {
            None => None,
            Some(dir) => match self.change_file(dir, provider, now, &change) {
                Ok(result) => return result,
                Err(missed) => Some(missed),
            },
        };
        if let Some(missed) = missed {
            self.note(&missed);
        }
        let seen = self.directory.as_ref().map_or_else(Vec::new, |dir| read(&book_path(dir, provider)));
        let mut aside = held(&self.aside);
        let mut book = current(&seen, aside.get(provider), provider);
        book.settle(now);
        let result = change(&mut book);
        aside.insert(provider.to_owned(), Aside { seen, book });
        result
    }

    fn change_file<R>(
        &self,
        dir: &Path,
        provider: &str,
        now: i64,
        change: &impl Fn(&mut Book) -> R,
    ) -> Result<R, Missed> {
        let path = book_path(dir, provider);
        // Twice: once more after our lock was taken away, since we had been stopped for so long.
        for _ in 0..2 {
            let lock = Self::lock(&path)?;
            let mut aside = held(&self.aside);
            let bytes = read(&path);
            let mut book = current(&bytes, aside.get(provider), provider);
            book.settle(now);
            let result = change(&mut book);
            let text = if book.is_empty() {
                Vec::new()
            } else {
                serde_json::to_vec(&book).map_err(io::Error::other)?
            };
            if text == bytes {
                aside.remove(provider);
                return Ok(result);
            }
            if !lock.replace(&path, &text)? {
                continue;
            }
            aside.remove(provider);
            if bytes.is_empty() {
                sweep(dir, &path, now);
            }
            return Ok(result);
        }
        Err(Missed::Held)
    }

    fn lock(path: &Path) -> Result<Lock, Missed> {
        let lock_path = path.with_extension("lock");
        for _ in 0..CROWD_ROUNDS {
            let before = identity(path);
            if let Some(lock) = acquire(&lock_path, PAUSES)? {
                return Ok(lock);
            }
            // A book that has changed meanwhile means a crowd; else somebody is stuck, and loses the lock.
            if identity(path) == before {
                break_open(&lock_path);
            }
        }
        Err(Missed::Held)
    }

    /// What went wrong first, once.
    pub(super) fn trouble(&self) -> Option<String> {
        held(&self.trouble).unsaid.take()
    }

    fn note(&self, missed: &Missed) {
        let mut trouble = held(&self.trouble);
        if trouble.happened {
            return;
        }
        trouble.happened = true;
        let place = self.directory.as_deref().unwrap_or(Path::new("")).display();
        trouble.unsaid = Some(match missed {
            Missed::Held => format!(
                "cooldowns are not shared for now: another process holds the lock in {place} and does not let go"
            ),
            Missed::Failed(error) => format!(
                "cooldowns are not shared with other processes: {place} cannot be written: {error}; make it writable \
                 or free some space"
            ),
        });
    }

    /// All books, settled.
    pub(super) fn books(&self, now: i64) -> io::Result<Vec<Book>> {
        let mut providers: Vec<String> = held(&self.aside).keys().cloned().collect();
        if let Some(dir) = &self.directory {
            for path in book_paths(dir)? {
                if let Ok(book) = serde_json::from_slice::<Book>(&read(&path))
                    && book_path(dir, &book.provider) == path
                {
                    providers.push(book.provider);
                }
            }
        }
        providers.sort();
        providers.dedup();
        Ok(providers.iter().map(|provider| self.look(provider, now)).collect())
    }
}

impl Seen {
    /// Reads the book again if its file is another one by now, or was written in place.
    fn look_again(&mut self, provider: &str) {
        let there = fs::metadata(&self.path).ok();
        if there.as_ref().map(Identity::of) == self.identity {
            return;
        }
        let file = there.filter(sound).and_then(|_| File::open(&self.path).ok());
        let mut bytes = Vec::new();
        self.identity = file.as_ref().and_then(|file| {
            let meta = file.metadata().ok().filter(sound)?;
            io::Read::read_to_end(&mut io::Read::take(file, FILE_LIMIT), &mut bytes).ok()?;
            Some(Identity::of(&meta))
        });
        self.book = current(&bytes, None, provider);
        self.file = file;
    }
}

impl Lock {
    /// Whether it is still the lock of this book, and was not taken away from a process that seemed stuck.
    fn is_ours(&self) -> bool {
        let there = fs::metadata(&self.path).map(|meta| (meta.dev(), meta.ino())).ok();
        let here = self.file.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
        here.is_some() && there == here
    }

    /// Replaces the book; false when the lock was taken away, and then the book is as it was.
    ///
    /// The new book is written under a name that belongs to this lock. Whoever takes the lock away takes that file away
    /// too, so that a process that goes on just before its last step finds nothing to put in place.
    fn replace(&self, book: &Path, bytes: &[u8]) -> io::Result<bool> {
        let fresh = fresh_path(&self.path, self.file.metadata()?.ino());
        let mut open = OpenOptions::new();
        open.create(true).write(true).truncate(true).mode(0o600);
        let written = open.open(&fresh).and_then(|mut file| file.write_all(bytes));
        if written.is_ok() && self.is_ours() {
            return match fs::rename(&fresh, book) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => {
                    let _ = fs::remove_file(&fresh);
                    Err(error)
                }
            };
        }
        let _ = fs::remove_file(&fresh);
        written.map(|()| false)
    }
}

/// Where the holder of a lock file writes. A file that is open keeps its number, so no two holders have the same.
fn fresh_path(lock: &Path, number: u64) -> PathBuf {
    lock.with_extension(format!("{number}.new"))
}

/// Takes a lock away from a process that is stuck.
fn break_open(lock: &Path) {
    let Ok(meta) = fs::metadata(lock) else { return };
    let fresh = fresh_path(lock, meta.ino());
    // First, so that it cannot be put in place any more; and again, in case it was written meanwhile.
    let _ = fs::remove_file(&fresh);
    let _ = fs::remove_file(lock);
    let _ = fs::remove_file(&fresh);
}

/// Takes a lock; `None` when it stays somebody else's.
fn acquire(path: &Path, pauses: u32) -> io::Result<Option<Lock>> {
    let mut open = OpenOptions::new();
    open.create(true).read(true).write(true).mode(0o600);
    let mut lock = Lock { file: open.open(path)?, path: path.to_owned() };
    for _ in 0..pauses {
        match lock.file.try_lock() {
            Ok(()) if lock.is_ours() => return Ok(Some(lock)),
            Ok(()) => lock.file = open.open(path)?,
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// What the file says, with what could not be written there.
fn current(bytes: &[u8], aside: Option<&Aside>, provider: &str) -> Book {
    let parsed = || {
        let book = serde_json::from_slice::<Book>(bytes).ok().filter(|book| book.provider == provider);
        book.unwrap_or_else(|| Book::new(provider))
    };
    match aside {
        Some(aside) if aside.seen == bytes => aside.book.clone(),
        Some(aside) => {
            let mut book = parsed();
            book.absorb(aside.book.clone());
            book
        }
        None => parsed(),
    }
}

fn book_path(dir: &Path, provider: &str) -> PathBuf {
    let hash = Sha256::of(provider.as_bytes());
    dir.join(format!("{PREFIX}{hash:.16}.json"))
}

fn book_paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(PREFIX) && path.extension().is_some_and(|end| end == "json")
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(ours).collect())
}

/// A file's bytes; of what cannot be read or is none of ours, nothing.
fn read(path: &Path) -> Vec<u8> {
    let sound = fs::metadata(path).is_ok_and(|meta| sound(&meta));
    if sound { fs::read(path).unwrap_or_default() } else { Vec::new() }
}

/// Whether a file can be a book.
fn sound(meta: &fs::Metadata) -> bool {
    meta.is_file() && meta.len() <= FILE_LIMIT
}

/// Tells one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    length: u64,
    written: (i64, i64),
}

impl Identity {
    fn of(meta: &fs::Metadata) -> Self {
        let written = (meta.mtime(), meta.mtime_nsec());
        Self { device: meta.dev(), number: meta.ino(), length: meta.len(), written }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|meta| Identity::of(&meta))
}

/// Removes books that say nothing any more, and what killed processes have left. Done when a book is new, so seldom.
fn sweep(dir: &Path, fresh: &Path, now: i64) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        let age = now.saturating_sub(meta.mtime().saturating_mul(1_000));
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let (ours, end) = (name.starts_with(PREFIX), path.extension().and_then(|end| end.to_str()));
        if (name.starts_with(".tmp-") || (ours && end == Some("new"))) && age > REST_AGE {
            let _ = fs::remove_file(&path);
        }
        if !ours || end != Some("json") || path == fresh || age < DAY {
            continue;
        }
        let mut book = serde_json::from_slice::<Book>(&read(&path)).unwrap_or_default();
        book.settle(now);
        if book.is_empty()
            && let Ok(Some(lock)) = acquire(&path.with_extension("lock"), 1)
        {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(&lock.path);
        }
    }
}

/// The random text that makes the names of accounts say nothing to others; made when it is not there.
pub(super) fn salt(dir: &Path) -> io::Result<Vec<u8>> {
    let path = dir.join("salt");
    let whole = |bytes: &Vec<u8>| bytes.len() == 32;
    if let Some(salt) = fs::read(&path).ok().filter(whole) {
        return Ok(salt);
    }
    ensure_private_dir(dir)?;
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    // The first of several wins; all read what it has written. Something that is no salt is replaced.
    let temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir)?;
    temp.as_file().write_all(fresh.as_bytes())?;
    if let Err(failed) = temp.persist_noclobber(&path) {
        if failed.error.kind() != io::ErrorKind::AlreadyExists {
            return Err(failed.error);
        }
        // One that came meanwhile is read by somebody already, and stands.
        if !fs::read(&path).is_ok_and(|bytes| whole(&bytes)) {
            failed.file.persist(&path).map_err(|failed| failed.error)?;
        }
    }
    fs::read(&path).and_then(|bytes| {
        Some(bytes).filter(whole).ok_or_else(|| io::Error::other(format!("{} is no salt", path.display())))
    })
}

/// A lock of this process; whoever panicked while holding it has left whole values behind.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
