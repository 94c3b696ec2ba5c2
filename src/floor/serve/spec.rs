//! What an endpoint is: plain data that the caller writes, and the rules it has to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::graph::GraphSpec;
use super::launch::Launch;
use crate::Problem;

/// The whole of the traffic in basis points: the weights of the variants sum to it.
pub const WHOLE: u32 = 10_000;

/// One endpoint: a router on one port and the replicas of its variants behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// The name of the endpoint, also the model name of the Open Inference Protocol.
    pub name: String,
    /// The port of the router; 0 chooses one, which `status` tells and the caller remembers.
    #[serde(default)]
    pub port: u16,
    /// The address the router listens on.
    #[serde(default = "loopback")]
    pub host: String,
    /// What the router answers beside `/v1/predict`.
    #[serde(default)]
    pub protocol: Protocol,
    /// The variants between which traffic is split.
    pub variants: Vec<VariantSpec>,
    /// How replicas are checked.
    #[serde(default)]
    pub health: HealthSpec,
    /// How long a replica may take to become ready.
    #[serde(default = "minute")]
    pub start_timeout_ms: u64,
    /// How long a prediction may take.
    #[serde(default = "half_minute")]
    pub request_timeout_ms: u64,
    /// Where requests and predictions are recorded, if they are.
    #[serde(default)]
    pub capture: Option<CaptureSpec>,
    /// Who may ask; everyone when absent.
    #[serde(default)]
    pub auth: Option<AuthSpec>,
    /// How much may be asked.
    #[serde(default)]
    pub limits: LimitSpec,
    /// How the variants answer together, each a node; without it they share the traffic.
    #[serde(default)]
    pub graph: Option<GraphSpec>,
    /// What is promised, as metrics measure it.
    #[serde(default)]
    pub slo: Vec<SloSpec>,
    /// Lock files of what its variants use alone, held while it runs.
    #[serde(default)]
    pub holds: Vec<PathBuf>,
    /// The folder of the logs of the replicas.
    pub log_dir: PathBuf,
}

/// What the router speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `/v1/predict` alone.
    #[default]
    Plain,
    /// The Open Inference Protocol v2 as well.
    #[serde(rename = "open-inference-v2")]
    OpenInferenceV2,
}

/// One variant: a model version and its share of the traffic.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantSpec {
    /// The name of the variant (`stable`).
    pub name: String,
    /// The variant whose version is being replaced by this one; none for a variant of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Its share of the traffic in basis points; 0 gives it none.
    pub weight: u32,
    /// The percentage of the traffic of the others that is copied to it; its answers are ignored.
    #[serde(default)]
    pub shadow: f64,
    /// How many replicas serve it, at least.
    #[serde(default = "one")]
    pub replicas: u32,
    /// How their number follows the load, if it does.
    #[serde(default)]
    pub scale: Option<ScaleSpec>,
    /// What is started.
    pub launch: Launch,
    /// What is added to the clean environment of the replicas.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of those whose values are secrets: they come out neither in logs nor in messages.
    #[serde(default)]
    pub secret: BTreeSet<String>,
    /// The model that is served, as responses and metrics name it.
    pub model: ModelLabel,
    /// The digest of the model version: another digest is another process.
    pub digest: String,
}

/// How the number of replicas follows the requests under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleSpec {
    /// The most replicas.
    pub max: u32,
    /// The requests under way for each replica.
    pub target: f64,
}

/// The model version behind a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelLabel {
    /// The address of the model (`model.churn`).
    pub address: String,
    /// The number of the version.
    pub version: u64,
}

/// How replicas are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// The time between two checks.
    pub interval_ms: u64,
    /// How long a check may take.
    pub timeout_ms: u64,
    /// How many checks in a row may fail before the replica is replaced.
    pub failures: u32,
}

impl Default for HealthSpec {
    fn default() -> Self {
        Self { interval_ms: 2_000, timeout_ms: 1_000, failures: 3 }
    }
}

/// Where requests and predictions are recorded: one JSON line a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptureSpec {
    /// The folder of the files.
    pub folder: PathBuf,
    /// Whether the rows are recorded.
    #[serde(default = "yes")]
    pub inputs: bool,
    /// Whether the predictions are recorded.
    #[serde(default = "yes")]
    pub outputs: bool,
    /// The fraction of the requests that is recorded, 0 to 1.
    #[serde(default = "whole")]
    pub sample: f64,
    /// Columns whose values are replaced by tokens before they are written.
    #[serde(default)]
    pub mask: Vec<String>,
    /// Kinds of text that are replaced before it is written.
    #[serde(default)]
    pub redact: Vec<String>,
    /// The file of the key that tokens are made with.
    #[serde(default)]
    pub key: PathBuf,
    /// The size at which a file is sealed.
    #[serde(default = "segment")]
    pub segment_bytes: u64,
    /// The age at which a file is sealed.
    #[serde(default = "five_seconds")]
    pub seal_after_ms: u64,
    /// How many sealed files may wait; beyond it lines are dropped and counted.
    #[serde(default = "segments")]
    pub segments: usize,
}

impl CaptureSpec {
    /// All of every request, in files of this folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder,
            inputs: true,
            outputs: true,
            sample: whole(),
            mask: Vec::new(),
            redact: Vec::new(),
            key: PathBuf::new(),
            segment_bytes: segment(),
            seal_after_ms: five_seconds(),
            segments: segments(),
        }
    }
}

/// The keys that are accepted as `Authorization: Bearer` or `X-API-Key`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthSpec {
    /// The accepted keys.
    pub keys: Vec<String>,
}

impl fmt::Debug for AuthSpec {
    // Keys are secrets: a debug print must not be a way out for them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthSpec {{ keys: {} }}", self.keys.len())
    }
}

/// How much may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSpec {
    /// How often; no limit when absent.
    #[serde(default)]
    pub rate: Option<RequestRate>,
    /// The longest body of a request in bytes.
    #[serde(default = "body")]
    pub body: u64,
    /// How many requests may be under way; more are refused at once, before they cost anything.
    #[serde(default = "in_flight")]
    pub in_flight: u32,
}

impl Default for LimitSpec {
    fn default() -> Self {
        Self { rate: None, body: body(), in_flight: in_flight() }
    }
}

/// How often may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRate {
    /// The requests that are answered in a window.
    pub requests: u64,
    /// The length of a window.
    pub window_ms: u64,
    /// Who shares the limit.
    #[serde(default)]
    pub per: LimitScope,
}

/// One promise: the share of the answers that may break it is what an error budget is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloSpec {
    /// Its name in metrics (`p99`).
    pub name: String,
    /// The share of the answers that has to keep it, 0 to 1.
    pub share: f64,
    /// What an answer has to be faster than; without it, it must not fail.
    #[serde(default)]
    pub within_ms: Option<u64>,
}

/// Who shares a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// All requests together.
    #[default]
    All,
    /// The requests of one key.
    Key,
}

impl fmt::Debug for VariantSpec {
    // The environment may carry secrets: only its names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VariantSpec")
            .field("name", &self.name)
            .field("of", &self.of)
            .field("weight", &self.weight)
            .field("shadow", &self.shadow)
            .field("replicas", &self.replicas)
            .field("scale", &self.scale)
            .field("launch", &self.launch)
            .field("env", &self.env.keys())
            .field("secret", &self.secret)
            .field("model", &self.model)
            .field("digest", &self.digest)
            .finish()
    }
}

fn loopback() -> String {
    "127.0.0.1".into()
}
fn minute() -> u64 {
    60_000
}
fn half_minute() -> u64 {
    30_000
}
fn one() -> u32 {
    1
}
fn yes() -> bool {
    true
}
fn whole() -> f64 {
    1.0
}
fn segment() -> u64 {
    8 * 1024 * 1024
}
fn segments() -> usize {
    16
}
fn five_seconds() -> u64 {
    5_000
}
fn body() -> u64 {
    16 * 1024 * 1024
}
fn in_flight() -> u32 {
    1_024
}

impl VariantSpec {
    /// The variant that callers see: a version that is being rolled out speaks for the variant it will be.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.of.as_deref().unwrap_or(&self.name)
    }

    /// The same variant with another version, as what is rolled out beside it.
    #[must_use]
    pub fn rolled_out(self, weight: u32) -> Self {
        let name = format!("{}~{}", self.name, self.model.version);
        Self { of: Some(self.name), name, weight, shadow: 0.0, ..self }
    }

    /// Whether a running process of `self` can serve `other` as it is.
    #[must_use]
    pub fn same_process(&self, other: &Self) -> bool {
        self.launch == other.launch && self.env == other.env && self.digest == other.digest
    }
}

impl EndpointSpec {
    /// Checks everything that can be said without starting anything.
    ///
    /// # Errors
    /// Says the first rule that is broken.
    pub fn validate(&self) -> Result<(), Problem> {
        if self.variants.is_empty() {
            return Err(refused(format!("endpoint `{}` has no variant", self.name)).at("variant"));
        }
        let mut names = BTreeSet::new();
        for variant in &self.variants {
            validate_variant(variant)?;
            if !names.insert(&variant.name) {
                return Err(refused(format!("two variants are called `{}`", variant.name)).at("variant"));
            }
        }
        match &self.graph {
            Some(graph) => self.validate_graph(graph)?,
            None => self.validate_weights()?,
        }
        self.validate_access()?;
        let durations =
            [self.health.interval_ms, self.health.timeout_ms, self.start_timeout_ms, self.request_timeout_ms];
        if durations.contains(&0) || self.health.failures == 0 {
            return Err(refused("a timeout, interval or number of failures is zero").at("health"));
        }
        match &self.capture {
            Some(capture) if !(0.0..=1.0).contains(&capture.sample) => {
                Err(refused(format!("the sample {} is not between 0 and 1", capture.sample))
                    .at("capture.sample"))
            }
            _ => Ok(()),
        }
    }

    fn validate_graph(&self, graph: &GraphSpec) -> Result<(), Problem> {
        graph.validate()?;
        let variants: BTreeSet<&str> = self.variants.iter().map(VariantSpec::shown).collect();
        match graph.nodes.keys().find(|name| !variants.contains(name.as_str())) {
            Some(name) => {
                Err(refused(format!("node `{name}` has no model")).at(format!("graph.node.{name}")))
            }
            None => Ok(()),
        }
    }

    fn validate_weights(&self) -> Result<(), Problem> {
        let sum: u64 = self.variants.iter().map(|variant| u64::from(variant.weight)).sum();
        if sum == u64::from(WHOLE) {
            return Ok(());
        }
        let shares =
            self.variants.iter().map(|v| format!("{} has {} %", v.name, f64::from(v.weight) / 100.0));
        #[expect(clippy::cast_precision_loss, reason = "a percentage for a message")]
        let percent = sum as f64 / 100.0;
        Err(refused(format!("the traffic of endpoint `{}` sums to {percent} %, not 100 %", self.name))
            .with_notes(shares)
            .help("give one variant `traffic = \"remainder\"`")
            .at("variant.traffic"))
    }

    fn validate_access(&self) -> Result<(), Problem> {
        if self
            .auth
            .as_ref()
            .is_some_and(|auth| auth.keys.is_empty() || auth.keys.iter().any(String::is_empty))
        {
            return Err(refused("the list of keys is empty or has an empty key").at("auth"));
        }
        if self.limits.body == 0 || self.limits.in_flight == 0 {
            return Err(refused("a limit of nothing answers nothing").at("limits"));
        }
        match &self.limits.rate {
            Some(rate) if rate.requests == 0 || rate.window_ms == 0 => {
                Err(refused("a limit of no request answers nothing").at("limits.requests"))
            }
            Some(RequestRate { per: LimitScope::Key, .. }) if self.auth.is_none() => {
                Err(refused("a limit per key needs keys").help("add `auth`").at("limits"))
            }
            _ => Ok(()),
        }
    }
}

fn validate_variant(variant: &VariantSpec) -> Result<(), Problem> {
    // No name that a person gives has a tilde, so what is rolled out never takes one.
    let rolled_out = variant.of.is_some();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (c == '~' && rolled_out);
    if variant.name.is_empty() || !variant.name.chars().all(plain) {
        return Err(refused(format!("`{}` is not a name for a variant", variant.name)).at("variant"));
    }
    if variant.replicas == 0 {
        return Err(refused(format!("variant `{}` has no replica", variant.name)).at("scaling"));
    }
    if let Some(scale) = &variant.scale
        && (scale.target <= 0.0 || !scale.target.is_finite() || scale.max < variant.replicas)
    {
        let text = format!("variant `{}` cannot follow its load to {} replicas", variant.name, scale.max);
        return Err(refused(text).at("scaling"));
    }
    if !(0.0..=100.0).contains(&variant.shadow) {
        return Err(
            refused(format!("variant `{}` shadows {} %", variant.name, variant.shadow)).at("variant.shadow")
        );
    }
    variant.launch.validate()
}

pub(super) fn refused(message: impl Into<String>) -> Problem {
    Problem::new("MLP0780", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(weights: &[u32]) -> EndpointSpec {
        let variants = weights.iter().enumerate().map(|(index, weight)| {
            serde_json::json!({
                "name": format!("v{index}"), "weight": weight, "digest": "d",
                "launch": {"command": {"argv": ["true"], "code_dir": "/tmp", "model_dir": "/tmp"}},
                "model": {"address": "model.m", "version": 1},
            })
        });
        let variants: Vec<_> = variants.collect();
        serde_json::from_value(serde_json::json!({"name": "e", "variants": variants, "log_dir": "/tmp"}))
            .unwrap()
    }

    #[test]
    fn weights_sum_to_the_whole() {
        assert_eq!(spec(&[9_000, 1_000]).validate(), Ok(()));
        let problem = spec(&[9_000, 500]).validate().unwrap_err();
        assert_eq!(problem.code, "MLP0780");
        assert!(problem.message.contains("95 %"), "{problem}");
    }

    #[test]
    fn what_could_never_work_is_refused() {
        let mut limited = spec(&[WHOLE]);
        limited.limits.rate = Some(RequestRate { requests: 5, window_ms: 60_000, per: LimitScope::Key });
        assert!(limited.validate().is_err());
        limited.auth = Some(AuthSpec { keys: vec!["k".into()] });
        assert_eq!(limited.validate(), Ok(()));
        let mut twice = spec(&[5_000, 5_000]);
        twice.variants[1].name = "v0".into();
        assert!(twice.validate().is_err());
        assert!(spec(&[]).validate().is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut spec = spec(&[WHOLE]);
        spec.variants[0].env.insert("TOKEN".into(), "canary".into());
        let shown = format!("{spec:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("canary"), "{shown}");
        assert!(!format!("{:?}", AuthSpec { keys: vec!["canary".into()] }).contains("canary"));
    }
}
