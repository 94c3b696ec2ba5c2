//! What one evaluation may produce: an expression of a few words can ask for more memory than there is.

use std::cell::Cell;

use mlp_value::Value;

use crate::PlanValue;

const MAX_TEXT: u64 = 64 << 20;
const MAX_ITEMS: u64 = 1 << 20;
const MAX_STEPS: u64 = 50_000_000;
/// Steps that it takes to do something with one part of a value.
const PART: usize = 10;

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    text: Cell<u64>,
    items: Cell<u64>,
    steps: Cell<u64>,
}

/// More is asked for than there is.
#[derive(Debug)]
pub(crate) struct Exhausted(pub(crate) String);

impl From<Exhausted> for String {
    fn from(exhausted: Exhausted) -> Self {
        exhausted.0
    }
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { text: Cell::new(MAX_TEXT), items: Cell::new(MAX_ITEMS), steps: Cell::new(MAX_STEPS) }
    }

    /// Takes so many bytes of text; call it before they are produced.
    pub(crate) fn text(&self, bytes: usize) -> Result<(), Exhausted> {
        take(&self.text, bytes)
            .ok_or_else(|| Exhausted(format!("more than {} MiB of text would be produced", MAX_TEXT >> 20)))
    }

    /// Takes so many list items or attributes; call it before they are produced.
    pub(crate) fn items(&self, count: usize) -> Result<(), Exhausted> {
        take(&self.items, count).ok_or_else(too_many_items)
    }

    /// Takes one step of computation.
    pub(crate) fn step(&self) -> Result<(), Exhausted> {
        self.steps(1)
    }

    /// Takes as many steps as a value has parts; call it before all of them are looked at.
    pub(crate) fn look<H>(&self, value: &Value<H>) -> Result<(), Exhausted> {
        match value {
            Value::List(_) | Value::Object(_) => self.steps(size(value).saturating_mul(PART)),
            _ => Ok(()),
        }
    }

    /// Takes steps of computation.
    pub(crate) fn steps(&self, count: usize) -> Result<(), Exhausted> {
        take(&self.steps, count)
            .ok_or_else(|| Exhausted(format!("more than {MAX_STEPS} steps of computation would be taken")))
    }
}

/// The number of parts of a value.
fn size<H>(value: &Value<H>) -> usize {
    match value {
        Value::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(items) => items.values().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}

fn take(left: &Cell<u64>, amount: usize) -> Option<()> {
    left.set(left.get().checked_sub(u64::try_from(amount).ok()?)?);
    Some(())
}

fn too_many_items() -> Exhausted {
    Exhausted(format!("more than {MAX_ITEMS} items would be produced"))
}

/// Refuses a value that is small in memory because its parts are shared, and vast once it is written out.
pub(crate) fn check_size(value: &PlanValue) -> Result<(), Exhausted> {
    fn go(value: &PlanValue, left: &mut u64) -> Option<()> {
        *left = left.checked_sub(1)?;
        match value {
            Value::List(items) => items.iter().try_for_each(|item| go(item, left)),
            Value::Object(items) => items.values().try_for_each(|item| go(item, left)),
            _ => Some(()),
        }
    }
    match value {
        Value::List(_) | Value::Object(_) => go(value, &mut (MAX_ITEMS * 2)).ok_or_else(too_many_items),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long list in a loop: each look at it counts.
    #[test]
    fn looking_at_a_long_list_again_and_again_comes_to_an_end() {
        let budget = Budget::new();
        let long: PlanValue = Value::list((0..100_000).map(Value::int));
        let looks = (0..1_000).take_while(|_| budget.look(&long).is_ok()).count();
        assert!((10..100).contains(&looks), "{looks}");
        assert!(budget.look::<crate::Unknown>(&Value::int(1)).is_ok(), "one value costs nothing");
    }
}
