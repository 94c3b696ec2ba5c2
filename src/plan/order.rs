//! Which step comes after which.

use std::collections::{BTreeMap, BTreeSet};

/// Items in an order in which each comes after what it waits for; `soft` waits are given up where they close a circle.
/// The second part holds what waits for itself all the same.
pub(crate) fn order<K: Ord + Clone>(
    hard: &BTreeMap<K, BTreeSet<K>>,
    soft: &BTreeMap<K, BTreeSet<K>>,
) -> (Vec<K>, Vec<K>, bool) {
    let mut waits: BTreeMap<&K, BTreeSet<&K>> = hard
        .iter()
        .map(|(item, before)| (item, before.iter().filter(|other| hard.contains_key(*other)).collect()))
        .collect();
    for (item, before) in soft {
        if let Some(all) = waits.get_mut(item) {
            all.extend(before.iter().filter(|other| hard.contains_key(*other)));
        }
    }
    let (ordered, left) = kahn(waits);
    if left.is_empty() || soft.is_empty() {
        return (ordered.into_iter().cloned().collect(), left.into_iter().cloned().collect(), false);
    }
    let (ordered, left, _) = order(hard, &BTreeMap::new());
    (ordered, left, true)
}

fn kahn<'k, K: Ord>(mut waits: BTreeMap<&'k K, BTreeSet<&'k K>>) -> (Vec<&'k K>, Vec<&'k K>) {
    let mut waited_by: BTreeMap<&K, Vec<&K>> = BTreeMap::new();
    for (item, before) in &waits {
        for other in before {
            waited_by.entry(other).or_default().push(item);
        }
    }
    let mut ready: BTreeSet<&K> =
        waits.iter().filter(|(_, before)| before.is_empty()).map(|(item, _)| *item).collect();
    let mut ordered = Vec::with_capacity(waits.len());
    while let Some(item) = ready.pop_first() {
        waits.remove(item);
        ordered.push(item);
        for other in waited_by.get(item).into_iter().flatten() {
            if let Some(before) = waits.get_mut(*other) {
                before.remove(item);
                if before.is_empty() {
                    ready.insert(other);
                }
            }
        }
    }
    (ordered, waits.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(text: &str) -> BTreeMap<char, BTreeSet<char>> {
        let mut all: BTreeMap<char, BTreeSet<char>> = BTreeMap::new();
        for pair in text.split_whitespace() {
            let mut letters = pair.chars();
            let item = letters.next().unwrap();
            all.entry(item).or_default().extend(letters.clone());
            letters.for_each(|other| {
                all.entry(other).or_default();
            });
        }
        all
    }

    #[test]
    fn soft_waits_give_way_and_hard_ones_are_told() {
        let ordered = |hard, soft| {
            let (good, bad, dropped) = order(&edges(hard), &edges(soft));
            (good.into_iter().collect::<String>(), bad.into_iter().collect::<String>(), dropped)
        };
        assert_eq!(ordered("ab bc d", ""), ("cbad".into(), String::new(), false));
        assert_eq!(ordered("ab b", "ba"), ("ba".into(), String::new(), true));
        assert_eq!(ordered("ab ba c", ""), ("c".into(), "ab".into(), false));
    }
}
