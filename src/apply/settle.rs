//! Calls of an earlier apply whose outcome is not known: settled by reading.

use std::sync::Arc;

use mlp_plan::mlp_provider::mlp_diag::{Blame, Diagnostic};
use mlp_plan::mlp_provider::{Observed, Owner, Ready, ResourceKind, Seen, Session};
use mlp_plan::mlp_state::{Entry, Record, State, Status, Unfinished, Writer};

use crate::{codes, compare};

/// Looks into every call that an earlier apply began and did not finish, and remembers what came of it. To be done
/// before planning, since it changes what is remembered. Gives the number settled.
///
/// # Errors
/// The target does not answer, or it cannot be told whose an object is; what was settled before stays settled.
pub async fn settle(
    session: &Arc<dyn Session>,
    journal: &Arc<dyn Writer>,
    kinds: &[ResourceKind],
) -> Result<usize, Vec<Diagnostic>> {
    let loaded = journal.loaded();
    let mut problems = Vec::new();
    let mut settled = 0;
    for left in &loaded.unfinished {
        match settle_one(session, journal, kinds, &loaded.state, left).await {
            Ok(()) => settled += 1,
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(settled) } else { Err(problems) }
}

async fn settle_one(
    session: &Arc<dyn Session>,
    journal: &Arc<dyn Writer>,
    kinds: &[ResourceKind],
    state: &State,
    left: &Unfinished,
) -> Result<(), Box<Diagnostic>> {
    // An object of another name says nothing of what was to take its place: it was set aside and is remembered as that, or it
    // was gone when the new one was begun.
    let other =
        |known: &&Arc<Record>| left.record.as_ref().is_some_and(|record| record.identity != known.identity);
    let known = state.resources.get(&left.resource).filter(|known| !other(known));
    let mut entry = (None, None);
    // A delete has no record of its own: what is remembered says which object was meant.
    if let Some(meant) = left.record.as_ref().or(known) {
        let seen = session.read(&meant.kind, &meant.identity).await.map_err(|error| error.diagnostic)?;
        entry = match (seen, &left.record) {
            (Seen::Absent, None) => (None, Some(left.resource.clone())),
            (Seen::Present(observed), Some(record)) => {
                let ready = session.ready(&record.kind, &record.identity).await;
                let ready =
                    matches!(ready.map_err(|error| error.diagnostic)?, Ready::Yes | Ready::Underway(_));
                let kind = kinds.iter().find(|kind| kind.name == record.kind);
                (found(kind, known.map(|known| &**known), record, (&observed, ready))?, None)
            }
            // Not made so far. The call may be on its way all the same, so its name is kept until a plan has looked again.
            (Seen::Absent, Some(record)) if known.is_none() => (Some(Arc::new(missing(record))), None),
            // Not changed after all, or not ended after all: the next plan sees that by itself.
            _ => (None, None),
        };
    }
    let (put, remove) = entry;
    let settle = Entry::Settle { apply: left.apply.clone(), step: left.step, call: left.call, put, remove };
    journal.begin(&settle).map_err(Box::new)
}

fn missing(record: &Record) -> Record {
    let reason = "an apply broke off while making it, and it was not there".into();
    Record { status: Status::Tainted { reason }, ..record.clone() }
}

fn found(
    kind: Option<&ResourceKind>,
    known: Option<&Record>,
    record: &Record,
    (observed, ready): (&Observed, bool),
) -> Result<Option<Arc<Record>>, Box<Diagnostic>> {
    match observed.owner {
        Owner::Foreign => return Ok(None),
        Owner::CannotTell => {
            let headline = format!("it cannot be told whether {} was made by us", record.id);
            return Err(Box::new(
                Diagnostic::error(codes::UNSETTLED, headline)
                    .on(&record.id, "")
                    .blame(Blame::Provider)
                    .note(format!(
                        "an apply broke off while making `{}`, which carries no mark",
                        record.identity
                    ))
                    .help("delete the object if it is not needed, or import it; then apply again"),
            ));
        }
        Owner::Mine => {}
    }
    let whole = compare::differences(kind, &record.applied, &observed.config).is_empty();
    if !whole && known.is_some() {
        return Ok(None);
    }
    let mut record = record.clone();
    // What is still on its way to be ready does not say yet how it is when all is well: an object that was there before was
    // well then.
    let was_well = known.filter(|known| known.status == Status::Ready);
    let well = was_well.filter(|_| !ready).map_or(&observed.config, |known| &known.applied);
    record.applied = compare::applied(kind, &record.applied, &[], well);
    record.outputs = observed.outputs.clone();
    if !whole || (!ready && was_well.is_none()) {
        record.status = Status::Tainted { reason: "an apply broke off while making it".into() };
    }
    Ok(Some(Arc::new(record)))
}
