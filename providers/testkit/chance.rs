//! Chance that a seed decides, and the faults and crashes it decides on.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// A source of chance that gives the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    /// The next number (splitmix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero for zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How a target misbehaves; chances in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Decides.
    pub seed: u64,
    /// A call is refused for coming too fast.
    pub throttled: u64,
    /// A call or a reading fails and nothing happened.
    pub transient: u64,
    /// A call is done and its answer is lost.
    pub lost: u64,
    /// A call is delivered twice.
    pub twice: u64,
    /// So many looks at most still see what was before a call whose answer arrived.
    pub stale: u64,
    /// So many looks at most until an object is ready.
    pub slow: u64,
    /// So many milliseconds at most are a call and a look on their way.
    pub travel: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Throttled,
    Transient,
    Lost,
    Twice,
}

impl Faults {
    /// A target with all faults.
    pub fn rough(seed: u64) -> Self {
        Self { seed, throttled: 8, transient: 8, lost: 8, twice: 5, stale: 3, slow: 3, travel: 20 }
    }

    /// What happens to the `attempt`-th `operation` on an object does not depend on what others do meanwhile.
    pub(crate) fn dice(&self, operation: &str, identity: &str, attempt: u64) -> Dice {
        let words = operation.bytes().chain([0]).chain(identity.bytes());
        let hash = words.fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Dice::new(hash.wrapping_add(attempt))
    }

    pub(crate) fn of_call(&self, dice: &mut Dice) -> Fault {
        let roll = dice.below(100);
        let mut end = 0;
        let faults = [
            (self.throttled, Fault::Throttled),
            (self.transient, Fault::Transient),
            (self.lost, Fault::Lost),
            (self.twice, Fault::Twice),
        ];
        for (percent, fault) in faults {
            end += percent;
            if roll < end {
                return fault;
            }
        }
        Fault::None
    }
}

/// What becomes of an act of a process that may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is done and answered.
    Alive,
    /// The process dies before the act.
    Before,
    /// The act is done and the process dies before it hears of it.
    After,
    /// The process is dead already.
    Dead,
}

/// The death of a process at its n-th outside act: everything after it has no effect.
#[derive(Debug)]
pub struct Crash {
    left: Mutex<Option<u64>>,
    after: bool,
    gone: watch::Sender<bool>,
}

impl Crash {
    /// Dies at the n-th act from zero, before it or `after` it.
    pub fn at(acts: u64, after: bool) -> Self {
        Self { left: Mutex::new(Some(acts)), after, gone: watch::Sender::new(false) }
    }

    /// Lives on.
    pub fn never() -> Self {
        Self { left: Mutex::new(None), after: false, gone: watch::Sender::new(false) }
    }

    /// Counts an act.
    pub fn act(&self) -> Moment {
        if self.is_gone() {
            return Moment::Dead;
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            None => Moment::Alive,
            Some(0) => {
                self.gone.send_replace(true);
                if self.after { Moment::After } else { Moment::Before }
            }
            Some(left) => {
                *left -= 1;
                Moment::Alive
            }
        }
    }

    /// Whether the process is dead.
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Waits for the death.
    pub async fn wait(&self) {
        // The sender lives as long as `self`, so waiting only ends with the death.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }
}

/// A process that stands still at its n-th look or call for as long as it is not let go, and then goes on as if nothing had
/// happened: its machine slept, or somebody stopped it.
#[derive(Debug)]
pub struct Stall {
    left: Mutex<Option<u64>>,
    phase: watch::Sender<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Runs,
    Stands,
    Goes,
}

impl Stall {
    /// Stands still at the n-th act from zero.
    pub fn at(acts: u64) -> Self {
        Self { left: Mutex::new(Some(acts)), phase: watch::Sender::new(Phase::Runs) }
    }

    /// Never stands still.
    pub fn never() -> Self {
        Self { left: Mutex::new(None), phase: watch::Sender::new(Phase::Runs) }
    }

    /// Whether it stands still, or did.
    pub fn stood(&self) -> bool {
        *self.phase.borrow() != Phase::Runs
    }

    /// Whether it was let go.
    pub fn goes(&self) -> bool {
        *self.phase.borrow() == Phase::Goes
    }

    /// Counts an act, and returns once the process may go on.
    pub async fn pass(&self) {
        {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            match left.as_mut() {
                None => {}
                Some(0) => {
                    *left = None;
                    self.phase.send_replace(Phase::Stands);
                }
                Some(left) => *left -= 1,
            }
        }
        // The sender lives as long as `self`, so waiting only ends with the release.
        let _ = self.phase.subscribe().wait_for(|phase| *phase != Phase::Stands).await;
    }

    /// Waits until it stands still.
    pub async fn stands(&self) {
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Stands).await;
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.phase.send_replace(Phase::Goes);
    }
}
