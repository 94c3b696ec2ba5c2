//! `mlp catalog`: which machines carry which chips, and what they cost.

use std::path::Path;

use mlp_catalog::{Catalog, Chip, Fabric, Filter, Form, Machine, Phrase};
use mlp_config::OWN_CATALOG;
use mlp_diag::{Diagnostic, Diagnostics, SourceMap, one_of};
use mlp_syntax::{Block, ExprKind};
use mlp_value::Number;

use super::exit::Exit;
use super::project::Project;
use super::{Globals, report};
use crate::host::files;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A chip, such as H100; several separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    gpu: Vec<String>,
    /// Chips each machine has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Nominal memory of each chip, such as ">=80GiB"
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The form of the chip
    #[arg(long, value_name = "FORM", value_parser = ["sxm", "nvl", "pcie"])]
    form: Option<String>,
    /// The network between machines
    #[arg(long, value_name = "FABRIC", value_parser = ["any", "gpudirect", "rdma"])]
    fabric: Option<String>,
    /// The provider: aws, azure, gcp, or one that a file of the project names
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The region
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// The most an hour of the machine may cost, such as 40/h or "40 EUR/h"; what has no price is left out
    #[arg(long, value_name = "PRICE")]
    max_price: Option<String>,
}

/// Lists offers.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let mut problems = Diagnostics::new();
    let catalog = of_project(globals, &mut problems);
    let filter = match filter(args, &catalog) {
        Ok(filter) => filter,
        Err(problem) => {
            problems.push(*problem);
            return report::diagnostics(&problems, &SourceMap::default(), globals);
        }
    };
    let exit = report::diagnostics(&problems, &SourceMap::default(), globals);
    if exit != Exit::Success {
        return exit;
    }
    let offers = catalog.offers(&filter);
    if globals.json {
        let all: Vec<serde_json::Value> = offers.iter().map(|machine| json(machine)).collect();
        let document = serde_json::json!({ "format_version": report::FORMAT_VERSION, "offers": all });
        report::data(&format!("{document}\n"));
    } else if offers.is_empty() {
        report::data(&format!("{}\n", nothing(&catalog, &filter)));
    } else {
        report::data(&table(&offers));
    }
    Exit::Success
}

fn wrong(headline: String, help: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("MLP0934", headline).help(help))
}

/// The catalogue, with what the project's own files say where there is a project.
fn of_project(globals: &Globals, problems: &mut Diagnostics) -> Catalog {
    let mut catalog = Catalog::built_in().clone();
    let directory = globals.directory.clone().unwrap_or_else(|| ".".into());
    let own = directory.join(OWN_CATALOG);
    if own.is_file() {
        read_into(&own, OWN_CATALOG, problems, |text| catalog.extend(text, OWN_CATALOG));
    }
    if files::with_ending(&directory, ".mlp").is_ok_and(|found| !found.is_empty()) {
        for (provider, path) in Project::prices(&directory) {
            read_into(&directory.join(&path), &path, problems, |text| catalog.price(&provider, text, &path));
        }
    }
    catalog
}

fn read_into(
    path: &Path,
    name: &str,
    problems: &mut Diagnostics,
    read: impl FnOnce(&str) -> Vec<mlp_catalog::RowProblem>,
) {
    match files::read_text(path) {
        Err(problem) => problems.push(*problem),
        Ok(text) => {
            problems.extend(read(&text).into_iter().map(|problem| {
                *wrong(format!("{name}, line {}: {}", problem.line, problem.why), problem.help)
            }))
        }
    }
}

impl Project {
    /// The files with prices of halls of one's own, by kind of provider: `prices` of a `provider` block.
    fn prices(directory: &Path) -> Vec<(String, String)> {
        let sources = files::read_project(directory);
        let blocks = sources.trees.iter().flat_map(|tree| &tree.body.blocks);
        let path_of = |block: &Block| {
            let found = block.body.attributes.iter().find(|attribute| attribute.name.name == "prices")?;
            let ExprKind::Text(path) = &found.expr.kind else { return None };
            Some((block.labels.first()?.name.clone(), path.clone()))
        };
        blocks.filter(|block| block.kind.name == "provider").filter_map(path_of).collect()
    }
}

fn filter(args: &Args, catalog: &Catalog) -> Result<Filter, Box<Diagnostic>> {
    let providers = distinct(catalog, |machine| &machine.provider);
    if let Some(name) = args.provider.as_ref().filter(|name| !providers.contains(&name.as_str())) {
        return Err(wrong(
            format!("the catalogue has no provider `{name}`"),
            one_of(name, providers.iter().copied()),
        ));
    }
    let regions = regions(catalog, args.provider.as_deref());
    if let Some(name) = args.region.as_ref().filter(|name| !regions.contains(&name.as_str())) {
        let headline = format!("the catalogue knows no price in the region `{name}`");
        return Err(wrong(
            headline,
            format!("{}; `catalog.csv` in the project adds others", one_of(name, regions.iter().copied())),
        ));
    }
    Ok(Filter {
        chips: chips(args, catalog)?,
        count: args.count,
        provider: args.provider.clone(),
        region: args.region.clone(),
        most: args.max_price.as_deref().map(most).transpose()?,
        fabric: args.fabric.as_deref().and_then(Fabric::of),
    })
}

fn distinct<'c>(catalog: &'c Catalog, of: impl Fn(&'c Machine) -> &'c str) -> Vec<&'c str> {
    let mut all: Vec<&str> = catalog.machines.iter().map(of).filter(|name| !name.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn regions<'c>(catalog: &'c Catalog, provider: Option<&str>) -> Vec<&'c str> {
    let of_it =
        catalog.machines.iter().filter(|one| provider.is_none_or(|provider| one.provider == provider));
    let mut all: Vec<&str> =
        of_it.flat_map(|one| one.region.split('/')).filter(|name| !name.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The varieties of chips that are asked for; a name that may be several things means all of them here.
fn chips(args: &Args, catalog: &Catalog) -> Result<Vec<Chip>, Box<Diagnostic>> {
    let names: Vec<String> = match args.gpu.as_slice() {
        [] if args.memory.is_none() && args.form.is_none() => return Ok(Vec::new()),
        [] => catalog.names().into_iter().map(str::to_owned).collect(),
        named => named.to_vec(),
    };
    let mut found: Vec<Chip> = Vec::new();
    for name in &names {
        let varieties = catalog.varieties(name);
        if varieties.is_empty() {
            let phrase = Phrase { names: vec![name.clone()], ..Phrase::default() };
            let problem = catalog.resolve(&phrase).1.into_iter().next();
            let known = catalog.names();
            let (why, help) = match problem {
                Some(problem) => (problem.why, problem.help),
                None => (format!("nobody knows the chip `{name}`"), None),
            };
            return Err(wrong(why, help.unwrap_or_else(|| one_of(name, known.iter().copied()))));
        }
        found.extend(varieties.into_iter().cloned());
    }
    if let Some(memory) = &args.memory {
        let (comparator, bytes) =
            mlp_value::units::at_least(memory).map_err(|why| wrong(why, "write \">=80GiB\""))?;
        found.retain(|chip| {
            chip.memory_gib.is_some_and(|gib| comparator.holds((gib * 1_073_741_824.0) as u64, bytes))
        });
    }
    if let Some(form) = args.form.as_deref().and_then(Form::of) {
        found.retain(|chip| chip.form == Some(form));
    }
    if found.is_empty() {
        let all: Vec<String> =
            names.iter().flat_map(|name| catalog.varieties(name)).map(ToString::to_string).take(12).collect();
        return Err(wrong(
            "no chip has this memory and form".to_owned(),
            format!("there is {}", all.join(", ")),
        ));
    }
    Ok(found)
}

/// `40`, `40/h`, `40 EUR/h`; of US dollars where no currency is said.
fn most(text: &str) -> Result<(Number, String), Box<Diagnostic>> {
    let bare = text.trim().trim_end_matches("/h").trim().trim_start_matches('$');
    let (amount, currency) = bare.split_once(' ').unwrap_or((bare, "USD"));
    let amount: Option<Number> = amount.parse().ok();
    let known = currency.len() == 3 && currency.chars().all(|c| c.is_ascii_uppercase());
    match amount.filter(|amount| known && !amount.is_negative()) {
        Some(amount) => Ok((amount, currency.to_owned())),
        None => Err(wrong(format!("`{text}` is not a price by hour"), "write 40/h, or \"40 EUR/h\"")),
    }
}

/// What is said when nothing fits.
fn nothing(catalog: &Catalog, filter: &Filter) -> String {
    let looser = |change: &dyn Fn(&mut Filter)| {
        let mut looser = filter.clone();
        change(&mut looser);
        catalog.offers(&looser).len()
    };
    let mut said = "No machine in the catalogue fits.".to_owned();
    let hints: [(&str, bool, usize); 4] = [
        ("--max-price", filter.most.is_some(), looser(&|it| it.most = None)),
        ("--count", filter.count.is_some(), looser(&|it| it.count = None)),
        ("--region", filter.region.is_some(), looser(&|it| it.region = None)),
        ("--fabric", filter.fabric.is_some(), looser(&|it| it.fabric = None)),
    ];
    for (flag, _, count) in hints.into_iter().filter(|(_, given, count)| *given && *count > 0) {
        said += &format!("\nWithout {flag}: {}", report::count(count, "machine"));
    }
    said
}

const UNKNOWN: &str = "unknown";

/// A price with two decimals, or more where these would hide it.
fn money(amount: &Number, currency: &str) -> String {
    let rounded = amount.rounded(if amount.to_f64() < 1.0 { 3 } else { 2 });
    let text = format!("{:.*}", if amount.to_f64() < 1.0 { 3 } else { 2 }, rounded.to_f64());
    if currency == "USD" { text } else { format!("{text} {currency}") }
}

fn table(offers: &[&Machine]) -> String {
    let head = [
        "PROVIDER",
        "MACHINE",
        "CHIP",
        "COUNT",
        "MEMORY",
        "FORM",
        "BETWEEN MACHINES",
        "$/H",
        "$/GPU-H",
        "REGION",
        "AS OF",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|&cell| cell.to_owned()).collect()];
    rows.extend(offers.iter().map(|machine| cells(machine)));
    let widths: Vec<usize> =
        (0..head.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let right = |at: usize| matches!(at, 3 | 4 | 7 | 8);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths[at];
            line += &if right(at) { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text + &foot(offers)
}

fn cells(machine: &Machine) -> Vec<String> {
    let unknown = || UNKNOWN.to_owned();
    let number = |number: f64, unit: &str| format!("{number}{unit}");
    let between = match (&machine.interconnect, machine.net_gbps) {
        (Some(words), Some(rate)) if !words.contains("Gb/s") => format!("{words}, {rate} Gb/s"),
        (Some(words), _) => words.clone(),
        (None, Some(rate)) => number(rate, " Gb/s"),
        (None, None) => unknown(),
    };
    let price = |amount: Option<Number>| match (amount, &machine.price) {
        (Some(amount), Some(price)) => money(&amount, &price.currency),
        _ => unknown(),
    };
    let or_unknown = |text: &str| if text.is_empty() { unknown() } else { text.to_owned() };
    let mark = if machine.note.is_empty() { "" } else { " *" };
    vec![
        machine.provider.clone(),
        if machine.instance.is_empty() { "-".to_owned() } else { format!("{}{mark}", machine.instance) },
        machine.chip.name.clone(),
        machine.count.to_string(),
        machine.chip.memory_gib.map_or_else(unknown, |gib| number(gib, " GiB")),
        machine.chip.form.map_or_else(
            || if machine.chip.is_tpu() { "-".to_owned() } else { unknown() },
            |form| form.to_string(),
        ),
        between,
        price(machine.price.as_ref().map(|price| price.amount.clone())),
        price(machine.price_each()),
        if machine.instance.is_empty() { "-".to_owned() } else { or_unknown(&machine.region) },
        machine.price.as_ref().map_or_else(|| "-".to_owned(), |price| price.as_of.clone()),
    ]
}

/// What is to be known of the table: where it comes from, and what the marks mean.
fn foot(offers: &[&Machine]) -> String {
    let mut text = format!(
        "\n{}. List prices on demand by hour, of the whole machine and of one chip",
        report::count(offers.len(), "offer")
    );
    let unpriced = offers.iter().filter(|machine| machine.price.is_none()).count();
    match unpriced {
        0 => text += ".\n",
        some => text += &format!("; of {some} the price is unknown, which is not zero.\n"),
    }
    let mut notes: Vec<&str> =
        offers.iter().map(|machine| machine.note.as_str()).filter(|note| !note.is_empty()).collect();
    notes.sort_unstable();
    notes.dedup();
    for note in notes {
        let of_it: Vec<&str> = offers
            .iter()
            .filter(|machine| machine.note == note)
            .map(|machine| machine.instance.as_str())
            .collect();
        text += &format!("* {}: {note}\n", of_it.join(", "));
    }
    let mut own: Vec<&str> =
        offers.iter().map(|machine| machine.from.as_str()).filter(|from| *from != "the program").collect();
    own.sort_unstable();
    own.dedup();
    if !own.is_empty() {
        text += &format!("Some of it is said by {}.\n", own.join(", "));
    }
    text
}

fn json(machine: &Machine) -> serde_json::Value {
    let exact = |number: Option<Number>| number.map(|number| number.to_string());
    serde_json::json!({
        "provider": machine.provider,
        "instance": machine.instance,
        "chip": machine.chip.name,
        "vendor": machine.chip.vendor,
        "form": machine.chip.form.map(|form| form.to_string()),
        "count": machine.count.to_string(),
        "memory_gib_each": machine.chip.memory_gib,
        "vcpu": machine.vcpu,
        "host_gib": machine.host_gib,
        "network_gbps": machine.net_gbps,
        "interconnect": machine.interconnect,
        "price_per_hour": exact(machine.price.as_ref().map(|price| price.amount.clone())),
        "price_per_gpu_hour": exact(machine.price_each().map(|each| each.rounded(6))),
        "currency": machine.price.as_ref().map(|price| price.currency.clone()),
        "region": if machine.region.is_empty() { None } else { Some(&machine.region) },
        "price_as_of": machine.price.as_ref().map(|price| price.as_of.clone()),
        "note": machine.note,
        "unknown": machine.unknown(),
        "source": machine.source,
        "from": machine.from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("40/h", Some("40 USD")),
            ("40", Some("40 USD")),
            ("$2.50/h", Some("2.5 USD")),
            ("40 EUR/h", Some("40 EUR")),
            ("-1/h", None),
            ("cheap", None),
        ] {
            let found = most(text).ok().map(|(amount, currency)| format!("{amount} {currency}"));
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }
}
