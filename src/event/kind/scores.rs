//! The scores of one cell.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Scored;
use crate::event::ScoreName;

/// What each score says of one answer, by name and in the order of the names. A cell has few of them and a run may have many
/// cells: they lie side by side instead of in a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<(ScoreName, Scored)>);

impl Scores {
    /// What one of them says.
    pub fn get(&self, name: &ScoreName) -> Option<&Scored> {
        self.0.get(self.place(name).ok()?).map(|(_, scored)| scored)
    }

    /// Puts one in, in place of what it said before.
    pub fn insert(&mut self, name: ScoreName, scored: Scored) {
        match self.place(&name) {
            Ok(at) => self.0[at].1 = scored,
            Err(at) => self.0.insert(at, (name, scored)),
        }
    }

    /// Keeps those whose names `keep` likes.
    pub fn retain(&mut self, mut keep: impl FnMut(&ScoreName) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ScoreName, &Scored)> {
        self.0.iter().map(|(name, scored)| (name, scored))
    }

    /// What they say, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Scored> {
        self.0.iter_mut().map(|(_, scored)| scored)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &ScoreName) -> Result<usize, usize> {
        self.0.binary_search_by(|(one, _)| one.cmp(name))
    }
}

impl FromIterator<(ScoreName, Scored)> for Scores {
    fn from_iter<I: IntoIterator<Item = (ScoreName, Scored)>>(entries: I) -> Self {
        let mut scores = Self::default();
        entries.into_iter().for_each(|(name, scored)| scores.insert(name, scored));
        scores.0.shrink_to_fit();
        scores
    }
}

impl IntoIterator for Scores {
    type Item = (ScoreName, Scored);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, scored) in &self.0 {
            map.serialize_entry(name, scored)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Scores;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("scores by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scores, A::Error> {
                let mut scores = Scores::default();
                while let Some((name, scored)) = map.next_entry()? {
                    scores.insert(name, scored);
                }
                scores.0.shrink_to_fit();
                Ok(scores)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(value: f64) -> Scored {
        Scored { value: Some(value), ..Scored::default() }
    }

    #[test]
    fn they_are_a_map_in_json_and_the_last_of_a_name_stands() {
        let text = r#"{"b":{"value":1.0},"a":{"value":2.0},"b":{"value":3.0}}"#;
        let scores: Scores = serde_json::from_str(text).unwrap();
        assert_eq!(scores.get(&ScoreName::new("b")), Some(&scored(3.0)));
        assert_eq!(scores.get(&ScoreName::new("c")), None);
        let names: Vec<&str> = scores.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let again: Scores = serde_json::from_str(&serde_json::to_string(&scores).unwrap()).unwrap();
        assert_eq!(again, scores);
        let made: Scores =
            [(ScoreName::new("b"), scored(3.0)), (ScoreName::new("a"), scored(2.0))].into_iter().collect();
        assert_eq!(made, scores);
        assert!(serde_json::from_str::<Scores>("[]").is_err());
    }
}
