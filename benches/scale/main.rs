//! Whole commands of `mlp` on projects of growing size, beside `terraform` where it is installed:
//! `cargo bench --bench scale`, with `-- --help` for what can be chosen.

mod measure;
mod report;
mod terraform;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use measure::Measure;
use report::Row;
use work::WORKS;

/// What is measured.
#[derive(Debug, Parser)]
#[command(name = "scale")]
struct Args {
    /// Numbers of blocks
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,20000")]
    sizes: Vec<usize>,
    /// Numbers of blocks that terraform is given; its apply takes minutes from 5,000 on
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    terraform: Vec<usize>,
    /// How often each command is run; the median counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Only the works whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Writes the rows as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by `cargo bench`; means nothing here
    #[arg(long, hide = true)]
    bench: bool,
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
    let mut rows = Vec::new();
    for work in WORKS.iter().filter(|work| work.name.contains(&args.only)) {
        for &size in &args.sizes {
            let runs = (0..args.repeat.max(1)).map(|_| work.measure(size)).collect::<Result<Vec<_>, _>>()?;
            rows.push(row(work.name, size, "mlp", runs));
        }
    }
    match terraform::version() {
        Some(version) => {
            eprintln!("beside {version}");
            for &size in &args.terraform {
                rows.extend(
                    terraform::measure(size)?
                        .into_iter()
                        .filter(|(name, _)| name.contains(&args.only))
                        .map(|(name, measure)| row(name, size, "terraform", vec![measure])),
                );
            }
        }
        None => eprintln!("SKIPPED the comparison: `terraform` is not installed"),
    }
    print!("{}", report::table(&rows));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&rows)).map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    }
    Ok(())
}

fn row(work: &'static str, size: usize, tool: &'static str, mut runs: Vec<Measure>) -> Row {
    runs.sort_by_key(|run| run.wall);
    let middle = runs.len() / 2;
    let median = runs.swap_remove(middle);
    eprintln!("{work} {size} {tool}: {:.3} s", median.wall.as_secs_f64());
    Row { work, size, tool, measure: median }
}
