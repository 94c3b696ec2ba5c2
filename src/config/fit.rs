//! Values against the types of attributes.

use mlp_diag::one_of;
use mlp_eval::{PlanValue, reference_of};
use mlp_platform::kinds;
use mlp_platform::schema::{Attribute, Scope, Ty};
use mlp_value::{Path, Step, Value, units};

use crate::calls::{call_of, fit_call};
use crate::codes;
use crate::expression::CALL;
use crate::words;
pub(crate) use crate::words::describe;

/// Why a value does not fit.
pub(crate) struct Misfit {
    pub(crate) code: &'static str,
    /// Below the value.
    pub(crate) at: Path,
    pub(crate) why: String,
    pub(crate) help: String,
}

impl Misfit {
    fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: codes::WRONG_TYPE, at: Path::default(), why: why.into(), help: help.into() }
    }

    pub(crate) fn under(mut self, step: Step) -> Self {
        let mut path = Path::default();
        path.push(step);
        self.at.steps().iter().for_each(|step| path.push(step.clone()));
        self.at = path;
        self
    }
}

/// The value as the type wants it.
///
/// # Errors
/// Why it does not fit, and where in it.
pub(crate) fn fit(value: &PlanValue, ty: &'static Ty) -> Result<PlanValue, Misfit> {
    if matches!(value, Value::Null | Value::Hole(_)) {
        return Ok(value.clone());
    }
    let unit = |read: &dyn Fn(&str) -> Result<(), String>| match value.as_text() {
        Some(text) => read(text).map(|()| value.clone()).map_err(|why| Misfit::new(why, words::give(ty))),
        None => Err(mismatch(value, ty)),
    };
    match ty {
        Ty::Any => Ok(value.clone()),
        Ty::Quoted(scope) => fit_plain(value, *scope, ty),
        Ty::Form(form) => match value.as_text() {
            Some(text) => (form.check)(text).map(|()| value.clone()).map_err(|why| {
                Misfit::new(why, format!("give it {}, such as \"{}\"", form.what, form.example))
            }),
            // `version = 3.12` is a slip that is easily understood.
            None => match value {
                Value::Number(number) if (form.check)(&number.to_string()).is_ok() => {
                    Ok(PlanValue::text(number.to_string()))
                }
                _ => Err(mismatch(value, ty)),
            },
        },
        Ty::KindName => match value.as_text() {
            Some(name) if kinds::kind(name).is_some() => Ok(value.clone()),
            Some(name) => Err(Misfit::new(
                format!("`{name}` is not a kind of block"),
                one_of(name, kinds::KINDS.iter().map(|kind| kind.name)),
            )),
            None => Err(mismatch(value, ty)),
        },
        Ty::Address => match value.as_text().map(str::parse::<mlp_value::Address>) {
            Some(Ok(_)) => Ok(value.clone()),
            _ => Err(mismatch(value, ty)),
        },
        Ty::Text | Ty::Path | Ty::TypeExpr => match value {
            Value::Text(_) => Ok(value.clone()),
            Value::Number(number) => Ok(PlanValue::text(number.to_string())),
            Value::Bool(truth) => Ok(PlanValue::text(truth.to_string())),
            _ => Err(mismatch(value, ty)),
        },
        Ty::Enum(words) => match value.as_text() {
            Some(text) if words.contains(&text) => Ok(value.clone()),
            Some(text) => Err(Misfit::new(
                format!("`{text}` is not possible here"),
                one_of(text, words.iter().copied()),
            )),
            None => Err(mismatch(value, ty)),
        },
        Ty::Number => number(value).map(Value::Number).ok_or_else(|| mismatch(value, ty)),
        Ty::Integer(least, most) => {
            let found = number(value).ok_or_else(|| mismatch(value, ty))?;
            match found.to_i64() {
                Some(whole) if (*least..=*most).contains(&whole) => Ok(Value::Number(found)),
                _ => Err(Misfit::new(format!("{found} is not {}", describe(ty)), words::give(ty))),
            }
        }
        Ty::Bool => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::Text(text) if matches!(&**text, "true" | "false") => Ok(Value::Bool(&**text == "true")),
            _ => Err(mismatch(value, ty)),
        },
        Ty::Duration => unit(&|text| units::duration(text).map(drop)),
        Ty::Bytes => unit(&|text| units::bytes(text).map(drop)),
        Ty::SizeBound => unit(&|text| units::at_least(text).map(drop)),
        Ty::Money => unit(&|text| units::money(text).map(drop)),
        Ty::Rate => unit(&|text| units::rate(text).map(drop)),
        Ty::Ref(wanted) => fit_reference(value, wanted, ty),
        Ty::List(item) => match value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, inner)| fit(inner, item).map_err(|misfit| misfit.under(Step::Index(index))))
                .collect::<Result<Vec<_>, _>>()
                .map(PlanValue::list),
            _ => Err(mismatch(value, ty)),
        },
        Ty::Map(item) => each_field(value, ty, |_, inner| fit(inner, item)),
        Ty::Labelled(attributes) => {
            each_field(value, ty, |_, inner| fit_object(inner, attributes, false, ty))
        }
        Ty::Object(attributes) | Ty::MaybeLabelled(attributes) => fit_object(value, attributes, false, ty),
        Ty::Open(attributes) => fit_object(value, attributes, true, ty),
        Ty::Repeated(attributes) => match value {
            Value::List(items) => items
                .iter()
                .map(|inner| fit_object(inner, attributes, false, ty))
                .collect::<Result<Vec<_>, _>>()
                .map(PlanValue::list),
            _ => Err(mismatch(value, ty)),
        },
        Ty::OneOf(options) => {
            let mut best: Option<Misfit> = None;
            for option in *options {
                match fit(value, option) {
                    Ok(value) => return Ok(value),
                    Err(misfit) if !misfit.at.is_root() || misfit.code != codes::WRONG_TYPE => {
                        best = Some(misfit)
                    }
                    Err(_) => {}
                }
            }
            Err(best.unwrap_or_else(|| mismatch(value, ty)))
        }
    }
}

fn number(value: &PlanValue) -> Option<mlp_value::Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn fit_reference(value: &PlanValue, wanted: &[&str], ty: &'static Ty) -> Result<PlanValue, Misfit> {
    if value.as_object().is_some_and(|items| items.contains_key(CALL)) {
        return fit_call(value, wanted).map(|()| value.clone());
    }
    let Some(found) = reference_of(value) else {
        let mut misfit = mismatch(value, ty);
        misfit.code = codes::NOT_A_REFERENCE;
        misfit.help = words::reference(value, wanted);
        return Err(misfit);
    };
    let is = kind_of_reference(value).unwrap_or_default();
    if wanted.is_empty() || wanted.contains(&is.as_str()) || is.is_empty() || is == "any" {
        return Ok(value.clone());
    }
    let mut misfit = Misfit::new(
        format!("`{found}` is {}, and {} is expected", words::kind(&is), words::kinds(wanted)),
        format!("refer to {}", words::kinds(wanted)),
    );
    misfit.code = codes::WRONG_KIND;
    Err(misfit)
}

/// What a reference refers to: a kind, or what a member of one is.
pub(crate) fn kind_of_reference(value: &PlanValue) -> Option<String> {
    let found = reference_of(value)?;
    let is = match (found.path.first(), kinds::kind(&found.address.kind)) {
        (Some(word), Some(kind)) => {
            kind.members.iter().find(|member| member.word == word).map_or("", |member| member.is)
        }
        _ => &*found.address.kind,
    };
    Some(is.to_owned())
}

/// A value that stands where an expression may be kept for later, and names nothing of its scope.
fn fit_plain(value: &PlanValue, scope: Scope, ty: &'static Ty) -> Result<PlanValue, Misfit> {
    let fits = match scope {
        // A line for the shell, or a program with its arguments.
        Scope::Command => match value {
            Value::Text(_) => true,
            Value::List(words) => {
                !words.is_empty()
                    && words
                        .iter()
                        .all(|word| !matches!(word, Value::List(_) | Value::Object(_) | Value::Null))
            }
            _ => false,
        },
        Scope::Binding => false,
        Scope::Step => reference_of(value).is_none() && call_of(value).is_none(),
        _ => matches!(value, Value::Bool(_)),
    };
    if fits { Ok(value.clone()) } else { Err(mismatch(value, ty)) }
}

fn each_field(
    value: &PlanValue,
    ty: &'static Ty,
    one: impl Fn(&str, &PlanValue) -> Result<PlanValue, Misfit>,
) -> Result<PlanValue, Misfit> {
    let Value::Object(items) = value else { return Err(mismatch(value, ty)) };
    if reference_of(value).is_some() {
        return Err(mismatch(value, ty));
    }
    let mut fitted = Vec::new();
    for (name, inner) in items.iter() {
        let inner = one(name, inner).map_err(|misfit| misfit.under(Step::Field(name.clone())))?;
        fitted.push((name.to_string(), inner));
    }
    Ok(PlanValue::object(fitted))
}

fn fit_object(
    value: &PlanValue,
    attributes: &'static [Attribute],
    open: bool,
    ty: &'static Ty,
) -> Result<PlanValue, Misfit> {
    let names = || attributes.iter().map(|attribute| attribute.name);
    each_field(value, ty, |name, inner| match attributes.iter().find(|attribute| attribute.name == name) {
        Some(attribute) => fit(inner, &attribute.ty),
        None if open => Ok(inner.clone()),
        None => {
            let known: Vec<&str> = names().collect();
            let mut misfit =
                Misfit::new(format!("there is no attribute `{name}`"), one_of(name, known.iter().copied()));
            misfit.code = codes::UNKNOWN_ATTRIBUTE;
            Err(misfit)
        }
    })
}

fn mismatch(value: &PlanValue, ty: &'static Ty) -> Misfit {
    Misfit::new(
        format!("{} is expected, and this is {}", describe(ty), words::value(value)),
        words::way_out(value, ty, &|item| fit(value, item).is_ok()),
    )
}
