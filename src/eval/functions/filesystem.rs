//! Files of the project, through the scope, and their paths.

use std::io;

use minijinja::{Environment, UndefinedBehavior};
use mlp_value::{Type, Value};

use super::Given;
use super::arguments::{Arguments, Fault, blame, give, text};
use super::define::Want::{Bool, Fields, Text, TextSet};
use super::define::{FunctionInfo, new, p};
use super::encoding::base64;
use crate::typed::Typed;

/// What a rendered template may come to, and how many instructions it may take.
const MAX_RENDERED: usize = 16 << 20;
const MAX_INSTRUCTIONS: u64 = 5_000_000;

const OF_PROJECT: &str = "files of the project alone, which are facts of the plan";
const MINIJINJA: &str =
    "the template is in MiniJinja's words (`{{ name }}`, `{% if … %}`), which leave `${…}` of scripts alone";

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("basename", "The last part of a path.", &[p("path", Text)], Text, |call| text(base(&call.text(0)?)))
        .examples(&[("basename(\"foo/bar/baz.txt\")", "\"baz.txt\"")]),
    new("dirname", "A path without its last part.", &[p("path", Text)], Text, |call| {
        text(directory(&call.text(0)?))
    })
    .examples(&[("dirname(\"foo/bar/baz.txt\")", "\"foo/bar\"")]),
    new("file", "The text of a file of the project.", &[p("path", Text)], Text, |call| {
        match call.scope.read_file(&call.text(0)?) {
            Ok(body) => body.map_or(Ok(None), text),
            Err(why) => blame(0, why),
        }
    })
    .differs(OF_PROJECT),
    new("filebase64", "The bytes of a file of the project, as base64.", &[p("path", Text)], Text, |call| {
        match call.scope.read_bytes(&call.text(0)?) {
            Ok(Some(bytes)) => {
                call.budget.text(bytes.len() / 3 * 4 + 4)?;
                text(base64(&bytes))
            }
            Ok(None) => Ok(None),
            Err(why) => blame(0, why),
        }
    })
    .differs(OF_PROJECT),
    new("fileexists", "Whether a file of the project exists.", &[p("path", Text)], Bool, |call| {
        match call.scope.file_exists(&call.text(0)?) {
            Ok(exists) => Ok(exists.map(|exists| Value::Bool(exists).into())),
            Err(why) => blame(0, why),
        }
    })
    .differs(OF_PROJECT),
    new(
        "fileset",
        "The files of a directory whose path matches a pattern such as `**/*.{csv,txt}`.",
        &[p("path", Text), p("pattern", Text)],
        TextSet,
        fileset,
    )
    .differs(OF_PROJECT),
    new(
        "templatefile",
        "A file of the project rendered as a MiniJinja template with the variables given.",
        &[p("path", Text), p("variables", Fields)],
        Text,
        |call| {
            let path = call.text(0)?;
            match call.scope.read_file(&path) {
                Ok(Some(template)) => render(&path, &template, call),
                Ok(None) => Ok(None),
                Err(why) => blame(0, why),
            }
        },
    )
    .differs(MINIJINJA),
    new(
        "templatestring",
        "A text rendered as a MiniJinja template with the variables given.",
        &[p("template", Text), p("variables", Fields)],
        Text,
        |call| render("template", &call.text(0)?, call),
    )
    .examples(&[("templatestring(\"Hello {{ name }}!\", { name = \"Jo\" })", "\"Hello Jo!\"")])
    .differs(MINIJINJA),
];

fn base(path: &str) -> String {
    let bare = path.trim_end_matches('/');
    match (path.is_empty(), bare.is_empty()) {
        (true, _) => ".".to_owned(),
        (false, true) => "/".to_owned(),
        _ => bare.rsplit('/').next().unwrap_or(bare).to_owned(),
    }
}

/// The directory of a path, without `.`, `..` and repeated slashes where they say nothing.
fn directory(path: &str) -> String {
    let directory = path.rfind('/').map_or("", |at| &path[..=at]);
    let rooted = directory.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        _ => joined,
    }
}

fn fileset(call: &Arguments<'_>) -> Given {
    let (path, pattern) = (call.text(0)?, call.text(1)?);
    let glob = globset::GlobBuilder::new(&pattern).literal_separator(true).empty_alternates(true).build();
    let matcher = match glob {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => return blame(1, format!("it is not a pattern: {}", error.kind())),
    };
    let files = match call.scope.list_files(&path) {
        Ok(Some(files)) => files,
        Ok(None) => return Ok(None),
        Err(why) => return blame(0, why),
    };
    call.budget.items(files.len())?;
    let mut kept: Vec<&String> = files.iter().filter(|file| matcher.is_match(file.as_str())).collect();
    kept.sort();
    let set = Value::list(kept.into_iter().map(Value::text));
    Ok(Some(Typed::new(set, &Type::Set(Box::new(Type::String)))))
}

fn render(name: &str, template: &str, call: &Arguments<'_>) -> Given {
    call.object(1)?;
    let variables = call.value(1).known().map_err(|_| "a variable is not known yet")?.to_plain_json();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(MAX_INSTRUCTIONS));
    let fault = |error: minijinja::Error| Fault::from(format!("{error:#}"));
    environment.add_template(name, template).map_err(fault)?;
    let template = environment.get_template(name).map_err(fault)?;
    let mut rendered = Bounded(Vec::new());
    template.render_captured_to(variables, &mut rendered).map_err(fault)?;
    call.budget.text(rendered.0.len())?;
    match String::from_utf8(rendered.0) {
        Ok(rendered) => give(Value::text(rendered)),
        Err(_) => blame(0, "it renders to bytes that are not text"),
    }
}

/// Text up to a limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            let why = format!("more than {} MiB of text are rendered", MAX_RENDERED >> 20);
            return Err(io::Error::other(why));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
