//! A dataset as something is read from it: as it is, one version of it, or the one of a moment.

use std::collections::BTreeMap;

use super::builder::{Builder, object_name};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::{Address, Value};

/// A dataset and what is meant of it.
pub(super) struct Versioned {
    pub(super) address: Address,
    /// `version` or `at`, and which.
    pub(super) pin: Option<(&'static str, String)>,
}

impl Versioned {
    /// As the fields of a native resource.
    pub(super) fn fields(&self) -> BTreeMap<&'static str, PlanValue> {
        let mut fields = BTreeMap::from([("dataset", Value::text(object_name(&self.address)))]);
        fields.extend(self.pin.as_ref().map(|(word, which)| (*word, Value::text(which))));
        fields
    }
}

/// Whether the value leads to a dataset, one way or the other.
pub(super) fn leads_to_dataset(value: &PlanValue) -> bool {
    let reference = at(value).and_then(|(of, _)| reference_of(of)).or_else(|| reference_of(value));
    reference.is_some_and(|reference| reference.address.kind.as_ref() == "dataset")
}

/// `at(what, moment)`.
fn at(value: &PlanValue) -> Option<(&PlanValue, Option<&PlanValue>)> {
    let arguments = value.field("args")?.as_list()?;
    (value.field("$call")?.as_text() == Some("at")).then_some((arguments.first()?, arguments.get(1)))
}

/// The dataset a value leads to: `dataset.x`, `dataset.x.version["3f2a…"]` or `at(dataset.x, "2026-01-31")`.
pub(super) fn dataset(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<Versioned> {
    if let Some((of, moment)) = at(value) {
        let found = dataset(builder, of, path)?;
        let Some(moment) = moment.and_then(Value::as_text).filter(|_| found.pin.is_none()) else {
            let help = "write `at(dataset.x, \"2026-01-31T12:00:00Z\")`";
            builder.not_served(path, "a moment that is not a text known at plan", help);
            return None;
        };
        return Some(Versioned { pin: Some(("at", moment.to_owned())), ..found });
    }
    let found = builder.referred(value, "dataset", path)?;
    let reference = reference_of(value)?;
    let pin = match reference.path.as_slice() {
        [] => None,
        [word, version] if word == "version" => Some(("version", version.clone())),
        _ => {
            let text = format!("`{reference}` is no version of a dataset");
            let help = format!("write `{}.version[\"...\"]` with the start of its name", reference.address);
            builder.error(codes::UNRESOLVED, path, text, &help);
            return None;
        }
    };
    Some(Versioned { address: found.address.clone(), pin })
}
