//! What exists outside the specification: `data` asks a target for it, `reference` another project.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Expr, Later, Node, PlanValue, Unknown, convert, reference_of};
use mlp_platform::kinds::COMMON;
use mlp_value::facts::{Fact, Need};
use mlp_value::{KnownValue, Type, Value};

use crate::codes;
use crate::evaluator::{Evaluator, Instance};
use crate::scope::followup;
use crate::source::{Entry, Source};
use crate::{typexpr, versions};

type Seen<'f> = Result<Option<&'f Fact>, Diagnostic>;

/// A value of a question that is still open: the whole is evaluated again once it is answered.
pub(crate) fn open_question() -> PlanValue {
    let residual = Box::new(Expr::new(Node::Literal { value: KnownValue::Null }, None));
    PlanValue::Hole(Unknown::from(Later {
        ty: Type::Any,
        not_null: false,
        prefix: None,
        residual,
        after: Vec::new(),
    }))
}

impl<'t> Evaluator<'t> {
    fn asked(&self, need: Need) -> Option<&'t Fact> {
        self.facts.ask(need, &mut self.needs.borrow_mut())
    }

    /// Something that a `data` block looks up.
    pub(crate) fn looked_up(
        &self,
        instance: &Instance<'t>,
        word: &str,
        span: Option<Span>,
    ) -> Result<PlanValue, Diagnostic> {
        let Some((kind, _)) = instance.address.name.split_once('.') else { return Ok(PlanValue::Null) };
        let mut fields = Vec::new();
        let own = |name: &str| COMMON.iter().any(|attribute| attribute.name == name);
        for (name, entry) in instance.declared.parts.iter().filter(|(name, _)| !own(name)) {
            let Some(found) = self.open_attribute(instance, name, span)? else {
                return Err(followup(format!("`{}` cannot be looked up", instance.address), span));
            };
            let value = found.value.known().map_err(|hole| {
                Diagnostic::error(
                    codes::NOT_KNOWN,
                    format!("`{}` is looked up when the plan is made", instance.address),
                )
                .at(entry.source.span(), format!("known only after {}", hole.after.join(", ")))
                .help("give it a value that does not depend on what is created")
            })?;
            fields.push((name.clone(), value));
        }
        let query = KnownValue::object(fields).to_plain_json().to_string();
        let found = match self.asked(Need::Look { kind: kind.to_owned(), query }) {
            None => return Ok(open_question()),
            Some(Fact::Text(json)) => known_of(json),
            Some(Fact::Failed(why)) => return Err(self.not_found(instance, why, span)),
            Some(_) => return Err(self.not_found(instance, "there is no such thing", span)),
        };
        let names: Vec<&str> =
            found.as_object().into_iter().flat_map(|items| items.keys()).map(AsRef::as_ref).collect();
        match found.field(word) {
            Some(value) => Ok(value.lift()),
            None if names.contains(&word) => Ok(PlanValue::Null),
            None => Err(Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("`{}` tells no `{word}`", instance.address),
            )
            .at_opt(span, "")
            .help(one_of(word, names.iter().copied()))),
        }
    }

    fn not_found(&self, instance: &Instance<'t>, why: &str, span: Option<Span>) -> Diagnostic {
        let mut problem =
            Diagnostic::error(codes::LOOK_UP, format!("`{}` finds nothing: {why}", instance.address))
                .at(instance.declared.header, "looked up here")
                .help("check what identifies it; what is to be made is declared as a block of its own kind");
        if let Some(span) = span {
            problem = problem.see(span, "needed here");
        }
        problem
    }

    /// An output of another project or environment.
    pub(crate) fn others_output(
        &self,
        instance: &Instance<'t>,
        word: &str,
        span: Option<Span>,
    ) -> Result<PlanValue, Diagnostic> {
        let fact = match self.others_outputs(instance, span)? {
            None => return Ok(open_question()),
            Some(fact) => fact,
        };
        let wrong = |headline: String| {
            Diagnostic::error(codes::OTHERS_OUTPUT, headline).at(instance.declared.header, "referred to here")
        };
        let found = match fact {
            Fact::Text(json) => known_of(json),
            Fact::Failed(why) => {
                return Err(wrong(format!("`{}` cannot be read: {why}", instance.address))
                    .help("check `project` and `environment`"));
            }
            _ => {
                return Err(wrong(format!("`{}` was never applied", instance.address))
                    .help("apply that project's environment first: its outputs are written then"));
            }
        };
        self.version_fits(instance, &found)?;
        let Some(outputs) = found.field("outputs").and_then(Value::as_object) else {
            return Ok(PlanValue::Null);
        };
        if word == "outputs" && !outputs.contains_key(word) {
            let values = outputs
                .iter()
                .filter_map(|(name, output)| Some((name.as_ref(), output.field("value")?.lift())));
            return Ok(PlanValue::object(values.collect::<Vec<_>>()));
        }
        let names: Vec<&str> = outputs.keys().map(AsRef::as_ref).collect();
        let Some(output) = outputs.get(word) else {
            return Err(Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("`{}` has no output `{word}`", instance.address),
            )
            .at_opt(span, "named here")
            .see(instance.declared.header, "the project referred to")
            .help(one_of(word, names.iter().copied())));
        };
        match output.field("withheld").and_then(Value::as_text) {
            Some(why) => Err(Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("the output `{word}` of `{}` cannot be used: {why}", instance.address),
            )
            .at_opt(span, "named here")
            .help("apply that project to its end; take what is secret from a `secret` of this one")),
            None => self.typed_output(instance, word, output.field("value").unwrap_or(&Value::Null), span),
        }
    }

    fn others_outputs(&self, instance: &Instance<'t>, span: Option<Span>) -> Seen<'t> {
        let value = |name: &str| -> Result<Option<PlanValue>, Diagnostic> {
            let Some(schema) = instance.declared.kind.attribute(name) else { return Ok(None) };
            Ok(self.attribute(instance, schema, span)?.map(|found| found.value.clone()))
        };
        let project = value("project")?.and_then(|value| value.as_text().map(str::to_owned));
        let environment = value("environment")?.and_then(|value| match reference_of(&value) {
            Some(reference) => Some(reference.address.name.to_string()),
            None => value.as_text().map(str::to_owned),
        });
        let backend = value("state")?.and_then(|state| Some(state.field("backend")?.as_text()?.to_owned()));
        if let Some(backend) = backend.filter(|backend| backend != "local") {
            return Err(Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("this program cannot read states from `{backend}`"),
            )
            .at(instance.declared.header, "referred to here")
            .help("leave `state` out: the outputs are read from the directory that `project` names"));
        }
        let environment = environment.unwrap_or_else(|| self.surroundings.environment.clone());
        let project = project.unwrap_or_else(|| ".".to_owned());
        if project == "." && environment == self.surroundings.environment {
            return Err(Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("`{}` refers to itself", instance.address),
            )
            .at(instance.declared.header, "this project, in this environment")
            .help("name another `project`, or another `environment`"));
        }
        Ok(self.asked(Need::Outputs { project, environment }))
    }

    fn version_fits(&self, instance: &Instance<'t>, found: &KnownValue) -> Result<(), Diagnostic> {
        let Some(schema) = instance.declared.kind.attribute("version") else { return Ok(()) };
        let Some(wanted) = self.attribute(instance, schema, None)? else { return Ok(()) };
        let Some(demand) = wanted.value.as_text() else { return Ok(()) };
        let span = instance.declared.parts.get("version").map(|entry| entry.source.span());
        let there = found.field("version").and_then(Value::as_text);
        let fits = there.map_or(Ok(false), |version| versions::accepts(demand, version));
        let headline = match (&fits, there) {
            (Ok(true), _) => return Ok(()),
            (Err(why), _) => format!("`{}`: {why}", instance.address),
            (_, Some(version)) => {
                format!("`{}` has version {version}, and `{demand}` is asked for", instance.address)
            }
            (_, None) => format!("`{}` says no version, and `{demand}` is asked for", instance.address),
        };
        Err(Diagnostic::error(codes::OTHERS_OUTPUT, headline).at_opt(span, "asked for here").help(
            "ask for a version that is there; a project says its own with `version` in its `project` block",
        ))
    }

    /// The output as the type wants it that `outputs` says.
    fn typed_output(
        &self,
        instance: &Instance<'t>,
        word: &str,
        value: &KnownValue,
        span: Option<Span>,
    ) -> Result<PlanValue, Diagnostic> {
        let value = value.lift();
        let Some(Entry { source: Source::Parts(types, ..), .. }) = instance.declared.parts.get("outputs")
        else {
            return Ok(value);
        };
        let Some(Entry { source: Source::Expr(expr, _), .. }) = types.get(word) else {
            return Err(Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("`{}` does not take the output `{word}`", instance.address),
            )
            .at_opt(span, "named here")
            .help(format!("add `{word} = <type>` to its `outputs`")));
        };
        let ty = typexpr::type_of(expr)?;
        convert(&value, &ty).map_err(|why| {
            Diagnostic::error(
                codes::OTHERS_OUTPUT,
                format!("the output `{word}` of `{}` is not a {ty}", instance.address),
            )
            .at(expr.span, why)
            .help("take it with the type it has")
        })
    }
}

/// What the host answered; it writes nothing but JSON.
fn known_of(json: &str) -> KnownValue {
    serde_json::from_str(json).ok().and_then(|json| KnownValue::from_json(&json).ok()).unwrap_or(Value::Null)
}
