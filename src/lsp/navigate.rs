//! From a name to what it means, to all that name it, and to another name for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_platform::kinds;

use crate::names::{FileNames, Mark, Role, Symbol, What};
use crate::project::Project;

/// A place: the file's path and the bytes.
pub(crate) type Place = (String, std::ops::Range<usize>);

/// The marks of every file.
pub(crate) type Marks = BTreeMap<String, Arc<FileNames>>;

/// The mark at a byte; at the border of two words the one that can be gone to.
pub(crate) fn mark_at<'m>(marks: &'m Marks, path: &str, offset: usize) -> Option<&'m Mark> {
    let all = &marks.get(path)?.marks;
    let touching =
        all.iter().filter(|mark| (mark.span.start as usize..=mark.span.end as usize).contains(&offset));
    touching.min_by_key(|mark| {
        let names = matches!(mark.what, What::Symbol(..));
        // Of an input of a module's call its variable is meant, not the attribute of any name.
        (mark.span.end as usize == offset, !names, mark.span.end - mark.span.start)
    })
}

/// Every place of a symbol, with what it does there.
pub(crate) fn places(marks: &Marks, symbol: &Symbol) -> Vec<(Place, Role)> {
    let mut found = Vec::new();
    for (path, all) in marks {
        for mark in &all.marks {
            match &mark.what {
                What::Symbol(other, role) if other == symbol => {
                    found.push(((path.clone(), mark.span.start as usize..mark.span.end as usize), *role));
                }
                _ => {}
            }
        }
    }
    found
}

/// Where a symbol is declared; where it only stands in environments, there.
pub(crate) fn definitions(marks: &Marks, symbol: &Symbol) -> Vec<Place> {
    let all = places(marks, symbol);
    let of = |wanted: Role| {
        all.iter().filter(|(_, role)| *role == wanted).map(|(place, _)| place.clone()).collect::<Vec<_>>()
    };
    let found = of(Role::Definition);
    if found.is_empty() { of(Role::Partial) } else { found }
}

/// A renaming that is right everywhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Renaming {
    /// Where the new name goes.
    pub(crate) places: Vec<Place>,
    /// A block to add to the file that declares it.
    pub(crate) moved: Option<(String, String)>,
}

/// Renames a symbol.
///
/// # Errors
/// It cannot be renamed rightly: why.
pub(crate) fn rename(
    project: &Project,
    marks: &Marks,
    symbol: &Symbol,
    new: &str,
    applied: bool,
) -> Result<Renaming, String> {
    can_rename(marks, symbol)?;
    if !is_name(new) {
        return Err(format!(
            "`{new}` cannot be a name: it is made of letters, digits, `_` and `-`, and starts with a letter or `_`"
        ));
    }
    let mut renamed = symbol.clone();
    if let Some(last) = renamed.words.last_mut() {
        new.clone_into(last);
    }
    if renamed != *symbol && !places(marks, &renamed).is_empty() {
        return Err(format!("`{}` is there already", renamed.written()));
    }
    let unreadable = project.files.iter().find(|file| file.problems().any(mlp_diag::Diagnostic::is_error));
    if let Some(file) = unreadable {
        return Err(format!(
            "`{}` has a part that cannot be read, which may name it: mend that first",
            file.path
        ));
    }
    let all = places(marks, symbol);
    let found =
        all.iter().filter(|(_, role)| *role != Role::History).map(|(place, _)| place.clone()).collect();
    let lives = kinds::kind(&symbol.words[0]).is_some_and(|kind| kind.common) && !symbol.is_member();
    let moved = (applied && lives && renamed != *symbol && symbol.room == crate::project::ROOT)
        .then(|| definitions(marks, symbol).into_iter().next())
        .flatten()
        .map(|(path, _)| {
            (path, format!("\nmoved {{\n  from = {}\n  to   = {}\n}}\n", symbol.written(), renamed.written()))
        });
    Ok(Renaming { places: found, moved })
}

/// Whether a symbol can be renamed at all.
///
/// # Errors
/// Why not.
pub(crate) fn can_rename(marks: &Marks, symbol: &Symbol) -> Result<(), String> {
    let word = symbol.words.get(symbol.words.len().wrapping_sub(2)).map_or("", String::as_str);
    if symbol.is_member() && matches!(word, "alias" | "version") {
        return Err(format!("an {word} lives in the registry and in plain text: it is changed by hand"));
    }
    if symbol.is_member()
        && word != "step"
        && word != "node"
        && word != "variant"
        && word != "signal"
        && word != "gate"
    {
        return Err(format!("a `{word}` is also named in plain text, which is not followed"));
    }
    if matches!(symbol.words[0].as_str(), "project" | "environment") {
        return Err(format!(
            "the state of a `{}` lies under its name: rename it by hand, and move the state",
            symbol.words[0]
        ));
    }
    if symbol.words[0] == "output" && symbol.room == crate::project::ROOT {
        return Err("other projects read outputs by their names, and they are not seen from here".to_owned());
    }
    if definitions(marks, symbol).is_empty() {
        return Err(format!("`{}` is declared nowhere in this project", symbol.written()));
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
