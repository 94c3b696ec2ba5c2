//! Modules, references and look-ups as data.

use mlp_diag::SourceMap;
use mlp_value::facts::{Fact, Facts, Need};

use crate::tests::{HEAD, value};
use crate::{Inputs, Module, Resolution, called, resolve};

/// Resolves a project whose modules are the other files, named `directory/file.mlp`.
fn resolve_files(files: &[(&str, &str)], facts: &Facts) -> Resolution {
    let mut sources = SourceMap::default();
    let mut trees = Vec::new();
    for (name, text) in files {
        let file = sources.add(*name, *text);
        let (tree, diagnostics) = mlp_syntax::parse(file, text);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
        trees.push(tree);
    }
    let modules: Vec<Module<'_>> = files
        .iter()
        .zip(&trees)
        .filter_map(|((name, _), tree)| {
            let (directory, _) = name.rsplit_once('/')?;
            Some(Module { directory: directory.to_owned(), trees: vec![tree] })
        })
        .collect();
    let inputs = Inputs {
        trees: &[&trees[0]],
        sources: &sources,
        environment: "local",
        assignments: &[],
        root: ".",
        modules: &modules,
    };
    resolve(&inputs, facts)
}

const LAKE: &str = r#"
variable "name" {}
variable "size" {
  type    = number
  default = 1
}
locals { both = "${var.name}-${var.size}" }
storage "lake" { labels = { both = local.both } }
component "fit" {
  code    = "src"
  run     = "./fit"
  outputs = { model = "model" }
}
source "raw" {
  kind = "file"
  uri  = "raw.csv"
}
dataset "d" {
  from    = [source.raw, "more.csv"]
  storage = storage.lake
}
model "m" { aliases = ["champion"] }
output "lake" { value = storage.lake }
output "model" { value = model.m }
output "both" { value = local.both }
"#;

#[track_caller]
fn check(body: &str, address: &str, path: &str, expected: &str) {
    let files = [("main.mlp", &*format!("{HEAD}{body}")), ("m/main.mlp", LAKE)];
    let resolution = resolve_files(&files, &Facts::default());
    assert_eq!(resolution.diagnostics, [], "{body}");
    assert_eq!(value(&resolution, address, path), expected, "{body}");
}

/// One diagnostic with this code, at this text.
#[track_caller]
fn refuse(body: &str, module: &str, code: &str, at: &str) {
    let text = format!("{HEAD}{body}");
    let files = [("main.mlp", text.as_str()), ("m/main.mlp", module)];
    let found = resolve_files(&files, &Facts::default()).diagnostics;
    assert_eq!(found.len(), 1, "{body}: {found:#?}");
    assert_eq!(found[0].code, code, "{body}: {found:#?}");
    let place = found[0].place().map(|span| {
        let text = if span.file.0 == 0 { text.as_str() } else { module };
        &text[span.start as usize..span.end as usize]
    });
    assert_eq!(place, Some(at), "{body}: {found:#?}");
}

#[test]
fn a_module_is_a_room_of_its_own() {
    let call = "module \"a\" {\n  source = \"./m\"\n  name = \"x\"\n}\n";
    check(call, "module.a.storage.lake", "labels.both", "\"x-1\"");
    check(call, "module.a.component.fit", "code", "\"m/src\"");
    check(call, "module.a.source.raw", "uri", "\"m/raw.csv\"");
    check(call, "module.a.dataset.d", "from[1]", "\"m/more.csv\"");
    let reference = "{\"$ref\":\"module.a.storage.lake\",\"path\":[]}";
    check(call, "module.a.dataset.d", "storage", reference);
    check(&format!("{call}dataset \"e\" {{ storage = module.a.lake }}"), "dataset.e", "storage", reference);
    check(
        &format!("{call}endpoint \"e\" {{ model = module.a.model.alias.champion }}"),
        "endpoint.e",
        "model.path",
        "[\"alias\",\"champion\"]",
    );
    check(
        "module \"a\" {\n  source = \"./m\"\n  inputs = { name = \"in\", size = 3 }\n}",
        "module.a.storage.lake",
        "labels.both",
        "\"in-3\"",
    );
    check(
        &format!("{call}module \"b\" {{\n  source = \"./m\"\n  name = module.a.both\n}}"),
        "module.b.storage.lake",
        "labels.both",
        "\"x-1-1\"",
    );
}

#[test]
fn a_module_may_be_called_for_each() {
    let call = "module \"a\" {\n  source = \"./m\"\n  for_each = { eu = 1, us = 2 }\n  name = each.key\n  size = each.value\n}\n";
    check(call, "module.a[\"us\"].storage.lake", "labels.both", "\"us-2\"");
    check(
        &format!("{call}storage \"s\" {{ labels = {{ x = module.a[\"eu\"].both }} }}"),
        "storage.s",
        "labels.x",
        "\"eu-1\"",
    );
    let nested = "variable \"name\" {}\nmodule \"in\" {\n  source = \"./n\"\n  count = 2\n  name = \"${var.name}${count.index}\"\n}\noutput \"x\" { value = module.in[1].both }";
    let main = format!(
        "{HEAD}module \"a\" {{\n  source = \"./m\"\n  name = \"q\"\n}}\nstorage \"s\" {{ labels = {{ x = module.a.x }} }}"
    );
    let files = [("main.mlp", main.as_str()), ("m/main.mlp", nested), ("m/n/main.mlp", LAKE)];
    let resolution = resolve_files(&files, &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    assert_eq!(value(&resolution, "storage.s", "labels.x"), "\"q1-1\"");
    assert_eq!(value(&resolution, "module.a.module.in[1].component.fit", "code"), "\"m/n/src\"");
}

#[test]
fn a_partial_block_gives_a_module_other_inputs() {
    let text = "project \"p\" {}\nprovider \"local\" \"here\" {}\nmodule \"a\" {\n  source = \"./m\"\n  name = \"x\"\n}\nenvironment \"local\" {\n  provider = provider.local.here\n  module \"a\" { name = \"here\" }\n}";
    let resolution = resolve_files(&[("main.mlp", text), ("m/main.mlp", LAKE)], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    assert_eq!(value(&resolution, "module.a.storage.lake", "labels.both"), "\"here-1\"");
}

#[test]
fn an_environment_leaves_out_a_module_with_all_that_is_in_it() {
    let text = "project \"p\" {}\nprovider \"local\" \"here\" {}\nmodule \"a\" {\n  source = \"./m\"\n  name = \"x\"\n}\nstorage \"s\" { depends_on = [module.b] }\nmodule \"b\" {\n  source = \"./m\"\n  name = \"x\"\n}\nenvironment \"local\" {\n  provider = provider.local.here\n  except = [module.a]\n}";
    let resolution = resolve_files(&[("main.mlp", text), ("m/main.mlp", LAKE)], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    let platform = resolution.platform.unwrap();
    let names: Vec<String> = platform.declarations.keys().map(ToString::to_string).collect();
    assert!(!names.iter().any(|name| name.starts_with("module.a")), "{names:?}");
    let edges = &platform.declarations[&"storage.s".parse().unwrap()].edges;
    assert!(edges.iter().any(|edge| edge.to.to_string() == "module.b.dataset.d"), "{edges:?}");
}

#[test]
fn calls_that_cannot_be() {
    let call = |more: &str| format!("module \"a\" {{\n  source = \"./m\"\n{more}\n}}");
    refuse(&call(""), LAKE, "MLP0321", "module \"a\"");
    refuse(&call("name = 1\nnam = 2"), LAKE, "MLP0321", "nam");
    refuse(&call("name = 1\nsize = \"big\""), LAKE, "MLP0313", "\"big\"");
    refuse(&call("name = 1\nversion = \"1\""), LAKE, "MLP0321", "version");
    refuse(&call("name = 1\nlabels = {}"), LAKE, "MLP0321", "labels");
    refuse("module \"a\" { source = \"./none\" }", LAKE, "MLP0321", "\"./none\"");
    refuse("module \"a\" { source = \"git::https://x/y\" }", LAKE, "MLP0321", "\"git::https://x/y\"");
    refuse("module \"a\" { source = \"./m\" }", "module \"b\" { source = \"../m\" }", "MLP0321", "\"../m\"");
    refuse("module \"a\" { source = \"./m\" }", "project \"q\" {}", "MLP0321", "project \"q\"");
    refuse(
        "module \"a\" {\n  source = \"./m\"\n  x = module.a.y\n}",
        "variable \"x\" {}\noutput \"y\" { value = var.x }",
        "MLP0310",
        "var.x",
    );
    refuse(
        &format!("{}\nstorage \"s\" {{ description = module.a.nope }}", call("name = 1")),
        LAKE,
        "MLP0307",
        "module.a.nope",
    );
    refuse(
        &format!("{}\nstorage \"s\" {{ description = storage.lake.kind }}", call("name = 1")),
        LAKE,
        "MLP0307",
        "storage.lake.kind",
    );
}

#[test]
fn the_directories_that_are_called_are_found() {
    let mut sources = SourceMap::default();
    let text = "module \"a\" { source = \"./m\" }\nmodule \"b\" { source = \"oci://x\" }\nenvironment \"e\" {\n  module \"c\" { source = \"../n\" }\n}";
    let (tree, _) = mlp_syntax::parse(sources.add("main.mlp", text), text);
    assert_eq!(called("x", &[&tree]).into_iter().collect::<Vec<_>>(), ["n", "x/m"]);
}

fn answered(need: Need, json: &str) -> Facts {
    let mut facts = Facts::default();
    facts.insert(need, Fact::Text(json.into()));
    facts
}

#[test]
fn what_exists_is_looked_up_when_it_is_needed() {
    let text = format!(
        "{HEAD}data \"local_dataset\" \"d\" {{ name = \"x\" }}\nstorage \"s\" {{ labels = {{ v = data.local_dataset.d.version }} }}"
    );
    let files = [("main.mlp", text.as_str())];
    let open = resolve_files(&files, &Facts::default());
    let need = Need::Look { kind: "local_dataset".into(), query: "{\"name\":\"x\"}".into() };
    assert!(open.needs.contains(&need), "{:?}", open.needs);
    let known = resolve_files(&files, &answered(need.clone(), "{\"version\":\"v7\"}"));
    assert_eq!(known.diagnostics, []);
    assert_eq!(value(&known, "storage.s", "labels.v"), "\"v7\"");
    let mut absent = Facts::default();
    absent.insert(need, Fact::Missing);
    let found = resolve_files(&files, &absent).diagnostics;
    assert_eq!((found.len(), found[0].code.as_str()), (1, "MLP0322"), "{found:#?}");
}

#[test]
fn outputs_of_others_are_typed_and_versioned() {
    let need = || Need::Outputs { project: "../other".into(), environment: "prod".into() };
    let answer =
        r#"{"version": "1.4.0", "outputs": {"n": {"value": 3}, "s": {"withheld": "it is sensitive"}}}"#;
    let resolved = |block: &str, used: &str| {
        let text = format!(
            "{HEAD}reference \"o\" {{\n  project = \"../other\"\n  environment = \"prod\"\n{block}\n}}\nstorage \"s\" {{ labels = {{ v = reference.o.{used} }} }}"
        );
        resolve_files(&[("main.mlp", &text)], &answered(need(), answer))
    };
    for (block, used) in
        [("", "n"), ("version = \"~> 1.2\"", "outputs.n"), ("outputs = {\n  n = string\n}", "n")]
    {
        let resolution = resolved(block, used);
        assert_eq!(resolution.diagnostics, [], "{block}");
        assert_eq!(value(&resolution, "storage.s", "labels.v"), "\"3\"", "{block}");
    }
    for (block, used) in [
        ("version = \"~> 2.0\"", "n"),
        ("", "m"),
        ("", "s"),
        ("outputs = {\n  n = bool\n}", "n"),
        ("outputs = {\n  m = bool\n}", "n"),
        ("state = { backend = \"s3\" }", "n"),
    ] {
        let found = resolved(block, used).diagnostics;
        assert_eq!((found.len(), found[0].code.as_str()), (1, "MLP0323"), "{block}: {found:#?}");
    }
}

#[test]
fn a_native_resource_is_named_by_its_type() {
    let block = "resource \"local_directory\" \"x\" {\n  pattern = \"scan\"\n}\n";
    for name in ["local_directory.x", "resource.local_directory.x"] {
        check(
            &format!("{block}storage \"s\" {{ labels = {{ p = {name}.pattern }} }}"),
            "storage.s",
            "labels.p",
            "\"scan\"",
        );
    }
    let text = format!("{HEAD}{block}output \"o\" {{ value = local_directory.x.path }}");
    let resolution = resolve_files(&[("main.mlp", &text)], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    let output = &resolution.platform.unwrap().declarations[&"output.o".parse().unwrap()];
    assert!(output.body.field("value").unwrap().has_holes());
    assert!(output.edges.iter().any(|edge| edge.to.to_string() == "local_directory.x"), "{:?}", output.edges);
}

const PACK: &str = r#"
package {
  name    = "acme"
  version = "4.2.0"
}
runtime "acme" {
  language = "python"
  version  = "3.12"
}
component "evaluate" {
  runtime = runtime.acme
  code    = "lib"
  run     = "./evaluate"
  outputs = { metrics = "metrics" }
}
component "unused" {
  code = "lib"
  run  = "./unused"
}
locals { days = 30 }
output "keep_days" { value = local.days }
"#;

#[test]
fn a_standard_holds_what_others_use() {
    let head = |more: &str, rest: &str| {
        format!("{HEAD}standard \"acme\" {{\n  source = \"./vendor/acme\"\n{more}\n}}\n{rest}")
    };
    let check = |more: &str, rest: &str| {
        let main = head(more, rest);
        resolve_files(&[("main.mlp", &main), ("vendor/acme/standard.mlp", PACK)], &Facts::default())
    };
    let used = "pipeline \"p\" {\n  step \"e\" {\n    use = standard.acme.component.evaluate\n  }\n}\nstorage \"s\" {\n  labels = { days = standard.acme.keep_days }\n}\n";
    let found = check("version = \"~> 4.2\"", used);
    assert_eq!(found.diagnostics, []);
    assert_eq!(value(&found, "storage.s", "labels.days"), "\"30\"");
    assert_eq!(value(&found, "module.acme.component.evaluate", "code"), "\"vendor/acme/lib\"");
    let declarations = found.platform.unwrap().declarations;
    let addresses: Vec<String> = declarations.keys().map(ToString::to_string).collect();
    // What nothing refers to is not there, nor the standard itself; what it refers to itself comes along.
    assert!(addresses.contains(&"module.acme.runtime.acme".to_owned()), "{addresses:?}");
    assert!(
        !addresses.iter().any(|one| one.contains("unused") || one.starts_with("standard")),
        "{addresses:?}"
    );
    for (more, rest, headline) in [
        ("version = \"5.0.0\"", "", "`standard.acme` has version 4.2.0, and `5.0.0` is asked for"),
        (
            "",
            "pipeline \"p\" {\n  step \"e\" {\n    use = standard.acme.component.evalute\n  }\n}\n",
            "`standard.acme` has no component `evalute`",
        ),
        (
            "",
            "storage \"s\" {\n  labels = { d = standard.acme.days }\n}\n",
            "`standard.acme` has no output `days`",
        ),
    ] {
        let found = check(more, rest);
        assert_eq!(found.diagnostics.len(), 1, "{more} {rest}: {:#?}", found.diagnostics);
        assert_eq!(found.diagnostics[0].headline, headline);
    }
    let main = head("", "");
    let made =
        resolve_files(&[("main.mlp", &main), ("vendor/acme/s.mlp", "storage \"s\" {}\n")], &Facts::default());
    assert_eq!(made.diagnostics[0].headline, "`storage` cannot stand in a standard");
    let mut facts = Facts::default();
    facts.insert(Need::Digest("vendor/acme".into()), Fact::Missing);
    let gone = resolve_files(&[("main.mlp", &main)], &facts);
    assert_eq!(gone.diagnostics[0].headline, "there are no *.mlp files in `vendor/acme`");
}

#[test]
fn a_call_names_the_provider_of_what_is_in_the_module() {
    let main = format!(
        "{HEAD}provider \"local\" \"other\" {{}}\nmodule \"m\" {{\n  source   = \"./m\"\n  provider = provider.local.other\n}}\n"
    );
    let inner = "storage \"a\" {}\nstorage \"b\" {\n  provider = provider.local.here\n}\n";
    let found = resolve_files(&[("main.mlp", &main), ("m/main.mlp", inner)], &Facts::default());
    assert_eq!(found.diagnostics, []);
    let platform = found.platform.unwrap();
    let provider = |address: &str| {
        let body = &platform.declarations[&address.parse().unwrap()].body;
        mlp_eval::reference_of(body.field("provider").unwrap()).unwrap().to_string()
    };
    assert_eq!(provider("module.m.storage.a"), "provider.local.other");
    assert_eq!(provider("module.m.storage.b"), "provider.local.here");
}

#[test]
fn modules_that_grow_like_powers_of_two_end_in_a_diagnostic() {
    let twice = |next: &str| {
        format!(
            "module \"a\" {{\n  source = \"../{next}\"\n}}\nmodule \"b\" {{\n  source = \"../{next}\"\n}}\n"
        )
    };
    let main = format!("{HEAD}module \"a\" {{\n  source = \"./m0\"\n}}\n");
    let levels: Vec<(String, String)> =
        (0..20).map(|level| (format!("m{level}/main.mlp"), twice(&format!("m{}", level + 1)))).collect();
    let mut files: Vec<(&str, &str)> = vec![("main.mlp", &main)];
    files.extend(levels.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let last = ("m20/main.mlp", "storage \"s\" {}\n");
    files.push(last);
    let found = resolve_files(&files, &Facts::default());
    assert!(found.diagnostics.iter().any(|one| one.headline.contains("modules are called more than")));
}
