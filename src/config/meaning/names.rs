//! Names that stand as text or as labels because they are nobody's address, and yet must be somebody's: aliases of a model's own,
//! environments a promotion guards, providers of an override, variables an environment sets.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::reference_of;
use mlp_platform::{Declaration, kinds};
use mlp_value::{Address, Path, Value};

use super::{Whole, names_of};
use crate::codes;
use crate::source::Source;

/// Checks them all.
pub(super) fn check(whole: &Whole<'_, '_>) {
    let providers = Overrides {
        kinds: kinds::provider_kinds().collect(),
        paths: [Path::of(&["override"]), Path::of(&["capacity", "reservation"])],
    };
    for declaration in whole.sound() {
        providers.check(whole, declaration);
        match declaration.kind {
            "promotion" => promotion(whole, declaration),
            "model" => distinct(whole, declaration, &Path::of(&["aliases"])),
            "component" => metrics(whole, declaration, &Path::of(&["outputs"])),
            "pipeline" => {
                registered(whole, declaration);
                for step in names_of(declaration.body.field("step")) {
                    metrics(whole, declaration, &Path::of(&["step", step, "outputs"]));
                }
            }
            "import" => imported(whole, declaration),
            _ => {}
        }
    }
    variables(whole);
}

fn unknown(headline: String, place: Option<Span>, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error(codes::UNKNOWN_NAME, headline)
        .at_opt(place, "named here")
        .help(one_of(name, known.iter().copied()))
}

/// The names of the metrics of each output.
fn metrics(whole: &Whole<'_, '_>, declaration: &Declaration, outputs: &Path) {
    for output in names_of(declaration.body.get(outputs)) {
        distinct(whole, declaration, &outputs.field(output).field("names"));
    }
}

/// Each name of a list stands in it once.
fn distinct(whole: &Whole<'_, '_>, declaration: &Declaration, path: &Path) {
    let items = declaration.body.get(path).and_then(Value::as_list).unwrap_or_default();
    for (again, item) in items.iter().enumerate() {
        let Some(first) = items[..again].iter().position(|other| other == item) else { continue };
        let place = |index: usize| whole.place(&declaration.address, &path.index(index));
        let name = item.as_text().unwrap_or_default();
        let mut problem = Diagnostic::error(codes::DUPLICATE, format!("`{name}` stands in `{path}` twice"))
            .at_opt(place(again), "again here")
            .help("remove one of the two");
        if let Some(first) = place(first) {
            problem = problem.see(first, "first here");
        }
        whole.report(problem);
    }
}

/// `override "<kind of provider>"`, and a reservation by kind of provider: the kinds that there are, and where they are named.
struct Overrides {
    kinds: Vec<&'static str>,
    paths: [Path; 2],
}

impl Overrides {
    fn check(&self, whole: &Whole<'_, '_>, declaration: &Declaration) {
        self.paths.iter().for_each(|path| self.named(whole, declaration, path));
        for step in names_of(declaration.body.field("step").filter(|_| declaration.kind == "pipeline")) {
            self.named(whole, declaration, &Path::of(&["step", step, "capacity", "reservation"]));
        }
    }

    fn named(&self, whole: &Whole<'_, '_>, declaration: &Declaration, path: &Path) {
        for name in names_of(declaration.body.get(path)) {
            if !self.kinds.contains(&name) {
                let place = whole.name_place(&declaration.address, &path.field(name));
                let headline = format!("there is no kind of provider `{name}`");
                whole.report(unknown(headline, place, name, &self.kinds));
            }
        }
    }
}

/// A gate guards an environment of the path.
fn promotion(whole: &Whole<'_, '_>, declaration: &Declaration) {
    let path = declaration.body.field("path").and_then(Value::as_list).unwrap_or_default();
    let names: Vec<String> =
        path.iter().filter_map(|one| Some(reference_of(one)?.address.name.to_string())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for gate in names_of(declaration.body.field("gate")) {
        if !names.contains(&gate) {
            let at = Path::of(&["gate", gate]);
            let place = whole.name_place(&declaration.address, &at);
            let mut problem =
                unknown(format!("the path leads through no environment `{gate}`"), place, gate, &names);
            if let Some(span) = whole.place(&declaration.address, &Path::of(&["path"])) {
                problem = problem.see(span, "the path");
            }
            whole.report(problem);
        }
    }
}

/// The alias that a step gives is one of the model's.
fn registered(whole: &Whole<'_, '_>, pipeline: &Declaration) {
    for step in names_of(pipeline.body.field("step")) {
        let at = Path::of(&["step", step]);
        let Some(body) = pipeline.body.get(&at) else { continue };
        let model = body.field("register").and_then(|model| whole.behind(model));
        let (Some((model, _)), Some(alias)) = (model, body.field("alias").and_then(Value::as_text)) else {
            continue;
        };
        alias_of(whole, model, alias, whole.place(&pipeline.address, &at.field("alias")));
    }
}

/// Whether a model declares an alias; says so where it does not.
pub(super) fn alias_of(whole: &Whole<'_, '_>, model: &Declaration, alias: &str, place: Option<Span>) {
    let aliases = names_of(model.body.field("aliases"));
    if alias == "latest" || aliases.contains(&alias) {
        return;
    }
    let declared = whole.place(&model.address, &Path::of(&["aliases"])).unwrap_or(model.header);
    whole.report(
        Diagnostic::error(codes::MEMBER, format!("`{}` has no alias `{alias}`", model.address))
            .at_opt(place, "named here")
            .see(declared, "its aliases")
            .help(one_of(alias, aliases.iter().copied())),
    );
}

/// What is taken over must be declared.
fn imported(whole: &Whole<'_, '_>, declaration: &Declaration) {
    let here = Address::new("environment", &whole.evaluator.surroundings.environment);
    let only = declaration.body.field("environments").and_then(Value::as_list);
    if only.is_some_and(|only| !only.iter().filter_map(reference_of).any(|one| one.address == here)) {
        return;
    }
    let Some(to) = declaration.body.field("to").and_then(Value::as_text) else { return };
    let Ok(address) = to.parse::<Address>() else { return };
    let every = address.without_key();
    if whole.evaluator.repeated.contains(&every) && !whole.evaluator.deferred.contains_key(&every) {
        return instance(whole, declaration, &address);
    }
    if whole.all.contains_key(&address) || whole.evaluator.unread.contains(&*address.name) {
        return;
    }
    let known: Vec<String> = whole.all.keys().map(ToString::to_string).collect();
    // What is like nothing that is declared may be about to be written by `mlp plan --generate-config-out`; a plan without it
    // refuses.
    if mlp_diag::did_you_mean(to, known.iter().map(String::as_str)).is_none() {
        return;
    }
    let place = whole.place(&declaration.address, &Path::of(&["to"]));
    whole.report(
        Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{to}`"))
            .at_opt(place, "not declared")
            .help(one_of(to, known.iter().map(String::as_str))),
    );
}

/// Of what is declared for each key, one that is there is named.
fn instance(whole: &Whole<'_, '_>, declaration: &Declaration, address: &Address) {
    let base = address.without_key();
    let all = whole.evaluator.instances_of(&base);
    // Of none, either its collection is wrong, which was said, or the plan says so.
    if whole.all.contains_key(address) || all.is_empty() {
        return;
    }
    let names: Vec<String> = all.iter().map(|one| one.address.to_string()).collect();
    let written = address.to_string();
    let (headline, written) = match address.key {
        Some(_) => (format!("`{base}` has no instance `{address}`"), written.as_str()),
        None => (format!("`{base}` has several instances, and this names all of them"), ""),
    };
    let place = whole.place(&declaration.address, &Path::of(&["to"]));
    whole.report(
        Diagnostic::error(codes::UNKNOWN_NAME, headline)
            .at_opt(place, "one of them is taken over")
            .help(one_of(written, names.iter().map(String::as_str))),
    );
}

/// What an environment sets must be a variable.
fn variables(whole: &Whole<'_, '_>) {
    let Some(parts) = &whole.evaluator.given_variables else { return };
    let Source::Parts(parts, ..) = &parts.source else { return };
    let all = &whole.evaluator.variables;
    for (name, entry) in parts {
        if !all.contains_key(name) {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            let headline = format!("there is no variable `{name}`");
            whole.report(unknown(headline, Some(entry.name), name, &known));
        }
    }
}
