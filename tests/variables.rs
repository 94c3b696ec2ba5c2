//! Variables, repetition, standards, the catalogue and imports, each through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use support::{Output, Project, copy};

const HEAD: &str = r#"
project "variables" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider  = provider.local.here
  variables = { size = 2 }
}
"#;

fn project(text: &str) -> Project {
    Project::of(&[("main.mlp", &format!("{HEAD}{text}"))])
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0)
}

#[test]
fn the_later_value_wins_and_explain_says_which() {
    let project = project(
        "variable \"size\" {\n  type    = number\n  default = 1\n}\nstorage \"s\" {\n  labels = { size = var.size }\n}\n",
    );
    let shown = |arguments: &[&str], variables: &[(&str, &str)], wanted: &str| {
        let mut words = vec!["explain", "var.size", "-e", "local"];
        words.extend(arguments);
        project.mlp_with(&words, variables).ended(0).says(&format!("var.size = {wanted}\n"));
    };
    shown(&[], &[], "2");
    shown(&[], &[("MLP_VAR_size", "3")], "3");
    project.write("mlp.mlpvars", "size = 4\n");
    shown(&[], &[("MLP_VAR_size", "3")], "4");
    project.write("mlp.mlpvars.json", "{ \"size\": 4.5 }\n");
    shown(&[], &[("MLP_VAR_size", "3")], "4.5");
    project.write("0.auto.mlpvars.json", "{ \"size\": 4.6 }\n");
    shown(&[], &[], "4.6");
    project.write("b.auto.mlpvars", "size = 6\n");
    project.write("a.auto.mlpvars", "size = 5\n");
    shown(&[], &[], "6");
    project.write("given.mlpvars", "size = 7\n");
    shown(&["-var-file", "given.mlpvars"], &[], "7");
    project.write("given.json", "{ \"size\": 10 }\n");
    shown(&["-var-file", "given.json"], &[], "10");
    shown(&["-var-file", "given.mlpvars", "-var", "size=8"], &[], "8");
    shown(&["-var", "size=8", "-var-file", "given.mlpvars"], &[], "7");
    let all =
        project.mlp_with(&["explain", "var.size", "-e", "local", "-var", "size=9"], &[("MLP_VAR_size", "3")]);
    let all = all.ended(0).says("→ -var").says("MLP_VAR_size").says("environment.local").says("its default");
    all.says("(mlp.mlpvars:1)").says("(main.mlp:12)");
    project.mlp(&["explain", "var.sise", "-e", "local"]).ended(1).says("did you mean `var.size`?");
}

#[test]
fn an_ephemeral_value_is_in_no_plan_and_no_state() {
    let project = project(
        "variable \"size\" {\n  default = 1\n}\nvariable \"token\" {\n  ephemeral = true\n}\nstorage \"s\" {\n  description = \"of ${var.token}\"\n}\n",
    );
    let canary = "canary-7741";
    let given = format!("token={canary}");
    project
        .mlp(&["plan", "-var", &given])
        .ended(1)
        .says("an ephemeral value would be kept here")
        .never_says(canary);
    project.edit("\"of ${var.token}\"", "\"of ${ephemeralasnull(var.token) == null}\"");
    project.mlp(&["apply", "-auto-approve", "-var", &given]).ended(0);
    for file in support::files(&project.home("local"), "") {
        let text = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(canary), "{}", file.display());
    }
}

#[test]
fn instances_known_only_after_an_apply_wait_and_are_then_made() {
    let project = project(
        "variable \"size\" {\n  default = 1\n}\ndataset \"orders\" {\n  from = [\"orders.csv\"]\n}\nstorage \"of\" {\n  for_each = toset([dataset.orders.version])\n}\n",
    );
    project.write("orders.csv", "id\n1\n");
    let first = apply(&project);
    first.says("storage.of").says("`for_each` is known only after dataset.orders");
    let second = project.mlp(&["plan", "-e", "local"]).ended(0);
    second.says("storage.of[\"").says("1 to add");
    apply(&project);
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

#[test]
fn instances_and_dynamic_blocks_become_what_they_say() {
    let project = project(
        "variable \"size\" {\n  default = 1\n}\nlocals { names = { a = \"one\", b = \"two\" } }\nstorage \"s\" {\n  for_each    = local.names\n  description = each.value\n}\nstorage \"all\" {\n  labels = { for key, one in storage.s : key => one.description }\n}\ndataset \"d\" {\n  from    = [\"d.csv\"]\n  storage = storage.s[\"a\"]\n  quality {\n    dynamic \"expect\" {\n      for_each = [\"id\", \"name\"]\n      content {\n        check   = \"not_null\"\n        columns = [expect.value]\n      }\n    }\n  }\n}\n",
    );
    project.write("d.csv", "id,name\n1,x\n");
    apply(&project);
    let made = |path: &str| fs::read_to_string(project.home("local").join(path)).unwrap();
    assert!(made("storage/all.json").contains("\"a\": \"one\""), "{}", made("storage/all.json"));
    assert!(made("datasets/d.json").contains("\"name\": {"), "{}", made("datasets/d.json"));
    // A key that changed is the same thing when `moved` says so.
    project.edit("b = \"two\"", "c = \"two\"");
    project.mlp(&["plan"]).ended(0).says("1 to destroy");
    let text = project.text() + "moved {\n  from = storage.s[\"b\"]\n  to   = storage.s[\"c\"]\n}\n";
    project.write("main.mlp", &text);
    project.mlp(&["plan"]).ended(0).says("0 to destroy");
}

#[test]
fn a_standard_is_read_and_what_lies_outside_is_pinned() {
    let shared = Project::of(&[(
        "standard.mlp",
        "package {\n  name    = \"acme\"\n  version = \"1.2.0\"\n}\noutput \"pattern\" {\n  value = \"scan\"\n}\n",
    )]);
    let project = project("variable \"size\" {\n  default = 1\n}\n");
    let outside = project.directory().parent().unwrap().join("shared");
    copy(&shared.directory(), &outside);
    let text = project.text()
        + "standard \"acme\" {\n  source  = \"../shared\"\n  version = \"~> 1.2\"\n}\nstorage \"s\" {\n  pattern = standard.acme.pattern\n}\n";
    project.write("main.mlp", &text);
    project.mlp(&["plan"]).ended(0).says("lies outside the project and is not pinned").says("scan");
    project.mlp(&["init"]).ended(0).says("Wrote mlp.lock");
    project.mlp(&["plan"]).ended(0).never_says("not pinned");
    fs::write(outside.join("more.mlp"), "output \"days\" {\n  value = 3\n}\n").unwrap();
    project.mlp(&["plan"]).ended(1).says("`../shared` is not what mlp.lock pins").says("mlp init -upgrade");
    project.mlp(&["init"]).ended(1);
    project.mlp(&["init", "-upgrade"]).ended(0);
    project.mlp(&["plan"]).ended(0);
    project.edit("~> 1.2", "~> 2.0");
    project.mlp(&["validate"]).ended(1).says("has version 1.2.0, and `~> 2.0` is asked for");
    fs::remove_dir_all(outside).unwrap();
    project.mlp(&["validate"]).ended(1).says("there are no *.mlp files in `../shared`");
}

#[test]
fn the_catalogue_lists_extends_and_checks() {
    let project = project(
        "variable \"size\" {\n  default = 1\n}\ncompute \"c\" {\n  accelerator = { name = \"A100\", count = 8 }\n}\n",
    );
    project.mlp(&["validate"]).ended(1).says("`A100` may be A100 40GiB sxm or A100 80GiB sxm").says("memory");
    project.edit("\"A100\", count = 8", "\"H10\", count = 8");
    project.mlp(&["validate"]).ended(1).says("nobody knows the chip `H10`").says("did you mean `A10`?");
    let offers = project.mlp(&["catalog", "--gpu", "H100", "--count", "8", "--max-price", "60/h"]).ended(0);
    offers.says("p5.48xlarge").says("6.88").says("2026-07-20").never_says("Standard_ND96isr_H100_v5");
    project.mlp(&["catalog", "--gpu", "H200"]).ended(0).says("unknown").says("which is not zero");
    project.write(
        "catalog.csv",
        "provider,instance,accelerator,count,mem_gib_each,usd_hr,price_as_of\nhall,rack,H10,8,96,12.50,2026-11-01\n",
    );
    project.mlp(&["validate"]).ended(0);
    let json = project.mlp(&["catalog", "--gpu", "H10", "--json"]).ended(0).json();
    assert_eq!(json["offers"][0]["price_per_hour"], "12.5");
    assert_eq!(json["offers"][0]["from"], "catalog.csv");
    project.mlp(&["catalog", "--provider", "asw"]).ended(1).says("did you mean `aws`?");
    project.write("catalog.csv", "provider,instance,usd_hr\naws,p5.48xlarge,0\n");
    project.mlp(&["catalog"]).ended(1).says("catalog.csv, line 2: 0 is no price");
}

#[test]
fn blocks_are_written_for_what_is_imported() {
    let variable = "variable \"size\" {\n  default = 1\n}\n";
    let before = project(&format!(
        "{variable}storage \"pond\" {{\n  pattern     = \"scan\"\n  description = \"a ${{\"\"}}b\"\n}}\ndataset \"orders\" {{\n  from    = [\"orders.csv\"]\n  storage = storage.pond\n  quality {{\n    expect \"positive\" {{\n      assert   = row.amount > 0\n      at_least = 0.9\n    }}\n  }}\n}}\nmodel \"m\" {{\n  aliases = [\"champion\"]\n  card    = {{ intended_use = \"tests\" }}\n}}\n"
    ));
    before.write("orders.csv", "amount\n1\n");
    apply(&before);
    let project = project(variable);
    project.write("orders.csv", "amount\n1\n");
    copy(&before.home("local"), &project.home("local"));
    fs::remove_dir_all(project.home("local").join("state")).unwrap();
    let import = |to: &str, id: &str| format!("import {{\n  to = {to}\n  id = \"{id}\"\n}}\n");
    let imports = import("storage.pond", "storage/pond")
        + &import("dataset.orders", "datasets/orders")
        + &import("model.m", "models/m");
    project.write("imports.mlp", &imports);
    project.mlp(&["plan"]).ended(1).says("--generate-config-out");
    let said = project.mlp(&["plan", "-generate-config-out", "made.mlp"]).ended(0);
    said.says("Wrote storage.pond, dataset.orders, model.m")
        .says("3 to take over")
        .says("0 to add, 0 to change");
    let made = fs::read_to_string(project.directory().join("made.mlp")).unwrap();
    assert!(made.contains("assert   = row.amount > 0") && made.contains("storage = storage.pond"), "{made}");
    project.mlp(&["fmt", "-check", "made.mlp"]).ended(0);
    project.mlp(&["validate"]).ended(0);
    project.mlp(&["plan", "-generate-config-out", "made.mlp"]).ended(1).says("is there already");
    project.write("imports.mlp", &import("storage.elsewhere", "storage/none"));
    project
        .mlp(&["plan", "-generate-config-out", "more.mlp"])
        .ended(1)
        .says("there is no local_directory `storage/none`");
}
