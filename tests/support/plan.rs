//! Plans as they lie in files.

use mlp_plan::{Counts, FORMAT_VERSION, Mode, Plan};

/// The file of a plan that does nothing.
pub fn empty() -> String {
    let plan = Plan {
        format_version: FORMAT_VERSION,
        mlp_version: "0.1.0".to_owned(),
        mode: Mode::Apply,
        project: "p".to_owned(),
        environment: "e".to_owned(),
        lineage: String::new(),
        serial: 0,
        state_digest: String::new(),
        spec_digest: String::new(),
        steps: Vec::new(),
        drift: Vec::new(),
        events: Vec::new(),
        outputs: Vec::new(),
        deferred: Vec::new(),
        kept: Vec::new(),
        unchanged: Vec::new(),
        counts: Counts::default(),
        consequences: std::collections::BTreeMap::new(),
        warnings: Vec::new(),
        context: mlp_plan::Context::default(),
        seal: String::new(),
    };
    String::from_utf8(plan.to_file().unwrap()).unwrap()
}
