//! What a `serve` means: a class behind the worker, a command, or a directory of MLflow.

use mlp_floor::registry::Serve;

/// The word for a directory that says itself how it is served.
pub(crate) const MLMODEL: &str = "MLmodel";

/// One way to serve.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form<'t> {
    /// `module:Class`.
    Class(&'t str),
    /// A line for the shell.
    Command(&'t str),
    /// By MLflow.
    Mlmodel,
}

/// Reads a `serve`.
pub(crate) fn form(text: &str) -> Result<Form<'_>, String> {
    let dotted = |word: &str| word.split('.').all(is_identifier);
    match text.split_once(':') {
        _ if text == MLMODEL => Ok(Form::Mlmodel),
        Some((module, class)) if dotted(module) && dotted(class) => Ok(Form::Class(text)),
        // One word alone is rather a class whose module was forgotten than a program.
        _ if text.contains('/') || text.trim().contains(char::is_whitespace) => Ok(Form::Command(text)),
        _ => Err(format!("`{text}` is neither `module:Class` nor a command")),
    }
}

fn is_identifier(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && word.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A command as it is started.
pub(crate) fn argv(command: &str) -> Vec<String> {
    ["/bin/sh", "-c", command].map(str::to_owned).into()
}

/// How a version is served by a `serve`; without one, by what its directory says.
pub(crate) fn recorded(text: Option<&str>, has_mlmodel: bool) -> Serve {
    match text.and_then(|text| form(text).ok()) {
        Some(Form::Class(class)) => Serve { class: Some(class.to_owned()), ..Serve::default() },
        Some(Form::Command(command)) => Serve { command: Some(argv(command)), ..Serve::default() },
        Some(Form::Mlmodel) => Serve { mlmodel: true, ..Serve::default() },
        None => Serve { mlmodel: has_mlmodel, ..Serve::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serve_is_a_class_a_command_or_mlflows() {
        for (text, expected) in [
            ("serve:Model", Some(Form::Class("serve:Model"))),
            ("train.serve:Outer.Inner", Some(Form::Class("train.serve:Outer.Inner"))),
            ("./serve", Some(Form::Command("./serve"))),
            ("python3 app.py --port $MLP_PORT", Some(Form::Command("python3 app.py --port $MLP_PORT"))),
            ("MLmodel", Some(Form::Mlmodel)),
            ("serve.Model", None),
            ("serve:", None),
            (":Model", None),
            ("", None),
        ] {
            assert_eq!(form(text).ok(), expected, "{text}");
        }
        assert!(recorded(None, true).mlmodel && !recorded(Some("a:B"), true).mlmodel);
    }
}
