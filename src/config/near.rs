//! What may be meant by a name that nothing has: looked for once for each, however often it stands there, and given up where so
//! many are wrong that nobody waits for it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use mlp_diag::{did_you_mean, one_of};
use mlp_value::Address;

/// So many names are compared with wrong ones in one specification.
const MOST: usize = 2_000_000;

/// A name, in a module.
type Named = (Vec<Arc<str>>, String);

/// What was found already.
#[derive(Debug, Default)]
pub(crate) struct Near {
    helps: RefCell<HashMap<String, Option<String>>>,
    named: RefCell<HashMap<Named, Option<Address>>>,
    compared: Cell<usize>,
}

impl Near {
    /// The way out for a name: which of those that there are is meant, each with how it would be written. `None` where there
    /// are none, or there were too many to compare.
    pub(crate) fn help(
        &self,
        whole: &str,
        name: &str,
        names: impl FnOnce() -> Vec<(String, String)>,
    ) -> Option<String> {
        if let Some(known) = self.helps.borrow().get(whole) {
            return known.clone();
        }
        let help = (self.compared.get() < MOST).then(|| {
            let names = names();
            self.compared.set(self.compared.get() + names.len());
            (!names.is_empty()).then(|| one_of_shown(name, &names))
        });
        self.helps.borrow_mut().insert(whole.to_owned(), help.clone().flatten());
        help.flatten()
    }

    /// The declaration of a module that is called so.
    pub(crate) fn named(
        &self,
        module: &[Arc<str>],
        name: &str,
        find: impl FnOnce() -> Option<Address>,
    ) -> Option<Address> {
        let key = (module.to_vec(), name.to_owned());
        if let Some(known) = self.named.borrow().get(&key) {
            return known.clone();
        }
        let found = find();
        self.named.borrow_mut().insert(key, found.clone());
        found
    }
}

/// `one_of` by names, showing what would be written.
fn one_of_shown(written: &str, names: &[(String, String)]) -> String {
    let plain = names.iter().map(|(name, _)| name.as_str());
    match did_you_mean(written, plain).and_then(|near| names.iter().find(|(name, _)| name == near)) {
        Some((_, shown)) => format!("did you mean `{shown}`?"),
        None => one_of("", names.iter().map(|(_, shown)| shown.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_once_and_many_are_given_up() {
        let near = Near::default();
        let names = || vec![("orders".to_owned(), "dataset.orders".to_owned())];
        let wanted = Some("did you mean `dataset.orders`?".to_owned());
        assert_eq!(near.help("dataset.order", "order", names), wanted);
        assert_eq!(near.help("dataset.order", "order", || panic!("looked for again")), wanted);
        assert_eq!(near.help("dataset.x", "x", Vec::new), None);
        near.compared.set(MOST);
        assert_eq!(near.help("dataset.other", "other", || panic!("looked for")), None);
    }
}
