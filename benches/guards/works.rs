//! What is counted: the main commands on a project of two hundred resources.

use std::fmt::Write as _;

/// One command.
pub struct Work {
    /// Its name.
    pub name: &'static str,
    /// Commands that lead up to it.
    pub before: &'static [&'static [&'static str]],
    /// The command that is counted.
    pub counted: &'static [&'static str],
}

/// One step after the other: the order in which steps of equal rank end must not count.
const APPLY: &[&str] = &["apply", "-e", "local", "--auto-approve", "--parallelism", "1"];
const PLAN: &[&str] = &["plan", "-e", "local"];

/// Everything that is counted.
pub const WORKS: &[Work] = &[
    Work { name: "version", before: &[], counted: &["--version"] },
    Work { name: "format", before: &[], counted: &["fmt", "--check"] },
    Work { name: "validate", before: &[], counted: &["validate"] },
    Work { name: "plan", before: &[], counted: PLAN },
    Work { name: "apply", before: &[], counted: APPLY },
    Work { name: "no change", before: &[APPLY], counted: PLAN },
];

/// Two hundred resources: plain ones, computed ones that refer to each other, and instances of one block.
pub fn specification() -> String {
    let mut text = String::from(
        "project \"guards\" {\n  mlp_version = \"~> 0.1\"\n}\n\nprovider \"local\" \"here\" {}\n\nenvironment \"local\" {\n  provider = provider.local.here\n}\n",
    );
    for n in 0..100 {
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "\nresource \"local_value\" \"plain{n}\" {{\n  input = {{ description = \"number {n}\", team = \"growth\" }}\n}}"
        );
    }
    for n in 0..50 {
        let before =
            if n == 0 { "\"nobody\"".to_owned() } else { format!("local_value.rich{}.output.name", n - 1) };
        let _ = writeln!(
            text,
            "\nresource \"local_value\" \"rich{n}\" {{\n  input = {{\n    name   = upper(\"name-{n}\")\n    before = {before}\n    path   = join(\"/\", [\"data\", \"raw\", \"{n}\"])\n    size   = max({n}, 10) * 1024\n    list   = [for i in [1, 2, 3] : i * {n}]\n    text   = \"value ${{{n} + 1}} of many\"\n  }}\n}}"
        );
    }
    text.push_str(
        "\nresource \"local_value\" \"each\" {\n  for_each = { for n in range(50) : \"k${n}\" => n }\n  input    = { n = each.value, name = \"instance ${each.key}\" }\n}\n",
    );
    text
}
