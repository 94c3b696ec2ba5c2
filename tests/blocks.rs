//! The blocks around the platform's nouns, each through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use support::{Output, Project, files};

const HEAD: &str = r#"
project "blocks" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
"#;

/// A project of one environment with these declarations.
fn project(text: &str) -> Project {
    Project::of(&[("main.mlp", &format!("{HEAD}{text}"))])
}

/// Other declarations for the same project.
fn write(project: &Project, text: &str) {
    project.write("main.mlp", &format!("{HEAD}{text}"));
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0)
}

fn plan(project: &Project) -> Output {
    project.mlp(&["plan", "-e", "local"])
}

/// Fails unless a plan finds nothing to do.
#[track_caller]
fn nothing_to_do(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

#[test]
fn a_sensitive_value_is_in_no_file_but_the_object_itself() {
    let project = project(
        r#"
variable "token" {
  type      = string
  sensitive = true
}
storage "lake" {
  labels = { token = "Bearer ${var.token}", plain = "seen" }
}
"#,
    );
    let with = |token: &str, more: &[&str]| {
        let given = format!("token={token}");
        let mut words = more.to_vec();
        words.extend(["-e", "local", "-var", &given]);
        project.mlp(&words)
    };
    let canary = "canary-5309";
    with(canary, &["plan", "-out", "plan.json"]).ended(0).says("(sensitive)").never_says(canary);
    let text = fs::read_to_string(project.directory().join("plan.json")).unwrap();
    assert!(!text.contains(canary) && text.contains("seen"), "{text}");
    project.mlp(&["show", "plan.json"]).ended(0).says("(sensitive)");
    // Another value, or none, is not what was approved.
    with("other", &["apply", "plan.json"]).ended(12);
    project.mlp(&["apply", "plan.json", "-e", "local"]).ended(12).says("token");
    // Where the value comes from does not matter.
    project.write("given.mlpvars", &format!("token = \"{canary}\"\n"));
    project.mlp(&["apply", "plan.json", "-e", "local", "-var-file", "given.mlpvars"]).ended(0);
    for file in files(&project.home("local").join("state"), "") {
        let bytes = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{}", file.display());
    }
    let made = fs::read_to_string(project.home("local").join("storage/lake.json")).unwrap();
    assert!(made.contains("Bearer canary-5309"), "{made}");
    with(canary, &["plan", "-detailed-exitcode"]).ended(0).says("No changes.");
    // The old value is not told either when a new one takes its place.
    with("newer-7711", &["plan", "-out", "plan.json"]).ended(0).says("1 to change").never_says(canary);
    let text = fs::read_to_string(project.directory().join("plan.json")).unwrap();
    assert!(!text.contains(canary) && !text.contains("newer-7711"), "{text}");
    with("newer-7711", &["apply", "-auto-approve"]).ended(0).never_says("newer-7711");
    with("newer-7711", &["plan", "-detailed-exitcode"]).ended(0);
    // Nor is it told by a message about it.
    project.edit("storage \"lake\" {", "storage \"lake\" {\n  versioning = var.token");
    with("newer-7711", &["plan"]).ended(1).says("versioning").never_says("newer-7711");
    project.edit("  versioning = var.token\n", "");
    with("newer-7711", &["destroy", "-auto-approve"]).ended(0);
}

const ROWS: &str = "id,amount\n1,10\n2,20\n3,30\n";

/// Files below the environment's home whose content has these words.
fn holding(project: &Project, words: &str) -> usize {
    let all = files(&project.home("local"), "");
    all.iter()
        .filter(|file| fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(words)))
        .count()
}

#[test]
fn modules_from_directories() {
    let module = r#"
variable "region" { type = string }
variable "labels_of" { default = {} }
storage "lake" {
  labels = var.labels_of
}
dataset "orders" {
  from    = ["orders.csv"]
  storage = storage.lake
  labels  = { region = var.region, at = path.module }
}
output "orders" { value = dataset.orders }
output "rows" { value = dataset.orders.rows }
"#;
    let project = project(
        r#"
module "shop" {
  source   = "./modules/shop"
  for_each = { eu = "Europe", us = "America" }
  region   = each.value
}
dataset "copy" {
  from        = ["modules/shop/orders.csv"]
  description = "${module.shop["eu"].rows} rows"
}
output "rows" { value = module.shop["us"].rows }
"#,
    );
    project.write("modules/shop/main.mlp", module);
    project.write("modules/shop/orders.csv", ROWS);
    plan(&project)
        .ended(0)
        .says("module.shop[\"eu\"].dataset.orders")
        .says("modules/shop/main.mlp:")
        .says("(known after module.shop[\"eu\"].dataset.orders is created)")
        .says("5 to add");
    apply(&project).says("rows = 3");
    nothing_to_do(&project);
    project.mlp(&["status", "-e", "local"]).ended(0).says("module.shop[\"us\"].storage.lake");
    project.mlp(&["plan", "-e", "local", "-target", "module.shop[\"eu\"].storage.lake"]).ended(0);
    // A mistake in a module is shown in its file; one in a call at the call.
    project.write("modules/shop/more.mlp", "dataset \"bad\" { storage = storage.none }\n");
    plan(&project)
        .ended(1)
        .says("modules/shop/more.mlp:1")
        .says("there is no `module.shop[\"eu\"].storage.none`");
    fs::remove_file(project.directory().join("modules/shop/more.mlp")).unwrap();
    project.edit("region   = each.value", "regoin   = each.value");
    plan(&project).ended(1).says("the module has no variable `regoin`").says("is not given `region`");
    project.edit("regoin   = each.value", "region   = each.value");
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
}

#[test]
fn what_moved_keeps_its_name_and_its_data() {
    let declared = |storage: &str, dataset: &str, more: &str| {
        format!(
            "storage \"{storage}\" {{}}\ndataset \"{dataset}\" {{\n  from    = [\"orders.csv\"]\n  storage = storage.{storage}\n}}\n{more}"
        )
    };
    let project = project(&declared("lake", "orders", ""));
    project.write("orders.csv", ROWS);
    apply(&project);
    let kept = holding(&project, "1,10");
    assert!(kept > 0);
    let moved = |from: &str, to: &str| format!("moved {{\n  from = {from}\n  to   = {to}\n}}\n");
    // Two steps at once, one of them over a name that was never applied.
    let blocks = moved("storage.lake", "storage.pond")
        + &moved("storage.pond", "storage.sea")
        + &moved("dataset.orders", "dataset.sales");
    write(&project, &declared("sea", "sales", &blocks));
    let said = plan(&project)
        .ended(0)
        .says("2 to move")
        .says("dataset.sales has moved")
        .says("moved from storage.lake");
    assert!(said.stdout.contains("0 to add, 0 to change, 0 to destroy"), "{said}");
    apply(&project);
    nothing_to_do(&project);
    assert_eq!(holding(&project, "1,10"), kept, "the data was made again or lost");
    // The blocks may go: the names are remembered, and what refers to them finds them.
    write(&project, &declared("sea", "sales", ""));
    nothing_to_do(&project);
    assert!(!project.home("local").join("storage/sea").exists());
    // Into a module, and with it to another name.
    project.write("m/main.mlp", &declared("sea", "sales", "").replace("\"orders.csv\"", "\"../orders.csv\""));
    let call = |name: &str, more: &str| format!("module \"{name}\" {{ source = \"./m\" }}\n{more}");
    let blocks =
        moved("storage.sea", "module.a.storage.sea") + &moved("dataset.sales", "module.a.dataset.sales");
    write(&project, &call("a", &blocks));
    plan(&project).ended(0).says("2 to move").says("0 to destroy");
    apply(&project);
    write(&project, &call("b", &moved("module.a", "module.b")));
    plan(&project).ended(0).says("2 to move").says("0 to destroy");
    apply(&project);
    nothing_to_do(&project);
    // What is made of it later still knows where it is.
    project.write("orders.csv", &format!("{ROWS}4,40\n"));
    apply(&project);
    nothing_to_do(&project);
    // The name is taken while it is held.
    write(&project, &(call("b", "") + "storage \"lake\" {}\n"));
    plan(&project).ended(1).says("the name of storage.lake is still held by module.b.storage.sea");
    write(&project, &call("b", &(moved("storage.gone", "storage.nowhere"))));
    plan(&project).ended(1).says("storage.nowhere is not declared");
    write(&project, "");
    apply(&project);
    assert!(!project.home("local").join("storage/lake").exists());
}

#[test]
fn what_is_removed_stays_or_goes_as_it_is_said() {
    let two = "storage \"a\" {}\nstorage \"b\" {}\nstorage \"c\" {}\n";
    let project = project(two);
    apply(&project);
    let removed = |from: &str, lifecycle: &str| format!("removed {{\n  from = {from}\n{lifecycle}\n}}\n");
    write(&project, &(two.to_owned() + &removed("storage.a", "")));
    plan(&project).ended(1).says("is said to be removed and is still declared");
    let gone = removed("storage.a", "  lifecycle { destroy = false }")
        + &removed("storage.b", "  lifecycle { on_destroy = \"delete\" }");
    write(&project, &("storage \"c\" {}\n".to_owned() + &gone));
    plan(&project).ended(0).says("1 to destroy").says("1 to forget").says("removed in main.mlp:");
    apply(&project);
    nothing_to_do(&project);
    let there = |name: &str| project.home("local").join(format!("storage/{name}")).exists();
    assert!(there("a") && !there("b") && there("c"));
}

#[test]
fn what_exists_is_taken_over() {
    let before = project("storage \"a\" {}\nstorage \"pond\" { pattern = \"scan\" }\n");
    apply(&before);
    fs::write(before.home("local").join("storage/pond/kept.txt"), "kept").unwrap();
    // What somebody else made lies where this project makes its own.
    let project = Project::of(&[("main.mlp", &HEAD.replace("blocks", "other"))]);
    let write = |project: &Project, text: &str| {
        project.write("main.mlp", &format!("{}{text}", HEAD.replace("blocks", "other")));
    };
    support::copy(&before.home("local").join("storage"), &project.home("local").join("storage"));
    let file = project.home("local").join("storage/pond/kept.txt");
    write(&project, "storage \"a\" {}\nstorage \"pond\" { pattern = \"scan\" }\n");
    plan(&project).ended(1).says("exists already as storage/pond").says("import {");
    let import = |to: &str, id: &str| format!("import {{\n  to = {to}\n  id = \"{id}\"\n}}\n");
    let both = import("storage.a", "storage/a") + &import("storage.lake", "storage/pond");
    write(&project, &("storage \"a\" {}\nstorage \"lake\" { description = \"ours\" }\n".to_owned() + &both));
    plan(&project)
        .ended(0)
        .says("2 to take over")
        .says("0 to add")
        .says("description")
        .says("import in main.mlp:");
    apply(&project);
    nothing_to_do(&project);
    assert!(file.exists(), "what was taken over lost its data");
    // The block may stay or go.
    write(&project, "storage \"a\" {}\nstorage \"lake\" { description = \"ours\" }\n");
    nothing_to_do(&project);
    write(
        &project,
        &("storage \"a\" {}\nstorage \"lake\" {}\nstorage \"x\" {}\n".to_owned()
            + &import("storage.x", "storage/none")),
    );
    plan(&project).ended(1).says("there is no local_directory `storage/none` to take over");
    write(
        &project,
        &("storage \"a\" {}\nstorage \"lake\" {}\nstorage \"x\" {}\n".to_owned()
            + &import("storage.x", "storage/a")),
    );
    plan(&project).ended(1).says("belongs to storage.a already");
    write(
        &project,
        &("storage \"a\" {}\nstorage \"lake\" {}\n".to_owned() + &import("storage.y", "storage/a")),
    );
    plan(&project).ended(1).says("there is no `storage.y`");
}

#[test]
fn one_block_takes_over_many() {
    let before = project("storage \"a\" {}\nstorage \"pond\" {}\n");
    apply(&before);
    let text = "storage \"lake\" {\n  for_each = toset([\"eu\", \"us\"])\n}\n\
                import {\n  for_each = { eu = \"storage/a\", us = \"storage/pond\" }\n  to       = storage.lake[each.key]\n  id       = each.value\n}\n";
    let project = Project::of(&[("main.mlp", &(HEAD.replace("blocks", "other") + text))]);
    support::copy(&before.home("local").join("storage"), &project.home("local").join("storage"));
    plan(&project).ended(0).says("2 to take over").says("0 to add").says("storage.lake[\"us\"]");
    apply(&project);
    nothing_to_do(&project);
    project.edit("us = \"storage/pond\"", "uk = \"storage/pond\"");
    plan(&project).ended(1).says("`storage.lake` has no instance `storage.lake[\"uk\"]`");
}

#[test]
fn a_value_is_remembered_and_nothing_is_made_of_it() {
    let project = project(
        r#"
variable "n" { default = 1 }
variable "token" {
  default   = "hunter22"
  sensitive = true
}
resource "local_value" "a" {
  input = { n = var.n, list = [1, "two"] }
}
resource "local_value" "b" {
  input            = local_value.a.output.n + 1
  triggers_replace = [var.n]
}
resource "local_value" "secret" { input = var.token }
resource "local_value" "many" {
  count = 3
  input = "${count.index} ${local_value.b.id}"
}
resource "local_value" "nothing" {}
output "b" { value = local_value.b.output }
output "id" { value = local_value.b.id }
output "last" { value = local_value.many[2].output }
"#,
    );
    plan(&project).ended(0).says("(known after local_value.b is created)").says("7 to add");
    apply(&project).says("7 added");
    nothing_to_do(&project);
    let told = || project.mlp(&["output", "-e", "local", "--json"]).ended(0).json();
    let id = |told: &serde_json::Value| told["id"]["value"].as_str().unwrap().to_owned();
    let before = told();
    assert_eq!(before["b"]["value"], 2);
    assert_eq!(before["last"]["value"], format!("2 {}", id(&before)));

    project.edit("\"n\" { default = 1 }", "\"n\" { default = 2 }");
    let changed = plan(&project).ended(0);
    changed.says("1 to add, 4 to change, 1 to destroy").says("forces replacement").says("input.n = 1 -> 2");
    apply(&project).says("local_value.b: destroyed after");
    nothing_to_do(&project);
    let after = told();
    assert_eq!(after["b"]["value"], 3);
    assert_ne!(id(&after), id(&before), "it was made anew");
    assert_eq!(after["last"]["value"], format!("2 {}", id(&after)));
    let home = project.directory().join(".mlp/local");
    assert!(!home.join("values").exists(), "nothing is made outside the state");
    let found = std::process::Command::new("grep").args(["-r", "hunter22"]).arg(&home).status().unwrap();
    assert_eq!(found.code(), Some(1), "a sensitive value is not written down");
    // What comes of a sensitive value may be handed on; nothing is computed from the mark that stands for it.
    let nothing = "resource \"local_value\" \"nothing\" {}";
    project.edit(nothing, "resource \"local_value\" \"nothing\" { input = [local_value.secret.output, \"${local_value.secret.id}!\"] }");
    apply(&project).never_says("hunter22");
    nothing_to_do(&project);
    project.edit(
        "[local_value.secret.output, \"${local_value.secret.id}!\"]",
        "length(local_value.secret.output)",
    );
    plan(&project).ended(1).says("something is computed from a sensitive output").says("main.mlp:");
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0).says("7 destroyed");
    plan(&project).ended(0).says("7 to add");
    project
        .mlp(&["apply", "-e", "local", "-auto-approve"])
        .ended(15)
        .says("computed from a sensitive output");
    project.edit("length(local_value.secret.output)", "1");
    apply(&project);

    project.edit("resource \"local_value\" \"nothing\"", "resource \"local_value\" \"other\"");
    project.edit("output \"b\"", "import {\n  to = local_value.other\n  id = \"values/x\"\n}\noutput \"b\"");
    plan(&project).ended(1).says("local_value");
}

#[test]
fn a_native_resource_and_native_fields() {
    let project = project(
        r#"
resource "local_directory" "scratch" {
  pattern = "scan"
}
storage "lake" {
  pattern = "scan"
  labels  = { beside = local_directory.scratch.path }
  override "local" {
    reason = "measured"
    set    = { pattern = "random" }
  }
}
output "path" { value = resource.local_directory.scratch.path }
"#,
    );
    plan(&project)
        .ended(0)
        .says("(known after local_directory.scratch is created)")
        .says("2 to add")
        .says("\"random\"");
    apply(&project).says("storage/scratch");
    nothing_to_do(&project);
    for (before, after, says) in [
        (
            "  pattern = \"scan\"\n}\nstorage",
            "  patern = \"scan\"\n}\nstorage",
            "local_directory has no field `patern`",
        ),
        ("  pattern = \"scan\"\n}\nstorage", "  pattern = [1]\n}\nstorage", "has the wrong type"),
        ("  pattern = \"scan\"\n}\nstorage", "  intact = \"yes\"\n}\nstorage", "is given by the target"),
        ("set    = { pattern =", "set    = { patern =", "local_directory has no field `patern`"),
        (
            "\"local_directory\" \"scratch\" {",
            "\"local_folder\" \"scratch\" {",
            "has no resource `local_folder`",
        ),
        (
            "\"local_directory\" \"scratch\" {",
            "\"local_directory\" \"lake\" {",
            "would both be called `storage/lake`",
        ),
    ] {
        let whole = project.text();
        let after = whole.replacen(before, after, 1).replace(
            "local_directory.scratch.path",
            if says.contains("both") { "local_directory.lake.path" } else { "local_directory.scratch.path" },
        );
        assert_ne!(after, whole, "{before}");
        project.write(
            "main.mlp",
            &after.replace(
                "local_directory.scratch.path",
                if says.contains("folder") {
                    "local_folder.scratch.path"
                } else {
                    "local_directory.scratch.path"
                },
            ),
        );
        plan(&project).ended(1).says(says);
        project.write("main.mlp", &whole);
    }
}

#[test]
fn what_is_there_already_is_looked_up() {
    let project = project("dataset \"orders\" { from = [\"orders.csv\"] }\n");
    project.write("orders.csv", ROWS);
    apply(&project);
    let with = |name: &str, more: &str| {
        format!(
            "dataset \"orders\" {{ from = [\"orders.csv\"] }}\ndata \"local_dataset\" \"there\" {{ name = \"{name}\" }}\ndata \"local_file\" \"raw\" {{ path = \"orders.csv\" }}\nstorage \"lake\" {{\n  labels = {{ rows = data.local_dataset.there.rows, size = data.local_file.raw.size{more} }}\n}}\n"
        )
    };
    write(&project, &with("orders", ""));
    plan(&project).ended(0).says("rows = \"3\"").says("size = \"25\"").says("1 to add");
    apply(&project);
    nothing_to_do(&project);
    write(&project, &with("nothing", ""));
    plan(&project).ended(1).says("`data.local_dataset.there` finds nothing").says("main.mlp:");
    write(&project, &with("orders", ", x = data.local_dataset.there.rowz"));
    plan(&project).ended(1).says("tells no `rowz`").says("rows");
}

#[test]
fn outputs_of_another_project_are_read() {
    let project = Project::of(&[
        ("main.mlp", &HEAD.replace("\"blocks\" {", "\"blocks\" {\n  version = \"1.2.0\"")),
        (
            "more.mlp",
            "storage \"lake\" {}\noutput \"path\" { value = storage.lake.kind }\noutput \"n\" { value = 7 }\noutput \"hidden\" {\n  value = 1\n  sensitive = true\n}\n",
        ),
        ("user/main.mlp", &HEAD.replace("blocks", "user")),
    ]);
    let user = |text: &str| {
        project.write("user/more.mlp", text);
        project.mlp(&["-C", "user", "plan", "-e", "local"])
    };
    let reading = |demand: &str, name: &str| {
        format!(
            "reference \"up\" {{\n  project = \"..\"\n  version = \"{demand}\"\n}}\nstorage \"s\" {{ labels = {{ v = reference.up.{name} }} }}\n"
        )
    };
    user(&reading("~> 1.0", "n")).ended(1).says("was never applied");
    apply(&project);
    user(&reading("~> 1.0", "n")).ended(0).says("v = \"7\"");
    user(&reading("~> 2.0", "n")).ended(1).says("has version 1.2.0, and `~> 2.0` is asked for");
    user(&reading("~> 1.0", "m")).ended(1).says("has no output `m`");
    user(&reading("~> 1.0", "hidden")).ended(1).says("it is sensitive");
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
    user(&reading("~> 1.0", "n")).ended(1).says("was never applied");
}

#[test]
fn conditions_over_what_is_only_made_by_the_apply_are_looked_at_before_their_step() {
    let text = |before: &str, told: &str| {
        format!(
            "resource \"local_value\" \"v\" {{ input = \"x\" }}\nstorage \"b\" {{\n  lifecycle {{\n    precondition {{\n      \
             condition     = resource.local_value.v.output == \"{before}\"\n      error_message = \"not so\"\n    }}\n  }}\n}}\n\
             output \"o\" {{\n  value = resource.local_value.v.output\n  precondition {{\n    \
             condition     = resource.local_value.v.output == \"{told}\"\n    error_message = \"not told\"\n  }}\n}}\n"
        )
    };
    let project = project(&text("y", "z"));
    plan(&project).ended(0).says("2 to add");
    let apply = ["apply", "-e", "local", "-auto-approve"];
    project.mlp(&apply).ended(11).says("storage.b: not so").says("resource.local_value.v.output is \"x\"");
    assert!(!project.directory().join(".mlp/local/storage/b").exists(), "it was made all the same");
    plan(&project).ended(11).says("storage.b: not so").says("output.o: not told");
    write(&project, &text("x", "z"));
    plan(&project).ended(11).says("output.o: not told");
    write(&project, &text("x", "x"));
    project.mlp(&apply).ended(0).says("1 added");
    nothing_to_do(&project);
}

#[test]
fn conditions_triggers_and_what_cannot_be_served() {
    let text = |pattern: &str, pre: &str, post: &str| {
        format!(
            "storage \"a\" {{ pattern = \"{pattern}\" }}\nstorage \"b\" {{\n  lifecycle {{\n    replace_triggered_by = [storage.a]\n    precondition {{\n      condition     = {pre}\n      error_message = \"before\"\n    }}\n    postcondition {{\n      condition     = {post}\n      error_message = \"after\"\n    }}\n  }}\n}}\n"
        )
    };
    let project = project(&text("scan", "target.name == \"prod\"", "true"));
    plan(&project).ended(11).says("storage.b: before").says("main.mlp:").says("target.name is \"local\"");
    write(&project, &text("scan", "target.name == \"local\"", "endswith(self.path, \"storage/b\")"));
    apply(&project);
    nothing_to_do(&project);
    write(&project, &text("random", "true", "endswith(self.path, \"elsewhere\")"));
    plan(&project)
        .ended(0)
        .says("replace_triggered_by: storage.a changes")
        .says("1 to add, 1 to change, 1 to destroy");
    project
        .mlp(&["apply", "-e", "local", "-auto-approve"])
        .ended(11)
        .says("storage.b: after")
        .says("self.path is \"");
    nothing_to_do(&project);
    for (block, says) in [
        (
            "storage \"x\" {\n  lifecycle { create_before_destroy = true }\n}",
            "lifecycle.create_before_destroy",
        ),
        ("storage \"x\" {\n  timeouts { create = \"1m\" }\n}", "timeouts"),
        (
            "resource \"local_directory\" \"x\" {\n  timeouts { create = \"1m\" }\n}",
            "`timeouts` is not served",
        ),
        (
            "data \"local_file\" \"x\" {\n  path = \"main.mlp\"\n  lifecycle { protect = true }\n}",
            "`lifecycle` is not served",
        ),
        (
            "provider \"local\" \"other\" {}\nstorage \"x\" { provider = provider.local.other }",
            "another provider",
        ),
        ("storage \"x\" {\n  override \"local\" { reason = \"r\" }\n}", "`override.local.set` is missing"),
        (
            "storage \"x\" {\n  override \"locl\" {\n    reason = \"r\"\n    set = {}\n  }\n}",
            "there is no kind of provider `locl`",
        ),
    ] {
        write(&project, block);
        plan(&project).ended(1).says(says).says("main.mlp:");
    }
}
