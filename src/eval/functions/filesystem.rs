//! Files, through the scope.

use std::io;

use minijinja::{Environment, UndefinedBehavior};
use mlp_value::{Type, Value};

use super::{Arguments, FunctionInfo, Given, function};

/// What a rendered template may come to, and how many instructions it may take.
const MAX_RENDERED: usize = 16 << 20;
const MAX_INSTRUCTIONS: u64 = 20_000_000;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function("file", "file(path)", "The text of a file of the project.", Type::String, (1, 1), |call| {
        Ok(call.scope.read_file(&call.text(0)?)?.map(Value::text))
    }),
    function(
        "fileexists",
        "fileexists(path)",
        "Whether a file of the project exists.",
        Type::Bool,
        (1, 1),
        |call| Ok(call.scope.file_exists(&call.text(0)?)?.map(Value::Bool)),
    ),
    function(
        "templatefile",
        "templatefile(path, variables)",
        "A file of the project rendered as a MiniJinja template with the variables given.",
        Type::String,
        (2, 2),
        templatefile,
    ),
];

fn templatefile(call: &Arguments<'_>) -> Given {
    let path = call.text(0)?;
    call.object(1)?;
    let Some(text) = call.scope.read_file(&path)? else {
        return Ok(None);
    };
    let variables = call.value(1).known().map_err(|_| "a variable is not known yet")?.to_plain_json();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(MAX_INSTRUCTIONS));
    environment.add_template(&path, &text).map_err(|error| format!("{error:#}"))?;
    let template = environment.get_template(&path).map_err(|error| format!("{error:#}"))?;
    let mut rendered = Bounded(Vec::new());
    template.render_captured_to(variables, &mut rendered).map_err(|error| format!("{error:#}"))?;
    call.budget.text(rendered.0.len())?;
    let rendered =
        String::from_utf8(rendered.0).map_err(|_| format!("`{path}` renders to bytes that are not text"))?;
    Ok(Some(Value::text(rendered)))
}

/// Text up to a limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::other(format!(
                "more than {} MiB of text are rendered",
                MAX_RENDERED >> 20
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
