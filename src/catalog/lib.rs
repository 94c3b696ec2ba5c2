//! Which chips there are, which machines carry them, and what these cost: facts with sources and dates, and the phrase that asks for
//! them.
//!
//! The facts are read once, when something first asks. What nobody knows stays unknown; it is never zero.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod chips;
mod machines;
mod phrase;
mod rows;
mod tpu;

use std::sync::LazyLock;

pub use chips::{Chip, Form};
pub use machines::{Count, Fabric, Filter, Machine, Price};
pub use phrase::{Choice, Phrase, Problem};
pub use rows::RowProblem;

/// The facts of the program.
const CHIPS: &str = include_str!("../../schemas/catalog/chips.csv");
const MACHINES: &str = include_str!("../../schemas/catalog/accelerators.csv");

/// Chips and machines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// The chips, by name; one that comes in several varieties stands several times.
    pub chips: Vec<Chip>,
    /// The machines that carry them.
    pub machines: Vec<Machine>,
}

impl Catalog {
    /// The facts of the program itself.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| Catalog::of(CHIPS, MACHINES).0);
        &BUILT_IN
    }

    /// A catalogue of these files, and the rows that could not be read.
    fn of(chips: &str, machines: &str) -> (Self, Vec<RowProblem>) {
        let (chips, mut problems) = chips::read(chips);
        let mut catalog = Self { chips, machines: Vec::new() };
        problems.extend(catalog.extend(machines, "the program"));
        (catalog, problems)
    }

    /// Adds the rows of a user's file; a row for a machine and region that are known already says only what is otherwise.
    pub fn extend(&mut self, text: &str, from: &str) -> Vec<RowProblem> {
        machines::extend(self, text, from)
    }

    /// Adds what the chips of one provider cost there: `accelerator, form, price_per_hour, currency, source, date`.
    pub fn price(&mut self, provider: &str, text: &str, from: &str) -> Vec<RowProblem> {
        machines::price(self, provider, text, from)
    }

    /// The names of all chips, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.chips.iter().map(|chip| chip.name.as_str()).collect();
        names.dedup();
        names
    }

    /// The varieties of a chip, by its name or one of its other names; empty when nobody knows it.
    pub fn varieties(&self, name: &str) -> Vec<&Chip> {
        let wanted = chips::plain(name);
        let exact: Vec<&Chip> = self.chips.iter().filter(|chip| chips::plain(&chip.name) == wanted).collect();
        if !exact.is_empty() {
            return exact;
        }
        self.chips
            .iter()
            .filter(|chip| chip.aliases.iter().any(|alias| chips::plain(alias) == wanted))
            .collect()
    }

    /// The machines that a filter lets through, the cheapest by chip first and those of unknown price last.
    pub fn offers(&self, filter: &Filter) -> Vec<&Machine> {
        let mut found: Vec<&Machine> = self.machines.iter().filter(|one| filter.lets(one)).collect();
        found.sort_by(|a, b| machines::by_price(a, b));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_can_be_read_and_every_machine_has_a_known_chip() {
        let (catalog, problems) = Catalog::of(CHIPS, MACHINES);
        assert_eq!(problems, []);
        let chips = chips::read(CHIPS).0;
        assert_eq!(catalog.chips.len(), chips.len(), "a machine names a chip that chips.csv does not");
        assert!(catalog.machines.len() >= 150, "{}", catalog.machines.len());
        for machine in &catalog.machines {
            assert!(!machine.source.is_empty(), "{} has no source", machine.instance);
            if let Some(price) = &machine.price {
                assert!(!price.as_of.is_empty() && !price.amount.is_zero(), "{}", machine.instance);
                assert!(!machine.region.is_empty(), "{} has a price and no region", machine.instance);
            }
        }
        assert!(catalog.chips.iter().all(|chip| !chip.source.is_empty()));
    }
}
