//! What is done to the memory itself, under the lease and with an entry in the history: move, forget, replace.

use mlp_diag::{Diagnostic, one_of};
use mlp_state::{Depot, Entry, Holder, Loaded, State, Writer, import, rfc3339, unix_now};
use mlp_value::ResourceId;

/// Who does it, and with which command.
#[derive(Debug, Clone)]
pub struct Act {
    /// The user.
    pub user: String,
    /// `user@host`.
    pub who: String,
    /// The command, for the history.
    pub command: String,
    /// The project's git commit.
    pub commit: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Remembered {
    /// What was done, a line each.
    pub done: Vec<String>,
    /// What a person has to know of it.
    pub notes: Vec<String>,
    /// The state's serial now.
    pub serial: u64,
}

/// The records that a selector names: an address with all its roles, one role, a module, or all instances of a block.
///
/// # Errors
/// Nothing is called so.
pub fn select(state: &State, selector: &str) -> Result<Vec<ResourceId>, Diagnostic> {
    let is_it = |id: &&ResourceId| {
        let (whole, address) = (id.to_string(), id.address.to_string());
        let below =
            |text: &str| text.strip_prefix(selector).is_some_and(|rest| rest.starts_with(['.', '[', '/']));
        whole == selector || address == selector || below(&whole)
    };
    let found: Vec<ResourceId> = state.resources.keys().filter(is_it).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let known: Vec<String> = state.resources.keys().map(ToString::to_string).collect();
    let error = Diagnostic::error("MLP0951", format!("nothing is remembered of `{selector}`"));
    Err(if known.is_empty() {
        error.help("nothing was applied yet: `mlp apply` begins")
    } else {
        error
            .note(one_of(selector, known.iter().map(String::as_str)))
            .help("`mlp state list` names everything")
    })
}

/// Does something under the lease, journalled, with an entry in the history.
fn under_lease(
    depot: &dyn Depot,
    act: &Act,
    work: impl FnOnce(&dyn Writer, &mut Remembered) -> Result<(), Diagnostic>,
) -> Result<Remembered, Diagnostic> {
    let writer = depot.open(&Holder::of(&act.user))?;
    let when = rfc3339(unix_now());
    writer.append(&Entry::Open {
        apply: format!("{when}-{}", writer.token()),
        who: act.who.clone(),
        command: act.command.clone(),
        when,
        plan_digest: String::new(),
        commit: act.commit.clone(),
    })?;
    let mut remembered = Remembered::default();
    let worked = work(&*writer, &mut remembered);
    let (word, summary) = match &worked {
        Ok(()) => ("done", remembered.done.join(", ")),
        Err(problem) => ("failed", problem.headline.clone()),
    };
    let state = writer.close(word, &summary)?;
    worked?;
    remembered.serial = state.serial;
    Ok(remembered)
}

/// What an apply that broke off left unknown is settled first: it speaks of things by the names they had.
fn settled(loaded: &Loaded) -> Result<(), Diagnostic> {
    let Some(left) = loaded.unfinished.first() else { return Ok(()) };
    let headline = format!("an apply broke off, and what became of {} is not known yet", left.resource);
    Err(Diagnostic::error("MLP0952", headline)
        .note(format!("{} calls are unsettled", loaded.unfinished.len()))
        .help("`mlp apply` asks the target and settles them; then do this again"))
}

/// Gives what is remembered under one address another.
///
/// # Errors
/// Nothing is called so, the other is taken or of another kind, or the lease is held.
pub fn move_to(depot: &dyn Depot, act: &Act, from: &str, to: &str) -> Result<Remembered, Diagnostic> {
    let plan = |state: &State| pairs(state, from, to);
    let loaded = depot.read()?;
    settled(&loaded)?;
    plan(&loaded.state)?;
    under_lease(depot, act, |writer, remembered| {
        for (from, to) in plan(&writer.loaded().state)? {
            remembered.done.push(format!("{from} is {to} now"));
            writer.append(&Entry::Move { step: 0, from, to })?;
        }
        remembered.notes.push(
            "the specification has to say so too, or the next plan moves it back or replaces it".into(),
        );
        Ok(())
    })
}

/// What a move would do: each record with the id it gets.
///
/// # Errors
/// Nothing is called so, or the other is taken or of another kind.
pub fn pairs(state: &State, from: &str, to: &str) -> Result<Vec<(ResourceId, ResourceId)>, Diagnostic> {
    let wrong = |headline: String, help: &str| Diagnostic::error("MLP0951", headline).help(help);
    let parse = |text: &str| {
        text.parse::<ResourceId>()
            .map_err(|why| wrong(format!("`{text}` is no address: {why}"), "write `endpoint.fraud`"))
    };
    let (source, target) = (parse(from)?, parse(to)?);
    let found = select(state, from)?;
    if found.iter().any(|id| id.address != source.address) {
        let help = "move one declaration at a time, or write a `moved` block for a whole module";
        return Err(wrong(format!("`{from}` names more than one declaration"), help));
    }
    if source.address.kind != target.address.kind {
        let headline = format!("`{from}` is a {} and `{to}` a {}", source.address.kind, target.address.kind);
        return Err(wrong(headline, "what is moved stays what it is"));
    }
    if source.role != target.role {
        return Err(wrong(format!("`{to}` has another role than `{from}`"), "move the whole declaration"));
    }
    let renamed = |id: &ResourceId| ResourceId { address: target.address.clone(), role: id.role.clone() };
    let pairs: Vec<_> = found.into_iter().map(|id| (id.clone(), renamed(&id))).collect();
    if let Some((_, taken)) = pairs.iter().find(|(_, to)| state.resources.contains_key(to)) {
        return Err(wrong(format!("`{taken}` is remembered already"), "move or remove that one first"));
    }
    Ok(pairs)
}

/// Forgets records; what they stand for stays in the target.
///
/// # Errors
/// Nothing is called so, or the lease is held.
pub fn forget(depot: &dyn Depot, act: &Act, selectors: &[String]) -> Result<Remembered, Diagnostic> {
    let chosen = |state: &State| -> Result<Vec<ResourceId>, Diagnostic> {
        let mut all = Vec::new();
        for selector in selectors {
            all.extend(select(state, selector)?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    };
    let loaded = depot.read()?;
    settled(&loaded)?;
    chosen(&loaded.state)?;
    under_lease(depot, act, |writer, remembered| {
        let state = writer.loaded().state;
        let gone = chosen(&state)?;
        for id in &gone {
            let record = &state.resources[id];
            remembered.done.push(format!("forgot {id}"));
            remembered.notes.push(format!("{} `{}` stays in the target", record.kind, record.identity));
            let remove = Some(id.clone());
            writer.append(&Entry::Done { step: 0, call: 0, put: None, remove })?;
        }
        for record in state.resources.values().filter(|record| !gone.contains(&record.id)) {
            if let Some(needed) = record.depends_on.iter().find(|id| gone.contains(id)) {
                remembered.notes.push(format!("{} was made after {needed}", record.id));
            }
        }
        Ok(())
    })
}

/// Puts a state in place of what is remembered.
///
/// # Errors
/// It is damaged, of something else, of another lineage or older, unless `force`; or the lease is held.
pub fn push(
    depot: &dyn Depot,
    act: &Act,
    name: &str,
    text: &[u8],
    force: bool,
) -> Result<Remembered, Diagnostic> {
    let (incoming, unfinished) = import(name, text)?;
    let check = |loaded: &Loaded| -> Result<(), Diagnostic> {
        belongs(name, &incoming, &loaded.state)?;
        if force { Ok(()) } else { settled(loaded).and_then(|()| follows(name, &incoming, &loaded.state)) }
    };
    check(&depot.read()?)?;
    replace(depot, act, |remembered, before| {
        check(before)?;
        let mut state = incoming.clone();
        state.serial = state.serial.max(before.state.serial + 1);
        remembered.done.push(format!("pushed {}", counted(state.resources.len())));
        if !unfinished.is_empty() {
            remembered.notes.push(format!(
                "{} calls were unsettled when it was pulled: look at what they were about with `mlp plan`",
                unfinished.len()
            ));
        }
        Ok(state)
    })
}

/// Replaces what is remembered by what `make` gives.
///
/// # Errors
/// What `make` says, or the lease is held.
pub fn replace(
    depot: &dyn Depot,
    act: &Act,
    make: impl FnOnce(&mut Remembered, &Loaded) -> Result<State, Diagnostic>,
) -> Result<Remembered, Diagnostic> {
    under_lease(depot, act, |writer, remembered| {
        let state = make(remembered, &writer.loaded())?;
        writer.begin(&Entry::Replace { state: Box::new(state) })
    })
}

/// Writes everything anew with the key of now.
///
/// # Errors
/// The lease is held, or the store cannot be read or written.
pub fn rewrite(depot: &dyn Depot, act: &Act) -> Result<Remembered, Diagnostic> {
    under_lease(depot, act, |writer, remembered| {
        let records = counted(writer.loaded().state.resources.len());
        remembered.done.push(format!("wrote {records} anew"));
        Ok(())
    })
}

/// `1 record`, `2 records`.
pub fn counted(records: usize) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}

fn belongs(name: &str, incoming: &State, here: &State) -> Result<(), Diagnostic> {
    let of = |state: &State| format!("project {}, environment {}", state.project, state.environment);
    if of(incoming) == of(here) {
        return Ok(());
    }
    let headline = format!("{name} is the state of {}, and this is {}", of(incoming), of(here));
    Err(Diagnostic::error("MLP0953", headline)
        .help("push it in the project and environment it was pulled from"))
}

/// Whether a state may take the place of another without anything getting lost.
fn follows(name: &str, incoming: &State, here: &State) -> Result<(), Diagnostic> {
    if here.resources.is_empty() && here.serial == 0 {
        return Ok(());
    }
    let conflict = |headline: String| {
        Err(Diagnostic::error("MLP0953", headline)
            .note("what is remembered here would be lost")
            .help("look at both with `mlp state pull`; `--force` puts it there all the same"))
    };
    if incoming.lineage != here.lineage {
        return conflict(format!("{name} is of another lineage: it did not come from this state"));
    }
    if incoming.serial < here.serial {
        return conflict(format!(
            "{name} has serial {}, and here it is {} already",
            incoming.serial, here.serial
        ));
    }
    if incoming.serial == here.serial && incoming.digest() != here.digest() {
        return conflict(format!("{name} has the same serial {} and other content", here.serial));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlp_state::{DirStore, Store, export};

    fn act() -> Act {
        Act { user: "ann".into(), who: "ann@here".into(), command: "state".into(), commit: None }
    }

    /// A store that remembers these.
    fn depot(root: &std::path::Path, ids: &[&str]) -> DirStore {
        let store = DirStore::new(root, "p", "e");
        replace(&store, &act(), |_, before| {
            let mut state = before.state.clone();
            ids.iter().for_each(|id| state.put(record(id)));
            Ok(state)
        })
        .unwrap();
        store
    }

    fn record(id: &str) -> mlp_state::Record {
        let json = serde_json::json!({
            "id": id, "kind": "k", "provider": "local.here", "identity": id, "applied": {}, "outputs": {},
            "depends_on": [], "protect": false, "keep": false, "schema_version": 1, "lowering_version": 1,
            "status": "ready", "place": null,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_selector_names_an_address_a_role_a_module_or_instances() {
        let dir = tempfile::tempdir().unwrap();
        let store = depot(
            dir.path(),
            &[
                "model.a",
                "model.ab",
                "endpoint.e/router",
                "endpoint.e/worker",
                "module.m.model.a",
                "model.i[\"x\"]",
            ],
        );
        let state = store.read().unwrap().state;
        for (selector, count) in
            [("model.a", 1), ("endpoint.e", 2), ("endpoint.e/router", 1), ("module.m", 1), ("model.i", 1)]
        {
            assert_eq!(select(&state, selector).unwrap().len(), count, "{selector}");
        }
        let error = select(&state, "model.b").unwrap_err();
        assert_eq!(error.code, "MLP0951");
        assert!(error.notes[0].contains("model.a"), "{error:?}");
    }

    #[test]
    fn what_is_moved_and_forgotten_stands_in_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let store = depot(dir.path(), &["model.a", "model.b"]);
        for (from, to) in
            [("model.a", "model.b"), ("model.a", "dataset.c"), ("model.z", "model.c"), ("model.a", "?")]
        {
            assert_eq!(move_to(&store, &act(), from, to).unwrap_err().code, "MLP0951", "{from} {to}");
        }
        move_to(&store, &act(), "model.a", "model.c").unwrap();
        let gone = forget(&store, &act(), &["model.b".into()]).unwrap();
        assert_eq!(gone.done, ["forgot model.b"]);
        let state = store.read().unwrap().state;
        let ids: Vec<_> = state.resources.keys().map(ToString::to_string).collect();
        assert_eq!(ids, ["model.c"]);
        let summaries: Vec<_> = store.history().unwrap().into_iter().map(|one| one.summary).collect();
        assert_eq!(summaries[1..], ["model.a is model.c now", "forgot model.b"]);
    }

    #[test]
    fn a_push_is_of_the_same_lineage_and_no_older() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = depot(dir.path(), &["model.a"]);
        let pulled = |store: &DirStore| export(&store.read().unwrap().state, &[]).unwrap();
        let first = pulled(&store);
        forget(&store, &act(), &["model.a".into()]).unwrap();
        let refused = |text: &str, force: bool| push(&store, &act(), "it", text.as_bytes(), force);
        assert_eq!(refused(&first, false).unwrap_err().code, "MLP0953");
        let foreign = pulled(&depot(other.path(), &["model.x"]));
        assert!(refused(&foreign, false).unwrap_err().headline.contains("lineage"));
        let elsewhere = first.replace("\"project\":\"p\"", "\"project\":\"q\"");
        assert_eq!(refused(&elsewhere, true).unwrap_err().code, "MLP0601");
        refused(&first, true).unwrap();
        let now = store.read().unwrap().state;
        assert_eq!(now.resources.len(), 1);
        // A state is pushed back as it was pulled.
        push(&store, &act(), "it", pulled(&store).as_bytes(), false).unwrap();
        assert!(store.read().unwrap().state.serial > now.serial);
    }
}
