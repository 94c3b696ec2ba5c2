//! Registering what a run made: checks first, then the version with its lineage, its alias, and the gates from there.

use std::collections::BTreeMap;

use mlp_floor::launch::RunReport;
use mlp_floor::registry::{AliasMove, Decision, ModelVersion, NewVersion, Outcome as Came, Registry, Serve};
use mlp_provider::{Event, Reporter, RunRequest, RunSummary, StepSummary};
use serde_json::{Map, Value as Json, json};

use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::mlp_diag::{Blame, Diagnostic};
use crate::mlp_eval::Quoted;
use crate::mlp_value::KnownValue;
use crate::resources::Ground;
use crate::run::{Lineage, problem, scalars, text};
use crate::{checks, codes, gate, retention, runtimes, time};

/// What every part of registering looks at.
struct Work<'a> {
    ground: &'a Ground,
    document: &'a Document,
    request: &'a RunRequest,
    report: &'a RunReport,
    lineage: &'a Lineage,
    registry: Registry,
}

/// Does the register steps of a run, as far as what they need was made.
pub(crate) fn register_all(
    ground: &Ground,
    document: &Document,
    request: &RunRequest,
    report: &RunReport,
    lineage: &Lineage,
    summary: &mut RunSummary,
    reporter: &dyn Reporter,
) -> Fallible<()> {
    let registry =
        Registry::open(&ground.place.registry()).map_err(|found| fault(&found, document.address()))?;
    let work = Work { ground, document, request, report, lineage, registry };
    let steps = document.config.field("step").and_then(KnownValue::as_object);
    for (name, step) in steps.into_iter().flat_map(|steps| steps.iter()) {
        if step.field("register").is_none() {
            continue;
        }
        reporter.event(Event::Started { subject: name.to_string() });
        let (status, reason) = match work.step(name, step, summary) {
            Ok(Some(reason)) => ("succeeded", reason),
            Ok(None) => ("skipped", "what it registers was not made, or a check refused it".to_owned()),
            Err(found) => {
                let reason = found.headline.clone();
                summary.problems.push(*found);
                if summary.status == "succeeded" {
                    summary.status = "failed".to_owned();
                }
                ("failed", reason)
            }
        };
        reporter.event(Event::Finished {
            subject: name.to_string(),
            text: reason.clone(),
            good: status == "succeeded",
        });
        summary
            .steps
            .insert(name.to_string(), StepSummary { status: status.to_owned(), reason, seconds: 0.0 });
    }
    Ok(())
}

type Outcome<T> = Result<T, Box<Diagnostic>>;

/// Numbers as values that conditions can name.
fn values(metrics: &Json) -> KnownValue {
    KnownValue::from_json(metrics).unwrap_or(KnownValue::Null)
}

/// The labels of the model, as the version's tags.
fn tags(model: &Document) -> BTreeMap<String, String> {
    let labels = model.config.field("labels").and_then(KnownValue::as_object);
    let text =
        |value: &KnownValue| value.as_text().map_or_else(|| value.to_plain_json().to_string(), str::to_owned);
    labels
        .into_iter()
        .flat_map(|labels| labels.iter())
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

impl Work<'_> {
    fn failed(&self, found: &mlp_floor::Problem) -> Box<Diagnostic> {
        Box::new(problem(found, self.document.address()))
    }

    fn output(&self, step: &KnownValue, word: &str) -> Option<&mlp_floor::launch::Artifact> {
        let source = step.field(word)?;
        let report = self.report.steps.get(text(source, "step")?).filter(|step| step.status.is_good())?;
        report.outputs.get(text(source, "output")?)
    }

    fn step(&self, name: &str, step: &KnownValue, summary: &mut RunSummary) -> Outcome<Option<String>> {
        let Some(model) = self.output(step, "from") else { return Ok(None) };
        let metrics = match step.field("evidence") {
            None => Map::new(),
            Some(_) => match self.output(step, "evidence") {
                None => return Ok(None),
                Some(evidence) => self.read_metrics(&evidence.path)?,
            },
        };
        summary.metrics.extend(scalars(&metrics));
        checks::judge(self.document, &metrics)?;
        if checks::refused_by(self.document, self.report).is_some() {
            return Ok(None);
        }
        let Some(target) = step.field("register") else { return Ok(None) };
        let version = self.new_version(name, step, target, &model.path, Json::Object(metrics))?;
        let address = text(target, "address").unwrap_or_default();
        let mut reason = format!("{address} version {}", version.number);
        match text(step, "alias") {
            Some(alias) if alias != "latest" => {
                if self.is_held(&version, alias)? {
                    reason.push_str(&format!(", not as {alias}, which is held"));
                    summary.results.push(format!(
                        "{address} version {} registered; alias {alias} is held, so it did not get it",
                        version.number
                    ));
                } else {
                    let by = self.because("registered");
                    let moved = self.registry.set_alias(&version.model, alias, version.number, &by);
                    moved.map_err(|found| self.failed(&found))?;
                    reason.push_str(&format!(" as {alias}"));
                    summary
                        .results
                        .push(format!("{address} version {} registered as {alias}", version.number));
                    self.gates(address, alias, &version, summary)?;
                }
            }
            _ => summary.results.push(format!("{address} version {} registered", version.number)),
        }
        self.prune(address, &version.model, summary)?;
        Ok(Some(reason))
    }

    /// Whether an alias is held at another version than this one.
    fn is_held(&self, version: &ModelVersion, alias: &str) -> Outcome<bool> {
        let aliases = self.registry.aliases(&version.model).map_err(|found| self.failed(&found))?;
        Ok(aliases.iter().any(|one| one.alias == alias && one.held && one.version != version.number))
    }

    /// Keeps what a gate came to.
    fn decided(
        &self,
        name: &str,
        to: &str,
        version: &ModelVersion,
        came: Came,
        saw: Vec<String>,
    ) -> Outcome<()> {
        let decision = Decision {
            model: version.model.clone(),
            version: version.number,
            gate: name.to_owned(),
            alias: to.to_owned(),
            outcome: came,
            conditions: saw,
            at: time::rfc3339(time::now_ms()),
            run: self.lineage.run_id.clone(),
        };
        self.registry.record_decision(&decision).map_err(|found| self.failed(&found))
    }

    fn because(&self, why: &str) -> AliasMove {
        AliasMove {
            why: format!("{why} by run {}", self.lineage.run_id),
            who: self.request.who.clone(),
            at: time::rfc3339(time::now_ms()),
        }
    }

    fn read_metrics(&self, path: &std::path::Path) -> Outcome<Map<String, Json>> {
        let read = std::fs::read(path).map_err(|error| error.to_string());
        let parsed = read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        parsed.map_err(|why| {
            let text = format!("the metrics in `{}` cannot be read: {why}", path.display());
            Box::new(Diagnostic::error(codes::RUN, text).on(self.document.address(), ""))
        })
    }

    fn new_version(
        &self,
        name: &str,
        step: &KnownValue,
        target: &KnownValue,
        path: &std::path::Path,
        metrics: Json,
    ) -> Outcome<ModelVersion> {
        let model = text(target, "model").unwrap_or_default();
        let failed = |found: mlp_floor::Problem| self.failed(&found);
        let mlmodel = path.join(crate::forms::MLMODEL).is_file();
        let stored = self.registry.store_directory(model, path).map_err(failed)?;
        let record = self.ground.place.get(&format!("models/{model}")).map_err(|error| error.diagnostic)?;
        let source = step.field("from").and_then(|from| text(from, "step")).unwrap_or(name);
        let signature = text(&record.config, "signature").and_then(|text| serde_json::from_str(text).ok());
        let new = NewVersion {
            model: model.to_owned(),
            digest: stored.digest,
            path: stored.path.display().to_string(),
            created_at: time::rfc3339(time::now_ms()),
            metrics,
            signature: signature.unwrap_or(Json::Null),
            tags: tags(&record),
            run: Some(self.lineage.run_id.clone()),
            lineage: self.lineage(source),
            serve: Some(self.serve(&record, source, mlmodel)),
            card: record.config.field("card").map_or(Json::Null, KnownValue::to_plain_json),
            who: self.request.who.clone(),
        };
        self.registry.register(&new).map(|registered| registered.version).map_err(failed)
    }

    fn lineage(&self, source: &str) -> Json {
        let codes: BTreeMap<_, _> =
            self.report.steps.iter().filter_map(|(name, step)| Some((name, step.code.as_ref()?))).collect();
        let steps = self.document.config.field("step");
        let runtime = steps.and_then(|steps| steps.field(source)?.field("runtime"));
        json!({
            "pipeline": self.document.address(),
            "run": self.lineage.run_id,
            "datasets": self.lineage.datasets,
            "code": codes,
            "params": self.lineage.params,
            "runtime": runtime.map(KnownValue::to_plain_json),
            "commit": self.request.commit,
        })
    }

    /// How the version is served: by the class of the model, with the code and the interpreter that made it unless the
    /// model names its own.
    fn serve(&self, model: &Document, source: &str, mlmodel: bool) -> Serve {
        let own = model.resolved.get("code").and_then(Json::as_str);
        let made = self.document.resolved.get("code").and_then(|code| code.get(source)?.as_str());
        let step = self.document.config.field("step").and_then(|steps| steps.field(source));
        let runtime = model.config.field("runtime").or_else(|| step?.field("runtime"));
        Serve {
            env: runtime.map(runtimes::variables).unwrap_or_default(),
            code: own.or(made).map(str::to_owned),
            interpreter: runtime.and_then(|runtime| runtimes::interpreter(self.ground, runtime)),
            ..crate::forms::recorded(text(&model.config, "serve"), mlmodel)
        }
    }

    /// Tries the gates that lead on from an alias, and those that lead on from where they lead.
    fn gates(
        &self,
        address: &str,
        alias: &str,
        version: &ModelVersion,
        summary: &mut RunSummary,
    ) -> Outcome<()> {
        let record =
            self.ground.place.get(&format!("models/{}", version.model)).map_err(|error| error.diagnostic)?;
        let gates = record.config.field("gate").and_then(KnownValue::as_object);
        let mut open = vec![alias.to_owned()];
        let mut tried = std::collections::BTreeSet::new();
        while let Some(alias) = open.pop() {
            for (name, gate) in gates.into_iter().flat_map(|gates| gates.iter()) {
                if text(gate, "from") != Some(&alias) || !tried.insert(name.clone()) {
                    continue;
                }
                let to = text(gate, "to").unwrap_or_default();
                if self.gate(address, name, gate, to, version, summary)? {
                    open.push(to.to_owned());
                }
            }
        }
        Ok(())
    }

    fn gate(
        &self,
        address: &str,
        name: &str,
        gate: &KnownValue,
        to: &str,
        version: &ModelVersion,
        summary: &mut RunSummary,
    ) -> Outcome<bool> {
        let failed = |found: mlp_floor::Problem| self.failed(&found);
        let path = format!("gate.{name}.assert");
        let Some(quoted) = gate.field("assert").and_then(Quoted::of) else { return Ok(false) };
        let champion = self.registry.resolve(&version.model, to).map_err(failed)?;
        let names = BTreeMap::from([
            ("candidate", values(&version.metrics)),
            ("champion", champion.as_ref().map_or(KnownValue::Null, |champion| values(&champion.metrics))),
        ]);
        let verdict = match gate::judge(&quoted, &names) {
            Ok(verdict) => verdict,
            Err(found) => {
                self.decided(name, to, version, Came::Undecided, vec![found.headline.clone()])?;
                return Err(Box::new(found.on(address, &path)));
            }
        };
        if !verdict.held {
            self.decided(name, to, version, Came::Refused, verdict.values.clone())?;
            let values = verdict.values.join(", ");
            summary
                .results
                .push(format!("{address} gate {name} refused version {} for {to}: {values}", version.number));
            let mut found = Diagnostic::error(
                codes::GATE_REFUSED,
                format!("gate `{name}` refused version {} for alias `{to}`: {}", version.number, quoted.text),
            )
            .on(address, &path)
            .blame(Blame::Policy);
            found.notes = verdict.values;
            found.help = text(gate, "message").map(str::to_owned);
            summary.problems.push(found);
            return Ok(false);
        }
        if self.is_held(version, to)? {
            self.decided(name, to, version, Came::Held, verdict.values)?;
            summary
                .results
                .push(format!("{address} alias {to} is held; version {} did not get it", version.number));
            return Ok(false);
        }
        let by = self.because(&format!("gate {name} passed"));
        self.registry.set_alias(&version.model, to, version.number, &by).map_err(failed)?;
        self.decided(name, to, version, Came::Passed, verdict.values)?;
        summary
            .results
            .push(format!("{address} version {} passed gate {name} and is now {to}", version.number));
        Ok(true)
    }

    /// Deletes the versions that `keep` lets go.
    fn prune(&self, address: &str, model: &str, summary: &mut RunSummary) -> Outcome<()> {
        let failed = |found: mlp_floor::Problem| self.failed(&found);
        let record = self.ground.place.get(&format!("models/{model}")).map_err(|error| error.diagnostic)?;
        let surplus =
            retention::surplus(self.ground, &self.registry, &record).map_err(|error| error.diagnostic)?;
        for version in surplus {
            self.registry.delete_version(model, version.number, &self.because("pruned")).map_err(failed)?;
            summary
                .results
                .push(format!("{address} version {} deleted: `keep` has enough newer ones", version.number));
        }
        Ok(())
    }
}
