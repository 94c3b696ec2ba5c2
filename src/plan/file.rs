//! The plan as a file: sealed, so that what was edited or damaged is told from what was written, and compared with the
//! world it is to be applied to.

use serde::Deserialize;

use crate::{Action, Cause, Counts, FORMAT_VERSION, Mode, Part, Plan};

impl Plan {
    /// Whether there is nothing to do; what waits counts as nothing, and so does taking note of what the platform moved.
    pub fn is_empty(&self) -> bool {
        !self.changes_resources() && !self.changes_outputs()
    }

    /// Whether anything is done beyond reading again.
    pub fn changes_resources(&self) -> bool {
        self.steps.iter().any(|step| step.action != Action::Read || self.mode == Mode::RefreshOnly)
    }

    /// Whether an output changes that did not follow what the platform moved.
    pub fn changes_outputs(&self) -> bool {
        self.outputs.iter().any(|output| output.action != Action::NoOp && output.cause != Cause::Event)
    }

    /// Hex BLAKE3 of all of it but what the target was asked for the list of removals.
    pub fn digest(&self) -> String {
        let mut plain = self.clone();
        plain.steps.iter_mut().for_each(|step| step.removal = None);
        plain.seal.clear();
        hash(&plain)
    }

    /// The plan as a file.
    ///
    /// # Errors
    /// It holds something that has no form in JSON, which no plan does.
    pub fn to_file(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut sealed = Self { seal: String::new(), ..self.clone() };
        sealed.seal = hash(&sealed);
        serde_json::to_vec(&sealed)
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// It is no plan, one of another form, or not as it was written.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format_version: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| format!("this is no plan: {error}"))?;
        if head.format_version != FORMAT_VERSION {
            let found = head.format_version;
            return Err(format!("the plan has format version {found}, and this mlp reads {FORMAT_VERSION}"));
        }
        let mut plan: Self =
            serde_json::from_str(text).map_err(|error| format!("the plan cannot be read: {error}"))?;
        let seal = std::mem::take(&mut plan.seal);
        if seal != hash(&plan) {
            return Err("the plan was edited or damaged after it was written".to_owned());
        }
        Ok(plan)
    }

    /// What moved since this plan was made, seen from one made just now; empty when it still holds.
    pub fn moved_since(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        let mut differ = |what: &str, then: &str, now: &str, shown: bool| {
            if then != now {
                moved.push(match shown {
                    true => format!("the {what} is `{now}` and was `{then}`"),
                    false => format!("the {what} changed"),
                });
            }
        };
        differ("project", &self.project, &now.project, true);
        differ("environment", &self.environment, &now.environment, true);
        if self.environment != now.environment {
            // Another environment has another state, and parts of its own; nothing more is learned by saying so.
            return moved;
        }
        if self.lineage == now.lineage {
            let serial = format!("state (serial {} and was {})", now.serial, self.serial);
            let what = if self.serial == now.serial { "state" } else { serial.as_str() };
            differ(what, &self.state_digest, &now.state_digest, false);
        } else {
            differ("state's lineage", &self.lineage, &now.lineage, false);
        }
        differ("specification", &self.spec_digest, &now.spec_digest, false);
        let (then, today) = (&self.context, &now.context);
        differ("provider", &then.provider, &today.provider, true);
        let version = format!("version of provider {}", today.provider);
        differ(&version, &then.provider_version, &today.provider_version, true);
        differ("version of mlp", &self.mlp_version, &now.mlp_version, true);
        moved
    }

    pub(crate) fn count(&mut self) {
        let mut counts = Counts { deferred: self.deferred.len(), ..Counts::default() };
        for step in &self.steps {
            counts.moved += usize::from(step.moved_from.is_some() && step.part != Some(Part::Old));
            match (step.action, step.part) {
                (Action::Create, _) | (Action::Replace, Some(Part::New)) => counts.add += 1,
                (Action::Delete, _) | (Action::Replace, _) => counts.destroy += 1,
                (Action::Resize | Action::Update | Action::NewVersion, _) => counts.change += 1,
                (Action::Import, _) => counts.import += 1,
                (Action::Forget, _) => counts.forget += 1,
                (Action::Read, _) => counts.read += 1,
                _ => {}
            }
        }
        self.counts = counts;
    }
}

/// A plan is plain data whose keys are text, which JSON always holds; an impossible failure hashes as nothing.
fn hash(plan: &Plan) -> String {
    let json = serde_json::to_vec(plan).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}
