//! Evaluates blocks of which some are made by `dynamic`.

use mlp_diag::{Diagnostic, Span};
use mlp_eval::PlanValue;
use mlp_platform::schema::Ty;
use mlp_value::Path;

use crate::check::Checker;
use crate::codes;
use crate::dynamic::{Binding, Dynamic, Form, Openness, Repeated, items, label};
use crate::partial::merge_fields;
use crate::source::{Entry, Parts, Source};

/// A block that was made: its label, its value, and where its `dynamic` stands.
struct Made {
    label: String,
    value: PlanValue,
    span: Span,
}

impl<'t> Checker<'_, 't> {
    /// The value of blocks of one name.
    pub(crate) fn repeated(&mut self, there: &Repeated<'t>, ty: &'static Ty, path: &Path) -> PlanValue {
        let Some(form) = there.made.first().map(|made| made.form) else {
            return match &there.fixed {
                Some(fixed) => self.typed(fixed, ty, path),
                None => PlanValue::Null,
            };
        };
        match form {
            Form::Several(_) => self.several(there, ty, path),
            Form::One(..) => self.at_most_one(there, ty, path),
            Form::Labelled(_) | Form::MaybeLabelled(_) => self.by_label(there, ty, path),
        }
    }

    /// Unlabelled blocks, in the order written.
    fn several(&mut self, there: &Repeated<'t>, ty: &'static Ty, path: &Path) -> PlanValue {
        let mut all: Vec<(u32, PlanValue)> = Vec::new();
        if let Some(Source::List(fixed, _)) = &there.fixed {
            for item in fixed {
                let one = Source::List(vec![item.clone()], item.span());
                let value = self.typed(&one, ty, &path.index(all.len()));
                all.extend(value.as_list().into_iter().flatten().map(|it| (item.span().start, it.clone())));
            }
        }
        for dynamic in &there.made {
            let made = self.make(dynamic, None, path);
            all.extend(made.into_iter().map(|made| (made.span.start, made.value)));
        }
        all.sort_by_key(|(start, _)| *start);
        PlanValue::list(all.into_iter().map(|(_, value)| value))
    }

    /// A block that stands once.
    fn at_most_one(&mut self, there: &Repeated<'t>, ty: &'static Ty, path: &Path) -> PlanValue {
        let fixed = there.fixed.as_ref().map(|fixed| (fixed.span(), self.typed(fixed, ty, path)));
        let mut all: Vec<(Span, PlanValue)> = fixed.into_iter().collect();
        for dynamic in &there.made {
            all.extend(self.make(dynamic, None, path).into_iter().map(|made| (made.span, made.value)));
        }
        if let [(first, _), .., (again, _)] = all.as_slice() {
            let problem = Diagnostic::error(codes::DUPLICATE, format!("`{path}` can stand once"))
                .at(*again, format!("{} would stand here", all.len()))
                .help("give `for_each` at most one item, such as `var.on ? [1] : []`");
            return self.fail(if first == again { problem } else { problem.see(*first, "and here") });
        }
        all.pop().map_or(PlanValue::Null, |(_, value)| value)
    }

    /// Blocks by label. What an environment writes under the label of one that is made is merged into it.
    fn by_label(&mut self, there: &Repeated<'t>, ty: &'static Ty, path: &Path) -> PlanValue {
        let empty = Parts::new();
        let (fixed, tag, span) = match &there.fixed {
            Some(Source::Parts(parts, tag, span)) => (parts, *tag, *span),
            _ => (&empty, None, there.span),
        };
        let mut all: Vec<Made> = Vec::new();
        for dynamic in &there.made {
            all.extend(self.make(dynamic, Some(fixed), path));
        }
        let mut left = fixed.clone();
        left.retain(|label, entry| {
            !(entry.source.tag().is_some() && all.iter().any(|made| made.label == *label))
        });
        let mut values: Vec<(String, PlanValue)> = Vec::new();
        if !left.is_empty() {
            let written = self.typed(&Source::Parts(left.clone(), tag, span), ty, path);
            let items = written.as_object().into_iter().flatten();
            values.extend(items.map(|(label, value)| (label.to_string(), value.clone())));
        }
        let mut first: std::collections::BTreeMap<String, Span> =
            left.iter().map(|(label, entry)| (label.clone(), entry.name)).collect();
        for made in all {
            if let Some(first) = first.insert(made.label.clone(), made.span) {
                let mut problem =
                    Diagnostic::error(codes::DUPLICATE, format!("`{path}` \"{}\" stands twice", made.label))
                        .at(made.span, "made again here")
                        .help("give each another label: `labels = [\"${item.key}\"]`");
                if first != made.span {
                    problem = problem.see(first, "first here");
                }
                return self.fail(problem);
            }
            values.push((made.label, made.value));
        }
        PlanValue::object(values)
    }

    /// Makes the blocks of one `dynamic`.
    fn make(&mut self, dynamic: &Dynamic<'t>, fixed: Option<&Parts<'t>>, path: &Path) -> Vec<Made> {
        let Some(found) = self.evaluate(dynamic.for_each, path) else {
            self.failed = true;
            return Vec::new();
        };
        let span = dynamic.for_each.span;
        let refuse = |why: String, help: &str| {
            Diagnostic::error(codes::REPEAT, format!("no blocks can be made for `{path}`"))
                .at(span, why)
                .help(help.to_owned())
        };
        if found.sensitive {
            let why = "how many there are, and their keys, would show a sensitive value".to_owned();
            self.fail(refuse(why, "give it what may be shown, such as `nonsensitive(keys(…))`"));
            return Vec::new();
        }
        let set = matches!(found.type_of(), mlp_value::Type::Set(_));
        let items = match items(&found.value, set) {
            Ok(items) => items,
            Err(why) => {
                self.fail(refuse(why, "use a map, a list or a set that is known when the plan is made"));
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for (key, value) in items {
            self.bindings.push(Binding { name: dynamic.iterator.clone(), key, value });
            all.extend(self.one(dynamic, fixed, path, all.len()));
            self.bindings.pop();
        }
        all
    }

    fn one(
        &mut self,
        dynamic: &Dynamic<'t>,
        fixed: Option<&Parts<'t>>,
        path: &Path,
        number: usize,
    ) -> Option<Made> {
        let label = self.label_of(dynamic, path)?;
        let inner = match dynamic.form {
            Form::One(..) => path.clone(),
            Form::Several(_) => path.index(number),
            Form::Labelled(_) | Form::MaybeLabelled(_) => path.field(&label),
        };
        let mut content = dynamic.content.clone();
        let beside = fixed.and_then(|fixed| fixed.get(&label));
        if let Some(Entry { source: Source::Parts(parts, Some(_), _), .. }) = beside {
            merge_fields(&mut content, parts.clone());
        }
        let source = Source::Parts(content, dynamic.tag, dynamic.span);
        self.origin(&inner, &source);
        let Source::Parts(content, ..) = &source else { return None };
        let open = dynamic.form.openness() == Openness::Open;
        let value = self.object(content, dynamic.form.attributes(), open, &inner, dynamic.span);
        Some(Made { label, value, span: dynamic.span })
    }

    /// The label of the block that is made of the innermost item; empty where there are none.
    fn label_of(&mut self, dynamic: &Dynamic<'t>, path: &Path) -> Option<String> {
        if !dynamic.form.has_labels() {
            return Some(String::new());
        }
        let said = match dynamic.labels {
            None => None,
            Some(expr) => match self.evaluate(expr, path) {
                Some(found) => Some(found.value),
                None => {
                    self.failed = true;
                    return None;
                }
            },
        };
        let binding = self.bindings.last()?;
        match label(said.as_ref(), binding) {
            Ok(label) => Some(label),
            Err(why) => {
                let span = dynamic.labels.map_or(dynamic.for_each.span, |expr| expr.span);
                let help = format!("write `labels = [{}.value.name]`", dynamic.iterator);
                self.fail(
                    Diagnostic::error(codes::REPEAT, format!("a block of `{path}` needs a label"))
                        .at(span, why)
                        .help(help),
                );
                None
            }
        }
    }
}
