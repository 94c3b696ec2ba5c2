//! What a change leads to beyond the plan: whoever refers to what changed, in the order the platform works.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mlp_eval::reference_of;
use mlp_plan::{Action, Plan};
use mlp_platform::{Declaration, Platform};
use mlp_value::{Address, Path, ResourceId, Step};

/// Kinds that say nothing of their own about a change.
const SILENT: &[&str] = &["environment", "project", "provider", "variable", "registry"];

/// Fills in what each changed resource of the plan leads to.
pub(crate) fn consequences(platform: &Platform, plan: &Plan) -> BTreeMap<ResourceId, Vec<String>> {
    let users = users(platform);
    let planned: BTreeSet<&Address> = plan.steps.iter().map(|step| &step.resource.address).collect();
    // An output of which it is known that it stays is nothing that a change leads to.
    let still: BTreeSet<&Path> =
        plan.outputs.iter().filter(|one| one.action == Action::NoOp).map(|one| &one.path).collect();
    let stays = |address: &Address| {
        &*address.kind == "output" && address.module.is_empty() && still.contains(&Path::of(&[&address.name]))
    };
    let changes = |action: Action| matches!(action, Action::Update | Action::NewVersion | Action::Replace);
    plan.steps
        .iter()
        .filter(|step| changes(step.action))
        .map(|step| {
            let reached = reached(&users, &step.resource.address);
            let lines =
                reached.into_iter().filter(|(address, _)| !planned.contains(address) && !stays(address));
            (step.resource.clone(), lines.map(|(address, how)| format!("{address} ({how})")).collect())
        })
        .collect()
}

type Users = BTreeMap<Address, BTreeSet<(Address, &'static str)>>;

/// Who takes something from whom: references backwards, but a pipeline leads to the model that it registers.
fn users(platform: &Platform) -> Users {
    let mut users = Users::new();
    for declaration in platform.declarations.values() {
        let made = registered(declaration);
        for model in &made {
            let how = "a new version with its next run";
            users.entry(declaration.address.clone()).or_default().insert((model.clone(), how));
        }
        for edge in &declaration.edges {
            let silent = SILENT.contains(&&*declaration.address.kind) || made.contains(&edge.to);
            if edge.to != declaration.address && !silent {
                let how = match &*declaration.address.kind {
                    "pipeline" => "its next run takes it",
                    "endpoint" => "serves or reads it",
                    _ => "refers to it",
                };
                users.entry(edge.to.clone()).or_default().insert((declaration.address.clone(), how));
            }
        }
    }
    users
}

/// The models that a pipeline's steps register.
fn registered(declaration: &Declaration) -> BTreeSet<Address> {
    let steps = declaration.body.step(&Step::Field("step".into())).and_then(|steps| steps.as_object());
    let registered = steps.into_iter().flatten().filter_map(|(_, step)| step.field("register"));
    registered.filter_map(reference_of).map(|model| model.address).collect()
}

fn reached(users: &Users, start: &Address) -> Vec<(Address, &'static str)> {
    let mut seen = BTreeSet::from([start.clone()]);
    let mut open = VecDeque::from([start.clone()]);
    let mut found = Vec::new();
    while let Some(address) = open.pop_front() {
        for (user, how) in users.get(&address).into_iter().flatten() {
            if seen.insert(user.clone()) {
                found.push((user.clone(), *how));
                open.push_back(user.clone());
            }
        }
    }
    found
}
