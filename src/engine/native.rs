//! `resource` blocks and `override`: native fields that the specification names itself, checked against the field table.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, one_of};
use mlp_eval::{PlanValue, Unknown, convert};
use mlp_platform::kinds::{COMMON, KINDS};
use mlp_platform::{Declaration, Mode, Platform};
use mlp_provider::{Desired, Lifecycle, OnDestroy, Presence, Provider, ResourceKind};
use mlp_value::{Address, Object, Path, ResourceId, Step, Value};

/// Attributes of every block that are fields too, where the native kind has them.
const BOTH: &[&str] = &["description", "owner", "labels"];
/// The field every provider fills in by itself.
const ADDRESS: &str = "address";
/// Version of what this makes of a `resource` block.
const VERSION: u32 = 1;

fn wrong(declaration: &Declaration, path: &Path, headline: String, help: String) -> Diagnostic {
    Diagnostic::error("MLP0909", headline).on(&declaration.address, path).help(help)
}

/// The name of an object: that of its block where that is unique, else with a digest of its address. 64 bits of it: of a
/// million instances two have one name once in forty million times.
fn object_name(address: &Address) -> String {
    if address.module.is_empty() && address.key.is_none() {
        return address.name.to_string();
    }
    let digest = blake3::hash(address.to_string().as_bytes()).to_hex();
    format!("{}-{}", address.name, digest.get(..16).unwrap_or_default())
}

/// The native resource that a `resource` block declares.
pub(crate) fn native(
    platform: &Platform,
    provider: &dyn Provider,
    declaration: &Declaration,
) -> Result<Desired, Diagnostics> {
    let address = &declaration.address;
    let Some(kind) = provider.resource(&address.kind) else {
        let names: Vec<&str> = provider.resources().iter().map(|kind| kind.name.as_str()).collect();
        let headline = format!("provider `{}` has no resource `{}`", provider.kind(), address.kind);
        let help = one_of(&address.kind, names.iter().copied());
        return Err(vec![wrong(declaration, &Path::default(), headline, help)]);
    };
    let Some((identity, place)) = provider.declared(platform, &kind.name, address, &object_name(address))
    else {
        let headline = format!("a `{}` cannot be declared by itself", kind.name);
        let help = "declare the block it is made for".to_owned();
        return Err(vec![wrong(declaration, &Path::default(), headline, help)]);
    };
    let mut config = fields(declaration, kind)?;
    config.insert(Arc::from(ADDRESS), Value::text(address.to_string()));
    config.extend(place.into_iter().map(|(name, value)| (Arc::from(name), value.lift())));
    let from = config.keys().map(|name| (Path::of(&[name]), Path::of(&[name]))).collect();
    Ok(Desired {
        id: ResourceId::new(address.clone(), ""),
        kind: kind.name.clone(),
        identity,
        config: Value::Object(Arc::new(config)),
        from,
        depends_on: BTreeSet::new(),
        lifecycle: lifecycle(platform, declaration, kind),
        deferred: None,
        lowering_version: VERSION,
    })
}

fn fields(declaration: &Declaration, kind: &ResourceKind) -> Result<Object<Unknown>, Diagnostics> {
    let mut config = Object::new();
    let mut problems = Diagnostics::new();
    for (name, value) in declaration.body.as_object().into_iter().flatten() {
        let both = BOTH.contains(&&**name) && kind.field(name).is_some();
        let common = COMMON.iter().any(|attribute| attribute.name == &**name);
        if value.is_null() || (common && !both) {
            continue;
        }
        match field(declaration, kind, name, value) {
            Ok(value) => drop(config.insert(name.clone(), value)),
            Err(problem) => problems.push(*problem),
        }
    }
    let required = kind.fields.iter().filter(|field| field.presence == Presence::Required);
    for field in required.filter(|field| field.name != ADDRESS && !config.contains_key(field.name.as_str())) {
        let headline = format!("`{}` of {} is missing", field.name, kind.name);
        let help = format!("add `{} = …`: {}", field.name, field.doc);
        problems.push(wrong(declaration, &Path::default(), headline, help));
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// A value for a field, as its type wants it.
fn field(
    declaration: &Declaration,
    kind: &ResourceKind,
    name: &str,
    value: &PlanValue,
) -> Result<PlanValue, Box<Diagnostic>> {
    let path = Path::of(&[name]);
    let settable = |presence: &Presence| *presence != Presence::Computed;
    match kind.field(name) {
        Some(field) if settable(&field.presence) && name != ADDRESS => {
            convert(value, &field.ty).map_err(|why| {
                let headline = format!("`{name}` of {} has the wrong type: {why}", kind.name);
                Box::new(wrong(declaration, &path, headline, format!("give it a {}", field.ty)))
            })
        }
        Some(_) => {
            let headline = format!("`{name}` of {} is given by the target", kind.name);
            Err(Box::new(wrong(declaration, &path, headline, "leave it out".to_owned())))
        }
        None => {
            let known = kind.fields.iter().filter(|field| settable(&field.presence) && field.name != ADDRESS);
            let names: Vec<&str> = known.map(|field| field.name.as_str()).collect();
            let headline = format!("{} has no field `{name}`", kind.name);
            Err(Box::new(wrong(declaration, &path, headline, one_of(name, names.iter().copied()))))
        }
    }
}

fn lifecycle(platform: &Platform, declaration: &Declaration, kind: &ResourceKind) -> Lifecycle {
    let said = declaration.body.field("lifecycle");
    let field = |name: &str| said.and_then(|said| said.field(name));
    let protected = kind.stateful && platform.environment.mode == Mode::Production;
    let ignored = field("ignore_changes").and_then(Value::as_list).unwrap_or_default();
    Lifecycle {
        protect: field("protect").and_then(Value::as_bool).unwrap_or(protected),
        on_destroy: match field("on_destroy").and_then(Value::as_text) {
            Some("keep") => OnDestroy::Keep,
            _ => OnDestroy::Delete,
        },
        create_before_destroy: field("create_before_destroy").and_then(Value::as_bool).unwrap_or(false),
        ignore_changes: ignored.iter().filter_map(|path| path.as_text()?.parse().ok()).collect(),
        ..Lifecycle::default()
    }
}

/// Puts the fields that the declaration overrides for this provider into its resources.
pub(crate) fn overridden(
    declaration: &Declaration,
    provider: &dyn Provider,
    desired: &mut [Desired],
) -> Diagnostics {
    let mut problems = Diagnostics::new();
    let said = declaration.body.field("override").and_then(Value::as_object);
    for (label, said) in said.into_iter().flatten() {
        let at = Path::of(&["override", label]);
        if !PROVIDERS.contains(&&**label) {
            let headline = format!("there is no provider kind `{label}`");
            problems.push(wrong(declaration, &at, headline, one_of(label, PROVIDERS.iter().copied())));
        }
        if **label != *provider.kind() {
            continue;
        }
        for (key, value) in said.field("set").and_then(Value::as_object).into_iter().flatten() {
            let path = at.field("set").field(key);
            if let Err(problem) = set(declaration, provider, desired, key, value, &path) {
                problems.push(*problem);
            }
        }
    }
    problems
}

/// The kinds of providers that an override may be meant for.
const PROVIDERS: &[&str] = &["local", "kubernetes", "aws", "azure", "gcp"];

fn set(
    declaration: &Declaration,
    provider: &dyn Provider,
    desired: &mut [Desired],
    key: &str,
    value: &PlanValue,
    written: &Path,
) -> Result<(), Box<Diagnostic>> {
    let refuse = |headline: String, help: String| Err(Box::new(wrong(declaration, written, headline, help)));
    let Ok(full) = key.parse::<Path>() else {
        return refuse(
            format!("`{key}` is not a path"),
            "write `\"<role>.<field>\"`, or `\"<field>\"`".to_owned(),
        );
    };
    let steps = full.steps();
    let role_of = |one: &Desired| one.id.role.to_string();
    let by_role = desired
        .iter()
        .position(|one| !one.id.role.is_empty() && steps.first() == Some(&Step::Field(one.id.role.clone())));
    let (at, rest) = match by_role {
        Some(at) => (at, &steps[1..]),
        None => match desired.iter().position(|one| one.id.role.is_empty()) {
            Some(at) => (at, steps),
            None => {
                let roles: Vec<String> = desired.iter().map(role_of).collect();
                return refuse(
                    format!("`{key}` names no part"),
                    one_of(key, roles.iter().map(String::as_str)),
                );
            }
        },
    };
    let (Some(one), Some(Step::Field(name))) = (desired.get_mut(at), rest.first()) else {
        return refuse(format!("`{key}` names no field"), "write `\"<field>\"`".to_owned());
    };
    let Some(kind) = provider.resource(&one.kind) else { return Ok(()) };
    if rest.len() > 1 && kind.field(name).is_some() {
        put(&mut one.config, rest, value);
    } else {
        let value = field(declaration, kind, name, value).map_err(|mut problem| {
            problem.subject = wrong(declaration, written, String::new(), String::new()).subject;
            problem
        })?;
        put(&mut one.config, rest, &value);
    }
    let native = rest.iter().fold(Path::default(), |mut path, step| {
        path.push(step.clone());
        path
    });
    one.from.insert(native, written.clone());
    Ok(())
}

/// Puts a value at a path, with the objects on the way there.
fn put(at: &mut PlanValue, steps: &[Step], value: &PlanValue) {
    let [Step::Field(name), rest @ ..] = steps else {
        *at = value.clone();
        return;
    };
    if at.as_object().is_none() {
        *at = PlanValue::object::<&str>([]);
    }
    if let Value::Object(items) = at {
        put(Arc::make_mut(items).entry(name.clone()).or_insert(Value::Null), rest, value);
    }
}

/// Resources that others come after though their providers do not know of them, triggers, and names that are taken.
pub(crate) fn joined(platform: &Platform, desired: &mut [Desired]) -> Diagnostics {
    let problems = taken(platform, desired);
    let mut ids: HashMap<Address, Vec<ResourceId>> = HashMap::new();
    for one in desired.iter() {
        ids.entry(one.id.address.clone()).or_default().push(one.id.clone());
    }
    for one in desired {
        let Some(declaration) = platform.declarations.get(&one.id.address) else { continue };
        for to in reached(platform, declaration, &ids) {
            let native = platform.declarations.get(&to).is_some_and(|target| target.kind == "resource");
            if native || declaration.kind == "resource" {
                one.depends_on.extend(ids.get(&to).into_iter().flatten().cloned());
            }
        }
        let lifecycle = declaration.body.field("lifecycle");
        let triggers = lifecycle.and_then(|lifecycle| lifecycle.field("replace_triggered_by"));
        for trigger in triggers.and_then(Value::as_list).into_iter().flatten() {
            if let Some(found) = mlp_eval::reference_of(trigger) {
                one.depends_on.extend(ids.get(&found.address).into_iter().flatten().cloned());
                one.lifecycle.replace_triggered_by.insert(found.address);
            }
        }
    }
    problems
}

/// Names that two resources would both have.
fn taken(platform: &Platform, desired: &[Desired]) -> Diagnostics {
    let mut problems = Diagnostics::new();
    let mut names: HashMap<(&str, &str), &ResourceId> = HashMap::new();
    for one in desired {
        let Some(other) = names.insert((&one.kind, &one.identity), &one.id) else { continue };
        let Some(declaration) = platform.declarations.get(&one.id.address) else { continue };
        let headline = format!("{} and {other} would both be called `{}`", one.id, one.identity);
        let help = "give one of the two another name".to_owned();
        problems.push(wrong(declaration, &Path::default(), headline, help));
    }
    problems
}

/// Declarations with resources of their own that one needs, also through those without; not itself.
fn reached(
    platform: &Platform,
    declaration: &Declaration,
    ids: &HashMap<Address, Vec<ResourceId>>,
) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    if declaration.edges.is_empty() {
        return found;
    }
    let mut seen = HashSet::from([&declaration.address]);
    let mut open: Vec<&Address> = declaration.edges.iter().map(|edge| &edge.to).collect();
    while let Some(address) = open.pop() {
        if !seen.insert(address) {
            continue;
        }
        if ids.contains_key(address) {
            found.insert(address.clone());
        } else if let Some(target) = platform.declarations.get(address) {
            open.extend(target.edges.iter().map(|edge| &edge.to));
        }
    }
    found
}

/// Attributes of every block that mean nothing for a kind that is served here, and why.
const MEANINGLESS: &[(&str, &str, &str)] = &[
    ("data", "depends_on", "it is looked up when the plan is made"),
    ("data", "lifecycle", "it is only looked up"),
    ("data", "override", "it is only looked up"),
    ("data", "timeouts", "it is only looked up"),
    (
        "resource",
        "lifecycle.create_before_destroy",
        "its name follows from its address, so that two cannot stand side by side",
    ),
    ("resource", "override", "its fields are native ones"),
    ("resource", "timeouts", "this program does not bound a single operation"),
];

/// What the language knows and no part of this program serves.
pub(crate) fn unserved(
    platform: &Platform,
    provider: &dyn Provider,
    declaration: &Declaration,
) -> Diagnostics {
    let mut problems: Diagnostics = other_provider(platform, declaration).into_iter().collect();
    problems.extend(unknown_look_up(provider, declaration));
    for (_, attribute, why) in MEANINGLESS.iter().filter(|(kind, ..)| *kind == declaration.kind) {
        let path: Path = attribute.parse().unwrap_or_default();
        let set = |value: &PlanValue| !matches!(value, Value::Null | Value::Bool(false));
        if declaration.body.get(&path).is_some_and(set) {
            let headline = format!("`{attribute}` is not served for {}", declaration.address);
            problems.push(wrong(declaration, &path, headline, "take it out".to_owned()).note(*why));
        }
    }
    problems
}

/// What can be looked up beside objects of providers.
const FILE: &str = "local_file";

/// A look-up of what this target has none of, also where nothing asks for what it finds.
fn unknown_look_up(provider: &dyn Provider, declaration: &Declaration) -> Option<Diagnostic> {
    let (kind, _) = declaration.address.name.split_once('.').filter(|_| declaration.kind == "data")?;
    if kind == FILE || provider.resource(kind).is_some() {
        return None;
    }
    let names = provider.resources().iter().map(|kind| kind.name.as_str()).chain([FILE]);
    let names: Vec<&str> = names.collect();
    let headline =
        format!("there is nothing of the kind `{kind}` to look up with the provider `{}`", provider.kind());
    Some(wrong(declaration, &Path::default(), headline, one_of(kind, names.iter().copied())))
}

/// A provider of its own for one declaration.
fn other_provider(platform: &Platform, declaration: &Declaration) -> Option<Diagnostic> {
    let written = declaration.body.field("provider").and_then(mlp_eval::reference_of)?;
    let common = KINDS.iter().any(|kind| kind.name == declaration.kind && kind.common);
    let (kind, name) = &platform.environment.provider;
    (common && *written.address.name != *format!("{kind}.{name}")).then(|| {
        let headline = format!("{} asks for another provider than its environment's", declaration.address);
        let help =
            format!("declare it in an environment of that provider, or write `provider.{kind}.{name}`");
        wrong(declaration, &Path::of(&["provider"]), headline, help)
    })
}

#[cfg(test)]
mod tests {
    use mlp_value::Key;

    use super::*;

    #[test]
    fn a_hundred_thousand_instances_have_as_many_names() {
        let block = Address::new("local_value", "v");
        let instance = |number: u64| object_name(&block.with_key(Key::Text(format!("k{number}").into())));
        let names: BTreeSet<String> = (0..100_000).map(instance).collect();
        assert_eq!(names.len(), 100_000);
        assert_eq!(object_name(&block), "v");
    }
}
