//! The same events for programs: one JSON object a line.

use std::io::Write;

use mlp_apply::ApplyEvent;
use mlp_provider::Event;
use serde_json::{Value, json};

/// Version of the event stream.
const FORMAT_VERSION: u32 = 1;

fn print(mut event: Value) {
    event["format_version"] = json!(FORMAT_VERSION);
    // A reader that went away must not stop the work.
    let _ = writeln!(std::io::stdout(), "{event}");
}

/// An event of an apply.
pub(super) fn print_apply(event: &ApplyEvent) {
    print(json_events(event));
}

/// An event of a run.
pub(super) fn print_run(event: &Event) {
    print(json!({ "type": "run", "detail": event }));
}

/// An event of an apply, as JSON.
fn json_events(event: &ApplyEvent) -> Value {
    match event {
        ApplyEvent::Started { step, resource, action } => {
            json!({ "type": "started", "step": step, "resource": resource, "action": action })
        }
        ApplyEvent::Retry { resource, why } => json!({ "type": "retry", "resource": resource, "why": why }),
        ApplyEvent::Waiting { resource, hint } => {
            json!({ "type": "waiting", "resource": resource, "hint": hint })
        }
        ApplyEvent::Provider { resource, event } => {
            json!({ "type": "provider", "resource": resource, "detail": event })
        }
        ApplyEvent::Done { step, resource, action } => {
            json!({ "type": "done", "step": step, "resource": resource, "action": action })
        }
        ApplyEvent::Failed { resource, diagnostic } => {
            json!({ "type": "failed", "resource": resource, "code": diagnostic.code, "message": diagnostic.headline })
        }
        ApplyEvent::Skipped { resource, why } => {
            json!({ "type": "skipped", "resource": resource, "why": why })
        }
    }
}
