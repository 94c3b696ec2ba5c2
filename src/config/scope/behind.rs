//! What stands behind an address: outputs of modules, attributes, outputs and members of declarations.

use super::*;

impl NameScope<'_, '_> {
    /// What a module gives, and what stands behind that where it is a reference; `rest` stands behind the name.
    pub(crate) fn given_by(
        &self,
        call: &Address,
        name: &str,
        rest: &[TraversalStep],
        span: Option<Span>,
    ) -> Found {
        if !self.evaluator.instances.contains_key(call) {
            let Some(kind) = kinds::kind("module") else { return Err(self.unknown_root("module", span)) };
            return Err(self.undeclared(kind, call, span));
        }
        let Some((value, sensitive)) = self.evaluator.module_output(call, name, span)? else {
            return Err(followup(format!("`{call}` gives no valid `{name}`"), span));
        };
        let behind = reference_of(&value).filter(|_| !rest.is_empty());
        if let Some(found) = behind
            && let Some(target) = self.evaluator.instances.get(&found.address)
        {
            let words = found.path.iter().map(|word| TraversalStep::Attr(word.as_str().into()));
            let steps: Vec<TraversalStep> = words.chain(rest.iter().cloned()).collect();
            let resolved = self.part_of(&found.address, target.declared.kind, &steps, span)?;
            return Ok(Resolved {
                consumed: 1 + resolved.consumed.saturating_sub(found.path.len()),
                sensitive: resolved.sensitive || sensitive,
                ..resolved
            });
        }
        Ok(Resolved::plain(value, 1, sensitive))
    }

    /// What the words behind an address name, and how many of them.
    pub(crate) fn part_of(
        &self,
        address: &Address,
        kind: &'static Kind,
        rest: &[TraversalStep],
        span: Option<Span>,
    ) -> Found {
        let address = address.clone();
        let Some(instance) = self.evaluator.instances.get(&address) else {
            return Err(self.undeclared(kind, &address, span));
        };
        let Some(first) = rest.first() else { return Ok(reference(address, &[], 0)) };
        let Some(word) = word(first) else {
            return Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("`{address}` has no instances"))
                .at_opt(span, "indexed here")
                .see(instance.declared.header, "declared without `for_each` and `count`")
                .help(format!("write `{address}`")));
        };
        // `dataset.x.version` is a value, and `dataset.x.version["3f2a"]` one of its versions.
        let is_value = rest.len() == 1 && kind.outputs.iter().any(|output| output.name == word);
        if !is_value && kind.members.iter().any(|member| member.word == word || member.word == "*") {
            let words: Vec<String> = rest.iter().map(text).collect();
            return Ok(reference(address, &words, rest.len()));
        }
        let value_edge = || {
            self.edges.borrow_mut().push(Edge {
                to: address.clone(),
                kind: EdgeKind::Value,
                at: self.at.clone(),
            });
        };
        let plain = |value: PlanValue| Ok(Resolved::plain(value, 1, false));
        if kind.name == "reference" {
            return plain(self.evaluator.others_output(instance, word, span)?);
        }
        if let Some(output) = kind.outputs.iter().find(|output| output.name == word) {
            value_edge();
            return plain(unknown(&address, output.name, &output.ty));
        }
        if instance.declared.parts.contains_key(word) && kind.open && kind.attribute(word).is_none() {
            value_edge();
            return match self.evaluator.open_attribute(instance, word, span)? {
                Some(found) => Ok(Resolved::of(found, 1)),
                None => Err(followup(format!("`{address}.{word}` has no valid value"), span)),
            };
        }
        if let Some(schema) = kind.attribute(word) {
            value_edge();
            let found = self.evaluator.attribute(instance, schema, span)?;
            let (value, sensitive) = match found {
                Some(found) => (found.value.clone(), !found.sensitive.is_empty()),
                None => (PlanValue::Null, false),
            };
            return Ok(Resolved::plain(value, 1, sensitive));
        }
        if kind.name == "data" {
            return plain(self.evaluator.looked_up(instance, word, span)?);
        }
        // What a native resource tells is known to its provider alone.
        if kind.name == "resource" {
            value_edge();
            return plain(unknown(&address, word, &Ty::Any));
        }
        let members = kind.members.iter().map(|member| member.word);
        let outputs = kind.outputs.iter().map(|output| output.name);
        let names: Vec<&str> = kind.attribute_names().chain(members).chain(outputs).collect();
        let declares = |path: &str| self.declares(instance, path, word);
        let near = || mlp_diag::did_you_mean(word, names.iter().copied()).is_some();
        let help =
            hints::behind(&address, kind, word, declares).filter(|help| help.starts_with("write") || !near());
        Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("`{}` has nothing called `{word}`", kind.name))
            .at_opt(self.word_at(span, word), "not known here")
            .help(help.unwrap_or_else(|| one_of(word, names.iter().copied()))))
    }
}
