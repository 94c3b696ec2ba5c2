//! What comes after what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// For each item, known by its place, the places of those it waits for.
pub type Waits = Vec<Vec<usize>>;

/// Places in an order in which each comes after what it waits for, the lowest first; and those that wait for themselves.
pub fn in_order(waits: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut waited_by: Waits = Waits::new();
    waited_by.resize_with(waits.len(), Vec::new);
    for (item, before) in waits.iter().enumerate() {
        before.iter().for_each(|other| waited_by[*other].push(item));
    }
    let free = open.iter().enumerate().filter(|(_, open)| **open == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(|(item, _)| Reverse(item)).collect();
    let mut ordered = Vec::with_capacity(waits.len());
    while let Some(Reverse(item)) = ready.pop() {
        ordered.push(item);
        for other in &waited_by[item] {
            open[*other] -= 1;
            if open[*other] == 0 {
                ready.push(Reverse(*other));
            }
        }
    }
    let left = (0..waits.len()).filter(|item| open[*item] > 0).collect();
    (ordered, left)
}
