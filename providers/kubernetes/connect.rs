//! Which cluster is meant, and how it is reached.
//!
//! A context that is named is the one that is used: where the kubeconfig has none of that name, that is an error, whatever the
//! current context is. Without a name it is the current context, or inside a pod the cluster of that pod.

use std::path::Path;
use std::time::Duration;

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use mlp_provider::{ErrorClass, ProviderError, Target};
use serde_json::Value as Json;

use crate::cluster::Cluster;
use crate::codes;
use crate::fault::{Fallible, chain, fault, helped};
use crate::mlp_diag::one_of;
use crate::mlp_value::Value;

const CONNECT: Duration = Duration::from_secs(10);

/// Connects to the cluster of an environment.
pub(crate) async fn connect(target: &Target) -> Fallible<Cluster> {
    let text = |name: &str| target.provider.field(name).and_then(Value::as_text);
    let Some(namespace) = text("namespace") else { return Err(no_namespace()) };
    let (mut config, name) =
        config(text("context"), text("kubeconfig"), Path::new(&target.directory)).await?;
    config.connect_timeout = Some(CONNECT);
    config.default_namespace = namespace.to_owned();
    let cluster = Cluster::new(config, name);
    cluster.version().await.map_err(|error| not_there(error, &cluster))?;
    Ok(cluster)
}

/// A provider block without a namespace.
pub(crate) fn no_namespace() -> ProviderError {
    helped(
        fault(ErrorClass::Invalid, codes::SETTINGS, "the provider block does not say in which `namespace`"),
        "add `namespace = \"…\"` to it: the one of a context changes with the context, and everything would be made a second time",
    )
}

async fn config(
    context: Option<&str>,
    kubeconfig: Option<&str>,
    directory: &Path,
) -> Fallible<(Config, String)> {
    let found = match kubeconfig {
        Some(path) => Some(Kubeconfig::read_from(directory.join(path))),
        None => match Kubeconfig::read() {
            // Where there is no file at all it may still be a pod that we are in.
            Err(KubeconfigError::FindPath | KubeconfigError::ReadConfig(..)) if context.is_none() => None,
            found => Some(found),
        },
    };
    let Some(found) = found else { return inside() };
    let file = kubeconfig.map_or_else(|| "the kubeconfig".to_owned(), |path| format!("`{path}`"));
    let unreadable = |error: &KubeconfigError| {
        helped(
            fault(ErrorClass::Invalid, codes::SETTINGS, format!("{file} cannot be used: {}", chain(error))),
            "name a file with `kubeconfig` in the provider block, or in KUBECONFIG",
        )
    };
    let read = found.map_err(|error| unreadable(&error))?;
    let names: Vec<String> = read.contexts.iter().map(|context| context.name.clone()).collect();
    let Some(name) = context.map(str::to_owned).or_else(|| read.current_context.clone()) else {
        let error = fault(ErrorClass::Invalid, codes::SETTINGS, format!("{file} has no current context"));
        return Err(helped(error, "name one with `context` in the provider block"));
    };
    if !names.contains(&name) {
        let headline = format!("{file} has no context `{name}`");
        let error = fault(ErrorClass::Invalid, codes::SETTINGS, headline);
        return Err(helped(error, one_of(&name, names.iter().map(String::as_str))));
    }
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(read, &options).await.map_err(|error| unreadable(&error))?;
    Ok((config, name))
}

fn inside() -> Fallible<(Config, String)> {
    let config = Config::incluster().map_err(|error| {
        let why = "there is no kubeconfig, and this is no pod of a cluster";
        helped(
            fault(ErrorClass::Invalid, codes::SETTINGS, format!("{why}: {}", chain(&error))),
            "name a file with `kubeconfig` in the provider block, or in KUBECONFIG",
        )
    })?;
    Ok((config, "in-cluster".to_owned()))
}

fn not_there(error: ProviderError, cluster: &Cluster) -> ProviderError {
    let note = format!("context `{}`, server {}", cluster.name, cluster.server);
    // A command that is started again asks again: there is nothing to wait for here.
    let class = if error.class == ErrorClass::Transient { ErrorClass::Fatal } else { error.class };
    ProviderError { class, diagnostic: Box::new(error.diagnostic.note(note)) }
}

impl Cluster {
    /// What the API server says of itself.
    pub(crate) async fn version(&self) -> Fallible<String> {
        let answer: Json = self.call("reach the cluster", Self::get_request("/version")?).await?;
        Ok(answer["gitVersion"].as_str().unwrap_or_default().to_owned())
    }
}
