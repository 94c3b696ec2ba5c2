//! `registry`: the volume on which models, versions of datasets and runs are kept, and the pod that tells of them.

use mlp_provider::{LowerInput, Lowered};

use super::kinds;
use super::pods::Pod;
use super::{Registry, pods};
use crate::lower::builder::{Builder, from};
use crate::mlp_platform::Declaration;
use crate::mlp_value::{ResourceId, Value};
use crate::names;
use crate::natives::native;

/// The role of the pod that answers for the registry.
pub(super) const KEEPER: &str = "keeper";
/// Its size, unless an override says another one.
const SIZE: &str = "10Gi";

/// Whether it is one of ours for models.
pub(super) fn holds_models(declaration: &Declaration) -> bool {
    declaration.kind == "registry"
        && declaration.body.field("kind").and_then(Value::as_text).unwrap_or("model") == "model"
}

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["kind", "backend"]);
    if let Some(backend) = builder.text("backend").filter(|backend| *backend != "native") {
        let help = "use `backend = \"native\"`, which needs no other server";
        builder.not_served("backend", &format!("the backend `{backend}`"), help);
        return builder.finish(Vec::new());
    }
    let made = objects(&mut builder);
    builder.finish(made.unwrap_or_default())
}

fn objects(builder: &mut Builder<'_>) -> Option<Vec<mlp_provider::Desired>> {
    let address = builder.declaration().address.clone();
    let requests = Value::object([("storage", Value::text(SIZE))]);
    let claim = vec![
        ("accessModes", Value::list([Value::text("ReadWriteOnce")])),
        ("resources", Value::object([("requests", requests)])),
    ];
    let claim = builder.object("", native("kubernetes_persistent_volume_claim")?, claim);
    let registry =
        Registry { name: names::object_name(builder.input.platform, &address), address: address.clone() };
    let pod = Pod {
        registry: &registry,
        image: pods::image(builder, &[])?,
        name: KEEPER,
        arguments: vec!["keep".to_owned()],
        records: Vec::new(),
        variables: Vec::new(),
        container: Vec::new(),
        stays: true,
    };
    let fields = kinds::kept(builder, &pod, "");
    let mut keeper = builder.object(KEEPER, native("kubernetes_deployment")?, fields);
    from(&mut keeper, &["template"], "");
    keeper.depends_on.insert(ResourceId::new(address, ""));
    Some(vec![claim, keeper])
}
