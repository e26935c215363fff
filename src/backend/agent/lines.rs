//! Bytes in any chunking, complete lines out.

/// The longest line that is passed on whole.
pub const LINE_BYTES: usize = 8 * 1024 * 1024;

/// A complete line, without its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes; nobody promises that they are UTF-8.
    pub bytes: &'a [u8],
    /// Whether it was longer and its end is gone.
    pub cut: bool,
}

/// Splits a stream into lines. Bounded: what exceeds the longest line is dropped, and the line says so.
#[derive(Debug)]
pub struct LineSplitter {
    carry: Vec<u8>,
    cut: bool,
    started: bool,
    limit: usize,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new()
    }
}

impl LineSplitter {
    /// A splitter for lines of up to [`LINE_BYTES`].
    pub fn new() -> Self {
        Self::with_limit(LINE_BYTES)
    }

    /// A splitter for lines of up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { carry: Vec::new(), cut: false, started: false, limit }
    }

    /// Takes a chunk and hands out every line that it completes. Lines that lie in the chunk are not copied.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let piece = &chunk[start..end];
            start = end + 1;
            if self.carry.is_empty() && !self.cut {
                let cut = piece.len() > self.limit;
                let line = Line { bytes: &piece[..piece.len().min(self.limit)], cut };
                take(line.trimmed(!std::mem::replace(&mut self.started, true)));
            } else {
                self.keep(piece);
                self.complete(&mut take);
            }
        }
        self.keep(&chunk[start..]);
    }

    /// Hands out the last line, if it had no newline.
    pub fn finish(&mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.carry.is_empty() || self.cut {
            self.complete(&mut take);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.limit - self.carry.len();
        self.carry.extend_from_slice(&piece[..piece.len().min(room)]);
        self.cut |= piece.len() > room;
    }

    fn complete(&mut self, take: &mut impl FnMut(Line<'_>)) {
        let line = Line { bytes: &self.carry, cut: self.cut };
        take(line.trimmed(!std::mem::replace(&mut self.started, true)));
        self.carry.clear();
        // One huge line must not hold its memory for the rest of a long run.
        self.carry.shrink_to(1024 * 1024);
        self.cut = false;
    }
}

impl<'a> Line<'a> {
    fn trimmed(self, first: bool) -> Self {
        let mut bytes: &'a [u8] = self.bytes;
        if first {
            bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        }
        if !self.cut {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        Self { bytes, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::with_limit(limit);
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push((line.bytes.to_vec(), line.cut)));
        }
        splitter.finish(|line| lines.push((line.bytes.to_vec(), line.cut)));
        lines
    }

    #[test]
    fn bom_crlf_and_a_last_line_without_newline() {
        let lines = split(100, &[b"\xEF\xBB\xBFa\r\n\nb\xFFc"]);
        assert_eq!(lines, [(b"a".to_vec(), false), (vec![], false), (b"b\xFFc".to_vec(), false)]);
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let lines = split(3, &[b"abcdef", b"gh\nij\nabc\nklmn"]);
        assert_eq!(
            lines,
            [
                (b"abc".to_vec(), true),
                (b"ij".to_vec(), false),
                (b"abc".to_vec(), false),
                (b"klm".to_vec(), true)
            ]
        );
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\xEF\xBB\xBF".to_vec()), 0..60), step in 1_usize..7, limit in 1_usize..9) {
            let chunks: Vec<&[u8]> = bytes.chunks(step).collect();
            prop_assert_eq!(split(limit, &[&bytes]), split(limit, &chunks));
        }
    }
}
