//! `moved`, `removed` and `import`: what the specification says of what existed before it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics, SourceMap, one_of};
use mlp_plan::{Import, Refactor, Removed};
use mlp_platform::moves::{Move, address_in, lies_at};
use mlp_platform::{Declaration, Platform};
use mlp_provider::{Desired, Seen, Session};
use mlp_state::{State, successor};
use mlp_value::{Address, ResourceId, Value};

use super::renames::Names;

/// The state with its records under the addresses of now, and what that means for the plan.
pub struct Refactored<'s> {
    /// What is remembered, under the addresses of now.
    pub state: Cow<'s, State>,
    /// For the plan.
    pub refactor: Refactor,
}

struct By<'p> {
    said: Move,
    declaration: &'p Declaration,
}

/// Applies `moved` and `removed` to what is remembered.
///
/// # Errors
/// Blocks that contradict the specification, the state or each other.
pub fn refactor<'s>(
    platform: &Platform,
    state: &'s State,
    sources: &SourceMap,
) -> Result<Refactored<'s>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let moves = moves(platform);
    let mut moved_state = Cow::Borrowed(state);
    let mut refactor = Refactor { state_digest: Some(state.digest()), ..Refactor::default() };
    for id in state.resources.keys().filter(|_| !moves.is_empty()) {
        let Some((to, by)) = target(id, &moves) else { continue };
        if let Some(problem) = unmovable(id, &to, &moved_state, by) {
            problems.push(problem);
            continue;
        }
        moved_state.to_mut().rename(id, &to);
        refactor.moved.insert(to, id.clone());
    }
    for (from, what) in of_kind(platform, "removed").filter_map(|one| removed(one, sources)) {
        let ids = moved_state.resources.keys().filter(|id| lies_at(&id.address, &from));
        refactor.removed.extend(ids.map(|id| (id.clone(), what.clone())));
    }
    if problems.is_empty() { Ok(Refactored { state: moved_state, refactor }) } else { Err(problems) }
}

fn of_kind<'p>(platform: &'p Platform, kind: &'p str) -> impl Iterator<Item = &'p Declaration> {
    platform.declarations.values().filter(move |declaration| declaration.kind == kind)
}

fn wrong(declaration: &Declaration, path: &str, headline: String, help: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("MLP0908", headline).on(&declaration.address, path).help(help))
}

fn address(declaration: &Declaration, path: &str) -> Result<Address, Box<Diagnostic>> {
    let text = declaration.body.field(path).and_then(Value::as_text).unwrap_or_default();
    text.parse()
        .map_err(|why| wrong(declaration, path, why, "write the address as it is declared, without quotes"))
}

/// The moves. What they contradict in the specification was told when it was checked.
fn moves(platform: &Platform) -> Vec<By<'_>> {
    let read = |declaration| Some(By { said: Move::of(declaration)?, declaration });
    of_kind(platform, "moved").filter_map(read).collect()
}

type Target<'m> = Option<(ResourceId, &'m By<'m>)>;

/// Where all moves together take a resource. That they form no circle was checked with the specification.
fn target<'m>(id: &ResourceId, moves: &'m [By<'m>]) -> Target<'m> {
    let mut at = id.clone();
    let mut seen = BTreeSet::from([at.clone()]);
    let mut last = None;
    while let Some((to, by)) = moves.iter().find_map(|one| Some((one.said.takes(&at.address)?, one))) {
        at.address = to;
        last = Some(by);
        if !seen.insert(at.clone()) {
            break;
        }
    }
    last.map(|by| (at, by))
}

fn unmovable(id: &ResourceId, to: &ResourceId, state: &State, by: &By<'_>) -> Option<Diagnostic> {
    let there = state.resources.contains_key(to);
    there.then(|| {
        let headline = format!("{id} cannot move to {to}: both are remembered");
        let help = "destroy one of the two first, or forget it with `removed { from = … }`";
        *wrong(by.declaration, "to", headline, help)
    })
}

fn removed(declaration: &Declaration, sources: &SourceMap) -> Option<(Address, Removed)> {
    let from = address_in(declaration, "from")?;
    let said = |name: &str| declaration.body.field("lifecycle").and_then(|lifecycle| lifecycle.field(name));
    let by_word = said("on_destroy").and_then(Value::as_text).map(|word| word == "delete");
    let destroy = said("destroy").and_then(Value::as_bool).or(by_word).unwrap_or(false);
    Some((from, Removed { destroy, place: sources.place(declaration.header) }))
}

/// What is to be taken over, as it is found: read before it is decided under which names it is lowered.
///
/// # Errors
/// There is no such thing, or nothing it could become.
pub async fn imports(
    platform: &Platform,
    state: &State,
    desired: &[Desired],
    session: &dyn Session,
    sources: &SourceMap,
) -> Result<BTreeMap<ResourceId, Import>, Diagnostics> {
    let mut found = BTreeMap::new();
    let mut problems = Diagnostics::new();
    for declaration in of_kind(platform, "import") {
        match import(platform, state, desired, session, declaration).await {
            Err(problem) => problems.push(*problem),
            Ok(None) => {}
            Ok(Some((id, identity, made_as))) => {
                let place = sources.place(declaration.header);
                if found.insert(id.clone(), Import { identity, made_as, place }).is_some() {
                    let headline = format!("{id} is imported twice");
                    problems.push(*wrong(declaration, "to", headline, "keep one of the two blocks"));
                }
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

type Taken = Option<(ResourceId, String, Option<Address>)>;

async fn import(
    platform: &Platform,
    state: &State,
    desired: &[Desired],
    session: &dyn Session,
    declaration: &Declaration,
) -> Result<Taken, Box<Diagnostic>> {
    let to = address(declaration, "to")?;
    let identity = declaration.body.field("id").and_then(Value::as_text).unwrap_or_default();
    let of_it: Vec<&Desired> = desired.iter().filter(|one| one.id.address == to).collect();
    // Of a composite the main part is named; the others are found by the names that follow from it.
    let Some(one) = of_it.iter().find(|one| one.id.role.is_empty()).or(of_it.first()) else {
        let (headline, help) = if platform.declarations.contains_key(&to) {
            (
                format!("{to} makes nothing that could be taken over"),
                "name a declaration that becomes a resource".to_owned(),
            )
        } else {
            let names: Vec<String> = desired.iter().map(|one| one.id.address.to_string()).collect();
            (
                format!("{to} is not declared in this environment"),
                one_of(&to.to_string(), names.iter().map(String::as_str))
                    + "; or have its block written: `mlp plan --generate-config-out imported.mlp`",
            )
        };
        return Err(wrong(declaration, "to", headline, &help));
    };
    if let Some(record) = state.resources.get(&one.id) {
        if record.identity == identity {
            return Ok(None);
        }
        let headline = format!("{} is remembered as `{}` already", one.id, record.identity);
        return Err(wrong(
            declaration,
            "id",
            headline,
            "take this block away, or give the other a declaration of its own",
        ));
    }
    if let Some(other) =
        state.resources.values().find(|record| record.identity == identity && successor(&record.id).is_none())
    {
        let headline = format!("`{identity}` belongs to {} already", other.id);
        return Err(wrong(declaration, "id", headline, "use `moved` to give it another address"));
    }
    match session.read(&one.kind, identity).await.map_err(|error| error.diagnostic)? {
        Seen::Absent => {
            let headline = format!("there is no {} `{identity}` to take over", one.kind);
            let help = format!("write its identifier as the target knows it, such as `{}`", one.identity);
            Err(wrong(declaration, "id", headline, &help))
        }
        Seen::Present(found) => {
            let made_as =
                found.config.field("address").and_then(Value::as_text).and_then(|text| text.parse().ok());
            Ok(Some((one.id.clone(), identity.to_owned(), made_as)))
        }
    }
}

/// The names under which imported things are lowered.
pub fn with_imports(names: &Names, imports: &BTreeMap<ResourceId, Import>) -> Names {
    let mut all = names.clone();
    for (id, import) in imports {
        if let Some(made_as) = &import.made_as {
            all.keep(&id.address, made_as);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaration() -> Declaration {
        Declaration {
            because: BTreeMap::new(),
            address: Address::new("moved", "n0"),
            kind: "moved",
            body: mlp_eval::PlanValue::Null,
            sensitive: Vec::new(),
            origins: mlp_platform::Origins::default(),
            edges: Vec::new(),
            header: mlp_diag::Span::new(mlp_diag::FileId(0), 0, 0),
        }
    }

    #[test]
    fn moves_follow_each_other_instances_and_modules() {
        let declaration = declaration();
        let check = |pairs: &[(&str, &str)], id: &str, wanted: &str| {
            let moves: Vec<By<'_>> = pairs
                .iter()
                .map(|(from, to)| By {
                    said: Move { from: from.parse().unwrap(), to: to.parse().unwrap() },
                    declaration: &declaration,
                })
                .collect();
            let found = target(&id.parse().unwrap(), &moves);
            let said = found.map_or_else(|| "stays".to_owned(), |(to, _)| to.to_string());
            assert_eq!(said, wanted, "{pairs:?} {id}");
        };
        check(&[("dataset.a", "dataset.b")], "dataset.a/object", "dataset.b/object");
        check(&[("dataset.a", "dataset.b")], "dataset.c", "stays");
        check(&[("dataset.a", "dataset.b"), ("dataset.b", "dataset.c")], "dataset.a", "dataset.c");
        check(&[("dataset.a", "dataset.b")], "dataset.a[\"x\"]", "dataset.b[\"x\"]");
        check(&[("dataset.a", "dataset.b[\"x\"]")], "dataset.a", "dataset.b[\"x\"]");
        check(&[("dataset.a", "dataset.a[\"x\"]")], "dataset.a", "dataset.a[\"x\"]");
        check(&[("dataset.a", "dataset.a[\"x\"]")], "dataset.a[\"x\"]", "stays");
        check(&[("module.m", "module.m[\"k\"]")], "module.m.model.x", "module.m[\"k\"].model.x");
        check(&[("module.m", "module.m[\"k\"]")], "module.m[\"j\"].model.x", "stays");
        check(&[("dataset.a[\"x\"]", "dataset.b")], "dataset.a[\"x\"]", "dataset.b");
        check(&[("dataset.a", "module.m.dataset.a")], "dataset.a", "module.m.dataset.a");
        check(
            &[("module.m", "module.n")],
            "module.m[\"k\"].module.i.model.x",
            "module.n[\"k\"].module.i.model.x",
        );
        check(&[("module.m[\"k\"]", "module.n")], "module.m[\"k\"].model.x", "module.n.model.x");
        check(&[("module.m.module.i", "module.i")], "module.m.module.i.model.x", "module.i.model.x");
    }
}
