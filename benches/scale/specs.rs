//! The specifications of the rows.

use std::io;

use crate::spec::{Files, Peer, Spec};

/// Resources that are remembered and nothing else, as `terraform_data` is.
pub const VALUES: Spec = Spec {
    name: "values",
    mlp: |files, size| values(files, size, "local_value"),
    terraform: Some(Peer {
        files: |files, size| values(files, size, "terraform_data"),
        applied: Some(|n| {
            let kind = r#"["object",{"description":"string","team":"string"}]"#.to_owned();
            (format!("s{n}"), kind, format!("{{\"description\":\"number {n}\",\"team\":\"growth\"}}"))
        }),
    }),
    edit: ("\"number 7\"", "\"number seven\""),
};

fn values(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    (0..size).try_for_each(|n| {
        files.block(format_args!(
            "resource \"{kind}\" \"s{n}\" {{\n  input = {{ description = \"number {n}\", team = \"growth\" }}\n}}\n"
        ))
    })
}

/// The same in a hundred files.
pub const HUNDRED_FILES: Spec = Spec {
    name: "hundred_files",
    mlp: |files, size| values(files.of(size.div_ceil(100)), size, "local_value"),
    terraform: None,
    edit: VALUES.edit,
};

/// The same by one block.
pub const FOR_EACH: Spec = Spec {
    name: "for_each",
    mlp: |files, size| for_each(files, size, "local_value"),
    terraform: Some(Peer { files: |files, size| for_each(files, size, "terraform_data"), applied: None }),
    edit: ("each.value}\"", "each.value}!\""),
};

fn for_each(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    // Terraform's `range` gives no more than 1,024 numbers, so two of them make the keys.
    let (outer, inner) = (size.div_ceil(1000), size.min(1000));
    files.block(format_args!(
        "resource \"{kind}\" \"s\" {{\n  for_each = {{ for n in flatten([for a in range({outer}) : [for b in range({inner}) : a * 1000 + b]]) : \"k${{n}}\" => n }}\n  input    = {{ description = \"number ${{each.value}}\", team = \"growth\" }}\n}}\n"
    ))
}

/// Twenty fields each, most computed, some from the block before.
pub const WIDE: Spec = Spec {
    name: "wide",
    mlp: |files, size| wide(files, size, "local_value"),
    terraform: Some(Peer { files: |files, size| wide(files, size, "terraform_data"), applied: None }),
    edit: ("owner       = \"team 7\"", "owner       = \"team seven\""),
};

fn wide(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    (0..size).try_for_each(|n| {
        // Chains of ten, so that this row is about width.
        let (before, rank) = match n % 10 {
            0 => ("\"nobody\"".to_owned(), "1".to_owned()),
            _ => (format!("{kind}.w{}.input.name", n - 1), format!("{kind}.w{}.input.rank + 1", n - 1)),
        };
        files.block(format_args!(
            r#"resource "{kind}" "w{n}" {{
  input = {{
    name        = upper("name-{n}")
    title       = title("the number {n}")
    owner       = "team {n}"
    before      = {before}
    rank        = {rank}
    path        = join("/", ["data", "raw", "{n}", lower("PART")])
    parts       = split("-", "a-b-c-{n}")
    size        = max({n}, 10, 3) * 1024
    half        = floor({n} / 2)
    padded      = format("%06d", {n})
    label       = replace("x_y_{n}", "_", "-")
    digest      = substr(sha256("{n}"), 0, 12)
    enabled     = {n} % 2 == 0
    tags        = concat(["a", "b"], ["c{n}"])
    merged      = merge({{ a = 1, b = 2 }}, {{ c = {n} }})
    count       = length([1, 2, 3, {n}])
    chosen      = {n} > 100 ? "large" : "small"
    encoded     = jsonencode({{ n = {n}, s = "x" }})
    text        = "value ${{{n} + 1}} of ${{upper("many")}}"
    list        = [for i in [1, 2, 3] : i * {n}]
  }}
}}
"#
        ))
    })
}

/// Each is made after the one before, which it takes a value from.
pub const CHAIN: Spec = Spec {
    name: "chain",
    mlp: |files, size| chain(files, size, "local_value"),
    terraform: Some(Peer { files: |files, size| chain(files, size, "terraform_data"), applied: None }),
    edit: ("\"first\"", "\"the first\""),
};

fn chain(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    (0..size).try_for_each(|n| {
        let input = match n.checked_sub(1) {
            None => "\"first\"".to_owned(),
            Some(before) => format!("{kind}.c{before}.output"),
        };
        files.block(format_args!("resource \"{kind}\" \"c{n}\" {{\n  input = {input}\n}}\n"))
    })
}

/// Two sets of instances; each of the second refers to its partner in the first.
pub const PAIRS: Spec = Spec {
    name: "pairs",
    mlp: |files, size| pairs(files, size, "local_value"),
    terraform: Some(Peer { files: |files, size| pairs(files, size, "terraform_data"), applied: None }),
    edit: ("each.value}\"", "each.value}!\""),
};

fn pairs(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    let (outer, inner) = (size.div_ceil(1000), size.min(1000));
    files.block(format_args!(
        "locals {{\n  keys = {{ for n in flatten([for a in range({outer}) : [for b in range({inner}) : a * 1000 + b]]) : \"k${{n}}\" => n }}\n}}\n\nresource \"{kind}\" \"left\" {{\n  for_each = local.keys\n  input    = \"left ${{each.value}}\"\n}}\n\nresource \"{kind}\" \"right\" {{\n  for_each = local.keys\n  input    = {{ left = {kind}.left[each.key].id, own = each.value }}\n}}\n"
    ))
}

/// One refers to all the others.
pub const FAN: Spec = Spec {
    name: "fan",
    mlp: |files, size| fan(files, size, "local_value"),
    terraform: Some(Peer { files: |files, size| fan(files, size, "terraform_data"), applied: None }),
    edit: VALUES.edit,
};

fn fan(files: &mut Files, size: usize, kind: &str) -> io::Result<()> {
    values(files, size, kind)?;
    let all: Vec<String> = (0..size).map(|n| format!("    {kind}.s{n}.id")).collect();
    files.block(format_args!("resource \"{kind}\" \"all\" {{\n  input = [\n{},\n  ]\n}}\n", all.join(",\n")))
}

/// Calls of one module, each with a resource that takes an input.
pub const MODULES: Spec = Spec {
    name: "modules",
    mlp: |files, size| {
        files.file("modules/m/main.mlp", &module("local_value"))?;
        calls(files, size)
    },
    terraform: Some(Peer {
        files: |files, size| {
            files.file("modules/m/main.tf", &module("terraform_data"))?;
            calls(files, size)
        },
        applied: None,
    }),
    edit: ("\"number 7\"", "\"number seven\""),
};

fn module(kind: &str) -> String {
    format!(
        "variable \"text\" {{\n  type = string\n}}\n\nresource \"{kind}\" \"v\" {{\n  input = var.text\n}}\n\noutput \"id\" {{\n  value = {kind}.v.id\n}}\n"
    )
}

fn calls(files: &mut Files, size: usize) -> io::Result<()> {
    (0..size).try_for_each(|n| {
        files.block(format_args!(
            "module \"m{n}\" {{\n  source = \"./modules/m\"\n  text   = \"number {n}\"\n}}\n"
        ))
    })
}

/// Directories: each has an effect outside the state.
pub const OBJECTS: Spec = Spec {
    name: "objects",
    mlp: |files, size| {
        (0..size).try_for_each(|n| {
            files.block(format_args!(
                "storage \"s{n}\" {{\n  kind        = \"object\"\n  description = \"number {n}\"\n  labels      = {{ n = \"{n}\", team = \"growth\" }}\n}}\n"
            ))
        })
    },
    terraform: None,
    edit: VALUES.edit,
};
