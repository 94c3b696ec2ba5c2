//! Diagnostic codes of this room: MLP0880–MLP0899. The program takes this file in whether it is built with this room or not, so that
//! every code can be explained.

/// Codes with their titles.
pub const CODES: &[(&str, &str)] = &[
    (BASE, "an image cannot be built on that base"),
    (LOCK, "a lock file cannot be put into an image"),
    (PACKAGE, "a package has nothing that fits the image"),
    (REGISTRY, "a registry of images refuses or does not answer"),
    (WRITE, "what an image is made of cannot be read or written"),
    (PROGRAM, "a program cannot run in the image"),
];

pub(crate) const BASE: &str = "MLP0880";
pub(crate) const LOCK: &str = "MLP0881";
pub(crate) const PACKAGE: &str = "MLP0882";
pub(crate) const REGISTRY: &str = "MLP0883";
pub(crate) const WRITE: &str = "MLP0884";
pub(crate) const PROGRAM: &str = "MLP0885";
