//! The same replacement on a stream that comes in pieces cut anywhere.

use super::Secrets;

/// Takes secrets out of a stream. What comes out is what [`Secrets::redact`] makes of the whole, however it is cut.
#[derive(Debug)]
pub struct Veil {
    secrets: Secrets,
    /// The end of what came, as long as it could be the beginning of a secret; shorter than the longest of them.
    held: Vec<u8>,
}

impl Veil {
    /// A veil for one stream.
    pub fn new(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), held: Vec::new() }
    }

    /// Whether there is nothing to hide, so that a caller may write its bytes without asking.
    pub fn is_clear(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Takes the next piece, appends to `out` what is certain, and says how many values were replaced.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> u64 {
        if self.is_clear() {
            out.extend_from_slice(piece);
            return 0;
        }
        if self.held.is_empty() {
            // The common case copies nothing but what it must hold back.
            let (kept, count) = pass(&self.secrets, piece, out);
            self.held.extend_from_slice(piece.get(kept..).unwrap_or_default());
            return count;
        }
        self.held.extend_from_slice(piece);
        let (kept, count) = pass(&self.secrets, &self.held, out);
        self.held.drain(..kept);
        count
    }

    /// Ends the stream: what was held back is decided now.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> u64 {
        let held = std::mem::take(&mut self.held);
        let (bytes, count) = self.secrets.redact(&held);
        out.extend_from_slice(&bytes);
        count
    }
}

/// Appends what is decided; returns where the undecided rest begins, and the number of replacements.
///
/// A value that begins before the undecided suffix is final: were a longer one still possible at its place, the suffix
/// would begin there.
fn pass(secrets: &Secrets, bytes: &[u8], out: &mut Vec<u8>) -> (usize, u64) {
    let mut cursor = 0;
    let mut count = 0;
    let mut open = secrets.undecided(bytes, cursor);
    while let Some((range, mark)) = secrets.find(bytes, cursor) {
        if range.start >= open {
            break;
        }
        out.extend_from_slice(bytes.get(cursor..range.start).unwrap_or_default());
        out.extend_from_slice(mark);
        cursor = range.end;
        count += 1;
        if open < cursor {
            open = secrets.undecided(bytes, cursor);
        }
    }
    out.extend_from_slice(bytes.get(cursor..open).unwrap_or_default());
    (open, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn veiled(secrets: &Secrets, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut veil = Veil::new(secrets);
        let mut out = Vec::new();
        let mut count = 0;
        for piece in pieces {
            count += veil.push(piece, &mut out);
        }
        count += veil.finish(&mut out);
        (out, count)
    }

    #[test]
    fn holds_back_only_what_could_be_a_beginning() {
        let secrets = Secrets::new([("A".to_owned(), "secret".to_owned())]);
        let mut veil = Veil::new(&secrets);
        let mut out = Vec::new();
        assert_eq!(veil.push(b"hello sec", &mut out), 0);
        assert_eq!(out, b"hello ");
        assert_eq!(veil.push(b"ret.", &mut out), 1);
        assert_eq!(out, b"hello [secret:A].");
        assert_eq!(veil.push(b"se", &mut out) + veil.finish(&mut out), 0);
        assert_eq!(out, b"hello [secret:A].se");
    }

    #[test]
    fn without_secrets_nothing_is_held() {
        let (out, count) = veiled(&Secrets::default(), &[b"a", b"b"]);
        assert_eq!((out.as_slice(), count), (b"ab".as_slice(), 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn any_cut_gives_the_same(
            values in prop::collection::vec("[ab]{6,9}", 0..4),
            text in "[abc]{0,80}",
            cuts in prop::collection::vec(0usize..80, 0..12),
        ) {
            let secrets = Secrets::new(values.into_iter().enumerate().map(|(i, v)| (format!("S{i}"), v)));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            let (whole, count) = secrets.redact(text.as_bytes());
            prop_assert_eq!(veiled(&secrets, &pieces), (whole.into_owned(), count));
        }
    }
}
