//! `mlp console`: expressions, one after the other, in the light of an environment.

use std::io::{BufRead, IsTerminal};

use mlp_diag::SourceMap;
use mlp_eval::{functions, reference_of, type_of};
use mlp_platform::{Layout, Platform, show};
use mlp_syntax::{TokenKind, tokens};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::exit::Exit;
use super::project::{Computed, Project, VariableArgs};
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
}

const HELP: &str =
    "Write an expression, and its value is shown. Names mean what they mean in the specification:

  var.size                   a variable                 dataset.x.format     an attribute
  local.names                a local value              dataset.x            a whole declaration
  upper(\"a\")                 a function                 type(local.names)    the type of a value

An open bracket goes on in the next line. `exit` or the end of the input ends it.
";

/// What one input came to.
enum Said {
    Shown(String),
    Wrong,
    Bye,
    Nothing,
}

struct Session<'s> {
    project: &'s Project,
    environment: String,
    globals: &'s Globals,
}

/// Reads, computes, shows, until there is nothing more to read.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let project = Project::read(globals, &args.variables);
    let environment = match project.choose(globals) {
        Ok(environment) => environment,
        Err(diagnostic) => {
            let mut all = project.diagnostics.clone();
            if all.is_empty() {
                all.push(*diagnostic);
            }
            return report::diagnostics(&all, &project.sources, globals);
        }
    };
    let session = Session { project: &project, environment, globals };
    // What is wrong with the specification is said once; what is right of it can be asked for all the same.
    let (platform, problems) = project.resolve(&session.environment);
    let all: Vec<_> = project.diagnostics.iter().chain(&problems).cloned().collect();
    let exit = report::diagnostics(&all, &project.sources, globals);
    let Some(platform) = platform else { return exit };
    if std::io::stdin().is_terminal() { session.talk(&platform) } else { session.piped() }
}

impl Session<'_> {
    fn say(&self, input: &str) -> Said {
        match input.trim() {
            "" => Said::Nothing,
            "exit" | "quit" => Said::Bye,
            "help" => Said::Shown(HELP.trim_end().to_owned()),
            text => match type_asked(text) {
                Some(inner) => self.computed(inner, |found| type_of(&found.value).to_string()),
                None => self.computed(text, shown),
            },
        }
    }

    fn computed(&self, text: &str, shown: impl Fn(&Computed) -> String) -> Said {
        match self.project.compute(&self.environment, text) {
            Ok(found) => Said::Shown(shown(&found)),
            Err((diagnostics, sources)) => {
                self.wrong(&diagnostics, &sources);
                Said::Wrong
            }
        }
    }

    fn wrong(&self, diagnostics: &[mlp_diag::Diagnostic], sources: &SourceMap) {
        let style = crate::host::terminal::stderr_style(self.globals.no_color);
        for diagnostic in diagnostics {
            report::talk(mlp_diag::render_text(diagnostic, sources, style).trim_end());
            report::talk("");
        }
    }

    /// Each expression of the input; the first that is wrong ends it, as in a script.
    fn piped(&self) -> Exit {
        let mut open = String::new();
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            open.push_str(&line);
            open.push('\n');
            if is_open(&open) {
                continue;
            }
            match self.say(&std::mem::take(&mut open)) {
                Said::Shown(text) => report::data(&format!("{text}\n")),
                Said::Wrong => return Exit::Error,
                Said::Bye => return Exit::Success,
                Said::Nothing => {}
            }
        }
        match self.say(&open) {
            Said::Shown(text) => report::data(&format!("{text}\n")),
            Said::Wrong => return Exit::Error,
            Said::Bye | Said::Nothing => {}
        }
        Exit::Success
    }

    fn talk(&self, platform: &Platform) -> Exit {
        let config = Config::builder().auto_add_history(true).build();
        let made = Editor::<Words, FileHistory>::with_config(config);
        let mut editor = match made {
            Ok(editor) => editor,
            Err(error) => return self.unreadable(&error),
        };
        editor.set_helper(Some(Words { known: known(self.project, platform) }));
        let history = history();
        // Without a history there is none yet.
        let _ = history.as_ref().map(|path| editor.load_history(path));
        report::talk(&format!(
            "environment.{} — `help` says what can be asked, Ctrl-D ends it",
            self.environment
        ));
        let exit = loop {
            match editor.readline("> ") {
                Ok(line) => match self.say(&line) {
                    Said::Shown(text) => report::data(&format!("{text}\n")),
                    Said::Bye => break Exit::Success,
                    Said::Wrong | Said::Nothing => {}
                },
                // What is half written is thrown away, as in a shell.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => break Exit::Success,
                Err(error) => break self.unreadable(&error),
            }
        };
        if let Some(path) = &history {
            // A history that cannot be kept is no reason to fail.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = editor.save_history(path);
        }
        exit
    }

    fn unreadable(&self, error: &ReadlineError) -> Exit {
        let problem = mlp_diag::Diagnostic::error("MLP0941", format!("the terminal cannot be read: {error}"))
            .help("pipe the expressions in, one a line");
        report::diagnostics(&[problem], &SourceMap::default(), self.globals)
    }
}

/// What a value looks like; a whole declaration shows its attributes.
fn shown(found: &Computed) -> String {
    let declaration = reference_of(&found.value)
        .filter(|reference| reference.path.is_empty())
        .and_then(|reference| found.platform.declarations.get(&reference.address));
    match declaration {
        Some(declaration) if !found.sensitive => {
            show(&declaration.body, &declaration.sensitive, Layout::Block)
        }
        _ if found.sensitive => "(sensitive value)".to_owned(),
        _ => show(&found.value, &found.hidden, Layout::Block),
    }
}

/// The inside of `type(…)`, when that is all there is.
fn type_asked(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("type(")?.strip_suffix(')')?;
    let mut depth = 0i64;
    for token in tokens(inner) {
        depth += match token.kind {
            TokenKind::Open => 1,
            TokenKind::Close => -1,
            _ => 0,
        };
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// Whether something that was begun goes on in the next line.
fn is_open(text: &str) -> bool {
    let mut depth = 0i64;
    for token in tokens(text) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            TokenKind::Heredoc | TokenKind::Comment if !token.closed => return true,
            _ => {}
        }
    }
    depth > 0
}

/// Everything that can be named.
fn known(project: &Project, platform: &Platform) -> Vec<String> {
    let mut names: Vec<String> = functions().iter().map(|info| format!("{}(", info.name)).collect();
    names.extend(
        ["path.module", "path.root", "target.name", "target.mode", "target.residency"].map(str::to_owned),
    );
    names.extend(project.locals().into_iter().map(|name| format!("local.{name}")));
    for (address, declaration) in &platform.declarations {
        match &*address.kind {
            "variable" if address.module.is_empty() => names.push(format!("var.{}", address.name)),
            "output" | "variable" | "locals" | "project" => {}
            _ => {
                names.push(address.to_string());
                let attributes = declaration.body.as_object().into_iter().flatten();
                names.extend(attributes.map(|(name, _)| format!("{address}.{name}")));
            }
        }
    }
    names.sort();
    names
}

/// Where what was asked is remembered.
fn history() -> Option<std::path::PathBuf> {
    let state =
        std::env::var_os("XDG_STATE_HOME").map(std::path::PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".local/state"));
    Some(state.or_else(home)?.join("mlp/console_history"))
}

/// The editor's helper: completion, and whether a line goes on.
struct Words {
    known: Vec<String>,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let is_part = |c: char| c.is_alphanumeric() || "._-[]\"".contains(c);
        let before = &line[..at];
        let start =
            before.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(at, |(at, _)| at);
        Ok((start, candidates(&self.known, &before[start..])))
    }
}

/// The names that go on with what is written, up to their next dot.
fn candidates(known: &[String], written: &str) -> Vec<String> {
    let mut found: Vec<String> = known
        .iter()
        .filter_map(|name| {
            let rest = name.strip_prefix(written)?;
            let end = rest.char_indices().skip(1).find(|(_, c)| *c == '.').map_or(rest.len(), |(at, _)| at);
            (!rest.is_empty()).then(|| format!("{written}{}", &rest[..end]))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let open = is_open(context.input());
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_goes_on() {
        for text in ["[", "max(1,", "{ a = [\n", "<<EOT\na\n", "/* x"] {
            assert!(is_open(text), "{text}");
        }
        for text in ["", "1", "[1]", "\"[\"", ")", "<<EOT\na\nEOT\n", "1 # ["] {
            assert!(!is_open(text), "{text}");
        }
    }

    #[test]
    fn a_type_is_asked_for_by_a_call_that_is_all() {
        assert_eq!(type_asked("type([1])"), Some("[1]"));
        assert_eq!(type_asked("type(1) == type(2)"), None);
        assert_eq!(type_asked("typo(1)"), None);
    }

    #[test]
    fn names_are_completed_word_by_word() {
        let known = ["dataset.a", "dataset.a.format", "dataset.b", "var.x"].map(str::to_owned);
        assert_eq!(candidates(&known, "da"), ["dataset"]);
        assert_eq!(candidates(&known, "dataset."), ["dataset.a", "dataset.b"]);
        assert_eq!(candidates(&known, "dataset.a."), ["dataset.a.format"]);
        assert_eq!(candidates(&known, "var.x"), Vec::<String>::new());
    }
}
