//! What existed before the specification, as data: moves, imports, removals, and what is replaced with something else.

use mlp_provider::Owner;
use mlp_state::deposed;
use std::sync::Arc;

use super::tests::{World, known, seen};
use super::*;
use crate::{Import, Removed};

fn id(name: &str) -> ResourceId {
    format!("model.{name}").parse().unwrap()
}

fn import(world: &mut World, name: &str, identity: &str) {
    let import = Import {
        identity: identity.into(),
        made_as: Some(Address::new("model", "was")),
        place: "main.mlp:9".into(),
    };
    world.refactor.imports.insert(id(name), import);
}

#[test]
fn what_moved_is_only_remembered_otherwise() {
    for (desired, wanted) in [
        ("b size=1", "move b"),
        ("b size=2", "update b"),
        ("b size=1 zone=x", "replace-old b; replace-new b <1"),
    ] {
        let mut world = World::new(desired, "b size=1");
        world.refactor.moved.insert(id("b"), id("a"));
        world.refactor.state_digest = Some("stored".into());
        world.check(wanted);
        let (plan, _) = world.plan();
        assert_eq!(plan.state_digest, "stored");
        assert!(plan.steps.iter().all(|step| step.moved_from == Some(id("a"))), "{plan:#?}");
        assert_eq!(plan.counts.moved, 1);
    }
    // Others are told nothing new: what it gives is known before and after.
    let mut world = World::new("b size=1; c size=1 <- b", "b size=1; c size=1 <- b");
    world.refactor.moved.insert(id("b"), id("a"));
    world.check("move b");
    // What is gone from the specification ends under the id it is stored under.
    let mut world = World::new("", "b size=1");
    world.refactor.moved.insert(id("b"), id("a"));
    world.check("delete b");
    assert_eq!(world.plan().0.steps[0].moved_from, Some(id("a")));
}

#[test]
fn what_exists_is_taken_over_and_never_made_anew() {
    for (owner, found, wanted, calls) in [
        (Owner::Mine, serde_json::json!({"size": 1}), "import a", 0),
        (Owner::Foreign, serde_json::json!({"size": 1}), "import a", 1),
        (Owner::CannotTell, serde_json::json!({"size": 2}), "import a", 1),
        (Owner::Foreign, serde_json::json!({"size": 1, "zone": "x"}), "!MLP0523", 0),
    ] {
        let mut world = World::new("a size=1", "");
        import(&mut world, "a", "old-name");
        world.see("a", seen(known(found), owner));
        world.check(wanted);
        let (plan, _) = world.plan();
        for step in &plan.steps {
            assert_eq!((step.identity.as_str(), step.calls.len()), ("old-name", calls));
            assert_eq!(step.record.as_ref().unwrap().made_as, Some(Address::new("model", "was")));
        }
    }
}

#[test]
fn what_is_removed_ends_or_is_forgotten() {
    for (destroy, state, wanted) in [
        (false, "a size=1", "forget a; kept a"),
        (true, "a size=1", "delete a"),
        (true, "a size=1 !keep", "delete a"),
        (false, "a size=1 !protect", "forget a; kept a"),
        (true, "a size=1 !protect", "delete a; !MLP0521"),
    ] {
        let mut world = World::new("", state);
        world.refactor.removed.insert(id("a"), Removed { destroy, place: "main.mlp:9".into() });
        world.check(wanted);
    }
}

#[test]
fn a_trigger_replaces_what_names_it() {
    for (size, wanted) in [(1, ""), (2, "update a; replace-old b; replace-new b <1,2")] {
        let mut world = World::new(&format!("a size={size}; b size=1 <- a"), "a size=1; b size=1 <- a");
        world.desired[1].lifecycle.replace_triggered_by.insert(Address::new("model", "a"));
        world.check(wanted);
    }
}

#[test]
fn the_old_object_of_a_replacement_is_remembered_until_it_is_gone() {
    let mut world = World::new("a zone=y !cbd identity=new", "a zone=x identity=old; b size=1 <- a");
    world.desired.extend(World::new("b size=2 <- a", "").desired);
    world.check("replace-new a; update b <1; replace-old a <1,2");
    let (plan, _) = world.plan();
    let aside = deposed(&id("a"), "old");
    let of_a: Vec<_> = plan.steps.iter().filter(|step| step.resource == id("a")).collect();
    assert!(of_a.iter().all(|step| step.deposed.as_ref() == Some(&aside)), "{plan:#?}");
    // An apply broke off in between: the next plan ends what it left, after what still may need it.
    let mut world =
        World::new("a zone=y identity=new; b size=2 <- a", "a zone=y identity=new; b size=1 <- a");
    let mut left = mlp_state::Record::clone(&world.state.resources[&id("a")]);
    (left.id, left.identity) = (aside.clone(), "old".into());
    world.state.put(left);
    world.observed.insert(aside.clone(), seen(known(serde_json::json!({"zone": "x"})), Owner::Mine));
    world.check("update b; delete a <1");
    // It broke off before the new one was made: nothing is deleted, and the mark goes.
    Arc::make_mut(world.state.resources.get_mut(&aside).unwrap()).identity = "new".into();
    world.check("update b; forget a <1");
}
