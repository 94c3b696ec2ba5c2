//! The contract a provider fulfils: a pure declaring half (kinds with field tables, lowerings, calls as data) and a doing
//! half, a [`Session`]. Everything that crosses it is plain data that serialises.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod calls;
mod desired;
mod dialect;
mod emitted;
mod fields;
mod images;
mod lowering;
mod owned;
mod session;
mod upkeep;

// What the contract is written in, so that a provider needs no edge of its own to it.
pub use {mlp_diag, mlp_eval, mlp_platform, mlp_value};

pub use calls::{Call, CallKind, ResourceChange};
pub use desired::{Declared, Deferral, Desired, Lifecycle, LowerInput, Lowered, OnDestroy};
pub use dialect::Dialect;
pub use emitted::{Emitted, Form};
pub use fields::{Change, Equality, Field, Lasting, Ownership, Presence, ResourceKind};
pub use images::{ImageInputs, ImageRecord, ImageSource, code_place, image_sources};
pub use lowering::Lowering;
pub use owned::Owned;
pub use session::{
    ErrorClass, Event, ForwardRequest, LogQuery, Observed, Owner, ProviderError, Ready, Removal, Reporter,
    RunRequest, RunSummary, Seen, Session, ShowQuery, Shown, StatusEntry, StepSummary, Target,
};
pub use upkeep::{CollectRequest, Collected, Garbage, RollbackAct, RollbackRequest, RunEntry};

use std::sync::Arc;

/// What a provider makes of a portable kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// By the target's own means.
    Native,
    /// By the portable floor.
    Emulated,
    /// Needs nothing of the target: the specification alone gives it its meaning.
    Declarative,
    /// Refused where the chosen environment includes it, with this reason.
    Refused(&'static str),
}

/// A target's words.
#[async_trait::async_trait]
pub trait Provider: Send + Sync {
    /// The kind in `provider "<kind>" "<name>"`.
    fn kind(&self) -> &'static str;

    /// Its version: a plan made with one is not applied with another. That of `mlp` where it is built in.
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    /// Its native resources, with their field tables.
    fn resources(&self) -> &[ResourceKind];

    /// What it makes of a portable kind.
    fn support(&self, kind: &str) -> Support;

    /// The native resources behind one declaration; pure.
    fn lower(&self, input: &LowerInput<'_>) -> Lowered;

    /// The calls that make one change, in order; pure.
    fn calls(&self, change: &ResourceChange) -> Vec<Call>;

    /// The forms in which it writes what would be applied, in the order of their names.
    fn forms(&self) -> &'static [Form] {
        &[]
    }

    /// Opens the doing half.
    ///
    /// # Errors
    /// The target cannot be reached or refuses.
    async fn connect(&self, target: &Target) -> Result<Arc<dyn Session>, ProviderError>;

    /// The identity of a native object of that name, for kinds that may be declared or looked up by themselves.
    fn identity(&self, _kind: &str, _name: &str) -> Option<String> {
        None
    }

    /// The identity of a native object that a specification declares by itself, and the fields that say where it lies; pure.
    /// `name` is that of the block, with a digest of its address where another may have the same.
    fn declared(
        &self,
        _platform: &mlp_platform::Platform,
        kind: &str,
        _address: &mlp_value::Address,
        name: &str,
    ) -> Option<(String, Vec<(&'static str, mlp_value::KnownValue)>)> {
        Some((self.identity(kind, name)?, Vec::new()))
    }

    /// The native kinds that an object of a portable kind may be, where a declaration can be written for one that is found.
    fn natives(&self, _kind: &str) -> &'static [&'static str] {
        &[]
    }

    /// What would be declared to have an object of a native kind as it was found; pure. `None` where that cannot be told.
    fn declare(&self, _native: &str, _config: &mlp_value::KnownValue) -> Option<Declared> {
        None
    }

    /// The field table of a native kind.
    fn resource(&self, kind: &str) -> Option<&ResourceKind> {
        self.resources().iter().find(|resource| resource.name == kind)
    }

    /// Whether nothing is made outside the state of objects of that kind.
    fn is_in_state(&self, kind: &str) -> bool {
        self.resource(kind).is_some_and(|kind| kind.in_state)
    }
}
