//! Secrets of endpoints: read when an endpoint is started, and never written down.
//!
//! A file is read where it is. A variable belongs to the environment of a command, which ends before its endpoints do: the
//! command hands the values over, and the supervisor keeps them in memory. One that was started anew has only its own
//! environment, and says which variable is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::codes;
use crate::documents::{Document, Found, Place};
use crate::fault::{Fallible, wrong};
use crate::mlp_value::KnownValue;
use crate::resources::secret_lines;

/// Values of variables, shown by name only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Those that the endpoints of an environment read, as far as this process has them.
    pub(crate) fn asked_for(place: &Place) -> Self {
        let mut found = BTreeMap::new();
        for name in super::names(&place.home) {
            let Ok(Found::Document(document)) = place.find(&format!("endpoints/{name}")) else { continue };
            for from in sources(&document.config) {
                if let Some(name) = from.strip_prefix("env:")
                    && let Ok(value) = std::env::var(name)
                {
                    found.insert(name.to_owned(), value);
                }
            }
        }
        Self(found)
    }
}

/// Where the secrets of an endpoint are.
fn sources(config: &KnownValue) -> Vec<&str> {
    let keys = config.field("auth").and_then(|auth| auth.field("keys_from")?.as_text());
    let secrets = config.field("secrets").and_then(KnownValue::as_object);
    let secrets = secrets.into_iter().flat_map(|secrets| secrets.values());
    keys.into_iter().chain(secrets.filter_map(KnownValue::as_text)).collect()
}

/// Reads secrets.
pub(super) struct Vault(Variables);

impl Vault {
    pub(super) fn of(variables: Variables) -> Self {
        Self(variables)
    }

    /// The secrets for the environment of an endpoint's replicas.
    pub(super) fn secrets(&self, document: &Document) -> Fallible<BTreeMap<String, String>> {
        let written = document.config.field("secrets").and_then(KnownValue::as_object);
        let mut found = BTreeMap::new();
        for (variable, from) in written.into_iter().flat_map(|written| written.iter()) {
            let path = format!("secrets.{variable}");
            found.insert(
                variable.to_string(),
                self.secret(document, from.as_text().unwrap_or_default(), &path)?,
            );
        }
        Ok(found)
    }

    /// One secret: of a file its lines that are not empty.
    pub(super) fn secret(&self, document: &Document, from: &str, path: &str) -> Fallible<String> {
        let Some(name) = from.strip_prefix("env:") else {
            let project = document.resolved.get("directory").and_then(Json::as_str).unwrap_or(".");
            return Ok(secret_lines(Path::new(project), from)?.join("\n"));
        };
        let known = self.0.0.get(name).cloned().or_else(|| std::env::var(name).ok());
        known.ok_or_else(|| {
            let text = format!("the environment variable `{name}` is not set");
            let mut error = wrong(codes::SECRET, text, document.address(), path);
            error.diagnostic.help =
                Some(format!("set `{name}` where `mlp apply` is started, or keep the secret in a file"));
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(from: &str, project: &Path) -> Document {
        let config = KnownValue::object([
            ("address", KnownValue::text("endpoint.e")),
            ("secrets", KnownValue::object([("TOKEN", KnownValue::text(from))])),
        ]);
        serde_json::from_value(serde_json::json!({
            "format_version": 1, "kind": "local_endpoint", "project": "p", "environment": "e", "lineage": "l",
            "config": config, "resolved": {"directory": project},
        }))
        .unwrap()
    }

    #[test]
    fn a_secret_comes_from_a_file_or_from_the_command_that_applied() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys"), "one\n\n two \n").unwrap();
        let vault = Vault::of(Variables([("MLP_TEST_HANDED".to_owned(), "canary".to_owned())].into()));
        let read =
            |from: &str| vault.secrets(&document(from, folder.path())).map(|found| found["TOKEN"].clone());
        assert_eq!(read("file:keys").unwrap(), "one\ntwo");
        assert_eq!(read("env:MLP_TEST_HANDED").unwrap(), "canary");
        let error = read("env:MLP_TEST_NOT_SET").unwrap_err();
        assert_eq!(error.diagnostic.code, codes::SECRET);
        assert!(error.diagnostic.headline.contains("MLP_TEST_NOT_SET"));
        assert!(!format!("{:?}", vault.0).contains("canary"));
    }
}
