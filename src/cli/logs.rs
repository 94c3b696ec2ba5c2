//! `mlp logs`: what steps and replicas said.

use mlp_provider::{Event, LogQuery, Reporter};

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose: `pipeline.train`, `endpoint.churn`
    address: String,
    /// A step, variant or replica; all when left out
    part: Option<String>,
    /// A run; the last when left out
    #[arg(long)]
    run: Option<String>,
    /// The last lines only
    #[arg(long, short = 'n', value_name = "LINES")]
    tail: Option<usize>,
    /// Go on as they grow
    #[arg(long, short = 'f')]
    follow: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

struct Lines {
    json: bool,
}

impl Reporter for Lines {
    fn event(&self, event: Event) {
        if self.json {
            report::data(&format!(
                "{}\n",
                serde_json::json!({ "format_version": report::FORMAT_VERSION, "detail": event })
            ));
        } else if let Event::Line { subject, text } = event {
            report::data(&format!("{subject} | {text}\n"));
        }
    }
}

/// Prints them.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let shown = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(async {
            let (session, _, loaded) =
                session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
            let record = applied(&loaded.state, &args.address).map_err(|diagnostic| vec![*diagnostic])?;
            let query = LogQuery {
                resource: record.kind.clone(),
                identity: record.identity.clone(),
                part: args.part.clone(),
                run: args.run.clone(),
                tail: args.tail,
                follow: args.follow,
            };
            session.logs(&query, &Lines { json: globals.json }).await.map_err(|error| vec![*error.diagnostic])
        })
    });
    match shown {
        Ok(()) => Exit::Success,
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}
