//! A small environment for tests: one model with a gate, one pipeline of shell steps that registers versions of it. What a
//! run measures stands in the file `score`, so that a test decides whether the next version is better.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlp_floor::registry::Registry;
use mlp_provider::{Call, CallKind, Event, Reporter, RunRequest, Session, Target};
use serde_json::{Value as Json, json};

use crate::documents::Place;
use crate::mlp_eval::{BinaryOp, Expr, Node, PlanValue, Quoted};
use crate::mlp_eval::{Traversal, TraversalStep};
use crate::mlp_value::{KnownValue, ResourceId};
use crate::resources::Ground;
use crate::session::Local;

/// Hears nothing.
pub(crate) struct Deaf;

impl Reporter for Deaf {
    fn event(&self, _: Event) {}
}

pub(crate) struct Fixture {
    dir: tempfile::TempDir,
    pub(crate) ground: Ground,
    pub(crate) session: Local,
}

pub(crate) const PIPELINE: &str = "pipelines/train";

const FIT: &str = "set -e
mkdir -p \"$MLP_OUTPUT_model\"
cp \"$1\" \"$MLP_OUTPUT_model/weights\"
printf '{\"auc\": %s}' \"$(cat \"$1\")\" > \"$MLP_OUTPUT_metrics\"
";

fn at(root: &str, word: &str) -> Expr {
    let traversal = Traversal { root: root.into(), steps: vec![TraversalStep::Attr(word.into())] };
    Expr::new(Node::Traverse { traversal }, None)
}

fn literal(value: KnownValue) -> Expr {
    Expr::literal(value)
}

/// `champion == null || candidate.auc >= champion.auc`
fn better() -> KnownValue {
    let binary = |operator, left: Expr, right: Expr| {
        Expr::new(Node::Binary { operator, left: Box::new(left), right: Box::new(right) }, None)
    };
    let champion = Traversal { root: "champion".into(), steps: vec![] };
    let none = binary(
        BinaryOp::Equal,
        Expr::new(Node::Traverse { traversal: champion }, None),
        literal(KnownValue::Null),
    );
    let more = binary(BinaryOp::GreaterOrEqual, at("candidate", "auc"), at("champion", "auc"));
    let quoted = Quoted {
        text: "champion == null || candidate.auc >= champion.auc".into(),
        scope: "gate".into(),
        expr: binary(BinaryOp::Or, none, more),
    };
    quoted.to_value().unwrap()
}

impl Fixture {
    pub(crate) async fn new(trigger: Json) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        std::fs::create_dir_all(project.join("code")).unwrap();
        std::fs::write(project.join("code/fit.sh"), FIT).unwrap();
        let home = project.join(".mlp/local");
        let target = Target {
            project: "p".into(),
            environment: "local".into(),
            lineage: "l".into(),
            directory: project.display().to_string(),
            home: home.display().to_string(),
            provider: KnownValue::Null,
            program: "/bin/false".into(),
            secrets: BTreeMap::new(),
            take_over: false,
        };
        let session = Local::open(&target);
        let ground = Ground { target, place: Place::new(home) };
        let fixture = Self { dir, ground, session };
        fixture.score("0.8");
        let mut model = json!({
            "address": "model.m", "aliases": ["challenger", "champion"], "keep": { "versions": 2 },
            "card": { "intended_use": "tests" }, "labels": { "team": "risk" },
        });
        model["gate"] = json!({ "better": { "from": "challenger", "to": "champion" } });
        let mut model = KnownValue::from_json(&model).unwrap();
        model = with(&model, &["gate", "better"], "assert", better());
        fixture.put("local_model", "models/m", model).await;
        fixture.pipeline(trigger).await;
        fixture
    }

    /// Applies the pipeline with other triggers, or other code.
    pub(crate) async fn pipeline(&self, trigger: Json) {
        let score = self.project().join("score");
        let fit = json!({
            "code": { "directory": "code" },
            "run": format!("sh fit.sh {}", score.display()),
            "outputs": { "model": { "type": "model" }, "metrics": { "type": "metrics", "names": ["auc"] } },
            "cache": { "enabled": false },
        });
        let register = json!({
            "register": { "model": "m", "address": "model.m" },
            "alias": "challenger",
            "from": { "step": "fit", "output": "model" },
            "evidence": { "step": "fit", "output": "metrics" },
        });
        let mut config = json!({
            "address": "pipeline.train",
            "step": { "fit": fit, "register": register },
        });
        if trigger.as_object().is_some_and(|trigger| !trigger.is_empty()) {
            config["trigger"] = trigger;
        }
        // Not through the session, which would start a supervisor.
        let config = KnownValue::from_json(&config).unwrap();
        let handler = crate::resources::handler("local_pipeline").unwrap();
        let resolved = handler.realise(&self.ground, None, &config, &Deaf).unwrap();
        let document =
            crate::documents::Document::new(&self.ground.target, "local_pipeline", config, resolved);
        self.ground.place.put(PIPELINE, &document).unwrap();
    }

    pub(crate) async fn put(&self, resource: &str, identity: &str, config: KnownValue) {
        let body: PlanValue = config.lift();
        let call = Call {
            operation: format!("{resource}.create"),
            kind: CallKind::Create,
            resource: resource.into(),
            identity: identity.into(),
            body,
        };
        self.session.perform(&call, &Deaf).await.unwrap();
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// What the next run measures.
    pub(crate) fn score(&self, score: &str) {
        std::fs::write(self.project().join("score"), score).unwrap();
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::open(&self.ground.place.registry()).unwrap()
    }

    /// The version an alias names.
    pub(crate) fn alias(&self, alias: &str) -> Option<u32> {
        self.registry().resolve("m", alias).unwrap().map(|version| version.number)
    }

    pub(crate) fn request(&self) -> RunRequest {
        RunRequest {
            resource: "local_pipeline".into(),
            identity: PIPELINE.into(),
            id: ResourceId::new("pipeline.train".parse().unwrap(), ""),
            params: BTreeMap::new(),
            who: "ana".into(),
            commit: None,
            fresh: false,
            steps: Vec::new(),
        }
    }
}

/// An object with a field more, below a path.
fn with(value: &KnownValue, path: &[&str], name: &str, field: KnownValue) -> KnownValue {
    let mut items = value.as_object().cloned().unwrap_or_default();
    match path {
        [] => {
            items.insert(name.into(), field);
        }
        [first, rest @ ..] => {
            let inner = with(value.field(first).unwrap_or(&KnownValue::Null), rest, name, field);
            items.insert((*first).into(), inner);
        }
    }
    KnownValue::Object(items.into())
}
