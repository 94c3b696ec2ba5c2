//! What the project, the provider and the environment say for all: labels, put under those of each declaration, and the storage of
//! pipelines that name none.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_eval::{PlanValue, reference_of};
use mlp_platform::kinds;
use mlp_platform::{Declaration, Edge, EdgeKind, Origin};
use mlp_value::{Address, Path, Value};

const LABELS: &str = "labels";
const STORAGE: &str = "storage";

/// One label: its value, where it was said, and whether it must not be shown.
struct Label {
    value: PlanValue,
    origin: Option<Origin>,
    sensitive: bool,
}

fn labels_of(declaration: &Declaration) -> BTreeMap<Arc<str>, Label> {
    let at = Path::of(&[LABELS]);
    let items = declaration.body.field(LABELS).and_then(Value::as_object);
    let hidden = |path: &Path| declaration.sensitive.contains(path) || declaration.sensitive.contains(&at);
    let one = |(name, value): (&Arc<str>, &PlanValue)| {
        let path = at.field(name);
        let (origin, sensitive) = (declaration.origins.of(&path).cloned(), hidden(&path));
        (name.clone(), Label { value: value.clone(), origin, sensitive })
    };
    items.into_iter().flat_map(|items| items.iter()).map(one).collect()
}

/// Gives every declaration what is said for all; the nearer wins: its own, the environment's, the provider's, the project's.
pub(crate) fn inherit(
    declarations: &mut BTreeMap<Address, Declaration>,
    project: &Declaration,
    environment: &Declaration,
) {
    let provider = environment.body.field("provider").and_then(reference_of);
    let provider = provider.and_then(|provider| declarations.get(&provider.address));
    let mut labels = labels_of(project);
    labels.extend(provider.into_iter().flat_map(labels_of));
    labels.extend(labels_of(environment));
    let storage = project.body.field(STORAGE).filter(|storage| !storage.is_null()).cloned();
    let said = project.origins.of(&Path::of(&[STORAGE])).cloned();
    for declaration in declarations.values_mut() {
        if kinds::kind(declaration.kind).is_some_and(|kind| kind.common) {
            put_labels(declaration, &labels);
        }
        if let (Some(storage), "pipeline") = (&storage, declaration.kind) {
            put_storage(declaration, storage, said.as_ref());
        }
    }
}

fn put_labels(declaration: &mut Declaration, labels: &BTreeMap<Arc<str>, Label>) {
    // Labels that are not known as a whole yet cannot be told apart from those of all.
    let own = declaration.body.field(LABELS);
    if labels.is_empty() || own.is_some_and(|own| own.as_object().is_none() && !own.is_null()) {
        return;
    }
    let own = own.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut all: BTreeMap<Arc<str>, PlanValue> = BTreeMap::new();
    for (name, label) in labels.iter().filter(|(name, _)| !own.contains_key(*name)) {
        let at = Path::of(&[LABELS, name]);
        if let Some(origin) = &label.origin {
            declaration.origins.0.insert(at.clone(), origin.clone());
        }
        if label.sensitive {
            declaration.sensitive.push(at);
        }
        all.insert(name.clone(), label.value.clone());
    }
    all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    put(declaration, LABELS, PlanValue::object(all));
}

fn put_storage(declaration: &mut Declaration, storage: &PlanValue, said: Option<&Origin>) {
    if declaration.body.field(STORAGE).is_some_and(|own| !own.is_null()) {
        return;
    }
    let at = Path::of(&[STORAGE]);
    if let Some(said) = said {
        declaration.origins.0.insert(at.clone(), said.clone());
    }
    if let Some(reference) = reference_of(storage) {
        declaration.edges.push(Edge { to: reference.address, kind: EdgeKind::Identity, at });
    }
    put(declaration, STORAGE, storage.clone());
}

fn put(declaration: &mut Declaration, name: &str, value: PlanValue) {
    if let Value::Object(items) = &mut declaration.body {
        Arc::make_mut(items).insert(name.into(), value);
    }
}
