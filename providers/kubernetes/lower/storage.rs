//! `storage`: a volume.

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, from};
use super::compute::quantity;
use crate::codes;
use crate::mlp_value::{Value, units};
use crate::natives::native;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["kind", "size", "pattern"]);
    if builder.text("kind") != Some("volume") {
        builder.not_served(
            "kind",
            "a store of objects",
            "use `kind = \"volume\"` with a `size`; a store of objects that is there already is named by its address",
        );
        return builder.finish(Vec::new());
    }
    if let Some(pattern) = builder.text("pattern") {
        builder.not_served(
            "pattern",
            &format!("`pattern = \"{pattern}\"`"),
            "what a volume is good at is said by its class: `override \"kubernetes\" { set = { storageClassName = \"…\" } }`",
        );
    }
    let Some(size) = builder.text("size").and_then(|text| units::bytes(text).ok()) else {
        builder.error(codes::VALUE, "size", "a volume needs a `size`", "add `size = \"10GiB\"`");
        return builder.finish(Vec::new());
    };
    let requests = Value::object([("storage", Value::text(quantity(size)))]);
    let fields = vec![
        ("accessModes", Value::list([Value::text("ReadWriteOnce")])),
        ("resources", Value::object([("requests", requests)])),
    ];
    let Some(kind) = native("kubernetes_persistent_volume_claim") else { return builder.finish(Vec::new()) };
    let mut desired = builder.object("", kind, fields);
    from(&mut desired, &["resources", "requests", "storage"], "size");
    builder.finish(vec![desired])
}
