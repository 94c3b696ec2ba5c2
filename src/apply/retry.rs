//! Trying again: exponential waits with jitter, until a deadline.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use mlp_plan::mlp_provider::{ErrorClass, ProviderError};
use tokio::time::Instant;

const LONGEST: Duration = Duration::from_secs(10);

/// The waits between tries of one call.
pub(crate) struct Backoff {
    chance: DefaultHasher,
    next: Duration,
    deadline: Instant,
}

impl Backoff {
    pub(crate) fn new(whose: &str, first: Duration, deadline: Duration) -> Self {
        let mut chance = DefaultHasher::new();
        whose.hash(&mut chance);
        Self { chance, next: first, deadline: Instant::now() + deadline }
    }

    /// Waits before another try; `false` when there is no time for one.
    pub(crate) async fn wait(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        // Half of it is certain, half is chance, so that those who failed together do not come back together.
        // The chance hangs on whose turn it is alone, so that a simulation repeats.
        1_u8.hash(&mut self.chance);
        let chance = (self.chance.finish() % 1000) as f64 / 1000.0;
        let wait = self.next.mul_f64(0.5 + chance / 2.0).min(self.deadline - now);
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(wait).await;
        true
    }
}

/// Whether trying again may help.
pub(crate) fn passes(error: &ProviderError) -> bool {
    matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled)
}
