//! How long each stage from text to declarations takes: parse, index and evaluation of one environment.
//!
//! `cargo run --profile dist -p mlp-config --example stages -- native 10000`, where the first word is a shape below, or a file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::time::Instant;

use mlp_config::{Inputs, environments, resolve};
use mlp_diag::SourceMap;
use mlp_syntax::Tree;
use mlp_value::facts::Facts;

mod mixed;

const HEAD: &str = "project \"p\" {\n  mlp_version = \"~> 0.1\"\n}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n}\nvariable \"v\" {\n  default = 2\n}\n";

/// One block of a shape.
fn block(shape: &str, at: usize) -> String {
    let before = at.saturating_sub(1);
    match shape {
        "native" => format!("resource \"local_value\" \"v{at}\" {{\n  input = \"value {at}\"\n}}\n"),
        "refers" if at == 0 => "resource \"local_value\" \"v0\" {\n  input = 0\n}\n".to_owned(),
        "refers" => format!(
            "resource \"local_value\" \"v{at}\" {{\n  input = {{ n = {at}, before = local_value.v{before}.id, v = var.v }}\n}}\n"
        ),
        "variable" => format!("variable \"x{at}\" {{\n  type    = number\n  default = {at}\n}}\n"),
        "locals" => {
            format!("locals {{\n  x{at} = {at} + var.v\n}}\noutput \"o{at}\" {{\n  value = local.x{at}\n}}\n")
        }
        "wrong" => format!("storage \"s{at}\" {{\n  kind = \"nonsense\"\n  kidn = 2\n}}\n"),
        "unreadable" => format!("storage \"s{at}\" {{\n  kind = = 2\n}}\n"),
        "storage" => format!(
            "storage \"s{at}\" {{\n  kind        = \"object\"\n  description = \"number {at}\"\n  labels      = {{ n = \"{at}\", team = \"growth\" }}\n}}\n"
        ),
        _ => mixed::block(at),
    }
}

fn text(shape: &str, count: usize) -> String {
    let each = |collection: &str, input: &str| {
        format!("{HEAD}resource \"local_value\" \"v\" {{\n  {collection}\n  input = {input}\n}}\n")
    };
    let mut text = HEAD.to_owned();
    match shape {
        "each" => {
            return each(
                &format!("for_each = {{ for n in range({count}) : \"k${{n}}\" => n }}"),
                "each.value",
            );
        }
        "set" => {
            return each(&format!("for_each = toset([for n in range({count}) : \"k${{n}}\"])"), "each.key");
        }
        "count" => return each(&format!("count = {count}"), "count.index"),
        "object" => {
            text.push_str("resource \"local_value\" \"v\" {\n  input = {\n");
            (0..count).for_each(|at| writeln!(text, "    k{at} = {at}").unwrap());
            text.push_str("  }\n}\n");
        }
        "list" => {
            text.push_str("resource \"local_value\" \"v\" {\n  input = [");
            (0..count).for_each(|at| write!(text, "{at},").unwrap());
            text.push_str("]\n}\n");
        }
        "line" => {
            let long = "x".repeat(count);
            write!(text, "resource \"local_value\" \"v\" {{\n  input = \"{long}\"\n}}\n").unwrap();
        }
        _ => (0..count).for_each(|at| text.push_str(&block(shape, at))),
    }
    text
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned()
}

fn measure() {
    let mut words = std::env::args().skip(1);
    let shape = words.next().unwrap_or_else(|| "mixed".to_owned());
    let count = words.next().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let rounds = words.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let text = std::fs::read_to_string(&shape).unwrap_or_else(|_| text(&shape, count));
    let mut sources = SourceMap::default();
    let file = sources.add("main.mlp", text.as_str());
    let since = |began: Instant| began.elapsed().as_secs_f64() * 1e3;
    for _ in 0..rounds {
        let began = Instant::now();
        let (tree, problems) = mlp_syntax::parse(file, &text);
        println!("{shape} {count}: parse {:.1} ms, {} mistakes, {}", since(began), problems.len(), peak());
        let trees: Vec<&Tree> = vec![&tree];
        for environment in environments(&trees) {
            let inputs = Inputs {
                trees: &trees,
                sources: &sources,
                environment: &environment,
                assignments: &[],
                root: ".",
                modules: &[],
            };
            let began = Instant::now();
            let found = resolve(&inputs, &Facts::default());
            let declared = found.platform.as_ref().map_or(0, |platform| platform.declarations.len());
            println!(
                "  resolve {:.1} ms, {declared} declarations, {} mistakes, {}",
                since(began),
                found.diagnostics.len(),
                peak()
            );
            let began = Instant::now();
            drop(found);
            println!("  drop {:.1} ms", since(began));
        }
    }
    let began = Instant::now();
    let formatted = mlp_syntax::format(&text).map(|text| text.len()).map_err(|problems| problems.len());
    println!("  format {:.1} ms, {formatted:?}", since(began));
}

fn main() {
    let worker = std::thread::Builder::new().stack_size(256 << 20).spawn(measure).unwrap();
    worker.join().unwrap();
}
