//! What is said of one specification in several environments, told once.

use std::collections::HashMap;

use mlp_diag::{Diagnostic, Diagnostics, Label};

/// What makes two diagnostics one mistake: what is wrong, and where.
fn mistake(one: &Diagnostic) -> (String, String, Option<Label>) {
    let place = one.labels.iter().find(|label| label.primary).cloned();
    (one.code.clone(), one.headline.clone(), place)
}

/// Joins what was found in each environment, in their order: a mistake that several have is told once, and where only some
/// of them have it, it names them.
pub fn together(environments: &[String], found: Vec<Diagnostics>) -> Diagnostics {
    let mut all: Vec<(Diagnostic, Vec<usize>)> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for (index, diagnostics) in found.into_iter().enumerate() {
        for diagnostic in diagnostics {
            let at = *known.entry(mistake(&diagnostic)).or_insert(all.len());
            match all.get_mut(at) {
                Some((_, of)) if of.last() == Some(&index) => {}
                Some((_, of)) => of.push(index),
                None => all.push((diagnostic, vec![index])),
            }
        }
    }
    let count = environments.len();
    let name = |(diagnostic, of): (Diagnostic, Vec<usize>)| {
        if count < 2 || of.len() == count {
            return diagnostic;
        }
        let names: Vec<String> = of.iter().map(|index| format!("`{}`", environments[*index])).collect();
        let word = if names.len() == 1 { "environment" } else { "environments" };
        diagnostic.note(format!("in the {word} {}", names.join(", ")))
    };
    all.into_iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_several_environments_is_told_once_and_names_them() {
        let one = || Diagnostic::error("MLP0306", "wrong");
        let two = || Diagnostic::error("MLP0307", "missing");
        let names: Vec<String> = ["dev", "staging", "production"].map(str::to_owned).to_vec();
        let found = together(&names, vec![vec![one()], vec![one(), two()], vec![one(), two(), two()]]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].notes, Vec::<String>::new());
        assert_eq!(found[1].notes, ["in the environments `staging`, `production`"]);
    }
}
