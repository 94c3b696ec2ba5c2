//! What `mlp` takes on projects of growing size, beside `terraform` where it is installed:
//! `cargo run -p mlp-bench --bin scale`, with `-- --help` for what can be chosen.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod chart;
mod fit;
mod lab;
mod machine;
mod measure;
mod report;
mod router;
mod row;
mod rows;
mod spec;
mod specs;
mod stub;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use lab::Lab;
use measure::{Fault, Limits};
use report::{Report, Told};
use row::{Figure, Row, Value, Way};
use rows::ROWS;

/// Measures whole commands of `mlp` and prints a table
#[derive(Debug, Parser)]
#[command(name = "scale", max_term_width = 110)]
struct Args {
    /// The small sizes only: less than two minutes
    #[arg(long)]
    quick: bool,
    /// Only the rows whose name contains one of these
    #[arg(long, value_delimiter = ',', value_name = "TEXT")]
    only: Vec<String>,
    /// Only sizes up to this
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// How often each command is run; the median counts
    #[arg(long, value_name = "N")]
    repeat: Option<usize>,
    /// Seconds after which a command is ended; larger sizes of its row are then left out
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u64>,
    /// Megabytes of memory beyond which a command is ended
    #[arg(long, value_name = "MB", default_value_t = 12_000)]
    memory: u64,
    /// Without terraform, even where it is installed
    #[arg(long)]
    alone: bool,
    /// Also build and weigh the program with every feature
    #[arg(long)]
    full: bool,
    /// The program to measure; without it the `dist` profile is built
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where `scale.json` and `scale.svg` are written
    #[arg(long, value_name = "DIR", default_value = "target/scale")]
    out: PathBuf,
    /// Draw the chart of an earlier run's `scale.json` anew, and measure nothing
    #[arg(long, value_name = "FILE")]
    draw: Option<PathBuf>,
    /// Say what is measured, and measure nothing
    #[arg(long)]
    list: bool,
    /// Answer as a model that costs nothing, on `$MLP_PORT`
    #[arg(long, hide = true)]
    stub: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("the benchmark broke off: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if args.stub {
        return stub::serve();
    }
    if args.list {
        ROWS.iter().for_each(|row| println!("{:<22} {}", row.name, row.about));
        return Ok(());
    }
    if let Some(path) = &args.draw {
        let text = std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        let document = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        return put(&args.out.join("scale.svg"), &chart::draw(&document));
    }
    let program = match &args.program {
        Some(path) => {
            std::fs::canonicalize(path).map_err(|error| format!("`{}`: {error}", path.display()))?
        }
        None => build(&[])?,
    };
    let wall = Duration::from_secs(args.limit.unwrap_or(if args.quick { 10 } else { 120 }));
    let limits = Limits { wall, memory: args.memory * 1_000_000 };
    let terraform = if args.alone { None } else { machine::terraform() };
    if terraform.is_none() && !args.alone {
        eprintln!("SKIPPED the comparison: `terraform` is not installed");
    }
    let mut lab = Lab::new(program, limits, args.repeat.unwrap_or(if args.quick { 1 } else { 3 }), terraform);
    if args.full {
        // Under its own name, since the next build puts another in its place.
        let full = build(&["--all-features"])?;
        let kept = full.with_file_name("mlp-all-features");
        std::fs::copy(&full, &kept).map_err(|error| error.to_string())?;
        lab.full = Some(kept);
    }
    let before = machine::load();
    let wanted =
        |row: &&&Row| args.only.is_empty() || args.only.iter().any(|text| row.name.contains(text.as_str()));
    let told = ROWS.iter().filter(wanted).map(|row| measure(&mut lab, row, args)).collect();
    let report = Report { told, machine: machine::described(&lab, &before) };
    print!("{}", report.table());
    let document = report.json();
    let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    put(&args.out.join("scale.json"), &text)?;
    put(&args.out.join("scale.svg"), &chart::draw(&document))
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("`{}`: {error}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// Builds what ships, and says where it is.
fn build(features: &[&str]) -> Result<PathBuf, String> {
    eprintln!("building `mlp` in the profile that ships");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--profile", "dist", "--bin", "mlp", "--message-format", "json-render-diagnostics"])
        .args(features)
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let programs: Vec<String> =
        messages.filter_map(|message| message["executable"].as_str().map(str::to_owned)).collect();
    match programs.last() {
        Some(program) if output.status.success() => Ok(program.into()),
        _ => Err("`cargo build --profile dist` failed".to_owned()),
    }
}

/// Measures a row at all its sizes.
fn measure(lab: &mut Lab, row: &'static Row, args: &Args) -> Told {
    let sizes = |sizes: row::Sizes| {
        let all = if args.quick { sizes.quick } else { sizes.whole };
        all.iter().copied().filter(|size| args.most.is_none_or(|most| *size <= most)).collect::<Vec<_>>()
    };
    let mut figures: Vec<Figure> = Vec::new();
    for size in sizes(row.sizes) {
        let found = match row.way {
            Way::Stage(spec, stage) => {
                lab.stage(spec, stage, size).map(|run| vec![Figure::mlp(size, Value::Run(run))])
            }
            Way::Own(way) => way(lab, size),
        };
        if !add(&mut figures, row, size, "mlp", found) {
            break;
        }
    }
    if let Way::Stage(spec, stage) = row.way
        && lab.terraform.is_some()
    {
        for size in sizes(row.terraform) {
            let found = lab.peer(spec, stage, size).map(|run| {
                let figure = |run| Figure { size, of: "terraform".to_owned(), value: Value::Run(run) };
                run.into_iter().map(figure).collect()
            });
            if !add(&mut figures, row, size, "terraform", found) {
                break;
            }
        }
    }
    Told { row, figures }
}

/// Takes down what was found; false where larger sizes are not worth trying.
fn add(all: &mut Vec<Figure>, row: &Row, size: usize, of: &str, found: Result<Vec<Figure>, Fault>) -> bool {
    let (found, goes_on) = match found {
        Ok(found) => (found, true),
        Err(fault) => (vec![Figure { size, of: of.to_owned(), value: Value::None(fault) }], false),
    };
    for figure in &found {
        eprintln!("{:<22} {:>9} {:<18} {}", row.name, size, figure.of, report::shown(&figure.value));
    }
    all.extend(found);
    goes_on
}
