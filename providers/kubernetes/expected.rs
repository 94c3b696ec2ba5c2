//! What a specification wants, held against what the cluster serves: kinds, versions, fields and types.

use futures_util::{StreamExt, stream};
use mlp_provider::{Call, Desired, ErrorClass, Owned};
use serde_json::Value as Json;

use crate::codes;
use crate::discovery::{Kind, Served, asked_version, kept, version_of};
use crate::fault::{Fallible, fault};
use crate::manifest::{MANIFEST, NAME, Said};
use crate::mlp_diag::{Diagnostic, Diagnostics, one_of};
use crate::mlp_value::Path;
use crate::natives::{Native, native};
use crate::operators::operator;
use crate::schema::Schema;
use crate::session::{Kubernetes, Place};
use crate::shape::Shape;
use crate::{marks, names};

/// Lists that are under way at once.
const AT_ONCE: usize = 16;

/// What is wanted of an object.
#[derive(Debug, Clone)]
pub(crate) struct Hope {
    /// What it is, in the version in which it is written.
    pub native: &'static Native,
    /// What of it would be ours.
    pub shape: Option<Shape>,
}

/// A kind that the specification itself defines.
struct Defined<'d> {
    kind: Kind,
    plural: &'d str,
    namespaced: bool,
    /// Its versions with the types of their fields.
    versions: Vec<(&'d str, Option<Json>)>,
}

impl Kubernetes {
    /// What of the wanted objects the cluster does not know, at its place. `wanted` has the identity of each that is taken over.
    pub(crate) async fn expected(&self, wanted: &[(&Desired, Option<&str>)]) -> Fallible<Diagnostics> {
        let all: Vec<&Desired> = wanted.iter().map(|(desired, _)| *desired).collect();
        let plain: Vec<Json> = all.iter().filter(|one| one.kind == NAME).map(|one| plain(one)).collect();
        let defined: Vec<Defined<'_>> = plain.iter().filter_map(defined).collect();
        let mut problems = Diagnostics::new();
        for (desired, taken) in wanted {
            let (native, types) = match desired.kind.as_str() {
                NAME => match self.typed(desired, &defined).await? {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    Err(mut wrong) => {
                        problems.append(&mut wrong);
                        continue;
                    }
                },
                _ if taken.is_none() => continue,
                kind => match native(kind) {
                    Some(native) => (native, None),
                    None => continue,
                },
            };
            let shape = Some(marks::shape(native, &plain_config(desired), types.as_ref()));
            let identity = taken.map_or_else(|| desired.identity.clone(), str::to_owned);
            self.hopes.lock().await.insert(identity, Hope { native, shape });
        }
        Ok(problems)
    }

    /// What a manifest is, and the types of its fields, if it is of them. One that does not say what it is was told of before.
    async fn typed(
        &self,
        desired: &Desired,
        defined: &[Defined<'_>],
    ) -> Fallible<Result<Option<(&'static Native, Option<Schema>)>, Diagnostics>> {
        let Some(manifest) = desired.config.field(MANIFEST) else { return Ok(Ok(None)) };
        let Some(said) = Said::of(manifest) else { return Ok(Ok(None)) };
        let kind = said.kind();
        let served = self.discovery.served(&self.cluster, &kind, asked_version(said.api)).await?;
        let (native, types) = match served {
            Served::Yes(native) => (native, self.discovery.types(&self.cluster, native).await?),
            other => match defined.iter().find(|one| one.kind == kind).and_then(|one| one.of(said.api)) {
                Some(found) => found,
                None => return Ok(Err(vec![unserved(desired, &said, &other)])),
            },
        };
        let mut problems = Diagnostics::new();
        if said.namespace.is_some() && !native.namespaced() {
            let headline = format!("a {} lies in no namespace", native.kind);
            let found = Diagnostic::error(codes::TYPE, headline);
            problems.push(
                found
                    .on(&desired.id.address, "manifest.metadata.namespace")
                    .help("leave `namespace` out: it belongs to the whole cluster"),
            );
        }
        if let Some(types) = &types {
            let mut wrong = Vec::new();
            types.check(manifest, &Path::of(&[MANIFEST]), &mut wrong);
            problems.extend(wrong.into_iter().map(|one| {
                Diagnostic::error(codes::TYPE, one.what)
                    .on(&desired.id.address, one.path)
                    .note(format!("by the types of {} {} in this cluster", native.api, native.kind))
                    .help(one.help)
            }));
        }
        Ok(if problems.is_empty() { Ok(Some((native, types))) } else { Err(problems) })
    }

    /// Where an object is; none where the cluster does not serve its kind.
    pub(crate) async fn found<'p>(
        &'p self,
        resource: &str,
        identity: &'p str,
    ) -> Fallible<Option<Place<'p>>> {
        if resource != NAME {
            return self.place(resource, identity).map(Some);
        }
        let word = identity.split('/').next().unwrap_or_default();
        let Some((namespace, name)) = names::parts(identity, &self.cluster.namespace) else {
            let headline = format!("`{identity}` names no object");
            let help = "write its kind with its group, its namespace and its name: `LocalQueue.kueue.x-k8s.io/ml/team`";
            return Err(crate::fault::helped(fault(ErrorClass::Invalid, codes::VALUE, headline), help));
        };
        let hoped = self.hopes.lock().await.get(identity).map(|hope| hope.native);
        let native = match hoped {
            Some(native) => native,
            None => match self.discovery.served(&self.cluster, &Kind::of_word(word), None).await? {
                Served::Yes(native) => native,
                _ => return Ok(None),
            },
        };
        Ok(Some(Place { native, namespace, name }))
    }

    /// Where the object of a call is, in the version in which the call has it; none where the cluster does not serve that.
    pub(crate) async fn of_call<'p>(&'p self, call: &'p Call) -> Fallible<Option<Place<'p>>> {
        let said = call.body.field(MANIFEST).and_then(Said::of).filter(|_| call.resource == NAME);
        if let Some(said) = said {
            match self.discovery.served(&self.cluster, &said.kind(), asked_version(said.api)).await? {
                Served::Yes(native) => {
                    let mut hopes = self.hopes.lock().await;
                    let hope = hopes.entry(call.identity.clone()).or_insert(Hope { native, shape: None });
                    hope.native = native;
                }
                _ => return Ok(None),
            }
        }
        self.found(&call.resource, &call.identity).await
    }

    /// An object in the version in which it was written, where that is another one than the one it was read in.
    pub(crate) async fn as_written<'p>(
        &self,
        place: Place<'p>,
        identity: &str,
        object: Json,
    ) -> Fallible<(Place<'p>, Json)> {
        let version = marks::api(&object).and_then(asked_version).filter(|_| place.native.is_whole());
        let hoped = self.hopes.lock().await.contains_key(identity);
        let Some(version) = version.filter(|version| !hoped && *version != version_of(place.native.api))
        else {
            return Ok((place, object));
        };
        let kind = Kind::of_word(place.native.word);
        let Served::Yes(native) = self.discovery.served(&self.cluster, &kind, Some(version)).await? else {
            return Ok((place, object));
        };
        let place = Place { native, ..place };
        Ok((place, self.get(place).await?.unwrap_or(object)))
    }

    /// What carries our marks and was given as a whole, of every kind that we may list.
    pub(crate) async fn owned_whole(&self, selector: &str) -> Fallible<Vec<Owned>> {
        let kinds = self.discovery.all(&self.cluster).await?;
        let mut asked = Vec::with_capacity(kinds.len());
        for native in kinds {
            asked.push(self.marked(native, selector));
        }
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            let (native, found) = answer?;
            let whole = found.iter().filter(|object| marks::was_whole(object));
            all.extend(whole.filter_map(|object| self.owned_one(native, object)));
        }
        Ok(all)
    }

    /// The objects of a kind with these labels: everywhere, or here where we may not look everywhere.
    async fn marked(
        &self,
        native: &'static Native,
        selector: &str,
    ) -> Fallible<(&'static Native, Vec<Json>)> {
        let what = format!("list {}", native.plural);
        let mut found = self.cluster.all(native, &native.everywhere(), &what, Some(selector)).await;
        let denied =
            |found: &Fallible<Vec<Json>>| matches!(found, Err(error) if error.class == ErrorClass::Denied);
        if denied(&found) && native.namespaced() {
            let here = native.url(&self.cluster.namespace);
            found = self.cluster.all(native, &here, &what, Some(selector)).await;
        }
        match found {
            // What may not be listed was not made with these rights.
            found if denied(&found) => Ok((native, Vec::new())),
            found => Ok((native, found?)),
        }
    }
}

/// The configuration without what is not known yet.
fn plain_config(desired: &Desired) -> Json {
    desired.config.to_plain_json_with(&mut |_| Json::Null)
}

fn plain(desired: &Desired) -> Json {
    plain_config(desired)[MANIFEST].take()
}

/// A kind that a manifest defines.
fn defined(manifest: &Json) -> Option<Defined<'_>> {
    let text = |path: &str| manifest.pointer(path).and_then(Json::as_str);
    if text("/kind") != Some("CustomResourceDefinition") {
        return None;
    }
    let versions = manifest.pointer("/spec/versions")?.as_array()?;
    let served = versions.iter().filter(|version| version["served"] != false);
    Some(Defined {
        kind: Kind::new(text("/spec/group")?, text("/spec/names/kind")?),
        plural: text("/spec/names/plural")?,
        namespaced: text("/spec/scope") != Some("Cluster"),
        versions: served
            .filter_map(|version| {
                Some((version["name"].as_str()?, version.pointer("/schema/openAPIV3Schema").cloned()))
            })
            .collect(),
    })
}

impl Defined<'_> {
    /// The kind in a version, with the types that its definition gives.
    fn of(&self, api: &str) -> Option<(&'static Native, Option<Schema>)> {
        let asked = asked_version(api);
        let (version, types) =
            self.versions.iter().find(|(version, _)| asked.is_none_or(|asked| asked == *version))?;
        let api = format!("{}/{version}", self.kind.group);
        let native = kept(&api, &self.kind.kind, self.plural, self.namespaced);
        let types = types.clone().map(|mut types| {
            // What every object has no definition says.
            for name in ["apiVersion", "kind", "metadata"] {
                types["properties"][name] = serde_json::json!({});
            }
            Schema::written(types)
        });
        Some((native, types))
    }
}

fn unserved(desired: &Desired, said: &Said<'_>, served: &Served) -> Diagnostic {
    let Kind { group, kind } = said.kind();
    let of_group = if group.is_empty() { "the oldest group".to_owned() } else { format!("group `{group}`") };
    let address = &desired.id.address;
    let error = |headline: String, path: &str| Diagnostic::error(codes::KIND, headline).on(address, path);
    match served {
        Served::Otherwise(apis) => {
            let headline = format!("the cluster does not serve `{kind}` as `{}`", said.api);
            let help = one_of(said.api, apis.iter().map(String::as_str));
            error(headline, "manifest.apiVersion").help(format!(
                "{help}; or `apiVersion = \"{group}\"` for the version that the cluster prefers"
            ))
        }
        Served::NoKind(kinds) if !kinds.is_empty() => {
            let headline = format!("the cluster serves no `{kind}` of {of_group}");
            error(headline, "manifest.kind").help(one_of(&kind, kinds.iter().map(String::as_str)))
        }
        _ => {
            let headline = format!("the cluster serves no `{kind}`: it has no {of_group}");
            let help = match operator(&group) {
                Some(known) => format!("{} serves it; install it: {}", known.name, known.install),
                None => {
                    "install what defines it, or declare its CustomResourceDefinition in this specification"
                        .to_owned()
                }
            };
            error(headline, "manifest.apiVersion").help(help)
        }
    }
}
