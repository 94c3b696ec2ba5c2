//! What is remembered of each resource, and of all of them.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::sync::Arc;

use mlp_value::{Address, KnownValue, ResourceId, Value};
use serde::{Deserialize, Serialize};

/// How much of a state is hashed at once.
const HASHED_AT_ONCE: usize = 64 << 10;

/// Version of the state's form on disk.
pub const FORMAT_VERSION: u32 = 2;

/// Whether what is remembered can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// It was made whole and read back.
    Ready,
    /// It was made in part, or not as asked.
    Tainted {
        /// Why.
        reason: String,
    },
}

/// A resource as last applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Record {
    /// Address and role.
    pub id: ResourceId,
    /// Native kind.
    pub kind: String,
    /// Kind and name of the provider, `local.here`.
    pub provider: String,
    /// The name by which the target knows it.
    pub identity: String,
    /// The fields asked for, and computed ones as they were read back.
    pub applied: KnownValue,
    /// What it tells others.
    pub outputs: KnownValue,
    /// What had to be there before it.
    pub depends_on: Vec<ResourceId>,
    /// Refuse to destroy or replace.
    pub protect: bool,
    /// Destroying means forgetting.
    pub keep: bool,
    /// Version of the kind's fields.
    pub schema_version: u32,
    /// Version of the lowering that made it.
    pub lowering_version: u32,
    /// Whether it can be relied on.
    #[serde(flatten)]
    pub status: Status,
    /// Where it was declared, `main.mlp:41`.
    pub place: Option<String>,
    /// The address it was made under, where it has another by now: its name in the target follows from that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_as: Option<Address>,
}

/// A record as it is read: to find the fields of its status among its own takes twice as long as to name them.
#[derive(Deserialize)]
struct Stored {
    id: ResourceId,
    kind: String,
    provider: String,
    identity: String,
    applied: KnownValue,
    outputs: KnownValue,
    depends_on: Vec<ResourceId>,
    protect: bool,
    keep: bool,
    schema_version: u32,
    lowering_version: u32,
    status: Word,
    reason: Option<String>,
    place: Option<String>,
    made_as: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Ready,
    Tainted,
}

impl TryFrom<Stored> for Record {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let status = match (stored.status, stored.reason) {
            (Word::Ready, _) => Status::Ready,
            (Word::Tainted, Some(reason)) => Status::Tainted { reason },
            (Word::Tainted, None) => return Err("missing field `reason`"),
        };
        Ok(Self {
            id: stored.id,
            kind: stored.kind,
            provider: stored.provider,
            identity: stored.identity,
            applied: stored.applied,
            outputs: stored.outputs,
            depends_on: stored.depends_on,
            protect: stored.protect,
            keep: stored.keep,
            schema_version: stored.schema_version,
            lowering_version: stored.lowering_version,
            status,
            place: stored.place,
            made_as: stored.made_as,
        })
    }
}

/// How the role of an object begins whose successor is there already.
const DEPOSED: &str = "deposed-";

/// The id under which the old object is remembered while its successor takes its place.
pub fn deposed(id: &ResourceId, identity: &str) -> ResourceId {
    let digest = blake3::hash(identity.as_bytes()).to_hex();
    let short = digest.get(..8).unwrap_or_default();
    ResourceId::new(id.address.clone(), &format!("{}{DEPOSED}{short}", id.role))
}

/// The id of what takes the place of a deposed object; `None` for any other.
pub fn successor(id: &ResourceId) -> Option<ResourceId> {
    let at = id.role.find(DEPOSED)?;
    Some(ResourceId::new(id.address.clone(), &id.role[..at]))
}

/// All that is remembered of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of its form.
    pub format_version: u32,
    /// Which history it belongs to; empty before the first apply.
    pub lineage: String,
    /// Counts changes.
    pub serial: u64,
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// Records by id.
    pub resources: BTreeMap<ResourceId, Arc<Record>>,
}

impl State {
    /// A state that remembers nothing.
    pub fn empty(project: &str, environment: &str) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            lineage: String::new(),
            serial: 0,
            project: project.to_owned(),
            environment: environment.to_owned(),
            resources: BTreeMap::new(),
        }
    }

    /// Hex BLAKE3 of what is remembered. The lineage is not part of it: the first apply gives one to an empty state.
    pub fn digest(&self) -> String {
        // A state is plain data whose keys are text, which JSON always holds; an impossible failure digests as null.
        let parts = (&self.project, &self.environment, self.serial, &self.resources);
        let mut hasher = BufWriter::with_capacity(HASHED_AT_ONCE, blake3::Hasher::new());
        let written = serde_json::to_writer(&mut hasher, &parts).map_err(std::io::Error::from);
        match written.and_then(|()| hasher.into_inner().map_err(std::io::IntoInnerError::into_error)) {
            Ok(hasher) => hasher.finalize().to_hex().to_string(),
            Err(_) => blake3::hash(b"null").to_hex().to_string(),
        }
    }

    /// The outputs of a declaration: those of all its roles in one object; `None` when nothing of it is remembered.
    pub fn outputs(&self, address: &Address) -> Option<KnownValue> {
        self.outputs_as(address, &|_| None)
    }

    /// The same, with what `now` says that a resource tells over what is remembered of it.
    pub fn outputs_as<'s>(
        &'s self,
        address: &Address,
        now: &dyn Fn(&ResourceId) -> Option<&'s KnownValue>,
    ) -> Option<KnownValue> {
        let from = ResourceId::new(address.clone(), "");
        let roles = self.resources.range(from..).take_while(|(id, _)| id.address == *address);
        let mut merged = BTreeMap::new();
        let mut found = false;
        for (id, record) in roles.filter(|(id, _)| successor(id).is_none()) {
            found = true;
            let told = [Some(&record.outputs), now(id)].into_iter().flatten().filter_map(Value::as_object);
            merged.extend(told.flatten().map(|(name, value)| (name.clone(), value.clone())));
        }
        found.then(|| Value::object(merged))
    }

    /// Remembers a record, or what replaces it.
    pub fn put(&mut self, record: impl Into<Arc<Record>>) {
        let record = record.into();
        self.serial += 1;
        self.resources.insert(record.id.clone(), record);
    }

    /// Gives a record another id, wherever it is named; what has that id already is left alone.
    pub fn rename(&mut self, from: &ResourceId, to: &ResourceId) {
        if self.resources.contains_key(to) {
            return;
        }
        let Some(mut shared) = self.resources.remove(from) else { return };
        self.serial += 1;
        let record = Arc::make_mut(&mut shared);
        record.made_as.get_or_insert_with(|| from.address.clone());
        record.made_as.take_if(|made_as| *made_as == to.address);
        record.id = to.clone();
        self.resources.insert(to.clone(), shared);
        for record in self.resources.values_mut().filter(|record| record.depends_on.contains(from)) {
            let needs = &mut Arc::make_mut(record).depends_on;
            needs.iter_mut().filter(|id| *id == from).for_each(|id| id.clone_from(to));
        }
    }

    /// Forgets a resource.
    pub fn remove(&mut self, id: &ResourceId) {
        if self.resources.remove(id).is_some() {
            self.serial += 1;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(id: &str) -> Record {
        Record {
            id: id.parse().unwrap(),
            kind: "local_endpoint".into(),
            provider: "local.here".into(),
            identity: id.replace('.', "/"),
            applied: KnownValue::object([("port", KnownValue::int(8090))]),
            outputs: KnownValue::object([("url", KnownValue::text(id))]),
            depends_on: Vec::new(),
            protect: false,
            keep: false,
            schema_version: 1,
            lowering_version: 1,
            status: Status::Ready,
            place: Some("main.mlp:41".into()),
            made_as: None,
        }
    }

    #[test]
    fn outputs_of_all_roles_are_one_object() {
        let mut state = State::empty("churn", "dev");
        let mut second = record("endpoint.a/router");
        second.outputs = KnownValue::object([("port", KnownValue::int(1))]);
        for record in [record("endpoint.a"), second, record("endpoint.ab")] {
            state.put(record);
        }
        let merged = state.outputs(&Address::new("endpoint", "a")).unwrap();
        assert_eq!(merged.as_object().unwrap().len(), 2);
        assert_eq!(merged.field("url").unwrap().as_text(), Some("endpoint.a"));
        assert!(state.outputs(&Address::new("endpoint", "b")).is_none());
    }

    #[test]
    fn a_renamed_record_keeps_the_address_it_was_made_under() {
        let id = |text: &str| -> ResourceId { text.parse().unwrap() };
        let mut state = State::empty("churn", "dev");
        let mut user = record("endpoint.user");
        user.depends_on = vec![id("endpoint.a")];
        state.put(user);
        state.put(record("endpoint.a"));
        state.rename(&id("endpoint.a"), &id("endpoint.b"));
        state.rename(&id("endpoint.b"), &id("endpoint.c"));
        assert_eq!(state.resources[&id("endpoint.c")].made_as, Some(Address::new("endpoint", "a")));
        assert_eq!(state.resources[&id("endpoint.user")].depends_on, [id("endpoint.c")]);
        state.rename(&id("endpoint.c"), &id("endpoint.user"));
        assert_eq!(state.resources.len(), 2);
        state.rename(&id("endpoint.c"), &id("endpoint.a"));
        assert_eq!(state.resources[&id("endpoint.a")].made_as, None);
    }

    #[test]
    fn a_deposed_object_is_not_what_others_refer_to() {
        let old = deposed(&"endpoint.a/router".parse().unwrap(), "endpoints/a");
        assert_eq!(successor(&old).unwrap().to_string(), "endpoint.a/router");
        assert_eq!(old.to_string().parse::<ResourceId>().unwrap(), old);
        let mut state = State::empty("churn", "dev");
        state.put(Record { id: old, ..record("endpoint.a") });
        assert!(state.outputs(&Address::new("endpoint", "a")).is_none());
    }

    #[test]
    fn the_digest_follows_the_content_and_not_the_lineage() {
        let mut state = State::empty("churn", "dev");
        let before = state.digest();
        state.lineage = "x".into();
        assert_eq!(state.digest(), before);
        state.put(record("endpoint.a"));
        assert_ne!(state.digest(), before);
    }
}
