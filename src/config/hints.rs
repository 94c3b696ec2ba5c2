//! Ways out of slips that people make who come from other languages and tools.

use mlp_platform::kinds;
use mlp_platform::schema::Kind;
use mlp_value::{Address, Path, Step};

use crate::check::MEASURES;

/// What a word of another language is here.
pub(crate) fn literal(word: &str) -> Option<String> {
    let here = match word {
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        "None" | "nil" | "NULL" | "Null" | "undefined" => "null",
        "params" => return Some("a parameter of the run is `param.<name>`".to_owned()),
        "terraform" => return Some("the name of the environment is `target.name`".to_owned()),
        _ => return None,
    };
    Some(format!("write `{here}`"))
}

/// A word that means nothing where an expression looks at things with names of their own: a column without its `row`.
pub(crate) fn of_scope(word: &str, alone: bool, roots: &[&str]) -> Option<String> {
    if let Some(near) = mlp_diag::did_you_mean(word, roots.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if !alone {
        return None;
    }
    let all: Vec<String> = roots.iter().take(3).map(|root| format!("`{root}.{word}`")).collect();
    Some(format!("if it is something of what is looked at, write {}", all.join(" or ")))
}

/// A word where names of attributes are listed.
pub(crate) fn listed_name(word: &str, at: &Path) -> Option<String> {
    let field = |index: usize| match at.steps().get(index) {
        Some(Step::Field(name)) => &**name,
        _ => "",
    };
    ((field(0), field(1)) == ("lifecycle", "ignore_changes")).then(|| match word {
        "all" => {
            "name each attribute, in quotes: `ignore_changes = [\"description\", \"labels\"]`".to_owned()
        }
        _ => format!("names of attributes stand in quotes here: `\"{word}\"`"),
    })
}

/// A word behind an address that names nothing: a member without the word before it, or a measure.
pub(crate) fn behind(
    address: &Address,
    kind: &Kind,
    word: &str,
    declares: impl Fn(&str) -> bool,
) -> Option<String> {
    let member =
        kind.members.iter().find(|member| !member.names_from.is_empty() && declares(member.names_from));
    if let Some(member) = member {
        return Some(format!("write `{address}.{}.{word}`", member.word));
    }
    (kind.name == "endpoint").then(|| {
        let near = mlp_diag::did_you_mean(word, MEASURES.iter().copied());
        let part = || MEASURES.iter().copied().find(|one| word.split('_').any(|part| part == *one));
        match near.or_else(part) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "conditions look at {}; attributes are listed by `mlp explain endpoint`",
                MEASURES.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
            ),
        }
    })
}

/// What a module gives, where something that lies in it is named.
pub(crate) fn of_module(call: &Address, word: &str, known: &[&str]) -> String {
    if kinds::kind(word).is_none() {
        return mlp_diag::one_of(word, known.iter().copied());
    }
    let given: Vec<String> = known.iter().map(|name| format!("`{call}.{name}`")).collect();
    let help = format!(
        "a module gives its outputs and nothing else: declare an `output` in it whose value is the `{word}`"
    );
    if given.is_empty() { help } else { format!("{help}; there is {}", given.join(", ")) }
}

/// What lies outside of a module, where it is named inside.
pub(crate) fn outside(address: &Address) -> String {
    let name = address.name.replace('.', "_");
    let mut plain = address.clone();
    plain.module.clear();
    format!(
        "a module sees only what is in it: declare `variable \"{name}\" {{}}` there, write `var.{name}` here, and `{name} = {plain}` where it is called"
    )
}
