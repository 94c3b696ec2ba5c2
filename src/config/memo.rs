//! What was computed already, what is being computed, and what waits for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use mlp_diag::Span;
use mlp_eval::Outcome;
use mlp_value::Address;

/// Something that is computed once.
#[derive(Debug, Clone)]
pub(crate) enum Memo<T> {
    /// It is being computed: whoever asks for it now needs itself.
    Busy,
    /// It came to this.
    Done(T),
}

/// Values by name, those of each room or instance by its number.
#[derive(Debug, Default)]
pub(crate) struct Named(HashMap<usize, HashMap<String, Memo<Option<Outcome>>>>);

/// The same, filled while something else is asked for.
pub(crate) type Values = RefCell<Named>;

impl Named {
    pub(crate) fn get(&self, within: usize, name: &str) -> Option<&Memo<Option<Outcome>>> {
        self.0.get(&within)?.get(name)
    }

    pub(crate) fn put(&mut self, within: usize, name: &str, memo: Memo<Option<Outcome>>) {
        let all = self.0.entry(within).or_default();
        match all.get_mut(name) {
            Some(there) => *there = memo,
            None => drop(all.insert(name.to_owned(), memo)),
        }
    }

    /// Forgets one.
    pub(crate) fn forget(&mut self, within: usize, name: &str) {
        let Some(all) = self.0.get_mut(&within) else { return };
        all.remove(name);
        if all.is_empty() {
            self.0.remove(&within);
        }
    }

    /// Adds what another knows.
    pub(crate) fn take_over(&mut self, other: Self) {
        for (within, all) in other.0 {
            self.0.entry(within).or_default().extend(all);
        }
    }
}

/// Something that is being computed, and where it is asked for.
#[derive(Debug)]
pub(crate) enum Frame {
    /// An attribute of a declaration.
    Attribute(Address, &'static str, Option<Span>),
    /// An attribute beyond the schema.
    Open(Address, String, Option<Span>),
    /// Anything else, as it is written.
    Named(String, Option<Span>),
}

impl Frame {
    /// Where it is asked for.
    pub(crate) fn from(&self) -> Option<Span> {
        match self {
            Self::Attribute(.., from) | Self::Open(.., from) | Self::Named(_, from) => *from,
        }
    }

    /// Whether two are the same, wherever they are asked for.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Attribute(address, name, _), Self::Attribute(other, others, _)) => {
                address == other && name == others
            }
            (Self::Open(address, name, _), Self::Open(other, others, _)) => {
                address == other && name == others
            }
            (Self::Named(name, _), Self::Named(other, _)) => name == other,
            _ => false,
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(address, name, _) => write!(f, "{address}.{name}"),
            Self::Open(address, name, _) => write!(f, "{address}.{name}"),
            Self::Named(name, _) => f.write_str(name),
        }
    }
}
