//! The cases that are measured, as lines of JSON of which one is read when it is wanted: however many there are, what they
//! take in memory is where each line ends.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use tempfile::{SpooledData, SpooledTempFile};

use super::Case;
use crate::event::{Hashing, Sha256};

/// So many bytes are held in memory; more of them lie in a file without a name.
const IN_MEMORY: usize = 1 << 20;

/// The cases of a plan, in its order.
#[derive(Debug)]
pub struct CaseSet {
    lines: Lines,
    /// Where the line of each case ends.
    ends: Vec<u64>,
    sha256: Sha256,
}

#[derive(Debug)]
enum Lines {
    Memory(Vec<u8>),
    File(File),
}

impl Lines {
    /// Fills the buffer with what begins at `at`.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(buffer, at),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let found = bytes.get(from..from.saturating_add(buffer.len()));
                buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

impl CaseSet {
    /// The cases that another process has written to a file as [`Self::lines`] gives them.
    ///
    /// # Errors
    ///
    /// It cannot be read. A case is looked at when it is wanted; [`Self::sha256`] says whether the file is as it was.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut reader = BufReader::with_capacity(1 << 16, &file);
        let (mut hashing, mut ends, mut at) = (Sha256::hashing(), Vec::new(), 0);
        loop {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            hashing.write_all(bytes)?;
            ends.extend(memchr::memchr_iter(b'\n', bytes).map(|end| at + end as u64 + 1));
            let length = bytes.len();
            at += length as u64;
            reader.consume(length);
        }
        Ok(Self { lines: Lines::File(file), ends, sha256: hashing.done() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The hash of all lines.
    pub fn sha256(&self) -> &Sha256 {
        &self.sha256
    }

    /// A case by its place; `None` past the last.
    ///
    /// # Errors
    ///
    /// Its line cannot be read any more, or is no case.
    pub fn get(&self, index: usize) -> io::Result<Option<Case>> {
        let Some(end) = self.ends.get(index) else { return Ok(None) };
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut line = vec![0; usize::try_from(end - begin).unwrap_or(usize::MAX)];
        self.lines.read_exact_at(&mut line, begin)?;
        Ok(Some(serde_json::from_slice(&line)?))
    }

    /// All cases, one after the other, from a place on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = io::Result<Case>> {
        (index..self.len()).filter_map(|index| self.get(index).transpose())
    }

    /// All cases, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = io::Result<Case>> {
        self.iter_from(0)
    }

    /// All lines, for a file that [`Self::open`] reads.
    pub fn lines(&self) -> impl Read {
        Stretch { lines: &self.lines, at: 0, end: self.ends.last().copied().unwrap_or(0) }
    }
}

/// A stretch of the lines, from its begin to its end.
struct Stretch<'a> {
    lines: &'a Lines,
    at: u64,
    end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        self.lines.read_exact_at(&mut buffer[..length], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// Cases that come one after the other and are put away.
pub(super) struct Gathering {
    lines: BufWriter<SpooledTempFile>,
    line: Vec<u8>,
    ends: Vec<u64>,
    hashing: Hashing,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            lines: BufWriter::new(SpooledTempFile::new(IN_MEMORY)),
            line: Vec::new(),
            ends: Vec::new(),
            hashing: Sha256::hashing(),
        }
    }
}

impl Gathering {
    pub(super) fn add(&mut self, case: &Case) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, case)?;
        self.line.push(b'\n');
        self.hashing.write_all(&self.line)?;
        self.lines.write_all(&self.line)?;
        self.ends.push(self.ends.last().copied().unwrap_or(0) + self.line.len() as u64);
        Ok(())
    }

    pub(super) fn done(self) -> io::Result<CaseSet> {
        let mut spooled = self.lines.into_inner().map_err(io::IntoInnerError::into_error)?;
        spooled.rewind()?;
        let lines = match spooled.into_inner() {
            SpooledData::InMemory(bytes) => Lines::Memory(bytes.into_inner()),
            SpooledData::OnDisk(file) => Lines::File(file),
        };
        Ok(CaseSet { lines, ends: self.ends, sha256: self.hashing.done() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(number: usize, length: usize) -> Case {
        Case::from_json(json!({"id": format!("c{number}"), "input": "ä".repeat(length), "n": number}))
            .unwrap()
    }

    fn gathered(cases: &[Case]) -> CaseSet {
        let mut gathering = Gathering::default();
        for case in cases {
            gathering.add(case).unwrap();
        }
        gathering.done().unwrap()
    }

    /// In memory and on disk, and from a copy of it in a file.
    #[test]
    fn what_was_put_away_comes_back_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        for length in [1, 10_000] {
            let cases: Vec<Case> = (0..200).map(|number| case(number, length)).collect();
            let set = gathered(&cases);
            assert_eq!(matches!(set.lines, Lines::Memory(_)), length == 1);
            let path = dir.path().join(format!("{length}.jsonl"));
            io::copy(&mut set.lines(), &mut File::create(&path).unwrap()).unwrap();
            let opened = CaseSet::open(&path).unwrap();
            assert_eq!(&Sha256::of(&std::fs::read(&path).unwrap()), set.sha256());
            for set in [&set, &opened] {
                assert_eq!((set.len(), set.sha256()), (200, opened.sha256()));
                assert_eq!(set.iter().collect::<io::Result<Vec<_>>>().unwrap(), cases);
                assert_eq!(set.iter_from(198).map(Result::unwrap).collect::<Vec<_>>(), cases[198..]);
                assert_eq!(set.get(7).unwrap().as_ref(), cases.get(7));
                assert_eq!(set.get(200).unwrap(), None);
            }
        }
        assert!(gathered(&[]).is_empty());
    }

    #[test]
    fn a_file_that_was_cut_while_it_is_used_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cases.jsonl");
        io::copy(&mut gathered(&[case(0, 1), case(1, 1)]).lines(), &mut File::create(&path).unwrap())
            .unwrap();
        let set = CaseSet::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(20).unwrap();
        assert!(set.get(0).is_err() && set.get(1).is_err());
        File::create(&path).unwrap().write_all(&[b'x'; 1000]).unwrap();
        assert_eq!(set.get(0).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
