//! The tools around the language, through the program: the graph, the console, the pages, the schema.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use support::Output;

fn mlp(directory: &Path, arguments: &[&str]) -> Output {
    support::run(support::program(directory).args(arguments).current_dir(directory))
}

fn reference(name: &str) -> std::path::PathBuf {
    support::folder(&format!("tests/reference/{name}"))
}

/// What the console says to some lines.
fn console(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut scratch = tempfile::tempfile().unwrap();
    scratch.write_all(input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut scratch).unwrap();
    let mut command = support::program(directory);
    support::run_fed(command.arg("console").args(arguments).current_dir(directory), Stdio::from(scratch))
}

fn project(text: &str) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("main.mlp"), text).unwrap();
    scratch
}

const HEAD: &str = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n}\nenvironment \"other\" {\n  provider = provider.local.here\n  storage \"s\" {\n    description = \"another\"\n  }\n}\n";
const BODY: &str = "variable \"size\" {\n  type    = number\n  default = 2\n}\nvariable \"word\" {\n  type      = string\n  default   = \"hidden\"\n  sensitive = true\n}\nlocals {\n  names = [\"a\", \"b\"]\n}\nstorage \"s\" {\n  kind        = \"object\"\n  description = \"one\"\n}\n";

#[test]
fn the_console_shows_values_as_terraforms_does() {
    let scratch = project(&format!("{HEAD}{BODY}"));
    for (input, wanted) in [
        ("1 + 2", "3"),
        ("var.size * 2", "4"),
        ("upper(local.names[1])", "\"B\""),
        ("[for n in local.names :\n  upper(n)]", "[\n  \"A\",\n  \"B\",\n]"),
        ("{ a = 1, b = {} }", "{\n  \"a\" = 1\n  \"b\" = {}\n}"),
        ("\"a\\\"${var.size}\"", "\"a\\\"2\""),
        ("null", "null"),
        ("var.word", "(sensitive value)"),
        ("[var.word, \"x\"]", "(sensitive value)"),
        ("timestamp()", "(known after apply)"),
        ("storage.s.description", "\"one\""),
        ("type(\"a\")", "string"),
        ("help", "Write an expression"),
        ("exit\n1", ""),
    ] {
        let said = console(scratch.path(), &["-e", "local"], &format!("{input}\n")).ended(0);
        let fits =
            if input == "help" { said.stdout.starts_with(wanted) } else { said.stdout.trim_end() == wanted };
        assert!(fits, "{input}: {said}");
    }
    let given =
        console(scratch.path(), &["-e", "other", "-var", "size=5"], "var.size\nstorage.s.description\n");
    assert_eq!(given.ended(0).stdout, "5\n\"another\"\n");
}

#[test]
fn what_is_wrong_in_the_console_has_its_place() {
    let scratch = project(&format!("{HEAD}{BODY}"));
    console(scratch.path(), &["-e", "local"], "1\nvar.siz\n2\n")
        .ended(1)
        .says("<console>:1:")
        .says("`var.size`")
        .says("1\n");
    console(scratch.path(), &["-e", "local"], "1 +\n").ended(1).says("MLP01");
    console(scratch.path(), &["-e", "local"], "upper(\n").ended(1).says("MLP01");
    console(scratch.path(), &[], "1\n").ended(1).says("-e local");
    // What is wrong elsewhere is said, and what is right of the rest can be asked for all the same.
    let broken = project(&format!("{HEAD}{BODY}storage \"t\" {{\n  patern = 1\n}}\n"));
    let said = console(broken.path(), &["-e", "local"], "var.size\n").ended(0).says("patern");
    assert_eq!(said.stdout, "2\n");
}

#[test]
fn a_terminal_has_completion_history_and_several_lines() {
    let scratch = project(&format!("{HEAD}{BODY}"));
    let talk = support::folder("tests/console").join("terminal.py");
    let mut command = std::process::Command::new("python3");
    command.arg(talk).arg(env!("CARGO_BIN_EXE_mlp")).arg(scratch.path());
    support::run(&mut command).ended(0).says("all ok");
}

/// The numbers in an attribute of every tag of a kind.
fn numbers(svg: &str, tag: &str, attributes: [&str; 4]) -> Vec<[f64; 4]> {
    let value = |line: &str, name: &str| -> f64 {
        line.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    let lines = svg.lines().filter(|line| line.contains(tag));
    lines.map(|line| attributes.map(|name| value(line, name))).collect()
}

#[test]
fn pictures_of_the_references_overlap_nowhere() {
    for name in ["fraud", "support-llm"] {
        for arguments in [&["graph", "--format", "svg"][..], &["graph", "--format", "svg", "--all"]] {
            let svg = mlp(&reference(name), arguments).ended(0).stdout;
            let nodes = numbers(&svg, "class=\"node", ["x", "y", "width", "height"]);
            assert!(nodes.len() >= 9, "{name}: {}", nodes.len());
            let page = numbers(&svg, "<svg ", ["width", "height", "width", "height"])[0];
            for (at, [x, y, width, height]) in nodes.iter().enumerate() {
                assert!(*x >= 0.0 && *y >= 0.0 && x + width <= page[0] && y + height <= page[1], "{name}");
                for [other_x, other_y, other_width, other_height] in &nodes[at + 1..] {
                    let apart = x + width <= *other_x
                        || other_x + other_width <= *x
                        || y + height <= *other_y
                        || other_y + other_height <= *y;
                    assert!(apart, "{name}: a node at {x} {y} and one at {other_x} {other_y}");
                }
            }
        }
    }
}

#[test]
fn the_flow_goes_from_left_to_right() {
    let json = mlp(&reference("fraud"), &["graph", "--format", "json"]).ended(0).json();
    let edge = |from: &str, to: &str, back: bool| {
        let edges = json["edges"].as_array().unwrap();
        assert!(
            edges.iter().any(|edge| edge["from"] == from && edge["to"] == to && edge["back"] == back),
            "{from} -> {to}: {json:#}"
        );
    };
    edge("source.core_banking", "dataset.transactions", false);
    edge("dataset.transactions", "features.card_velocity", false);
    edge("features.card_velocity", "pipeline.train", false);
    edge("pipeline.train", "model.fraud", false);
    edge("model.fraud", "endpoint.fraud", false);
    edge("endpoint.fraud", "dataset.fraud_log", false);
    edge("endpoint.fraud", "alert.fraud_slo", false);
    edge("monitor.fraud", "pipeline.train", true);
    edge("alert.fraud_slo", "endpoint.fraud", true);
    let dot = mlp(&reference("fraud"), &["graph", "-e", "staging"]).ended(0).stdout;
    assert!(dot.starts_with("digraph mlp {\n  rankdir = LR\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("\"model.fraud\" -> \"endpoint.fraud\"\n"), "{dot}");
    let mermaid = mlp(&reference("fraud"), &["graph", "--format", "mermaid"]).ended(0).stdout;
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("-->"), "{mermaid}");
}

#[test]
fn a_module_is_a_cluster() {
    let scratch = project(&format!(
        "{HEAD}module \"m\" {{\n  source = \"./m\"\n}}\ndataset \"d\" {{\n  from = [module.m.out]\n}}\n"
    ));
    std::fs::create_dir(scratch.path().join("m")).unwrap();
    let module =
        "dataset \"inner\" {\n  from = [\"x.csv\"]\n}\noutput \"out\" {\n  value = dataset.inner\n}\n";
    std::fs::write(scratch.path().join("m/main.mlp"), module).unwrap();
    let graph = |format: &str| mlp(scratch.path(), &["graph", "--format", format]).ended(0).stdout;
    assert!(graph("dot").contains("subgraph \"cluster_module.m\" {"), "{}", graph("dot"));
    assert!(graph("mermaid").contains("subgraph m_0[\"module.m\"]"), "{}", graph("mermaid"));
    let svg = graph("svg");
    let [x, y, width, height] = numbers(&svg, "class=\"module\"", ["x", "y", "width", "height"])[0];
    let inside = |place: &[f64; 4]| {
        x < place[0] && place[0] + place[2] < x + width && y < place[1] && place[1] + place[3] < y + height
    };
    assert_eq!(
        numbers(&svg, "class=\"node", ["x", "y", "width", "height"]).iter().filter(|one| inside(one)).count(),
        1
    );
    let only = mlp(scratch.path(), &["graph", "--format", "json", "--module", "m"]).ended(0).json();
    assert_eq!(only["nodes"].as_array().unwrap().len(), 1);
    mlp(scratch.path(), &["graph", "--module", "n"]).ended(1).says("MLP0932");
}

#[test]
fn everything_with_a_name_has_a_page() {
    let scratch = project(&format!("{HEAD}{BODY}"));
    let says = |topic: &[&str], wanted: &[&str]| {
        let said = mlp(scratch.path(), &[&["explain"], topic].concat()).ended(0);
        wanted.iter().for_each(|one| assert!(said.stdout.contains(one), "{topic:?}: {one} in {said}"));
    };
    says(&["endpoint"], &["Serving", "`kind` (`online`", "The provider `local` makes it", "    endpoint \""]);
    says(&["endpoint.scaling.min"], &["The fewest replicas.", "default: `1`", "scaling = { min"]);
    says(&["dataset.quality.expect.<name>.max_lag"], &["type: duration"]);
    says(&["alert"], &["does not serve it"]);
    says(&["join"], &["join(separator"]);
    says(
        &["storage.s"],
        &[
            "= \"object\"",
            "main.mlp:25",
            "## local\n",
            "environment.other, main.mlp:9",
            "Declared at main.mlp:24",
        ],
    );
    says(&["storage.s.description", "-e", "other"], &["= \"another\"", "environment.other"]);
    mlp(scratch.path(), &["explain", "endpoint.scalin"]).ended(1).says("did you mean `endpoint.scaling`?");
    mlp(scratch.path(), &["explain", "storage.t"]).ended(1).says("did you mean `storage.s`?");
    let json = mlp(scratch.path(), &["explain", "storage.s", "--json"]).ended(0).json();
    assert_eq!(
        json["detail"]["environments"]["other"][0]["origin"], "environment.other, main.mlp:9",
        "{json}"
    );
}

#[test]
fn a_shell_completes_names_of_the_project() {
    let scratch = project(&format!("{HEAD}{BODY}"));
    let script = r#"
        eval "$("$0" completions bash)"
        asked() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _mlp_with_names "$1" "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"; }
        asked "$0" plan -e ""
        asked "$0" plan --env oth
        asked "$0" explain ""
        asked "$0" conso
    "#;
    let mut command = support::program(scratch.path());
    let program = command.get_program().to_owned();
    command = std::process::Command::new("bash");
    command.args(["-c", script]).arg(program).current_dir(scratch.path());
    let said = support::run(&mut command).ended(0);
    assert_eq!(
        said.stdout.lines().collect::<Vec<_>>(),
        ["local other", "other", "storage.s", "console"],
        "{said}"
    );
}
