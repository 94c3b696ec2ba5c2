//! What is recorded in the repository.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::count::Count;

/// The counts of all works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// What compiled the program.
    pub compiler: String,
    /// By their names.
    pub works: BTreeMap<String, Count>,
}

impl Kept {
    /// Reads the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("`{}`: {error}; record the counts first", file.display()))?;
        let document: Value =
            serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let works = document["works"].as_object().into_iter().flatten();
        let works = works.map(|(name, count)| Some((name.clone(), Count::from_json(count)?)));
        Ok(Self {
            compiler: document["compiler"].as_str().unwrap_or_default().to_owned(),
            works: works
                .collect::<Option<_>>()
                .ok_or_else(|| format!("`{}` holds no counts", file.display()))?,
        })
    }

    /// Writes the file.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let works: serde_json::Map<String, Value> =
            self.works.iter().map(|(name, count)| (name.clone(), count.to_json())).collect();
        let text = serde_json::to_string_pretty(&json!({ "compiler": self.compiler, "works": works }));
        let text = text.map_err(|error| error.to_string())? + "\n";
        std::fs::write(file, text).map_err(|error| format!("`{}`: {error}", file.display()))
    }
}

/// Whether a count grew by more than a tenth.
pub fn too_much(old: u64, new: u64) -> bool {
    new > old + old / 10
}

/// Whether a count fell by more than a tenth.
pub fn much_less(old: u64, new: u64) -> bool {
    new < old - old / 10
}

/// Functions that take more than they did, most first; one that was not among the remembered counts whole.
pub fn grown(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Vec<(String, i128)> {
    let more = |(name, count): (&String, &u64)| {
        let before = old.get(name).copied().unwrap_or_default();
        (name.clone(), i128::from(*count) - i128::from(before))
    };
    let mut all: Vec<(String, i128)> = new.iter().map(more).filter(|(_, more)| *more > 0).collect();
    all.sort_by_key(|(_, more)| std::cmp::Reverse(*more));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_and_named() {
        assert!(!too_much(1000, 1100) && too_much(1000, 1101));
        assert!(!much_less(1000, 900) && much_less(1000, 899));
        let map = |list: &[(&str, u64)]| list.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let grown = grown(&map(&[("a", 5), ("b", 5), ("c", 9)]), &map(&[("a", 7), ("c", 1), ("d", 6)]));
        assert_eq!(grown, [("d".to_owned(), 6), ("a".to_owned(), 2)]);
    }

    #[test]
    fn what_is_recorded_names_every_work() {
        let kept = Kept::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/guards.json"))).unwrap();
        let recorded: Vec<&str> = kept.works.keys().map(String::as_str).collect();
        let mut works: Vec<&str> = crate::works::WORKS.iter().map(|work| work.name).collect();
        works.sort_unstable();
        assert_eq!(recorded, works, "record the counts anew");
    }
}
