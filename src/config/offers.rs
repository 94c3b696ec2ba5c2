//! `offers()` and `price()`: what the catalogue of hardware says of a phrase or of a declared pool.

use std::sync::Arc;

use mlp_catalog::{Catalog, Choice, Fabric, Filter, Machine, RowProblem};
use mlp_diag::{Diagnostic, one_of};
use mlp_eval::{PlanValue, reference_of};
use mlp_platform::kinds;
use mlp_platform::phrases::{ACCELERATOR_PHRASE, COMPUTE_ATTRIBUTES};
use mlp_platform::schema::{Attribute, Ty};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::facts::{Fact, Need};
use mlp_value::{Address, Number, Value};

use crate::accelerators::{OWN_CATALOG, help, phrase_of};
use crate::codes;
use crate::evaluator::Evaluator;
use crate::fit::{Misfit, fit};
use crate::index::Declared;
use crate::source::{Parts, Source};
use crate::words;

/// What may narrow a question.
const WHERE: Ty = Ty::Object(&[
    Attribute::new("provider", Ty::Text, "Offers of this provider."),
    Attribute::new("region", Ty::Text, "Offers in this region."),
    Attribute::new("fabric", Ty::Enum(&["any", "gpudirect", "rdma"]), "The network between machines."),
    Attribute::new("currency", Ty::Text, "The currency that a price is wanted in; `USD` unless said."),
]);
/// A pool written in place.
const POOL: Ty = Ty::Object(COMPUTE_ATTRIBUTES);

/// What is asked about.
const OF: usize = 0;
/// What narrows it.
const NARROWED: usize = 1;

/// The argument at fault, and why; as the evaluator takes it.
type Refused = (usize, String);
type Asked<T> = Result<T, Refused>;

/// A question, understood.
struct Question {
    catalog: Arc<Catalog>,
    /// In order of preference.
    choices: Vec<Choice>,
    /// The most nodes, where something declared says so.
    nodes: u64,
    filter: Filter,
    currency: String,
}

/// Where prices are asked for, and what they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Market {
    /// The kind of the environment's provider.
    provider: Option<String>,
    /// Files of prices, with the kind of the provider that names each.
    prices: Vec<(String, String)>,
}

impl Market {
    /// The market of an environment with these attributes, among these declarations.
    pub(crate) fn of<'d, 't: 'd>(
        environment: &Parts<'_>,
        declared: impl Iterator<Item = &'d Declared<'t>>,
    ) -> Self {
        let provider = environment.get("provider").and_then(|entry| match &entry.source {
            Source::Expr(Expr { kind: ExprKind::Attr(kind, _), .. }, _) => match &kind.kind {
                ExprKind::Attr(_, kind) => Some(kind.name.clone()),
                _ => None,
            },
            _ => None,
        });
        let path_of = |one: &Declared<'t>| {
            let kind = one.address.name.split('.').next()?.to_owned();
            Some((kind, crate::resolve::literal_text(one.parts.get("prices"))?))
        };
        let prices = declared.filter(|one| one.kind.name == "provider").filter_map(path_of).collect();
        Self { provider, prices }
    }
}

impl Evaluator<'_> {
    /// The catalogue with what the project's own files add to it; `None` while these are asked for.
    pub(crate) fn catalog(&self) -> Option<Arc<Catalog>> {
        self.known_catalog.get_or_init(|| self.read_catalog()).clone()
    }

    fn read_catalog(&self) -> Option<Arc<Catalog>> {
        let mut catalog = Catalog::built_in().clone();
        let mut complete = true;
        let mut read = |path: &str, into: &mut dyn FnMut(&str) -> Vec<RowProblem>| match self
            .facts
            .ask(Need::Text(path.to_owned()), &mut self.needs.borrow_mut())
        {
            None => complete = false,
            Some(Fact::Text(text)) => into(text).into_iter().for_each(|problem| {
                let headline = format!("{path}, line {}: {}", problem.line, problem.why);
                self.report(Diagnostic::error(codes::CATALOG, headline).help(problem.help));
            }),
            Some(Fact::Missing) if path == OWN_CATALOG => {}
            Some(other) => {
                let why = match other {
                    Fact::Failed(why) => why.as_str(),
                    _ => "there is no such file",
                };
                let headline = format!("the prices in `{path}` cannot be read: {why}");
                let help = "give the path of a file of the project";
                self.report(Diagnostic::error(codes::CATALOG, headline).help(help));
            }
        };
        read(OWN_CATALOG, &mut |text| catalog.extend(text, OWN_CATALOG));
        for (provider, path) in &self.surroundings.market.prices {
            read(path, &mut |text| catalog.price(provider, text, path));
        }
        complete.then(|| Arc::new(catalog))
    }
}

/// What `offers` gives; `None` while something is not known yet.
pub(crate) fn offers(
    evaluator: &Evaluator<'_>,
    of: &PlanValue,
    narrowed: &PlanValue,
) -> Asked<Option<PlanValue>> {
    let Some(question) = question(evaluator, of, narrowed)? else { return Ok(None) };
    let all = question.choices.iter().flat_map(|choice| question.machines(choice).into_iter().map(row));
    Ok(Some(PlanValue::list(all)))
}

/// What `price` gives: that of the first chip that anyone offers.
pub(crate) fn price(
    evaluator: &Evaluator<'_>,
    of: &PlanValue,
    narrowed: &PlanValue,
) -> Asked<Option<PlanValue>> {
    let Some(question) = question(evaluator, of, narrowed)? else { return Ok(None) };
    // A chip that comes in several varieties is one preference.
    let offered = question.choices.chunk_by(|a, b| a.chip.name == b.chip.name).find_map(|same| {
        let machines: Vec<&Machine> = same.iter().flat_map(|choice| question.machines(choice)).collect();
        (!machines.is_empty()).then_some((same.first()?, machines))
    });
    let Some((choice, machines)) = offered else { return Ok(Some(PlanValue::Null)) };
    let of_machine = |machine: &&Machine| {
        let price = machine.price.as_ref().filter(|price| price.currency == question.currency)?;
        // A chip that is priced by itself is taken as often as a node needs it.
        let devices = if machine.instance.is_empty() { choice.count } else { 1 };
        Some(price.amount.times(&Number::from(devices)))
    };
    let cheapest = machines.iter().filter_map(of_machine).min_by(|a, b| a.to_f64().total_cmp(&b.to_f64()));
    let nodes = Number::from(choice.hosts.unwrap_or(question.nodes));
    Ok(Some(cheapest.map_or(PlanValue::Null, |price| Value::Number(price.times(&nodes)))))
}

impl Question {
    /// Machines with just as many devices as a node needs, and devices that are priced by themselves.
    fn machines(&self, choice: &Choice) -> Vec<&Machine> {
        let filter = Filter { chips: vec![choice.chip.clone()], ..self.filter.clone() };
        let mut found = self.catalog.offers(&filter);
        found.retain(|one| one.instance.is_empty() || (one.count.parts == 1 && one.count.of == choice.count));
        found
    }
}

fn question(evaluator: &Evaluator<'_>, of: &PlanValue, narrowed: &PlanValue) -> Asked<Option<Question>> {
    let (asked, complete) = asked(evaluator, of)?;
    let filter = fit(narrowed, &WHERE).map_err(|misfit| said(NARROWED, &misfit))?;
    let Some(catalog) = evaluator.catalog() else { return Ok(None) };
    if !complete || asked.has_holes() || filter.has_holes() {
        return Ok(None);
    }
    let phrase = phrase_of(asked.field("accelerator").unwrap_or(&PlanValue::Null));
    let (choices, problems) = catalog.resolve(&phrase);
    if let Some(problem) = problems.iter().find(|problem| !problem.passing) {
        return Err((OF, format!("{}; {}", problem.why, help(&catalog, &phrase, problem))));
    }
    let text = |value: &PlanValue, name: &str| value.field(name).and_then(Value::as_text).map(str::to_owned);
    let nodes = match asked.field("nodes") {
        Some(Value::Number(nodes)) => nodes.to_i64(),
        Some(range) => range.field("max").and_then(Value::as_number).and_then(Number::to_i64),
        None => None,
    };
    let fabric = text(&filter, "fabric").or_else(|| text(&asked, "fabric"));
    let filter_of = Filter {
        provider: provider(evaluator, &catalog, text(&filter, "provider"))?,
        region: region(&catalog, text(&filter, "region"))?,
        fabric: fabric.as_deref().and_then(Fabric::of),
        ..Filter::default()
    };
    let nodes = nodes.and_then(|nodes| u64::try_from(nodes).ok()).unwrap_or(1);
    let currency = text(&filter, "currency").unwrap_or_else(|| "USD".to_owned());
    Ok(Some(Question { catalog, choices, nodes, filter: filter_of, currency }))
}

/// The pool that is asked about, and whether all of it is known: a declared one, one in place, a phrase alone, or the name of a chip.
fn asked(evaluator: &Evaluator<'_>, of: &PlanValue) -> Asked<(PlanValue, bool)> {
    let pool = |phrase: PlanValue| PlanValue::object([("accelerator", phrase)]);
    if let Some(reference) = reference_of(of) {
        return declared(evaluator, &reference.address, &reference.to_string());
    }
    let pool = match of {
        Value::Text(name) => pool(PlanValue::object([("name", Value::text(name))])),
        Value::Object(items) if items.contains_key("accelerator") => {
            fit(of, &POOL).map_err(|misfit| said(OF, &misfit))?
        }
        Value::Object(_) => pool(fit(of, &ACCELERATOR_PHRASE).map_err(|misfit| said(OF, &misfit))?),
        other => {
            let found = words::value(other);
            return Err((
                OF,
                format!("this is {found}: give it an accelerator phrase, a `compute` or the name of a chip"),
            ));
        }
    };
    Ok((pool, true))
}

/// What a declaration asks for; that of a `compute` alone is the whole of what it costs.
fn declared(evaluator: &Evaluator<'_>, address: &Address, named: &str) -> Asked<(PlanValue, bool)> {
    let instance = evaluator.instances.get(address).filter(|one| one.declared.kind.name == "compute");
    let Some(instance) = instance else {
        let has_phrase =
            kinds::kind(&address.kind).is_some_and(|kind| kind.attribute("accelerator").is_some());
        let why = match has_phrase {
            true => format!(
                "`{named}` is no `compute`, and how much of it runs is not certain: ask for `{named}.accelerator`"
            ),
            false => format!("`{named}` is no `compute`"),
        };
        return Err((OF, why));
    };
    let mut complete = true;
    let mut items: Vec<(&str, PlanValue)> = Vec::new();
    for name in ["accelerator", "nodes", "fabric"] {
        let Some(schema) = instance.declared.kind.attribute(name) else { continue };
        match evaluator.attribute(instance, schema, None) {
            Ok(Some(found)) if !found.value.is_null() => items.push((name, found.value.clone())),
            // What is wrong with it was said at its place, or is a cycle that its own evaluation tells.
            Ok(None) if instance.declared.parts.contains_key(name) => complete = false,
            Err(cycle) => return Err((OF, cycle.headline)),
            Ok(_) => {}
        }
    }
    if complete && !items.iter().any(|(name, _)| *name == "accelerator") {
        return Err((OF, format!("`{named}` has no accelerator, and the catalogue lists nothing else")));
    }
    Ok((PlanValue::object(items), complete))
}

/// Whose offers count: of the provider that is named, or of the environment's own where the catalogue lists any of it.
fn provider(evaluator: &Evaluator<'_>, catalog: &Catalog, named: Option<String>) -> Asked<Option<String>> {
    let known = || catalog.machines.iter().map(|machine| machine.provider.as_str());
    match named {
        Some(name) if known().any(|one| one == name) => Ok(Some(name)),
        Some(name) => {
            let mut all: Vec<&str> = known().collect();
            all.sort_unstable();
            all.dedup();
            let near = one_of(&name, all.iter().copied());
            Err((NARROWED, format!("the catalogue has no provider `{name}`; {near}")))
        }
        None => {
            let here = evaluator.surroundings.market.provider.clone();
            Ok(here.filter(|kind| known().any(|one| one == kind)))
        }
    }
}

fn region(catalog: &Catalog, named: Option<String>) -> Asked<Option<String>> {
    let Some(name) = named else { return Ok(None) };
    if catalog.machines.iter().any(|machine| machine.is_in(&name)) {
        return Ok(Some(name));
    }
    let mut all: Vec<&str> = catalog.machines.iter().flat_map(|one| one.region.split('/')).collect();
    all.retain(|region| !region.is_empty());
    all.sort_unstable();
    all.dedup();
    let near = one_of(&name, all.iter().copied());
    Err((NARROWED, format!("the catalogue knows no price in the region `{name}`; {near}")))
}

fn said(argument: usize, misfit: &Misfit) -> Refused {
    // What is not known by name is named already.
    let at = match misfit.at.is_root() || misfit.code == codes::UNKNOWN_ATTRIBUTE {
        true => String::new(),
        false => format!("`{}`: ", misfit.at),
    };
    (argument, format!("{at}{}; {}", misfit.why, misfit.help))
}

fn row(machine: &Machine) -> PlanValue {
    let text = |text: &str| if text.is_empty() { Value::Null } else { PlanValue::text(text) };
    let number = |number: Option<Number>| number.map_or(Value::Null, Value::Number);
    let price = machine.price.as_ref();
    PlanValue::object([
        ("provider", text(&machine.provider)),
        ("instance", text(&machine.instance)),
        ("chip", text(&machine.chip.name)),
        ("memory_gib", number(machine.chip.memory_gib.and_then(Number::from_f64))),
        ("form", text(&machine.chip.form.map(|form| form.to_string()).unwrap_or_default())),
        ("count", Value::Number(Number::from(machine.count.of))),
        ("price", number(price.map(|price| price.amount.clone()))),
        ("price_each", number(machine.price_each())),
        ("currency", text(price.map(|price| price.currency.as_str()).unwrap_or_default())),
        ("region", text(&machine.region)),
        ("as_of", text(price.map(|price| price.as_of.as_str()).unwrap_or_default())),
        ("source", text(&machine.source)),
    ])
}

#[cfg(test)]
mod tests {
    use mlp_diag::SourceMap;
    use mlp_value::facts::{Fact, Facts, Need};

    use crate::tests::{HEAD, value};
    use crate::{Inputs, resolve};

    const CONTRACT: &str = "provider,instance,accelerator,count,mem_gib_each,price_per_hour,currency,price_as_of,source\n\
                            aws,p5.48xlarge,,,,44.10,USD,2026-11-01,our contract\n\
                            hall,rack-1,GB300,4,288,20,EUR,2026-11-01,finance\n";
    const HALL: &str =
        "accelerator,form,price_per_hour,currency,source,date\nH100,sxm,2.10,USD,finance,2026-11-01\n";

    /// What an output comes to, or the first thing that is wrong with its place.
    fn told(head: &str, expression: &str) -> String {
        let text = format!("{head}output \"x\" {{ value = {expression} }}\n");
        let mut sources = SourceMap::default();
        let file = sources.add("main.mlp", text.as_str());
        let (tree, diagnostics) = mlp_syntax::parse(file, &text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let (trees, environment, root) = ([&tree], "local", ".");
        let inputs =
            Inputs { trees: &trees, sources: &sources, environment, assignments: &[], root, modules: &[] };
        let mut facts = Facts::default();
        facts.insert(Need::Text("catalog.csv".into()), Fact::Text(CONTRACT.into()));
        facts.insert(Need::Text("hall.csv".into()), Fact::Text(HALL.into()));
        let found = resolve(&inputs, &facts);
        if let Some(problem) = found.diagnostics.first() {
            let at = problem.place().map(|span| &text[span.start as usize..span.end as usize]);
            return format!("{} [{}]", problem.headline, at.unwrap_or_default());
        }
        value(&found, "output.x", "value")
    }

    #[track_caller]
    fn check(body: &str, expression: &str, wanted: &str) {
        assert_eq!(told(&format!("{HEAD}{body}"), expression), wanted, "{expression}");
    }

    #[test]
    fn a_price_is_that_of_all_nodes_where_it_is_cheapest() {
        let pool = |words: &str| {
            format!(
                "compute \"c\" {{\n  accelerator = {{ name = \"H100\", form = \"sxm\", count = 8 }}\n  {words}\n}}\n"
            )
        };
        let aws = ", { provider = \"aws\" }";
        let of = |what: &str| format!("price({what}{aws})");
        check("", &of("{ name = \"H100\", form = \"sxm\", count = 8 }"), "44.1");
        check(&pool("nodes = 3"), &of("compute.c"), "132.3");
        check(&pool("nodes = { min = 0, max = 2 }"), &of("compute.c"), "88.2");
        check(&pool(""), &of("compute.c.accelerator"), "44.1");
        check("", &of("{ accelerator = { name = \"H100\", form = \"sxm\", count = 8 }, nodes = 2 }"), "88.2");
        // What nobody knows is null, also where there is an offer in another currency, or none of just so many.
        check("", "price({ name = \"GB300\", count = 4 })", "null");
        check("", "price({ name = \"GB300\", count = 4 }, { currency = \"EUR\" })", "20");
        check("", "price({ name = \"GB300\", count = 3 }, { currency = \"EUR\" })", "null");
        // The preferred chip is the one that is meant.
        check("", "price({ name = [\"GB300\", \"H200\"], count = 4 }, { currency = \"EUR\" })", "20");
    }

    #[test]
    fn a_hall_sells_chips_by_themselves() {
        let hall = "provider \"kubernetes\" \"hall\" { prices = \"hall.csv\" }\n";
        check(
            hall,
            "price({ name = \"H100\", form = \"sxm\", count = 3 }, { provider = \"kubernetes\" })",
            "6.3",
        );
        // In an environment of that provider its offers count.
        let head = "project \"p\" {}\nprovider \"kubernetes\" \"hall\" { prices = \"hall.csv\" }\n\
                    environment \"local\" { provider = provider.kubernetes.hall }\n";
        assert_eq!(told(head, "price({ name = \"H100\", form = \"sxm\", count = 8 })"), "16.8");
    }

    #[test]
    fn offers_are_in_the_order_in_which_one_would_take_them() {
        let names = |of: &str| format!("[for one in offers({of}) : one.instance]");
        check(
            "",
            &names("{ name = \"H100\", form = \"sxm\", count = 8 }, { provider = \"aws\" }"),
            "[\"p5.48xlarge\"]",
        );
        check(
            "",
            &names("{ name = [\"GB300\", \"H200\"], count = 4 }, { provider = \"hall\" }"),
            "[\"rack-1\"]",
        );
        check("", "offers(\"GB300\", { provider = \"hall\" })", "[]");
        let whole = "offers({ name = \"H100\", form = \"sxm\", count = 8 }, { provider = \"aws\" })[0]";
        check("", &format!("{whole}.price_each"), "5.5125");
        check("", &format!("\"${{{whole}.as_of}} ${{{whole}.source}}\""), "\"2026-11-01 our contract\"");
    }

    #[test]
    fn what_means_nothing_is_refused_at_its_place() {
        check(
            "",
            "price(\"H10O\")",
            "`price`: argument 1 (`of`): nobody knows the chip `H10O`; did you mean `H100`? `mlp catalog` lists them all [\"H10O\"]",
        );
        check(
            "storage \"s\" {}\n",
            "price(storage.s)",
            "`price`: argument 1 (`of`): `storage.s` is no `compute` [storage.s]",
        );
        check(
            "",
            "offers({ name = \"H100\", form = \"sxm\" }, { provider = \"amazon\" })",
            "`offers`: argument 2 (`where`): the catalogue has no provider `amazon`; possible here: `aws`, `azure`, `gcp`, `hall` [{ provider = \"amazon\" }]",
        );
        check(
            "compute \"c\" { cpu = 1 }\n",
            "price(compute.c)",
            "`price`: argument 1 (`of`): `compute.c` has no accelerator, and the catalogue lists nothing else [compute.c]",
        );
        check(
            "",
            "price(7)",
            "`price`: argument 1 (`of`): this is the number 7: give it an accelerator phrase, a `compute` or the name of a chip [7]",
        );
    }

    #[test]
    fn examples_come_to_what_they_say() {
        let all = mlp_eval::functions().iter().filter(|function| function.reads_catalog());
        let examples: Vec<_> = all.flat_map(|function| function.examples).collect();
        assert_eq!(examples.len(), 2);
        examples.into_iter().for_each(|(call, wanted)| check("", call, wanted));
    }
}
