//! Modules: each call of one is a room of its own, with its variables, locals and declarations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Outcome, PlanValue};
use mlp_platform::Deferred;
use mlp_platform::kinds::COMMON;
use mlp_syntax::{Expr, ExprKind, Ident, Tree};
use mlp_value::Address;

use crate::codes;
use crate::evaluator::{Evaluator, Instance};
use crate::index::{Declared, Index};
use crate::instances::{Instances, Repeat, instances};
use crate::ordering::waits;
use crate::partial::Merged;
use crate::scope::followup;
use crate::source::{Entry, Parts, Source};
use crate::standards;
use crate::validation::validate;
use crate::values::{Offer, Told, decide, story};
use crate::variables::VariableStory;

/// The files of a module's directory.
#[derive(Debug, Clone)]
pub struct Module<'a> {
    /// The directory, relative to the project's, as [`module_directory`] gives it.
    pub directory: String,
    /// Its trees.
    pub trees: Vec<&'a Tree>,
}

/// Blocks that belong to the project as a whole.
const ROOT_ONLY: &[&str] = &["environment", "import", "project", "promotion", "provider", "standard"];

/// Attributes of every block that mean nothing for a whole module.
const MEANINGLESS: &[&str] = &["owner", "labels", "timeouts", "lifecycle", "override"];

/// Blocks that read a directory.
const READERS: &[&str] = &["module", "standard"];

/// The most calls of modules in one environment: more come of modules that call each other over and over.
const MOST_ROOMS: usize = 10_000;

/// Where names of one module mean something; the first is that of the project itself.
#[derive(Debug, Clone)]
pub(crate) struct Room<'t> {
    /// The calls it lies in.
    pub(crate) module: Vec<Arc<str>>,
    /// Its directory, relative to the project's.
    pub(crate) directory: String,
    pub(crate) locals: &'t BTreeMap<String, (&'t Ident, &'t Expr)>,
    /// Its variables, but for the project's own, whose values are decided first.
    pub(crate) variables: BTreeMap<String, Arc<Declared<'t>>>,
    /// Who called it.
    pub(crate) call: Option<Instance<'t>>,
}

/// The directory a module's `source` names, relative to the project's.
///
/// # Errors
/// It names no directory.
pub fn module_directory(base: &str, source: &str) -> Result<String, String> {
    if !(source.starts_with("./") || source.starts_with("../")) {
        return Err(format!("`{source}` is not a local directory"));
    }
    let mut words: Vec<&str> = Vec::new();
    for word in base.split('/').chain(source.split('/')).filter(|word| !matches!(*word, "" | ".")) {
        match words.last() {
            Some(last) if word == ".." && *last != ".." => drop(words.pop()),
            _ => words.push(word),
        }
    }
    Ok(if words.is_empty() { ".".to_owned() } else { words.join("/") })
}

/// The directories of the modules that the trees of a directory call, as far as they can be read.
pub fn called(base: &str, trees: &[&Tree]) -> BTreeSet<String> {
    let blocks = trees.iter().flat_map(|tree| &tree.body.blocks);
    let inner = blocks.clone().filter(|block| block.kind.name == "environment");
    let all = blocks.chain(inner.flat_map(|block| &block.body.blocks));
    let sources = all.filter(|block| READERS.contains(&block.kind.name.as_str())).filter_map(|block| {
        let source = block.body.attributes.iter().find(|attribute| attribute.name.name == "source")?;
        match &source.expr.kind {
            ExprKind::Text(text) => module_directory(base, text).ok(),
            _ => None,
        }
    });
    sources.collect()
}

/// A path of a module's file as one of the project; what names the module's directory already stays.
pub(crate) fn rebased(directory: &str, path: &str) -> String {
    let beside = path.starts_with('/') || path.contains("://");
    let inside = path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if directory == "." || beside || inside {
        return path.to_owned();
    }
    match path.strip_prefix("./").unwrap_or(path) {
        "." | "" => directory.to_owned(),
        rest => format!("{directory}/{rest}"),
    }
}

/// Opens rooms and places the instances of what is declared in them.
pub(crate) struct Opener<'o, 't> {
    pub(crate) evaluator: &'o mut Evaluator<'t>,
    /// What each module's directory declares.
    pub(crate) indexes: &'t BTreeMap<String, Index<'t>>,
    modules: VecDeque<Waiting<'t>>,
    others: VecDeque<Waiting<'t>>,
}

/// A block that is still to be expanded.
struct Waiting<'t> {
    room: usize,
    declared: Arc<Declared<'t>>,
    /// `for_each` or `count`.
    attribute: &'static str,
}

impl<'o, 't> Opener<'o, 't> {
    pub(crate) fn new(evaluator: &'o mut Evaluator<'t>, indexes: &'t BTreeMap<String, Index<'t>>) -> Self {
        Self { evaluator, indexes, modules: VecDeque::new(), others: VecDeque::new() }
    }

    /// Places everything, the modules first: others may be made for each of what these give. Gives where the values of the
    /// modules' variables come from.
    pub(crate) fn run(mut self, declared: Merged<'t>) -> Vec<VariableStory> {
        self.place(0, declared);
        while !self.evaluator.overflown
            && let Some(one) = self.next()
        {
            self.repeat(one.room, &one.declared, one.attribute);
            self.evaluator.pending.remove(&one.declared.address);
        }
        let mut stories = Vec::new();
        if self.evaluator.overflown {
            return stories;
        }
        for room in 1..self.evaluator.rooms.len() {
            let names: Vec<Arc<Declared<'t>>> =
                self.evaluator.rooms[room].variables.values().cloned().collect();
            for variable in names {
                // What is wrong is reported where the value is written.
                let found = self.evaluator.variable(room, &variable.address.name, None).ok().flatten();
                if let Some(call) = &self.evaluator.rooms[room].call {
                    let offers = offered(call, &variable.address.name);
                    stories.push(story(self.evaluator, &variable, &offers, found.as_ref()));
                }
                validate(self.evaluator, room, &variable);
            }
        }
        stories
    }

    /// What is expanded next: a module before others, and nothing before what its instances follow from. Where all wait for each
    /// other, the first says so.
    fn next(&mut self) -> Option<Waiting<'t>> {
        let ready = |one: &Waiting<'t>| self.ready(one);
        let module = self.modules.iter().position(ready);
        if let Some(at) = module {
            return self.modules.remove(at);
        }
        let at = self.others.iter().position(ready);
        if at.is_none() && !self.modules.is_empty() {
            return self.modules.pop_front();
        }
        self.others.remove(at.unwrap_or(0))
    }

    fn ready(&self, one: &Waiting<'t>) -> bool {
        match one.declared.parts.get(one.attribute).map(|entry| &entry.source) {
            Some(Source::Expr(expr, _)) => !waits(self.evaluator, one.room, expr, &one.declared.address),
            _ => true,
        }
    }

    fn place(&mut self, room: usize, declared: Merged<'t>) {
        for (_, mut declared) in declared {
            let module = &self.evaluator.rooms[room].module;
            if declared.address.module != *module {
                declared.address.module.clone_from(module);
            }
            let declared = Arc::new(declared);
            if room > 0 && declared.kind.name == "variable" {
                let name = declared.address.name.to_string();
                self.evaluator.rooms[room].variables.insert(name, declared);
                continue;
            }
            if declared.kind.name == "resource" && !self.evaluator.natives.contains(&*declared.address.kind) {
                self.evaluator.natives.insert(declared.address.kind.to_string());
            }
            match ["for_each", "count"].into_iter().find(|name| declared.parts.contains_key(*name)) {
                None => self.instance(room, declared.address.clone(), declared, Repeat::None),
                Some(attribute) => {
                    self.evaluator.repeated.insert(declared.address.clone());
                    self.evaluator.pending.insert(declared.address.clone());
                    if attribute == "count" {
                        self.evaluator.counted.insert(declared.address.clone());
                    }
                    let queue =
                        if declared.kind.name == "module" { &mut self.modules } else { &mut self.others };
                    queue.push_back(Waiting { room, declared, attribute });
                }
            }
        }
    }

    fn repeat(&mut self, room: usize, declared: &Arc<Declared<'t>>, attribute: &'static str) {
        match instances(self.evaluator, room, declared, attribute) {
            Instances::Known(all) => {
                for (address, repeat) in all {
                    self.instance(room, address, declared.clone(), repeat);
                }
            }
            // What is taken over must not be made anew while the import waits.
            Instances::After(after) if declared.kind.name == "import" => {
                let span = declared.parts.get(attribute).map_or(declared.header, |entry| entry.source.span());
                let known = format!("known only after {}", after.join(", "));
                self.evaluator.report(
                    Diagnostic::error(
                        codes::NOT_KNOWN,
                        "what is taken over must be known before anything is made",
                    )
                    .at(span, known)
                    .help("write the keys and identifiers down, or compute them from what is known"),
                );
            }
            Instances::After(after) => {
                let deferred = Deferred {
                    address: declared.address.clone(),
                    attribute: attribute.to_owned(),
                    header: declared.header,
                    after,
                };
                self.evaluator.deferred.insert(declared.address.clone(), deferred);
            }
            Instances::Refused(problem) => self.evaluator.report(*problem),
            Instances::Failed => {}
        }
    }

    fn instance(&mut self, room: usize, address: Address, declared: Arc<Declared<'t>>, repeat: Repeat) {
        let number = self.evaluator.number();
        let instance = Instance { number, address, declared, repeat, room };
        self.evaluator.instances.insert(instance.address.clone(), instance.clone());
        let opened = match instance.declared.kind.name {
            "module" => self.open(room, instance),
            "standard" => self.open_pack(room, instance),
            _ => Ok(()),
        };
        if let Err(problem) = opened {
            self.evaluator.report(*problem);
        }
    }

    /// Opens the room of a call.
    fn open(&mut self, caller: usize, call: Instance<'t>) -> Result<(), Box<Diagnostic>> {
        let declared = call.declared.clone();
        for name in MEANINGLESS {
            if let Some(entry) = declared.parts.get(*name) {
                self.evaluator.report(
                    Diagnostic::error(codes::MODULE, format!("`{name}` means nothing for a module"))
                        .at(entry.name, "set here")
                        .help(format!("set it in the module, or give an input of that name in `inputs = {{ {name} = … }}`")),
                );
            }
        }
        let directory = self.directory(caller, &declared)?;
        let Some(index) = self.indexes.get(&directory) else {
            return Err(nothing_there(&directory, source_span(&declared)));
        };
        let known: Vec<&str> = index
            .declared
            .values()
            .filter(|one| one.kind.name == "variable")
            .map(|one| &*one.address.name)
            .collect();
        for (name, entry) in inputs(&declared.parts) {
            if !known.contains(&name) {
                let help = match name {
                    "providers" => "everything in it is made with the provider that the call names: `provider = provider.<kind>.<name>`".to_owned(),
                    _ => one_of(name, known.iter().copied()),
                };
                self.evaluator.report(
                    Diagnostic::error(codes::MODULE, format!("the module has no variable `{name}`"))
                        .at(entry.name, "given here")
                        .help(help),
                );
            }
        }
        let room = self.evaluator.rooms.len();
        if self.evaluator.overflown {
            return Ok(());
        }
        if room > MOST_ROOMS {
            self.evaluator.overflown = true;
            let headline = format!("modules are called more than {MOST_ROOMS} times");
            return Err(boxed(
                Diagnostic::error(codes::MODULE, headline)
                    .at(source_span(&declared), "the last call that was read")
                    .help("call modules for fewer things; modules that call others twice over and over grow like powers of two"),
            ));
        }
        let module = call.address.inside();
        self.evaluator.rooms.push(Room {
            module,
            directory,
            locals: &index.locals,
            variables: BTreeMap::new(),
            call: Some(call),
        });
        let mut all = index.declared.clone();
        all.retain(|_, inner| {
            let refused = ROOT_ONLY.contains(&inner.kind.name);
            if refused {
                self.evaluator.report(root_only(inner.kind.name, inner.header));
            }
            !refused
        });
        for inner in index.environments.values() {
            self.evaluator.report(root_only("environment", inner.declared.header));
        }
        self.place(room, all);
        Ok(())
    }

    /// Opens the room of a standard.
    fn open_pack(&mut self, caller: usize, pack: Instance<'t>) -> Result<(), Box<Diagnostic>> {
        let (text, span) = standards::source(&pack.declared)?;
        let base = &self.evaluator.rooms[caller].directory;
        let directory = module_directory(base, &text).map_err(|why| {
            boxed(
                Diagnostic::error(
                    codes::MODULE,
                    format!("{why}: this program reads standards from directories only"),
                )
                .at(span, "named here")
                .help("keep a copy beside the project and name it: \"./vendor/name\""),
            )
        })?;
        let Some(index) = self.indexes.get(&directory) else {
            if self.evaluator.may_be_there(&directory) {
                return Ok(());
            }
            return Err(nothing_there(&directory, span));
        };
        let module = pack.address.inside();
        let same = Address::new("module", &pack.address.name);
        if self.evaluator.instances.contains_key(&same) || self.evaluator.repeated.contains(&same) {
            let headline = format!("`{}` and `{same}` have one name", pack.address);
            return Err(boxed(
                Diagnostic::error(codes::DUPLICATE, headline)
                    .at(pack.declared.header, "what is in both would have the same addresses")
                    .help("give one of the two another name"),
            ));
        }
        for problem in standards::held(&pack.declared, index) {
            self.evaluator.report(problem);
        }
        let room = self.evaluator.rooms.len();
        self.evaluator.packs.insert(pack.address.clone());
        self.evaluator.rooms.push(Room {
            module,
            directory,
            locals: &index.locals,
            variables: BTreeMap::new(),
            call: Some(pack),
        });
        let mut all = index.declared.clone();
        all.retain(|_, inner| inner.kind.name != "package" && !ROOT_ONLY.contains(&inner.kind.name));
        self.place(room, all);
        Ok(())
    }

    /// The directory of a call; refuses what is no local directory, and one that calls itself.
    fn directory(&self, caller: usize, declared: &Declared<'t>) -> Result<String, Box<Diagnostic>> {
        let span = source_span(declared);
        // That it is missing is told with what else is missing.
        if !declared.parts.contains_key("source") {
            return Err(boxed(followup(format!("`{}` names no source", declared.address), Some(span))));
        }
        let Some(Entry { source: Source::Expr(Expr { kind: ExprKind::Text(source), .. }, _), .. }) =
            declared.parts.get("source")
        else {
            return Err(boxed(
                Diagnostic::error(codes::MODULE, format!("`{}` names no source", declared.address))
                    .at(span, "plain text is needed here: it is read before anything is computed")
                    .help("write `source = \"./modules/name\"`"),
            ));
        };
        if let Some(version) = declared.parts.get("version") {
            return Err(boxed(
                Diagnostic::error(codes::MODULE, "a module of a local directory has no version")
                    .at(version.name, "set here")
                    .help("take `version` out: what is in the directory is what is used"),
            ));
        }
        let base = &self.evaluator.rooms[caller].directory;
        let directory = module_directory(base, source).map_err(|why| {
            boxed(
                Diagnostic::error(codes::MODULE, format!("{why}: this program reads modules from directories only"))
                    .at(span, "named here")
                    .help("keep a copy in the project, for example as a git submodule, and name it: \"./modules/name\""),
            )
        })?;
        let mut above = Some(caller);
        while let Some(room) = above {
            let room = &self.evaluator.rooms[room];
            if room.directory == directory {
                return Err(boxed(
                    Diagnostic::error(codes::MODULE, format!("the module `{directory}` calls itself"))
                        .at(span, "again here")
                        .help("take one of the calls away"),
                ));
            }
            above = room.call.as_ref().map(|call| call.room);
        }
        Ok(directory)
    }
}

fn boxed(diagnostic: Diagnostic) -> Box<Diagnostic> {
    Box::new(diagnostic)
}

fn nothing_there(directory: &str, span: Span) -> Box<Diagnostic> {
    boxed(
        Diagnostic::error(codes::MODULE, format!("there are no *.mlp files in `{directory}`"))
            .at(span, "named here")
            .help("name a directory beside this file, such as \"./modules/features\""),
    )
}

fn source_span(declared: &Declared<'_>) -> Span {
    declared.parts.get("source").map_or(declared.header, |entry| entry.source.span())
}

fn root_only(kind: &str, at: Span) -> Diagnostic {
    Diagnostic::error(codes::MODULE, format!("`{kind}` cannot stand in a module"))
        .at(at, "declared here")
        .help("declare it in the project's own directory; modules inherit it")
}

/// The inputs of a call: beside its own attributes, or in `inputs`.
pub(crate) fn inputs<'p, 't>(parts: &'p Parts<'t>) -> impl Iterator<Item = (&'p str, &'p Entry<'t>)> {
    const OWN: &[&str] = &["source", "version", "inputs"];
    let own = |name: &str| OWN.contains(&name) || COMMON.iter().any(|attribute| attribute.name == name);
    let inner = match parts.get("inputs").map(|entry| &entry.source) {
        Some(Source::Parts(inner, ..)) => Some(inner),
        _ => None,
    };
    let beside = parts.iter().filter(move |(name, _)| !own(name));
    beside.chain(inner.into_iter().flatten()).map(|(name, entry)| (name.as_str(), entry))
}

/// What a call gives to a variable of the module.
fn offered<'c, 't>(call: &'c Instance<'t>, name: &str) -> Vec<Offer<'c, 't>> {
    let given = inputs(&call.declared.parts).filter(|(input, _)| *input == name);
    given.map(|(_, entry)| Offer { from: call.address.to_string(), told: Told::Call(entry, call) }).collect()
}

impl<'t> Evaluator<'t> {
    /// The value of a variable of a room: what the call gives it, else its default.
    pub(crate) fn module_variable(&self, room: usize, name: &str) -> Option<Outcome> {
        let room = self.rooms.get(room)?;
        let variable = room.variables.get(name)?.clone();
        let call = room.call.as_ref()?;
        decide(self, &variable, &offered(call, name), || {
            Diagnostic::error(codes::MODULE, format!("`{}` is not given `{name}`", call.address))
                .at(call.declared.header, "called here")
                .see(variable.header, "declared without a default")
                .help(format!("add `{name} = …` to the call"))
        })
    }

    /// What a call gives under a name; `None` while what it gives is wrong, which was reported.
    pub(crate) fn module_output(
        &self,
        call: &Address,
        name: &str,
        span: Option<Span>,
    ) -> Result<Option<(PlanValue, bool)>, Diagnostic> {
        let module = call.inside();
        let outputs = |address: &&Address| address.module == module && &*address.kind == "output";
        let Some(instance) = self.instances.get(&Address::within(module.clone(), "output", name)) else {
            let names: Vec<&str> = self.instances.keys().filter(outputs).map(|found| &*found.name).collect();
            return Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("`{call}` has no output `{name}`"))
                .at_opt(span, "")
                .help(crate::hints::of_module(call, name, &names)));
        };
        let attribute = |name: &str| instance.declared.kind.attribute(name);
        let Some(schema) = attribute("value") else { return Ok(None) };
        let said = match attribute("sensitive") {
            Some(schema) => {
                self.attribute(instance, schema, span)?.is_some_and(|it| it.value == PlanValue::Bool(true))
            }
            None => false,
        };
        let found = self.attribute(instance, schema, span)?;
        Ok(found.map(|found| (found.value.clone(), said || !found.sensitive.is_empty())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_paths_are_of_the_project() {
        for (base, source, wanted) in [
            (".", "./modules/a", "modules/a"),
            ("modules/a", "../b/", "modules/b"),
            (".", "../shared", "../shared"),
            ("../shared", "../other", "../other"),
            ("a", "..", ""),
        ] {
            assert_eq!(module_directory(base, source).unwrap_or_default(), wanted, "{base} {source}");
        }
        for (path, wanted) in [
            ("src", "m/src"),
            ("./src", "m/src"),
            (".", "m"),
            ("m/src", "m/src"),
            ("/abs", "/abs"),
            ("s3://b", "s3://b"),
        ] {
            assert_eq!(rebased("m", path), wanted);
            assert_eq!(rebased(".", path), path);
        }
    }
}
