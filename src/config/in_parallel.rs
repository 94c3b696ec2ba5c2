//! Declarations on all the processors there are.
//!
//! What is said of a mistake, and in which order, follows from who asked for a value first. So several look at one world, each
//! with findings of its own, only as long as there is nothing to say; where there is, one begins anew and says it.

use std::num::NonZero;

use mlp_platform::Declaration;

use crate::evaluator::{Evaluator, Instance};

/// Fewer instances are computed sooner than threads are started.
const WORTH: usize = 512;
/// So many neighbours are computed by one: they often refer to each other.
const NEIGHBOURS: usize = 256;
/// Expressions nest; what is not used of it takes no memory.
const STACK: usize = 64 << 20;

/// What one thread comes to: its declarations by their places.
type Share = Vec<(usize, Vec<Declaration>)>;

/// The declarations of all instances, in the order of their addresses.
pub(crate) fn declarations<'t>(
    evaluator: &Evaluator<'t>,
    declare: fn(&Evaluator<'t>, &Instance<'t>) -> Declaration,
) -> Vec<Declaration> {
    let count = evaluator.instances.len();
    let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if count < WORTH { 1 } else { processors().min(count / NEIGHBOURS) };
    let found = (threads > 1).then(|| shared(evaluator, declare, threads));
    found.flatten().unwrap_or_else(|| {
        evaluator.instances.values().map(|instance| declare(evaluator, instance)).collect()
    })
}

/// The same by several; `None` where there is something to say.
fn shared<'t>(
    evaluator: &Evaluator<'t>,
    declare: fn(&Evaluator<'t>, &Instance<'t>) -> Declaration,
    threads: usize,
) -> Option<Vec<Declaration>> {
    let another = evaluator.beside();
    let work = |own: usize| -> (Evaluator<'t>, Share) {
        let evaluator = another();
        let instances: Vec<&Instance<'t>> = evaluator.instances.values().collect();
        let mut share = Share::new();
        for (at, some) in instances.chunks(NEIGHBOURS).enumerate().skip(own).step_by(threads) {
            if !evaluator.diagnostics.borrow().is_empty() {
                break;
            }
            share.push((at, some.iter().map(|instance| declare(&evaluator, instance)).collect()));
        }
        drop(instances);
        (evaluator, share)
    };
    let found: Option<Vec<(Evaluator<'t>, Share)>> = std::thread::scope(|scope| {
        let start = |own: usize| {
            let work = &work;
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || work(own))
        };
        let others: Vec<_> = (1..threads).map(start).collect();
        let first = work(0);
        let others = others.into_iter().map(|thread| thread.ok()?.join().ok());
        std::iter::once(Some(first)).chain(others).collect()
    });
    let found = found?;
    if found.iter().any(|(one, _)| !one.diagnostics.borrow().is_empty()) {
        return None;
    }
    let mut all = Share::new();
    for (one, mut share) in found {
        evaluator.take_over(one);
        all.append(&mut share);
    }
    all.sort_by_key(|(at, _)| *at);
    Some(all.into_iter().flat_map(|(_, some)| some).collect())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::Resolution;
    use crate::tests::{HEAD, resolve_text};

    /// So many blocks of a specification that grows at its end only: what the first are does not depend on how many there are.
    fn resolved(count: usize, wrong: &str) -> Resolution {
        let mut text = format!("{HEAD}variable \"v\" {{\n  default = 2\n}}\n{wrong}");
        for at in 0..count {
            let before = at.saturating_sub(1);
            let description =
                if at == 0 { "\"0\"".to_owned() } else { format!("storage.s{before}.description") };
            write!(
                text,
                "storage \"s{at}\" {{\n  kind = \"object\"\n  description = {description}\n}}\ndataset \"d{at}\" {{\n  \
                 description = \"${{var.v}} of {at}\"\n  storage = storage.s{at}\n}}\n"
            )
            .unwrap();
        }
        resolve_text(&text, "local")
    }

    #[test]
    fn several_come_to_what_one_comes_to() {
        for wrong in ["", "storage \"wrong\" {\n  kind = \"nothing\"\n  description = storage.none\n}\n"] {
            let (few, many) = (resolved(WORTH / 4, wrong), resolved(2 * WORTH, wrong));
            assert_eq!(few.diagnostics.is_empty(), wrong.is_empty());
            let codes = |found: &Resolution| -> Vec<_> {
                found.diagnostics.iter().map(|one| (one.code.clone(), one.place())).collect()
            };
            assert_eq!(codes(&few), codes(&many));
            let (few, many) = (few.platform.unwrap().declarations, many.platform.unwrap().declarations);
            assert!(many.len() > 4 * WORTH);
            for (address, declaration) in &few {
                assert_eq!(many.get(address), Some(declaration));
            }
        }
    }
}
