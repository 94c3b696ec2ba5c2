//! Comparison of generated files with those of the repository, for tests.

use std::path::{Path, PathBuf};

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether generated files are to be written instead of compared.
pub fn updating() -> bool {
    std::env::var_os("MLP_UPDATE").is_some_and(|value| value == "1")
}

/// Compares a generated file with what it should hold; with `MLP_UPDATE=1` writes it.
pub fn assert_current(path: &str, text: &str) {
    let file = repository(path);
    if updating() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == text, "{path} is out of date: run the tests of this crate with MLP_UPDATE=1");
}
