//! The list of portable kinds: each is one file here and one line below; a test checks that list and folder agree.

mod access;
mod alert;
mod app;
mod budget;
mod check;
mod component;
mod compute;
mod data;
mod dataset;
mod endpoint;
mod entity;
mod environment;
mod experiment;
mod features;
mod import;
mod locals;
mod model;
mod module;
mod monitor;
mod moved;
mod output;
mod package;
mod pipeline;
mod policy;
mod product;
mod project;
mod promotion;
mod provider;
mod reference;
mod registry;
mod removed;
mod resource;
mod runtime;
mod secret;
mod source;
mod standard;
mod storage;
mod team;
mod variable;
mod workspace;

use crate::phrases::{BACKENDS, COMMON_ATTRIBUTES, STATE};
use crate::schema::{Attribute, Kind};

/// Every portable kind, in the order of their names.
pub const KINDS: &[&Kind] = &[
    &access::KIND,
    &alert::KIND,
    &app::KIND,
    &budget::KIND,
    &check::KIND,
    &component::KIND,
    &compute::KIND,
    &data::KIND,
    &dataset::KIND,
    &endpoint::KIND,
    &entity::KIND,
    &environment::KIND,
    &experiment::KIND,
    &features::KIND,
    &import::KIND,
    &locals::KIND,
    &model::KIND,
    &module::KIND,
    &monitor::KIND,
    &moved::KIND,
    &output::KIND,
    &package::KIND,
    &pipeline::KIND,
    &policy::KIND,
    &product::KIND,
    &project::KIND,
    &promotion::KIND,
    &provider::KIND,
    &reference::KIND,
    &registry::KIND,
    &removed::KIND,
    &resource::KIND,
    &runtime::KIND,
    &secret::KIND,
    &source::KIND,
    &standard::KIND,
    &storage::KIND,
    &team::KIND,
    &variable::KIND,
    &workspace::KIND,
];

/// Attributes that every resource-like block takes.
pub const COMMON: &[Attribute] = COMMON_ATTRIBUTES;

/// The settings that a provider of a kind takes; `None` for a kind that is not known here.
pub fn provider_settings(kind: &str) -> Option<&'static [Attribute]> {
    provider::SETTINGS.iter().find(|(name, _)| *name == kind).map(|(_, settings)| *settings)
}

/// The kinds of providers that are known.
pub fn provider_kinds() -> impl Iterator<Item = &'static str> + Clone {
    provider::SETTINGS.iter().map(|(name, _)| *name)
}

/// The settings of a state that every backend has.
pub fn state_settings() -> &'static [Attribute] {
    STATE
}

/// The settings of a state's backend beside those.
pub fn backend_settings(backend: &str) -> Option<&'static [Attribute]> {
    BACKENDS.iter().find(|(name, _)| *name == backend).map(|(_, settings)| *settings)
}

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    // The list is in the order of the names; a test checks that.
    KINDS.binary_search_by(|kind| kind.name.cmp(name)).ok().map(|at| KINDS[at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::schema::Ty;

    #[test]
    fn list_and_folder_agree() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        let listed: Vec<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), listed);
    }

    /// Calls `visit` for every attribute in the lists reachable from a type, with the list it is in.
    fn lists(ty: &Ty, visit: &mut dyn FnMut(&[Attribute])) {
        match *ty {
            Ty::List(inner) | Ty::Map(inner) => lists(inner, visit),
            Ty::OneOf(types) => types.iter().for_each(|ty| lists(ty, visit)),
            Ty::Object(list)
            | Ty::Open(list)
            | Ty::Repeated(list)
            | Ty::Labelled(list)
            | Ty::MaybeLabelled(list) => {
                visit(list);
                list.iter().for_each(|attribute| lists(&attribute.ty, visit));
            }
            _ => {}
        }
    }

    #[test]
    fn attributes_are_documented_and_named_once() {
        let mut check = |attributes: &[Attribute]| {
            let mut seen = BTreeSet::new();
            for attribute in attributes {
                assert!(seen.insert(attribute.name), "{} is there twice", attribute.name);
                assert!(attribute.doc.ends_with('.'), "{}: {}", attribute.name, attribute.doc);
                assert!(!attribute.required || attribute.default.is_empty(), "{}", attribute.name);
            }
        };
        for kind in KINDS {
            assert!(kind.doc.ends_with('.'), "{}", kind.name);
            let common = if kind.common { COMMON } else { &[] };
            let all: Vec<Attribute> = kind.attributes.iter().chain(common).copied().collect();
            check(&all);
            all.iter().for_each(|attribute| lists(&attribute.ty, &mut check));
        }
    }

    #[test]
    fn references_name_kinds_or_members() {
        fn refs(ty: &Ty, known: &BTreeSet<&str>) {
            match *ty {
                Ty::Ref(names) => names.iter().for_each(|name| assert!(known.contains(name), "{name}")),
                Ty::List(inner) | Ty::Map(inner) => refs(inner, known),
                Ty::OneOf(types) => types.iter().for_each(|ty| refs(ty, known)),
                Ty::Object(list)
                | Ty::Open(list)
                | Ty::Repeated(list)
                | Ty::Labelled(list)
                | Ty::MaybeLabelled(list) => list.iter().for_each(|attribute| refs(&attribute.ty, known)),
                _ => {}
            }
        }
        let members = KINDS.iter().flat_map(|kind| kind.members).map(|member| member.is);
        let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).chain(members).collect();
        for kind in KINDS {
            kind.attributes.iter().chain(COMMON).for_each(|attribute| refs(&attribute.ty, &known));
        }
    }

    #[test]
    fn members_take_their_names_from_attributes() {
        for kind in KINDS {
            for member in kind.members.iter().filter(|member| !member.names_from.is_empty()) {
                let mut attributes = kind.attributes;
                for name in member.names_from.split('.') {
                    let found = attributes.iter().find(|attribute| attribute.name == name);
                    attributes = match found.map(|attribute| attribute.ty) {
                        Some(Ty::Object(list) | Ty::Labelled(list) | Ty::MaybeLabelled(list)) => list,
                        Some(Ty::List(_) | Ty::Map(_) | Ty::OneOf(_)) => &[],
                        _ => panic!("{}: no {}", kind.name, member.names_from),
                    };
                }
            }
        }
    }
}
