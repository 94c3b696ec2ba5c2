//! What an evaluator asks of a scope: names, and what lies outside the specification.

use super::*;

impl NameScope<'_, '_> {
    /// What the host tells of a path; `None` until it was asked.
    fn told(&self, need: Need, path: &str, what: &str) -> Result<Option<String>, String> {
        match self.evaluator.facts.ask(need, &mut self.evaluator.needs.borrow_mut()) {
            None => Ok(None),
            Some(Fact::Text(text)) => Ok(Some(text.clone())),
            Some(Fact::Failed(why)) => Err(format!("`{path}` cannot be read: {why}")),
            Some(_) => Err(format!("there is no {what} `{path}`")),
        }
    }

    /// What a traversal names.
    fn find(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        if let Some(found) = self.bound(traversal) {
            return Ok(found);
        }
        match traversal.root.as_ref() {
            "var" => self.variable(traversal, span),
            "local" => self.local(traversal, span),
            "each" | "count" => self.each(traversal, span),
            "path" | "target" => self.surroundings(traversal, span),
            BROKEN => Err(followup("what could not be read has no value".to_owned(), span)),
            "self" if self.is_after() => {
                let Some(owner) = self.owner else { return Err(self.unknown_root("self", span)) };
                self.part_of(&owner.address, owner.declared.kind, &traversal.steps, span)
            }
            root if LOCAL_MEMBERS.contains(&root)
                && self.owner.is_some_and(|owner| {
                    owner.declared.kind.members.iter().any(|member| member.word == root)
                }) =>
            {
                let Some(owner) = self.owner else { return Err(self.unknown_root(root, span)) };
                let words: Vec<String> =
                    std::iter::once(root.to_owned()).chain(traversal.steps.iter().map(text)).collect();
                Ok(reference(owner.address.clone(), &words, traversal.steps.len()))
            }
            root => self.declared(root, traversal, span),
        }
    }
}

impl Scope for NameScope<'_, '_> {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        let found = self.find(traversal, span)?;
        let marks = Marks { sensitive: found.sensitive, ephemeral: found.ephemeral };
        self.met.set(self.met.get() | marks);
        Ok(found)
    }

    fn behind(
        &self,
        reference: &Reference,
        steps: &[TraversalStep],
        span: Option<Span>,
    ) -> Result<Option<Resolved>, Diagnostic> {
        let native =
            || kinds::kind("resource").filter(|_| self.evaluator.natives.contains(&*reference.address.kind));
        let Some(kind) = kinds::kind(&reference.address.kind).or_else(native) else { return Ok(None) };
        let words = reference.path.iter().map(|word| TraversalStep::Attr(word.as_str().into()));
        let all: Vec<TraversalStep> = words.chain(steps.iter().cloned()).collect();
        let found = match (kind.name, steps.first().and_then(word)) {
            ("module", Some(name)) => self.given_by(&reference.address, name, &steps[1..], span)?,
            ("environment", _) => return Ok(None),
            _ => {
                let found = self.part_of(&reference.address, kind, &all, span)?;
                Resolved { consumed: found.consumed.saturating_sub(reference.path.len()), ..found }
            }
        };
        Ok(Some(found))
    }

    fn is_mistake(&self, problem: &Diagnostic) -> bool {
        [codes::UNKNOWN_NAME, codes::SCOPE, codes::CYCLE, codes::VARIABLE].contains(&problem.code.as_str())
    }

    fn read_file(&self, path: &str) -> Result<Option<String>, String> {
        let path = rebased(self.directory(), path);
        self.told(Need::Text(path.clone()), &path, "file")
    }

    fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = rebased(self.directory(), path);
        let Some(text) = self.told(Need::Bytes(path.clone()), &path, "file")? else { return Ok(None) };
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        bytes.collect::<Option<Vec<u8>>>().map(Some).ok_or_else(|| format!("`{path}` cannot be read"))
    }

    fn list_files(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        let path = rebased(self.directory(), path);
        let Some(text) = self.told(Need::Files(path.clone()), &path, "directory")? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| format!("`{path}` cannot be listed: {error}"))
    }

    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        let mut needs = self.evaluator.needs.borrow_mut();
        let path = rebased(self.directory(), path);
        let fact = self.evaluator.facts.ask(Need::Text(path), &mut needs);
        Ok(fact.map(|fact| !matches!(fact, Fact::Missing)))
    }

    fn offers(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        crate::offers::offers(self.evaluator, of, narrowed)
    }

    fn price(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        crate::offers::price(self.evaluator, of, narrowed)
    }
}
