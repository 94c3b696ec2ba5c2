//! The command line and the environment of a step's process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::spec::{PipelineRun, Segment, StepSpec};

/// The values of a command's holes.
pub(crate) struct Holes<'a> {
    /// Paths of inputs; nothing for an optional one that is absent.
    pub(crate) inputs: &'a BTreeMap<String, Option<PathBuf>>,
    /// Paths to write outputs to.
    pub(crate) outputs: &'a BTreeMap<String, PathBuf>,
    /// The parameters.
    pub(crate) params: &'a BTreeMap<String, Value>,
    /// The identity of the run.
    pub(crate) run_id: &'a str,
    /// When the run started.
    pub(crate) started_at: &'a str,
}

/// The text for the shell. The pipeline was checked before: a hole without a value does not occur.
pub(crate) fn render(template: &[Segment], holes: &Holes) -> String {
    let text = |path: Option<&PathBuf>| path.map_or(String::new(), |p| p.to_string_lossy().into_owned());
    let piece = |segment: &Segment| match segment {
        Segment::Literal(text) => text.clone(),
        Segment::Word(text) => quote(text),
        Segment::Input(name) => quote(&text(holes.inputs.get(name).and_then(Option::as_ref))),
        Segment::Output(name) => quote(&text(holes.outputs.get(name))),
        Segment::Param(name) => quote(&holes.params.get(name).map_or(String::new(), plain)),
        Segment::RunId => quote(holes.run_id),
        Segment::RunStartedAt => quote(holes.started_at),
    };
    template.iter().map(piece).collect()
}

/// The parameters a step receives: its own, and those of the pipeline that its command names.
pub(crate) fn effective_params(run: &PipelineRun, step: &StepSpec) -> BTreeMap<String, Value> {
    let mut params = step.params.clone();
    for segment in &step.run {
        if let Segment::Param(name) = segment
            && let (false, Some(value)) = (params.contains_key(name), run.params.get(name))
        {
            params.insert(name.clone(), value.clone());
        }
    }
    params
}

/// A value as text: a string as it is, everything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name of a variable for an input, output or parameter: a shell cannot read names with a dash.
pub(crate) fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", name.replace('-', "_"))
}

/// A word of the shell that means exactly this text.
fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_reach_the_command_as_they_are() {
        let inputs = BTreeMap::from([("a".to_string(), None), ("b".to_string(), Some("/x y/b".into()))]);
        let params = BTreeMap::from([
            ("s".to_string(), Value::from("it's $HOME; rm -rf `pwd`")),
            ("list".to_string(), serde_json::json!([1, "a b"])),
        ]);
        let outputs = BTreeMap::from([("o".to_string(), PathBuf::from("/o"))]);
        let holes =
            Holes { inputs: &inputs, outputs: &outputs, params: &params, run_id: "r1", started_at: "t" };
        let mut template = vec![Segment::Literal("printf '%s|'".into())];
        for hole in [
            Segment::Input("a".into()),
            Segment::Input("b".into()),
            Segment::Output("o".into()),
            Segment::Param("s".into()),
            Segment::Param("list".into()),
            Segment::RunId,
            Segment::Word("$(x) 'y'; z".into()),
            Segment::Word(String::new()),
        ] {
            template.push(Segment::Literal(" ".into()));
            template.push(hole);
        }
        let output =
            std::process::Command::new("/bin/sh").arg("-c").arg(render(&template, &holes)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "|/x y/b|/o|it's $HOME; rm -rf `pwd`|[1,\"a b\"]|r1|$(x) 'y'; z||");
    }
}
