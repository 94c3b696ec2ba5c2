//! `mlp history`: the applies there have been, and the way back to one.

use mlp_diag::Diagnostic;
use mlp_state::{Closed, Depot};
use serde_json::json;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::depot;
use crate::engine::kept::{Kept, carry_out, plan_return};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One apply, by its number in the list; all when left out
    number: Option<usize>,
    /// How many of the newest
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N", conflicts_with = "number")]
    limit: usize,
    /// Bring the specification of that apply back into the project; `mlp plan` then shows the way there
    #[arg(long, requires = "number")]
    restore: bool,
    /// With --restore: only say which files would change
    #[arg(long, requires = "restore")]
    dry_run: bool,
    /// With --restore: overwrite also what no apply kept
    #[arg(long, requires = "restore")]
    force: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Lists, shows, or goes back.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let told = depot(&compiled.platform, &compiled.directory).and_then(|depot| {
        let all = depot.history()?;
        match args.number {
            None => {
                list(&all, args.limit, globals);
                Ok(())
            }
            Some(number) => {
                let closed = chosen(&all, number)?;
                if args.restore {
                    restore(args, closed, number, &*depot, &compiled, globals)
                } else {
                    one(closed, number, &*depot, globals)
                }
            }
        }
    });
    match told {
        Ok(()) => Exit::Success,
        Err(diagnostic) => report::diagnostics(&[diagnostic], &compiled.sources, globals),
    }
}

fn chosen(all: &[Closed], number: usize) -> Result<&Closed, Diagnostic> {
    number.checked_sub(1).and_then(|at| all.get(at)).ok_or_else(|| {
        Diagnostic::error("MLP0951", format!("there is no apply {number}")).help(match all.len() {
            0 => "nothing was applied yet: `mlp apply` begins".to_owned(),
            last => format!("the applies are numbered 1 to {last}: `mlp history` lists them"),
        })
    })
}

fn document(closed: &Closed, number: usize) -> serde_json::Value {
    let mut one = json!(closed);
    one["number"] = number.into();
    one
}

fn list(all: &[Closed], limit: usize, globals: &Globals) {
    let from = all.len().saturating_sub(limit);
    let newest: Vec<(usize, &Closed)> =
        all.iter().enumerate().map(|(at, one)| (at + 1, one)).skip(from).collect();
    if globals.json {
        let each: Vec<_> = newest.iter().map(|(number, one)| document(one, *number)).collect();
        let document = json!({ "format_version": report::FORMAT_VERSION, "history": each });
        return report::data(&format!("{document}\n"));
    }
    if newest.is_empty() {
        return report::data("Nothing was applied yet: `mlp apply` begins.\n");
    }
    let width =
        |of: fn(&Closed) -> &str| newest.iter().map(|(_, one)| of(one).chars().count()).max().unwrap_or(0);
    let (who, command, outcome) =
        (width(|one| &one.who), width(|one| &one.command), width(|one| &one.outcome));
    let digits = all.len().to_string().len();
    for (number, one) in newest.iter().rev() {
        let line = format!(
            "{number:>digits$}  {}  {:who$}  {:7}  {:command$}  {:outcome$}  {}",
            one.when,
            one.who,
            short(one.commit.as_deref()),
            one.command,
            one.outcome,
            one.summary
        );
        report::data(&format!("{}\n", line.trim_end()));
    }
    if from > 0 {
        report::data(&format!("{from} older: `mlp history -n {}`\n", all.len()));
    }
}

fn short(text: Option<&str>) -> &str {
    text.map_or("-", |text| text.get(..7).unwrap_or(text))
}

fn one(closed: &Closed, number: usize, depot: &dyn Depot, globals: &Globals) -> Result<(), Diagnostic> {
    let kept = Kept::read(depot, &closed.apply)?;
    if globals.json {
        let mut one = document(closed, number);
        one["format_version"] = report::FORMAT_VERSION.into();
        one["specification"] = json!(kept);
        report::data(&format!("{one}\n"));
        return Ok(());
    }
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut lines = vec![
        format!("apply    {number}  ({})", closed.apply),
        format!("who      {}", closed.who),
        format!("when     {}", closed.when),
        format!("command  {}", closed.command),
        format!("commit   {}", closed.commit.as_deref().unwrap_or("-")),
        format!("plan     {}", or_none(&closed.plan_digest)),
        format!("outcome  {}", closed.outcome),
        format!("summary  {}", or_none(&closed.summary)),
        format!("serial   {}", closed.serial),
    ];
    match kept {
        None => lines.push("files    not kept".to_owned()),
        Some(kept) => {
            for (name, file) in &kept.files {
                let why = file.withheld.as_ref().map(|why| format!("  not kept: {why}")).unwrap_or_default();
                lines.push(format!("file     {name}  {}{why}", short(Some(&file.digest))));
            }
            lines.extend(kept.variables.iter().map(|(name, value)| format!("variable {name} = {value}")));
            lines.push(format!("Go back with: mlp history {number} --restore"));
        }
    }
    lines.iter().for_each(|line| report::data(&format!("{line}\n")));
    Ok(())
}

fn restore(
    args: &Args,
    closed: &Closed,
    number: usize,
    depot: &dyn Depot,
    compiled: &Compiled,
    globals: &Globals,
) -> Result<(), Diagnostic> {
    let back = plan_return(depot, &compiled.directory, &closed.apply, args.force)?;
    if !args.dry_run {
        carry_out(&back, &compiled.directory)?;
    }
    if globals.json {
        let mut document = json!(back);
        document["format_version"] = report::FORMAT_VERSION.into();
        document["dry_run"] = args.dry_run.into();
        report::data(&format!("{document}\n"));
        return Ok(());
    }
    let (wrote, removed) =
        if args.dry_run { ("would write ", "would remove") } else { ("wrote ", "removed") };
    back.written.iter().for_each(|name| report::data(&format!("{wrote} {name}\n")));
    back.removed.iter().for_each(|name| report::data(&format!("{removed} {name}\n")));
    for (name, value) in &back.variables {
        report::data(&format!("variable {name} was {value}\n"));
    }
    report::data(&match (back.written.is_empty() && back.removed.is_empty(), args.dry_run) {
        (true, _) => format!("The specification is that of apply {number} already.\n"),
        (false, true) => "Nothing was changed.\n".to_owned(),
        (false, false) => format!(
            "The specification is that of apply {number} again. Nothing was applied: look at `mlp plan -out back.plan`, then `mlp apply back.plan`.\n"
        ),
    });
    Ok(())
}
