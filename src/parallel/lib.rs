//! Work on many pieces, shared out over the processors there are; results come in the order of the pieces.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many pieces are taken at a time, at most.
const SHARE: usize = 64;
/// Values nest; what is not used of it takes no memory.
const STACK: usize = 64 << 20;

/// `one` of every piece, in their order. With one processor, and where it is not worth to start threads, each is looked at when
/// it is asked for.
pub fn in_parallel<'p, P: Sync, R: Send + 'p>(
    pieces: &'p [P],
    worth: bool,
    one: impl Fn(&'p P) -> R + Sync + 'p,
) -> Box<dyn Iterator<Item = R> + 'p> {
    // To ask how many processors there are takes as long as to read a few blocks.
    let processors = || std::thread::available_parallelism().map_or(1, NonZero::get).min(pieces.len());
    let threads = if worth { processors() } else { 1 };
    if threads < 2 {
        return Box::new(pieces.iter().map(one));
    }
    let share = (pieces.len() / (4 * threads)).clamp(1, SHARE);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Vec<R>)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(some) = pieces.chunks(share).nth(at) else { return done };
            done.push((at, some.iter().map(&one).collect()));
        }
    };
    let done: Option<Vec<_>> = std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let others: Vec<_> = (1..threads).map(start).collect();
        let own = work();
        // A thread that cannot be started takes no piece; one that ended in a panic took some with it.
        let others = others.into_iter().flatten().map(|thread| thread.join().ok());
        std::iter::once(Some(own)).chain(others).collect()
    });
    let Some(done) = done else { return Box::new(pieces.iter().map(one)) };
    let mut all: Vec<(usize, Vec<R>)> = done.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    Box::new(all.into_iter().flat_map(|(_, some)| some))
}
