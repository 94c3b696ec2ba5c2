//! Types and values in words, as they stand in messages.

use mlp_eval::{PlanValue, reference_of};
use mlp_platform::schema::{Scope, Ty};
use mlp_value::Value;

/// A word with `a` or `an`.
fn article(word: &str) -> String {
    let vowel = word.trim_start_matches('`').starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {word}", if vowel { "an" } else { "a" })
}

/// Words joined by `or`.
fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

/// A kind of block or member.
pub(crate) fn kind(name: &str) -> String {
    if name == "features" { "`features`".to_owned() } else { article(&format!("`{name}`")) }
}

/// One of several kinds.
pub(crate) fn kinds(names: &[&str]) -> String {
    either(&names.iter().map(|name| kind(name)).collect::<Vec<_>>())
}

/// What a value is.
pub(crate) fn value(value: &PlanValue) -> String {
    match reference_of(value) {
        Some(reference) => format!("a reference to `{reference}`"),
        None => match value {
            Value::Text(text) => format!("the string {text:?}"),
            Value::Number(number) => format!("the number {number}"),
            Value::Bool(truth) => format!("`{truth}`"),
            other => article(other.kind()),
        },
    }
}

/// The way out where only the type is known.
pub(crate) fn give(ty: &Ty) -> String {
    format!("give it {}", describe(ty))
}

/// The way out for a value that does not fit; `fits` says whether it would fit another type.
pub(crate) fn way_out(value: &PlanValue, ty: &'static Ty, fits: &dyn Fn(&'static Ty) -> bool) -> String {
    if let Some(number) = percent(value, ty) {
        return format!("write `{number}`: percent, as a number");
    }
    match (ty, value) {
        (Ty::List(item), _) if fits(item) => "write it in brackets: `[…]`".to_owned(),
        (Ty::Duration, Value::Number(number)) => {
            format!(
                "write it with its unit and in quotes: `\"{number}s\"`, `\"{number}m\"` or `\"{number}d\"`"
            )
        }
        (Ty::Bytes, Value::Number(number)) => {
            format!("write it with its unit and in quotes: `\"{number}MiB\"` or `\"{number}GiB\"`")
        }
        (Ty::Bool, Value::Text(text)) if matches!(&**text, "yes" | "on" | "1") => "write `true`".to_owned(),
        (Ty::Bool, Value::Text(text)) if matches!(&**text, "no" | "off" | "0") => "write `false`".to_owned(),
        _ => give(ty),
    }
}

/// The percentage that a text such as `90%` means, where one is expected.
fn percent<'v>(value: &'v PlanValue, ty: &Ty) -> Option<&'v str> {
    let number = value.as_text()?.strip_suffix('%')?.trim();
    let expected = match ty {
        Ty::OneOf(options) => options.iter().any(|option| matches!(option, Ty::Integer(_, 100))),
        _ => matches!(ty, Ty::Integer(_, 100)),
    };
    (expected && number.parse::<u8>().is_ok_and(|number| number <= 100)).then_some(number)
}

/// The way out where a reference is expected and something else was given.
pub(crate) fn reference(value: &PlanValue, wanted: &[&str]) -> String {
    let kind = wanted.first().copied().unwrap_or("model");
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let is_address =
        |text: &str| text.split_once('.').is_some_and(|(kind, _)| mlp_platform::kinds::kind(kind).is_some());
    match value.as_text().filter(|text| is_name(text) && kind != "secret") {
        Some(text) if text.contains('.') && !is_address(text) => {
            format!("declare {} and name it without quotes: `{kind}.<name>`", self::kind(kind))
        }
        Some(text) if kind == "provider" && !text.contains('.') => {
            format!("name the declaration without quotes: `provider.{text}.<name>`")
        }
        Some(text) if text.contains('.') => format!("name the declaration without quotes: `{text}`"),
        Some(text) => format!("name the declaration without quotes: `{kind}.{text}`"),
        None => format!("name the declaration without quotes: `{kind}.<name>`"),
    }
}

/// A type in words.
pub(crate) fn describe(ty: &Ty) -> String {
    match ty {
        Ty::Any => "any value".into(),
        Ty::Text => "a string".into(),
        Ty::Form(form) => format!("{} such as \"{}\"", form.what, form.example),
        Ty::Quoted(Scope::Command) => "a command, or a program and its arguments".into(),
        Ty::Quoted(Scope::Binding) => "the name of an artifact".into(),
        Ty::Quoted(Scope::Step) => "a value".into(),
        Ty::Enum([word]) => format!("\"{word}\""),
        Ty::Enum(words) => {
            format!("one of {}", words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", "))
        }
        Ty::Number => "a number".into(),
        Ty::Integer(least, i64::MAX) => format!("a whole number from {least}"),
        Ty::Integer(least, most) => format!("a whole number from {least} to {most}"),
        Ty::Bool => "`true` or `false`".into(),
        Ty::Duration => "a duration such as \"10ms\", \"5m\" or \"7d\"".into(),
        Ty::Bytes => "a size such as \"64GiB\"".into(),
        Ty::SizeBound => "a demand on a size such as \">=80GiB\"".into(),
        Ty::Money => "an amount such as \"150 USD\"".into(),
        Ty::Rate => "a rate such as \"60/min\"".into(),
        Ty::Path => "a path of the project".into(),
        Ty::TypeExpr => "a type such as `list(string)`".into(),
        Ty::Ref([]) => "a reference to a declaration".into(),
        Ty::Ref(names) => format!("a reference to {}", kinds(names)),
        Ty::Address => "an address such as `endpoint.churn`".into(),
        Ty::KindName => "a kind of block".into(),
        Ty::List(item) => format!("a list of {}", several(item)),
        Ty::Map(item) => format!("a map of {}", several(item)),
        Ty::Object(_) | Ty::Open(_) => "an object".into(),
        Ty::Repeated(_) | Ty::Labelled(_) | Ty::MaybeLabelled(_) => "a block".into(),
        Ty::OneOf(options) => either(&options.iter().map(describe).collect::<Vec<_>>()),
        Ty::Quoted(scope) => format!("a condition over {}", scope.roots().join(", ")),
    }
}

/// Several of a type in words.
fn several(ty: &Ty) -> String {
    match ty {
        Ty::Any => "any values".into(),
        Ty::Text => "strings".into(),
        Ty::Number => "numbers".into(),
        Ty::Integer(least, i64::MAX) => format!("whole numbers from {least}"),
        Ty::Integer(least, most) => format!("whole numbers from {least} to {most}"),
        Ty::Duration => "durations such as \"5m\"".into(),
        Ty::Path => "paths of the project".into(),
        Ty::Ref([]) => "references to declarations".into(),
        Ty::Ref(names) => format!("references to {}", kinds(names)),
        Ty::Address => "addresses".into(),
        Ty::List(_) => "lists".into(),
        Ty::Map(_) => "maps".into(),
        Ty::Object(_) | Ty::Open(_) => "objects".into(),
        Ty::OneOf(options) => either(&options.iter().map(several).collect::<Vec<_>>()),
        other => format!("values, each {}", describe(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_sentences_do() {
        for (ty, words) in [
            (Ty::List(&Ty::Text), "a list of strings"),
            (
                Ty::List(&Ty::OneOf(&[Ty::Ref(&["source", "dataset", "features", "artifact"]), Ty::Text])),
                "a list of references to a `source`, a `dataset`, `features` or an `artifact` or strings",
            ),
            (
                Ty::OneOf(&[Ty::Integer(0, 100), Ty::Enum(&["remainder"])]),
                "a whole number from 0 to 100 or \"remainder\"",
            ),
            (Ty::Map(&Ty::Ref(&["secret"])), "a map of references to a `secret`"),
        ] {
            assert_eq!(describe(&ty), words);
        }
    }
}
