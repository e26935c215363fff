//! Newtypes for everything that has an identity, so that a round number can never be passed for a turn.

use std::borrow::{Borrow, Cow};
use std::{fmt, io};

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that is already known to be such an id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// A run: `20261121T024501Z-run-k3f9`. Sorts by time, says the verb, unique.
    RunId
}
text_id! {
    /// A place in the tree of agents of a run: `root`, `root.w2`.
    NodeId
}
text_id! {
    /// The harness's own conversation, as the harness names it.
    SessionId
}
text_id! {
    /// A request that another process left for a live run.
    RequestId
}
text_id! {
    /// A phase of the loop of `supervise`, as the profile names it.
    PhaseName
}
text_id! {
    /// A case of a suite.
    CaseId
}
text_id! {
    /// An arm of a plan: a profile, or a profile under a treatment.
    ArmName
}
text_id! {
    /// A score of a suite.
    ScoreName
}
text_id! {
    /// A shard of a run: the journal of one process that runs some of its cells.
    ShardName
}
text_id! {
    /// One tool call, as the model or the agent CLI names it.
    ToolId
}

impl NodeId {
    /// The node that every run starts with.
    pub fn root() -> Self {
        Self::new("root")
    }

    /// The node of a cell: `root.c17`.
    pub fn cell(cell: CellIndex) -> Self {
        Self(format!("root.c{cell}"))
    }

    /// Whether it is the node of a cell.
    pub fn is_cell(&self) -> bool {
        self.0.starts_with("root.c")
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one that follows.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// The place of an event in its journal; starts at 1 and has no gaps.
    Seq
}
number_id! {
    /// One invocation of the agent within a run; starts at 1.
    RoundNumber
}
number_id! {
    /// One try of a round's request; starts at 1 in each round.
    AttemptNumber
}
number_id! {
    /// One model inference within an attempt; starts at 1.
    TurnNumber
}
number_id! {
    /// The place of a cell in its plan; starts at 0.
    CellIndex
}
number_id! {
    /// Which repetition of a case; starts at 1.
    Trial
}

/// The SHA-256 of some bytes, written as 64 lower-case hex digits; `sha256sum` verifies it.
///
/// Held in place and as bytes: a run of a hundred thousand cells has several of them for each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The hash whose bytes these are.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first half of it: enough to tell texts apart where none of them was made to be taken for another.
    pub fn half(&self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// For bytes that come a stretch at a time.
    pub fn hashing() -> Hashing {
        Hashing(sha2::Sha256::new())
    }

    /// Hashes what `reader` gives, without having all of it at once.
    ///
    /// # Errors
    ///
    /// It cannot be read to its end.
    pub fn of_reader(mut reader: impl io::Read) -> io::Result<Self> {
        let mut hashing = Self::hashing();
        io::copy(&mut reader, &mut hashing)?;
        Ok(hashing.done())
    }

    /// Reads 64 lower-case hex digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        // Looked at once, at the end: a journal is full of hashes that are well.
        let mut seen = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
            seen |= high | low;
            *byte = high << 4 | low & 15;
        }
        (seen < 16).then_some(Self(bytes))
    }

    /// Its first eight bytes as a number, for what is drawn by a name.
    pub fn number(&self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The 64 hex digits.
    pub fn hex(&self) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [b'0'; 64];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(&self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        Hex(hex)
    }
}

/// The values of the lower-case hex digits; 255 is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The hex digits of a hash, without an allocation.
#[derive(Clone, Copy)]
pub struct Hex([u8; 64]);

impl Hex {
    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        // They are digits, however it was made.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sha256").field(&self.hex().as_str()).finish()
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.hex().as_str())
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Str(&text), &"the 64 lower-case hex digits of a SHA-256")
        })
    }
}

/// All digits; `{:.16}` are the first sixteen.
impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.hex().as_str())
    }
}

/// A hash that is on its way; what is written to it is hashed.
#[derive(Clone, Debug)]
pub struct Hashing(sha2::Sha256);

impl Hashing {
    /// Hashes what comes next.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was written.
    pub fn done(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_what_sha256sum_prints() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").hex().as_str(), empty);
        assert_eq!(Sha256::parse(empty), Some(Sha256::of(b"")));
        assert_eq!(Sha256::of(b"").to_string(), empty);
        assert_eq!(format!("{:.4}", Sha256::of(b"")), "e3b0");
        assert_eq!(Sha256::of(b"").number(), 0xe3b0_c442_98fc_1c14);
        for other in
            [&empty[1..], &empty.to_uppercase(), &empty.replace('e', "g"), &format!("{empty}0"), "E3B0", ""]
        {
            assert_eq!(Sha256::parse(other), None, "{other}");
        }
        let long = vec![7; 100_000];
        assert_eq!(Sha256::of_reader(long.as_slice()).ok(), Some(Sha256::of(&long)));
    }
}
