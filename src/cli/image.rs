//! `mlp image`: the images that runtimes need, without a container engine.

use std::path::PathBuf;

use super::Globals;
use super::exit::Exit;
use super::project::VariableArgs;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Build the images of runtimes that name a base, push them, and note them in mlp.lock
    Build(Build),
}

/// What is built, and how.
#[derive(Debug, Default, clap::Args)]
pub struct Build {
    /// Runtimes by address, such as `runtime.py`; all when left out
    #[arg(value_name = "RUNTIME")]
    only: Vec<String>,
    /// What the image is for, such as linux/arm64; as before, or like this machine, when left out
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// The mlp that is put into the image; the one that runs when left out
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the image into a directory (OCI layout) instead of pushing it; nothing is noted then
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The same, in the words of other tools
    #[arg(long, value_name = "oci:DIR", conflicts_with = "out")]
    to: Option<String>,
    /// Look up anew what the name of the base stands for
    #[arg(long)]
    upgrade: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Builds.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let Act::Build(args) = &args.act;
    building::run(args, globals)
}

#[cfg(feature = "image")]
pub use building::bring;

#[cfg(not(feature = "image"))]
mod building {
    use mlp_diag::{Diagnostic, SourceMap};

    use super::{Build, Exit, Globals};
    use crate::cli::report;

    pub(super) fn run(_args: &Build, globals: &Globals) -> Exit {
        let problem = Diagnostic::error("MLP0960", "this program was built without what builds images")
            .help("use one that was built with the feature `image`, which `kubernetes` has in it");
        report::diagnostics(&[problem], &SourceMap::default(), globals)
    }
}

#[cfg(feature = "image")]
mod building {
    use std::path::PathBuf;

    use mlp_diag::{Diagnostic, Diagnostics};
    use mlp_image::Built;
    use serde_json::json;

    use super::{Build, Exit, Globals};
    use crate::cli::project::{Compiled, Project};
    use crate::cli::report;
    use crate::engine::images::{Task, Wish, build, chosen, tasks};

    pub(super) fn run(args: &Build, globals: &Globals) -> Exit {
        let compiled = match Project::read(globals, &args.variables).compile(globals) {
            Ok(compiled) => compiled,
            Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
        };
        let built = wish(args).map_err(|problem| vec![*problem]).and_then(|wish| {
            let found = tasks(&compiled.platform, &compiled.directory, &compiled.answer())?;
            let found = chosen(found, &wish).map_err(|problem| vec![*problem])?;
            all(&found, &wish, &compiled, globals)
        });
        match built {
            Err(problems) => told(problems, &compiled, globals),
            Ok(built) => {
                if globals.json {
                    let images: Vec<_> = built.iter().map(document).collect();
                    let document = json!({ "format_version": report::FORMAT_VERSION, "images": images });
                    report::data(&format!("{document}\n"));
                } else if built.is_empty() {
                    report::talk("There is nothing to build: no runtime in use has a `base`.");
                } else {
                    built.iter().for_each(|(runtime, built)| report::data(&lines(runtime, built, args)));
                }
                Exit::Success
            }
        }
    }

    fn wish(args: &Build) -> Result<Wish, Box<Diagnostic>> {
        let wrong = |headline: String, help: &str| {
            Box::new(Diagnostic::error("MLP0912", headline).help(help.to_owned()))
        };
        let platform = args.platform.as_deref().map(str::parse).transpose();
        let platform = platform.map_err(|why: String| wrong(why, "write `--platform linux/amd64`"))?;
        let layout = |text: &str| {
            let folder = text.strip_prefix("oci:").filter(|folder| !folder.is_empty());
            folder.map(PathBuf::from).ok_or_else(|| {
                wrong(
                    format!("`--to {text}` names no directory"),
                    "write `--to oci:DIR`; where images are pushed to says the specification",
                )
            })
        };
        let directory = args.to.as_deref().map(layout).transpose()?.or_else(|| args.out.clone());
        Ok(Wish {
            only: args.only.clone(),
            platform,
            program: args.program.clone(),
            directory,
            upgrade: args.upgrade,
        })
    }

    /// Builds what `mlp up` needs and is not there yet; says what it built.
    ///
    /// # Errors
    /// The exit, after what is wrong was told.
    pub fn bring(globals: &Globals, variables: &super::VariableArgs) -> Result<(), Exit> {
        let Ok(compiled) = Project::read(globals, variables).compile(globals) else {
            // What is wrong with the specification is told by the plan that follows.
            return Ok(());
        };
        let built = tasks(&compiled.platform, &compiled.directory, &compiled.answer()).and_then(|found| {
            let missing: Vec<Task<'_>> = found.into_iter().filter(|task| !task.is_done()).collect();
            all(&missing, &Wish::default(), &compiled, globals)
        });
        let built = built.map_err(|problems| told(problems, &compiled, globals))?;
        for one in &built {
            if globals.json {
                report::data(&format!("{}\n", json!({ "type": "image_built", "image": document(one) })));
            } else {
                report::talk(lines(&one.0, &one.1, &Build::default()).trim_end());
            }
        }
        Ok(())
    }

    fn all(
        found: &[Task<'_>],
        wish: &Wish,
        compiled: &Compiled,
        globals: &Globals,
    ) -> Result<Vec<(String, Built)>, Diagnostics> {
        let mut built = Vec::new();
        if found.is_empty() {
            return Ok(built);
        }
        let runtime = report::runtime().map_err(|problem| vec![*problem])?;
        let say = |text: &str| {
            if !globals.json {
                report::talk(text);
            }
        };
        let at = (&compiled.platform, compiled.directory.as_path());
        for task in found {
            let one = runtime.block_on(build(task, wish, at, &compiled.answer(), &say));
            built.push((task.runtime(), one.map_err(|problem| vec![*problem])?));
        }
        Ok(built)
    }

    fn told(mut problems: Diagnostics, compiled: &Compiled, globals: &Globals) -> Exit {
        for problem in &mut problems {
            crate::engine::lower_place(problem, &compiled.platform, &compiled.sources);
        }
        report::diagnostics(&problems, &compiled.sources, globals)
    }

    fn document((runtime, built): &(String, Built)) -> serde_json::Value {
        let mut document = serde_json::to_value(built).unwrap_or_default();
        document["runtime"] = json!(runtime);
        document
    }

    fn lines(runtime: &str, built: &Built, args: &Build) -> String {
        let there = args.out.as_ref().map(|folder| folder.display().to_string()).or_else(|| args.to.clone());
        let place = built
            .reference
            .clone()
            .unwrap_or_else(|| format!("{} in {}", built.digest, there.unwrap_or_default()));
        let mut text = format!("{runtime}  {place}\n");
        for part in &built.parts {
            let cached = if part.cached { "  (as before)" } else { "" };
            text += &format!("  {:<9} {:>9}  {}{cached}\n", part.what, size(part.size), part.detail);
        }
        let sent = if built.reference.is_some() {
            format!(", {} pushed", size(built.pushed))
        } else {
            String::new()
        };
        text + &format!("  {:<9} {:>9}  for {}{sent}\n", "in all", size(built.size), built.platform)
    }

    /// Bytes as people read them.
    fn size(bytes: u64) -> String {
        let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
        match bytes {
            0..1_000 => format!("{bytes} B"),
            1_000..1_000_000 => format!("{} kB", tenths(1_000)),
            _ => format!("{} MB", tenths(1_000_000)),
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn sizes_are_read_by_people() {
            assert_eq!([0, 1_550, 25_049_000].map(super::size), ["0 B", "1.5 kB", "25.0 MB"]);
        }
    }
}
