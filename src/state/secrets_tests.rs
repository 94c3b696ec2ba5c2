//! A cluster on servers that this project did not write: `MLP_RIG_PRETEND_KUBECONFIG` names it.

use std::io::Write;
use std::path::Path;

use crate::{BlobStore, ClusterSettings, Depot, Store, blob_tests, cluster_store};

/// The kubeconfig of the cluster; without one the test is skipped, loudly, or fails where servers are required.
fn kubeconfig() -> Option<String> {
    let found = std::env::var("MLP_RIG_PRETEND_KUBECONFIG").ok().filter(|path| !path.is_empty());
    if found.is_none() {
        let why = "MLP_RIG_PRETEND_KUBECONFIG names no cluster";
        assert!(std::env::var_os("MLP_REQUIRE_SERVERS").is_none(), "{why}, and MLP_REQUIRE_SERVERS is set");
        // Past the test runner, that would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED {why}");
    }
    found
}

/// A store of its own, whose objects are told from those of every other by their prefix.
fn store(kubeconfig: &str, prefix: &str) -> BlobStore {
    let settings = ClusterSettings {
        context: None,
        kubeconfig: Some(kubeconfig.to_owned()),
        namespace: "default".into(),
        prefix: format!("{}/{prefix}", std::process::id()),
    };
    cluster_store(&settings, Path::new("/"), "p", "e").unwrap()
}

#[test]
fn secrets_are_a_store() {
    let Some(kubeconfig) = kubeconfig() else { return };
    blob_tests::suite(&|| store(&kubeconfig, "a"));
    // Those beside it are not of it.
    assert!(store(&kubeconfig, "ab").read().unwrap().state.resources.is_empty());
    crate::dir_tests::race(&|| store(&kubeconfig, "race"));
}

#[test]
fn what_is_larger_than_a_secret_lies_in_several() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let store = store(&kubeconfig, "large");
    // Chance does not compress.
    let large: Vec<u8> = (0..20_000).flat_map(|_| crate::random::bytes::<64>()).collect();
    store.keep_anew("large", &large).unwrap();
    assert_eq!(store.kept("large").unwrap().as_ref(), Some(&large));
    let larger: Vec<u8> = large.iter().rev().chain(&large).copied().collect();
    store.keep_anew("large", &larger).unwrap();
    assert_eq!(store.kept("large").unwrap(), Some(larger));
    store.keep_anew("large", b"small").unwrap();
    assert_eq!(store.kept("large").unwrap().unwrap(), b"small");
    assert_eq!(store.all_kept().unwrap(), ["large"]);
}
