//! `mlp forward`: a port of this machine that leads to an endpoint in its target.

use mlp_diag::Diagnostic;
use mlp_provider::{Event, ForwardRequest, Reporter};
use mlp_state::Record;
use mlp_value::Value;

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to: `endpoint.churn`
    address: String,
    /// The port of this machine; a free one when left out
    #[arg(long, short = 'p', default_value_t = 0, hide_default_value = true)]
    port: u16,
    #[command(flatten)]
    variables: VariableArgs,
}

struct Said;

impl Reporter for Said {
    fn event(&self, event: Event) {
        if let Event::Line { subject, text } = event {
            report::talk(&format!("{subject}: {text}"));
        }
    }
}

/// Listens until it is interrupted.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let ended = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(async {
            let (session, _, loaded) =
                session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
            let record = applied(&loaded.state, &args.address).map_err(|diagnostic| vec![*diagnostic])?;
            if !session.forwards() {
                return Err(vec![here(args, record, compiled.provider.kind())]);
            }
            let request = ForwardRequest {
                resource: record.kind.clone(),
                identity: record.identity.clone(),
                port: args.port,
            };
            let opened = |url: String| said(args, &url, globals);
            tokio::select! {
                ended = session.forward(&request, &opened, &Said) => ended.map_err(|error| vec![*error.diagnostic]),
                // Whoever asked for it has had enough.
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    });
    match ended {
        Ok(()) => Exit::Success,
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}

fn said(args: &Args, url: &str, globals: &Globals) {
    if globals.json {
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION, "address": args.address, "url": url,
        });
        report::data(&format!("{document}\n"));
        return;
    }
    report::data(&format!("{} answers at {url}\n\n  curl {url}/\n\nCtrl-C ends it.\n", args.address));
}

/// Of a target that is this machine.
fn here(args: &Args, record: &Record, provider: &str) -> Diagnostic {
    let url = record.outputs.field("url").and_then(Value::as_text);
    let headline = match url {
        Some(url) => format!("{} is here already: {url}", args.address),
        None => format!("{} of the provider {provider} is nothing that answers", args.address),
    };
    let found = Diagnostic::error("MLP0931", headline);
    match url {
        Some(url) => found.help(format!("ask it as it is: `curl {url}/`")),
        None => found.help("name an endpoint: `mlp status` says which there are"),
    }
}
