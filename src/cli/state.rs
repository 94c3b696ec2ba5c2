//! `mlp state`: what is remembered, and what may be done to the memory itself.

use std::io::Read;
use std::path::PathBuf;

use mlp_diag::Diagnostic;
use mlp_state::{Depot, Holder, Loaded, Record, State, Status, export, rfc3339, unix_now};
use mlp_value::{KnownValue, ResourceId, Value, fingerprint_of};
use serde_json::{Value as Json, json};

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::depot;
use crate::engine::rebuild::{Rebuilt, Remains, rebuild};
use crate::engine::remember::{Act, Remembered, counted, forget, move_to, pairs, push, replace, select};
use crate::host::who;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    variables: VariableArgs,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Name everything that is remembered
    List {
        /// Only these: an address, a module, all instances of a block
        selectors: Vec<String>,
    },
    /// Show what is remembered of something
    Show {
        /// Its address
        selector: String,
    },
    /// Remember under another address what is remembered under this one
    Mv {
        /// The address it has
        from: String,
        /// The address it gets
        to: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Forget something; it stays in the target
    Rm {
        /// Addresses
        #[arg(required = true)]
        selectors: Vec<String>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the whole state to standard output, to keep a copy or to push it elsewhere
    Pull,
    /// Put a state that was pulled in place of what is remembered
    Push {
        /// The file; `-` for standard input
        file: PathBuf,
        /// Also one of another lineage or an older one
        #[arg(long)]
        force: bool,
    },
    /// Check every digest of the state, its journal and its history
    Verify,
    /// Make a lost state anew from what lives
    Rebuild {
        /// Only say what would be remembered
        #[arg(long)]
        dry_run: bool,
        /// Also where something is remembered already
        #[arg(long)]
        force: bool,
        /// Which lineage to go on with, where what lives was made by several
        #[arg(long, value_name = "LINEAGE")]
        lineage: Option<String>,
    },
}

/// What a subcommand says.
struct Said {
    lines: Vec<String>,
    document: Json,
}

type Answer = Result<Said, Vec<Diagnostic>>;

/// Does it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let answer = depot(&compiled.platform, &compiled.directory)
        .map_err(one)
        .and_then(|depot| answer(&args.what, &*depot, &compiled));
    match answer {
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
        Ok(said) => {
            if globals.json || matches!(args.what, What::Pull) {
                report::data(&format!("{}\n", said.document));
            } else {
                said.lines.iter().for_each(|line| report::data(&format!("{line}\n")));
            }
            Exit::Success
        }
    }
}

fn answer(what: &What, depot: &dyn Depot, compiled: &Compiled) -> Answer {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    match what {
        What::List { selectors } => list(&depot.read().map_err(one)?.state, selectors).map_err(one),
        What::Show { selector } => show(&depot.read().map_err(one)?.state, selector).map_err(one),
        What::Mv { from, to, dry_run: true } => {
            let pairs = pairs(&depot.read().map_err(one)?.state, from, to).map_err(one)?;
            let done = pairs.iter().map(|(from, to)| format!("{from} would be {to}")).collect();
            Ok(said(&Remembered { done, ..Remembered::default() }))
        }
        What::Mv { from, to, .. } => {
            let act = act(compiled, format!("state mv {from} {to}"));
            move_to(depot, &act, from, to).map(|done| said(&done)).map_err(one)
        }
        What::Rm { selectors, dry_run: true } => {
            let state = depot.read().map_err(one)?.state;
            let chosen =
                selectors.iter().map(|selector| select(&state, selector)).collect::<Result<Vec<_>, _>>();
            let done = chosen.map_err(one)?.iter().flatten().map(|id| format!("would forget {id}")).collect();
            Ok(said(&Remembered { done, ..Remembered::default() }))
        }
        What::Rm { selectors, .. } => {
            let act = act(compiled, format!("state rm {}", selectors.join(" ")));
            forget(depot, &act, selectors).map(|done| said(&done)).map_err(one)
        }
        What::Pull => pull(&depot.read().map_err(one)?).map_err(one),
        What::Push { file, force } => pushed(depot, compiled, file, *force).map_err(one),
        What::Verify => verify(depot, compiled).map_err(one),
        What::Rebuild { dry_run, force, lineage } => {
            let how = How { dry_run: *dry_run, force: *force, lineage: lineage.as_deref() };
            rebuilt(depot, compiled, &how)
        }
    }
}

fn act(compiled: &Compiled, command: String) -> Act {
    let commit = who::commit(&compiled.directory);
    Act { user: who::user(), who: who::who(), command, commit }
}

fn said(remembered: &Remembered) -> Said {
    let mut lines = remembered.done.clone();
    lines.extend(remembered.notes.iter().map(|note| format!("note: {note}")));
    let mut document = json!(remembered);
    document["format_version"] = report::FORMAT_VERSION.into();
    Said { lines, document }
}

fn list(state: &State, selectors: &[String]) -> Result<Said, Diagnostic> {
    let chosen: Vec<ResourceId> = if selectors.is_empty() {
        state.resources.keys().cloned().collect()
    } else {
        let each = selectors.iter().map(|selector| select(state, selector));
        let mut all: Vec<ResourceId> = each.collect::<Result<Vec<_>, _>>()?.concat();
        all.sort();
        all.dedup();
        all
    };
    let records = chosen.iter().filter_map(|id| state.resources.get(id));
    let document = json!({
        "format_version": report::FORMAT_VERSION,
        "lineage": state.lineage,
        "serial": state.serial,
        "resources": records
            .map(|record| json!({ "id": record.id, "kind": record.kind, "identity": record.identity, "status": word(record) }))
            .collect::<Vec<_>>(),
    });
    Ok(Said { lines: chosen.iter().map(ToString::to_string).collect(), document })
}

fn word(record: &Record) -> String {
    match &record.status {
        Status::Ready => "ready".to_owned(),
        Status::Tainted { reason } => format!("tainted: {reason}"),
    }
}

fn show(state: &State, selector: &str) -> Result<Said, Diagnostic> {
    let mut lines = Vec::new();
    let mut documents = Vec::new();
    for id in select(state, selector)? {
        let Some(record) = state.resources.get(&id) else { continue };
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("# {id}"));
        let mut field = |name: &str, value: String| lines.push(format!("  {name:10}  {value}"));
        field("kind", record.kind.clone());
        field("identity", record.identity.clone());
        field("provider", format!("provider.{}", record.provider));
        field("status", word(record));
        if let Some(place) = &record.place {
            field("declared", place.clone());
        }
        if let Some(made_as) = &record.made_as {
            field("made as", made_as.to_string());
        }
        if !record.depends_on.is_empty() {
            let names: Vec<String> = record.depends_on.iter().map(ToString::to_string).collect();
            field("after", names.join(", "));
        }
        if record.protect {
            field("protected", "yes".to_owned());
        }
        for (title, value) in [("applied", &record.applied), ("outputs", &record.outputs)] {
            let plain = hidden(value).to_plain_json();
            if plain.as_object().is_some_and(|all| !all.is_empty()) {
                let text = serde_json::to_string_pretty(&plain).unwrap_or_default();
                lines.push(format!("  {title} = {}", text.replace('\n', "\n  ")));
            }
        }
        let mut document = json!(record);
        document["applied"] = hidden(&record.applied).to_plain_json();
        document["outputs"] = hidden(&record.outputs).to_plain_json();
        documents.push(document);
    }
    let document = json!({ "format_version": report::FORMAT_VERSION, "resources": documents });
    Ok(Said { lines, document })
}

/// A value in which marks read as what they are.
fn hidden(value: &KnownValue) -> KnownValue {
    if fingerprint_of(value).is_some() {
        return KnownValue::text("(sensitive)");
    }
    match value {
        Value::List(items) => Value::list(items.iter().map(hidden)),
        Value::Object(items) => Value::object(items.iter().map(|(name, item)| (name.as_ref(), hidden(item)))),
        other => other.clone(),
    }
}

fn pull(loaded: &Loaded) -> Result<Said, Diagnostic> {
    let text = export(&loaded.state, &loaded.unfinished).and_then(|text| serde_json::from_str(&text));
    let document = text.map_err(|error| {
        Diagnostic::error("MLP0957", format!("the state cannot be written as JSON: {error}"))
            .blame(mlp_diag::Blame::Internal)
            .help("this is a mistake in mlp; please report it")
    })?;
    Ok(Said { lines: Vec::new(), document })
}

fn pushed(depot: &dyn Depot, compiled: &Compiled, file: &PathBuf, force: bool) -> Result<Said, Diagnostic> {
    let from_stdin = file.as_os_str() == "-";
    let name = if from_stdin { "standard input".to_owned() } else { format!("`{}`", file.display()) };
    let mut text = Vec::new();
    let read = if from_stdin {
        std::io::stdin().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(file).map(|bytes| text = bytes)
    };
    read.map_err(|error| {
        Diagnostic::error("MLP0957", format!("{name} cannot be read: {error}"))
            .help("name a file that `mlp state pull` wrote, or `-`")
    })?;
    let act = act(compiled, "state push".to_owned());
    // What is asked for is looked at before anything is moved.
    mlp_state::import(&name, &text)?;
    let aside = out_of_the_way(depot, force)?;
    let mut done = push(depot, &act, &name, &text, force)?;
    done.notes.extend(aside.map(|aside| format!("what could not be read is in {aside}")));
    Ok(said(&done))
}

/// The codes of a state that is there and cannot be read by anybody, or by nobody here.
const UNREADABLE: &[&str] = &["MLP0601", "MLP0603", "MLP0606"];

/// Moves a damaged state away, where that was asked for.
fn out_of_the_way(depot: &dyn Depot, force: bool) -> Result<Option<String>, Diagnostic> {
    match depot.read() {
        Ok(_) => Ok(None),
        Err(problem) if force && UNREADABLE.contains(&&*problem.code) => {
            depot.set_aside(&Holder::of(&who::user())).map(Some)
        }
        Err(problem) if UNREADABLE.contains(&&*problem.code) => {
            Err(problem.help("`--force` moves it aside and goes on without it"))
        }
        Err(problem) => Err(problem),
    }
}

fn verify(depot: &dyn Depot, compiled: &Compiled) -> Result<Said, Diagnostic> {
    let loaded = depot.read()?;
    let history = depot.history()?;
    let lease = depot.lease()?;
    let state = &loaded.state;
    let encrypted = depot.is_encrypted();
    let mut lines = vec![
        format!("{} in {}: every digest matches", counted(state.resources.len()), depot.place()),
        format!("lineage {}, serial {}, digest {}", state.lineage, state.serial, state.digest()),
        format!(
            "{} in the history; {}",
            report::count(history.len(), "entry").replace("entrys", "entries"),
            if encrypted { "encrypted" } else { "not encrypted" }
        ),
    ];
    let mut notes = Vec::new();
    for record in state.resources.values() {
        let missing = record.depends_on.iter().filter(|id| !state.resources.contains_key(id));
        notes.extend(missing.map(|id| format!("{} was made after {id}, which is not remembered", record.id)));
        if compiled.provider.resource(&record.kind).is_none() {
            notes.push(format!("{}: this program does not know `{}`", record.id, record.kind));
        }
    }
    notes.extend(loaded.unfinished.iter().map(|left| {
        format!(
            "what became of `{}` on {} is not known yet: the next apply asks",
            left.operation, left.resource
        )
    }));
    if let Some(holder) = lease.holder.as_ref().filter(|_| lease.expires > unix_now()) {
        notes.push(format!("{holder} is applying until {}", rfc3339(lease.expires)));
    }
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    let document = json!({
        "format_version": report::FORMAT_VERSION,
        "place": depot.place(),
        "records": state.resources.len(),
        "lineage": state.lineage,
        "serial": state.serial,
        "digest": state.digest(),
        "history": history.len(),
        "encrypted": encrypted,
        "unfinished": loaded.unfinished.len(),
        "lease": lease.holder.as_ref().map(|holder| json!({ "holder": holder.to_string(), "until": rfc3339(lease.expires) })),
        "notes": notes,
    });
    Ok(Said { lines, document })
}

/// How to rebuild.
struct How<'a> {
    dry_run: bool,
    force: bool,
    lineage: Option<&'a str>,
}

fn rebuilt(depot: &dyn Depot, compiled: &Compiled, how: &How<'_>) -> Answer {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let before = match depot.read() {
        Ok(loaded) => Some(loaded.state),
        Err(problem) if UNREADABLE.contains(&&*problem.code) => None,
        Err(problem) => return Err(vec![problem]),
    };
    let remembers = before.as_ref().map_or(0, |state| state.resources.len());
    if remembers > 0 && !how.force && !how.dry_run {
        let headline = format!("the state can be read and remembers {}", counted(remembers));
        return Err(one(Diagnostic::error("MLP0958", headline).help(
            "`--dry-run` says what a rebuilt one would remember; `--force` puts it in place of this one",
        )));
    }
    let runtime = report::runtime().map_err(|problem| vec![*problem])?;
    let answer = compiled.answer();
    let result = runtime.block_on(rebuild(&Remains {
        platform: &compiled.platform,
        sources: &compiled.sources,
        provider: &*compiled.provider,
        directory: &compiled.directory,
        answer: &answer,
        before: before.as_ref(),
        lineage: how.lineage,
    }))?;
    let mut notes = Vec::new();
    if !how.dry_run {
        let aside = out_of_the_way(depot, true).map_err(one)?;
        notes.extend(aside.map(|aside| format!("what could not be read is in {aside}")));
        let act = act(compiled, "state rebuild".to_owned());
        replace(depot, &act, |remembered, now| {
            let mut state = result.state.clone();
            state.serial = state.serial.max(now.state.serial + 1);
            if state.lineage.is_empty() {
                state.lineage.clone_from(&now.state.lineage);
            }
            remembered.done.push(format!("rebuilt {}", counted(state.resources.len())));
            Ok(state)
        })
        .map_err(one)?;
    }
    Ok(of_rebuilt(&result, notes, how.dry_run))
}

fn of_rebuilt(result: &Rebuilt, notes: Vec<String>, dry_run: bool) -> Said {
    let mut lines = Vec::new();
    let mut each = |word: &str, ids: &[ResourceId]| {
        lines.extend(ids.iter().map(|id| format!("{word:7} {id}")));
    };
    each("found", &result.found);
    each("edited", &result.edited);
    each("lost", &result.lost);
    each("absent", &result.absent);
    lines.extend(result.unknown.iter().map(|what| format!("unknown {what}")));
    if !result.edited.is_empty() {
        lines.push("note: what was edited since it was made shows as drift in the next plan".to_owned());
    }
    if !result.lost.is_empty() {
        lines.push("note: what lived only in the state is lost; the next plan creates it".to_owned());
    }
    if !result.unknown.is_empty() {
        lines.push(
            "note: what is unknown carries the marks of this project and names no declaration".to_owned(),
        );
    }
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    let remembered = counted(result.state.resources.len());
    lines.push(match dry_run {
        true => format!("{remembered} would be remembered. Nothing was changed."),
        false => format!("{remembered} remembered. `mlp plan` shows what differs."),
    });
    let mut document = json!(result);
    document["format_version"] = report::FORMAT_VERSION.into();
    document["dry_run"] = dry_run.into();
    document["notes"] = json!(notes);
    Said { lines, document }
}
