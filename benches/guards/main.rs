//! Instruction counts that must not grow: `cargo run -p mlp-bench --bin guards -- check` and `-- record`.
//!
//! A count of instructions says the same on a busy machine as on a quiet one, so that a change which makes a command slower
//! is seen where it is made. What is counted is the `release` profile, which `.ci/run` builds anyway.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod count;
mod kept;
mod works;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use count::{Count, Counter};
use kept::{Kept, grown};
use works::WORKS;

/// Counts the instructions of short commands
#[derive(Debug, Parser)]
#[command(name = "guards", max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The program, built with `cargo build --release`
    #[arg(long, global = true, value_name = "FILE", default_value = "target/release/mlp")]
    program: PathBuf,
    /// Where the counts are recorded
    #[arg(long, global = true, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/guards.json"))]
    file: PathBuf,
    /// Only the works whose name contains this
    #[arg(long, global = true, default_value = "")]
    only: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare with what is recorded; fail where a count grew by more than a tenth
    Check,
    /// Record the counts as they are now
    Record,
    /// Count several times, and say how far the counts lie apart
    Spread {
        /// How often
        #[arg(long, default_value_t = 5)]
        times: usize,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("counting broke off: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool, String> {
    let counter = Counter::new(&args.program)?;
    let wanted = || WORKS.iter().filter(|work| work.name.contains(&args.only));
    match args.command {
        Command::Spread { times } => {
            for work in wanted() {
                let counts: Vec<u64> = (0..times.max(1))
                    .map(|_| counter.count(work).map(|count| count.instructions))
                    .collect::<Result<_, _>>()?;
                let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
                let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
                println!("{:<12} {least:>14} to {most:>14}: {:.3} % apart", work.name, percent(least, most));
            }
            Ok(true)
        }
        Command::Record => {
            let mut all = if args.only.is_empty() { Kept::default() } else { Kept::read(&args.file)? };
            for work in wanted() {
                let count = counter.count(work)?;
                println!("{:<12} {:>14} instructions", work.name, count.instructions);
                all.works.insert(work.name.to_owned(), count);
            }
            all.compiler = compiler();
            all.write(&args.file)?;
            println!("recorded in {}", args.file.display());
            Ok(true)
        }
        Command::Check => check(&counter, &args.file, &args.only),
    }
}

fn check(counter: &Counter, file: &Path, only: &str) -> Result<bool, String> {
    let kept = Kept::read(file)?;
    let now = compiler();
    if kept.compiler != now {
        println!("recorded with {}, counted with {now}: a difference may be the compiler's", kept.compiler);
    }
    let mut good = true;
    for work in WORKS.iter().filter(|work| work.name.contains(only)) {
        let count = counter.count(work)?;
        let Some(before) = kept.works.get(work.name) else {
            return Err(format!("`{}` is not recorded; record the counts anew", work.name));
        };
        let (old, new) = (before.instructions, count.instructions);
        let grew = kept::too_much(old, new);
        println!(
            "{:<12} {old:>14} -> {new:>14}  {:+.2} %{}",
            work.name,
            percent(old, new),
            if grew { "  GREW" } else { "" }
        );
        if grew {
            good = false;
            tell(before, &count);
        } else if kept::much_less(old, new) {
            println!("{:<12} it became cheaper: record it, so that it stays so", "");
        }
    }
    if !good {
        println!(
            "\nA command takes more than a tenth more instructions than was recorded. If that is worth it, record it:"
        );
        println!("  cargo build --release && cargo run -p mlp-bench --bin guards -- record");
    }
    Ok(good)
}

/// Which functions grew.
fn tell(before: &Count, now: &Count) {
    for (what, old, new) in [
        ("with what they call", &before.with_callees, &now.with_callees),
        ("by themselves", &before.alone, &now.alone),
    ] {
        println!("  functions that grew, {what}:");
        for (name, more) in grown(old, new).into_iter().take(12) {
            println!("    {more:>+14}  {name}");
        }
    }
}

/// By how many percent a number is larger.
fn percent(from: u64, to: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (from, to) = (from as f64, to as f64);
    (to - from) / from.max(1.0) * 100.0
}

fn compiler() -> String {
    let said = std::process::Command::new("rustc").arg("--version").output();
    said.map_or_else(
        |_| "an unknown compiler".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
