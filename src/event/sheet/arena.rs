//! Bytes that are put behind each other and stay where they are: of a run of many cells there is one stretch for each.
//!
//! **Invariant: what was put is never moved, and a place that was given always has it.**

/// Bytes that are asked for at a time; a longer stretch gets as many as it needs.
const CHUNK: usize = 64 * 1024;

/// The bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arena {
    chunks: Vec<Vec<u8>>,
}

/// Where a stretch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    chunk: u32,
    offset: u32,
}

impl At {
    /// Where nothing is.
    pub(super) const NOWHERE: Self = Self { chunk: u32::MAX, offset: 0 };
}

impl Arena {
    /// Puts some bytes away.
    pub(super) fn put(&mut self, bytes: &[u8]) -> At {
        let fits = |chunk: &Vec<u8>| chunk.len() + bytes.len() <= CHUNK;
        if !self.chunks.last().is_some_and(fits) {
            self.chunks.push(Vec::with_capacity(CHUNK.max(bytes.len())));
        }
        let count = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let Some(chunk) = self.chunks.last_mut() else { return At::NOWHERE };
        let offset = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        chunk.extend_from_slice(bytes);
        At { chunk: count - 1, offset }
    }

    /// What begins there, and whatever was put behind it; `None` where nothing is.
    pub(super) fn at(&self, at: At) -> Option<&[u8]> {
        self.chunks.get(usize::try_from(at.chunk).ok()?)?.get(usize::try_from(at.offset).ok()?..)
    }

    /// The same, to be written over.
    pub(super) fn over(&mut self, at: At) -> Option<&mut [u8]> {
        self.chunks.get_mut(usize::try_from(at.chunk).ok()?)?.get_mut(usize::try_from(at.offset).ok()?..)
    }
}

/// Writes a whole number: seven bits a byte, the lowest first (LEB128).
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Writes a text, its length before it.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads what was written, from its begin on. What is not there is zero or empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker<'a> {
    left: &'a [u8],
}

impl<'a> Taker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    /// So many bytes, or what is left of them.
    pub(super) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.left.split_at(count.min(self.left.len()));
        self.left = left;
        taken
    }

    /// So many bytes, for what has as many.
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap_or([0; N])
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    pub(super) fn float(&mut self) -> f64 {
        f64::from_le_bytes(self.array())
    }

    pub(super) fn text(&mut self) -> &'a str {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX);
        std::str::from_utf8(self.bytes(length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_found_where_it_was_put() {
        let mut arena = Arena::default();
        let lengths = [1, 60_000, 5_000, 500_000, 0, 536, 65_536, 65_535, 1, 1];
        let stretches: Vec<Vec<u8>> = lengths.iter().zip(1..).map(|(length, n)| vec![n; *length]).collect();
        let places: Vec<At> = stretches.iter().map(|bytes| arena.put(bytes)).collect();
        for (bytes, at) in stretches.iter().zip(&places) {
            assert!(arena.at(*at).unwrap().starts_with(bytes), "{at:?}");
        }
        arena.over(places[2]).unwrap()[4_999] = 77;
        assert_eq!(arena.at(places[2]).unwrap()[4_998..5_000], [3, 77]);
        assert!(arena.at(places[3]).unwrap().starts_with(&stretches[3]));
        assert_eq!(arena.at(At::NOWHERE), None);
    }

    #[test]
    fn numbers_and_texts_come_back() {
        let numbers = [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            put_number(&mut bytes, number);
        }
        put_text(&mut bytes, "");
        put_text(&mut bytes, "größer");
        bytes.extend((-0.1_f64).to_le_bytes());
        let mut taker = Taker::new(&bytes);
        for number in numbers {
            assert_eq!(taker.number(), number);
        }
        assert_eq!((taker.text(), taker.text()), ("", "größer"));
        assert_eq!(taker.float().to_bits(), (-0.1_f64).to_bits());
        assert_eq!((taker.number(), taker.text(), taker.bytes(3)), (0, "", &[][..]));
    }
}
