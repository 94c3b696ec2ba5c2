//! What a mutant may get away with, and why.

use super::mutate::Way;
use super::mutate::Way::{Kind, List, Name, Object, Text};

/// A name that the specification itself gives: there is no other to compare it with.
const NAMED: &str = "a name given here: what uses it is told, here anything is right";
/// Text for people, or a name that somebody else gives.
const FREE: &str = "free text, or a name that another system gives";
const ANY: &str = "takes any value";
const PATH: &str = "a path is looked up when the plan is made";
const NATIVE: &str = "native fields are the provider's, which checks them when the plan is made";
const CATALOGUE: &str = "a chip is looked up in the catalogue when the plan is made";
const EVERY: &str = "takes a reference to any declaration";

/// The way of a mutant, where it is (`*` stands for one word, `**` at the end for any), and why it cannot be told.
pub(super) const EXEMPT: &[(Way, &str, &str)] = &[
    (Name, "project.labels.*", NAMED),
    (Text, "project.labels.*", FREE),
    (Text, "provider.context", FREE),
    (Text, "provider.namespace", FREE),
    (Text, "provider.region", FREE),
    (Text, "provider.account", FREE),
    (Text, "provider.role", FREE),
    (Text, "provider.project", FREE),
    (Text, "provider.prices", PATH),
    (Text, "environment.state.bucket", FREE),
    (Kind, "environment.only", EVERY),
    (Text, "team.idp_group", FREE),
    (Kind, "access.on", EVERY),
    (Kind, "budget.scope", EVERY),
    (Object, "source.tables", NAMED),
    (Text, "source.catalog.meaning", FREE),
    (Text, "dataset.schema", PATH),
    (Text, "dataset.protection.legal_basis", FREE),
    (Text, "features.transform.engine", FREE),
    (Text, "features.transform.code", PATH),
    (Name, "features.schema.*", NAMED),
    (Text, "runtime.language", FREE),
    (Text, "runtime.lock", PATH),
    (Text, "component.code", PATH),
    (Text, "component.run", "a command is free text"),
    (Text, "component.serve", "a command is free text"),
    (Name, "component.inputs.*", NAMED),
    (Object, "component.params", NAMED),
    (Name, "component.params.*", NAMED),
    (List, "component.params.lr", ANY),
    (Text, "component.params.lr", ANY),
    (Name, "component.outputs.*", NAMED),
    (Object, "pipeline.params", NAMED),
    (Name, "pipeline.params.*", NAMED),
    (List, "pipeline.params.*", ANY),
    (Text, "pipeline.params.*", ANY),
    (Name, "support-llm:pipeline.step.inputs.*", NAMED),
    (Name, "pipeline.step.outputs.*", NAMED),
    (Text, "pipeline.step.run", "a command is free text"),
    (Text, "pipeline.step.progress.metric", FREE),
    (Name, "pipeline.step.secrets.*", NAMED),
    (Text, "model.signature", PATH),
    (Text, "model.serve", "a command is free text"),
    (Text, "model.base", FREE),
    (Text, "model.license", FREE),
    (Object, "model.card", "a card may say more than is known of"),
    (Text, "model.card.intended_use", FREE),
    (Text, "model.card.risk_class", FREE),
    (Text, "endpoint.override.reason", FREE),
    (Object, "endpoint.override.set", NATIVE),
    (Name, "endpoint.override.set.**", NATIVE),
    (List, "endpoint.override.set.**", NATIVE),
    (Text, "endpoint.override.set.**", NATIVE),
    (Object, "endpoint.override.set.**", NATIVE),
    (Text, "endpoint.runtime.engine", FREE),
    (Object, "endpoint.runtime.args", NAMED),
    (Name, "endpoint.runtime.args.*", NAMED),
    (List, "endpoint.runtime.args.*", ANY),
    (Text, "endpoint.runtime.args.*", ANY),
    (Object, "endpoint.runtime.args.*", ANY),
    (Text, "monitor.engine", FREE),
    (Text, "monitor.signal.features", "one feature, whose names nothing declares"),
    (Text, "monitor.signal.metric", "a metric, whose names nothing declares"),
    (Text, "monitor.signal.on", "a field, whose names nothing declares"),
    (Text, "product.kpi.unit", FREE),
    (Text, "product.kpi.from", FREE),
    (Kind, "import.to", EVERY),
    (Text, "import.id", FREE),
    (Text, "compute.capacity.reservation.gcp", FREE),
    (Text, "compute.queue.name", FREE),
    (Name, "compute.queue.quota.*", CATALOGUE),
];
