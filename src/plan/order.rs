//! Which step comes after which.

use std::collections::{BTreeMap, BTreeSet};

use mlp_value::order::{Waits, in_order};

/// What each item waits for.
pub type Edges<K> = BTreeMap<K, BTreeSet<K>>;

/// Items in an order in which each comes after what it waits for; `soft` waits are given up where they close a circle, and
/// only there. The second part holds what waits for itself all the same, the third says whether a wait was given up.
pub fn order<K: Ord + Clone>(hard: &Edges<K>, soft: &Edges<K>) -> (Vec<K>, Vec<K>, bool) {
    let items: Vec<&K> = hard.keys().collect();
    let places = |edges: &Edges<K>| -> Waits {
        let place = |other: &K| items.binary_search(&other).ok();
        let before = |item: &&K| edges.get(*item).into_iter().flatten().filter_map(place).collect();
        items.iter().map(before).collect()
    };
    let (hard, soft) = (places(hard), places(soft));
    let (ordered, left, dropped) = with_soft(&hard, &soft);
    let owned = |places: Vec<usize>| places.into_iter().map(|at| items[at].clone()).collect();
    (owned(ordered), owned(left), dropped)
}

fn with_soft(hard: &Waits, soft: &Waits) -> (Vec<usize>, Vec<usize>, bool) {
    if soft.iter().all(Vec::is_empty) {
        let (ordered, left) = in_order(hard);
        return (ordered, left, false);
    }
    let both = |kept: &dyn Fn(usize, usize) -> bool| -> Waits {
        let join = |(item, (hard, soft)): (usize, (&Vec<usize>, &Vec<usize>))| {
            let soft = soft.iter().copied().filter(|other| kept(item, *other));
            let all: BTreeSet<usize> = hard.iter().copied().chain(soft).collect();
            all.into_iter().collect()
        };
        hard.iter().zip(soft).enumerate().map(join).collect()
    };
    let waits = both(&|_, _| true);
    let (ordered, left) = in_order(&waits);
    if left.is_empty() {
        return (ordered, left, false);
    }
    let circles = circles(&waits, left);
    let inside = |item: usize, other: usize| circles.contains(&item) && circles.contains(&other);
    let (ordered, left) = in_order(&both(&|item, other| !inside(item, other)));
    (ordered, left, true)
}

/// Of what is left when all that can be ordered is ordered, the items on circles and between them: what only waits for a
/// circle is taken off from the other end.
fn circles(waits: &Waits, left: Vec<usize>) -> BTreeSet<usize> {
    let left: BTreeSet<usize> = left.into_iter().collect();
    let mut backwards: Waits = Waits::new();
    backwards.resize_with(waits.len(), Vec::new);
    for item in &left {
        for before in waits[*item].iter().filter(|before| left.contains(before)) {
            backwards[*before].push(*item);
        }
    }
    in_order(&backwards).1.into_iter().collect()
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
