//! What is said of single paths of a value.

use std::fmt;
use std::marker::PhantomData;

use litemap::LiteMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Path;

/// A small map by path, in their order. Most have one or two entries and there is one for every declaration and object, so it
/// is a sorted vector of just its size: the smallest node of a `BTreeMap` has room for eleven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMap<V>(LiteMap<Path, V>);

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> PathMap<V> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// What is said of a path.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&V> {
        self.0.get(path)
    }

    /// Says it; gives what was said before.
    pub fn insert(&mut self, path: Path, value: V) -> Option<V> {
        self.0.insert(path, value)
    }

    /// All of it, in the order of the paths.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Path, &V)> + Clone {
        self.0.iter()
    }

    /// The paths, in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Path> {
        self.0.keys()
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of one path the last one holds.
impl<V> FromIterator<(Path, V)> for PathMap<V> {
    fn from_iter<I: IntoIterator<Item = (Path, V)>>(all: I) -> Self {
        let map: LiteMap<Path, V> = all.into_iter().collect();
        let mut sorted = map.into_tuple_vec();
        sorted.shrink_to_fit();
        Self(LiteMap::from_sorted_store_unchecked(sorted))
    }
}

impl<V, const N: usize> From<[(Path, V); N]> for PathMap<V> {
    fn from(all: [(Path, V); N]) -> Self {
        all.into_iter().collect()
    }
}

impl<V> Extend<(Path, V)> for PathMap<V> {
    fn extend<I: IntoIterator<Item = (Path, V)>>(&mut self, all: I) {
        self.0.extend(all);
    }
}

impl<V: Serialize> Serialize for PathMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for PathMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Read<V> {
            type Value = PathMap<V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object whose names are paths")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<PathMap<V>, A::Error> {
                let mut map = PathMap::new();
                while let Some((path, value)) = access.next_entry()? {
                    map.insert(path, value);
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Read(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_path_the_last_holds_and_it_is_written_as_an_object() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        let map: PathMap<u8> = [(path("b"), 1), (path("a.c"), 2), (path("b"), 3)].into();
        let written = serde_json::to_string(&map).unwrap();
        assert_eq!(written, r#"{"a.c":2,"b":3}"#);
        assert_eq!(serde_json::from_str::<PathMap<u8>>(&written).unwrap(), map);
        assert_eq!(serde_json::to_string(&PathMap::<u8>::new()).unwrap(), "{}");
        assert_eq!((map.get(&path("b")), map.get(&path("a")), map.len()), (Some(&3), None, 2));
    }
}
