//! `mlp in-pod`: the program of a container, on the volume of a cluster's registry.

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    work: Work,
}

/// What a pod does.
#[derive(Debug, Clone, clap::Subcommand)]
enum Work {
    /// Answer one question
    Ask {
        /// As JSON
        question: String,
    },
    /// Make the version of a dataset that its record asks for
    Bring {
        /// Its identity
        identity: String,
    },
    /// Be there for questions
    Keep,
    /// Run a pipeline or a batch endpoint once
    Run {
        /// Its identity
        identity: String,
    },
    /// Serve an endpoint
    Serve {
        /// Its identity
        identity: String,
    },
}

/// Works until it is done, or told to end.
#[cfg(all(feature = "kubernetes", feature = "local"))]
pub fn run(args: &Args, globals: &Globals) -> Exit {
    match work(&args.work) {
        Ok(problems) => report::diagnostics(&problems, &mlp_diag::SourceMap::default(), globals),
        Err(diagnostic) => report::diagnostics(&[*diagnostic], &mlp_diag::SourceMap::default(), globals),
    }
}

/// A program without one of the two has nothing to do there.
#[cfg(not(all(feature = "kubernetes", feature = "local")))]
pub fn run(_: &Args, globals: &Globals) -> Exit {
    let found = mlp_diag::Diagnostic::error("MLP0901", "this program was built without the work in pods")
        .help("put one into the image that was built with the features `kubernetes` and `local`");
    report::diagnostics(&[found], &mlp_diag::SourceMap::default(), globals)
}

#[cfg(all(feature = "kubernetes", feature = "local"))]
fn work(work: &Work) -> Result<Vec<mlp_diag::Diagnostic>, Box<mlp_diag::Diagnostic>> {
    use mlp_kubernetes::pod::Ground;

    let failed = |what: &str, error: &std::io::Error| {
        Box::new(mlp_diag::Diagnostic::error("MLP0901", format!("cannot tell {what}: {error}")))
    };
    let directory = std::env::current_dir().map_err(|error| failed("where this is", &error))?;
    let program = std::env::current_exe().map_err(|error| failed("which program this is", &error))?;
    let floor = mlp_local::provider();
    let find = |name: &str, constraint: Option<&str>| find(&directory, name, constraint);
    let ground = Ground {
        floor: &*floor,
        directory: directory.clone(),
        program: program.display().to_string(),
        find: &find,
        leave: &|| mlp_local::leave(&directory),
    };
    report::serving()?.block_on(async {
        match work {
            Work::Ask { question } => report::data(&format!("{}\n", ground.ask(question).await)),
            Work::Bring { identity } => ground.dataset(identity).await?,
            Work::Keep => ground.keep().await?,
            Work::Run { identity } => return Ok(ground.run(identity).await?.err().unwrap_or_default()),
            Work::Serve { identity } => ground.serve(identity).await?,
        }
        Ok(Vec::new())
    })
}

/// A program of the image whose version fits.
#[cfg(all(feature = "kubernetes", feature = "local"))]
fn find(
    directory: &std::path::Path,
    name: &str,
    constraint: Option<&str>,
) -> Result<(String, String), String> {
    use mlp_value::facts::{Fact, Need};

    match crate::host::facts::answer(directory, directory, &Need::Program(name.to_owned())) {
        Fact::Program { path, version } => match constraint {
            Some(wanted) if mlp_local::version_fits(&version, wanted) != Some(true) => {
                Err(format!("{name} is version {version} in the image, and `{wanted}` is needed"))
            }
            _ => Ok((path, version)),
        },
        Fact::Failed(why) => Err(format!("`{name}` of the image cannot be used: {why}")),
        _ => Err(format!("there is no `{name}` on the search path of the image")),
    }
}
