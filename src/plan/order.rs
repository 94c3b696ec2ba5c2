//! Which step comes after which.

use std::collections::{BTreeMap, BTreeSet};

/// What each item waits for.
pub type Edges<K> = BTreeMap<K, BTreeSet<K>>;

/// Items in an order in which each comes after what it waits for; `soft` waits are given up where they close a circle, and
/// only there. The second part holds what waits for itself all the same, the third says whether a wait was given up.
pub fn order<K: Ord + Clone>(hard: &Edges<K>, soft: &Edges<K>) -> (Vec<K>, Vec<K>, bool) {
    let owned = |items: Vec<&K>| items.into_iter().cloned().collect();
    let waits = waits(hard, soft, &BTreeSet::new());
    let (ordered, left) = kahn(waits.clone());
    if left.is_empty() || soft.is_empty() {
        return (owned(ordered), owned(left), false);
    }
    let (ordered, left) = kahn(self::waits(hard, soft, &circles(&waits, left)));
    (owned(ordered), owned(left), true)
}

/// Both kinds of waits, without the soft ones among the items of `circles`.
fn waits<'k, K: Ord>(
    hard: &'k Edges<K>,
    soft: &'k Edges<K>,
    circles: &BTreeSet<&K>,
) -> BTreeMap<&'k K, BTreeSet<&'k K>> {
    let known = |other: &&K| hard.contains_key(*other);
    let mut waits: BTreeMap<&K, BTreeSet<&K>> =
        hard.iter().map(|(item, before)| (item, before.iter().filter(known).collect())).collect();
    for (item, before) in soft {
        if let Some(all) = waits.get_mut(item) {
            let inside = |other: &&K| circles.contains(item) && circles.contains(*other);
            all.extend(before.iter().filter(known).filter(|other| !inside(other)));
        }
    }
    waits
}

/// Of what is left when all that can be ordered is ordered, the items on circles and between them: what only waits for a
/// circle is taken off from the other end.
fn circles<'k, K: Ord>(waits: &BTreeMap<&'k K, BTreeSet<&'k K>>, left: Vec<&'k K>) -> BTreeSet<&'k K> {
    let left: BTreeSet<&K> = left.into_iter().collect();
    let mut backwards: BTreeMap<&K, BTreeSet<&K>> =
        left.iter().map(|item| (*item, BTreeSet::new())).collect();
    for item in &left {
        for before in waits.get(item).into_iter().flatten().filter(|before| left.contains(*before)) {
            backwards.entry(before).or_default().insert(item);
        }
    }
    kahn(backwards).1.into_iter().collect()
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
        // One circle costs no other wait: `d` still comes after `e`, and `a` before what waits for the circle.
        assert_eq!(ordered("ab b d e f", "ba de fa"), ("baedf".chars().collect(), String::new(), true));
    }
}
