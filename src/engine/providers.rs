//! The list of providers: each is an optional feature of the program.

use mlp_diag::Diagnostic;
use mlp_provider::Provider;

/// The provider of a kind.
///
/// # Errors
/// There is none of that name, or this program was built without it.
pub fn provider(kind: &str) -> Result<Box<dyn Provider>, Box<Diagnostic>> {
    const KNOWN: &[&str] = &["local", "kubernetes", "aws", "azure", "gcp"];
    match kind {
        #[cfg(feature = "local")]
        "local" => Ok(mlp_local::provider()),
        #[cfg(feature = "kubernetes")]
        "kubernetes" => Ok(mlp_kubernetes::provider(floor())),
        _ if KNOWN.contains(&kind) => Err(Box::new(
            Diagnostic::error("MLP0901", format!("this program has no provider `{kind}`"))
                .note(format!("it was built with: {}", built_with().join(", ")))
                .help(format!(
                    "use an environment of another provider, or a program built with the feature `{kind}`"
                )),
        )),
        _ => Err(Box::new(
            Diagnostic::error("MLP0901", format!("there is no provider kind `{kind}`"))
                .help(mlp_diag::one_of(kind, KNOWN.iter().copied())),
        )),
    }
}

/// Who does in pods what a cluster has no kind for.
#[cfg(feature = "kubernetes")]
fn floor() -> Option<Box<dyn Provider>> {
    #[cfg(feature = "local")]
    return Some(mlp_local::provider());
    #[cfg(not(feature = "local"))]
    None
}

/// The provider kinds this program was built with.
pub fn built_with() -> Vec<&'static str> {
    let all = [("local", cfg!(feature = "local")), ("kubernetes", cfg!(feature = "kubernetes"))];
    all.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect()
}
