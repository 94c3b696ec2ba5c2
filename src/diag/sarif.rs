//! Diagnostics in SARIF 2.1.0, the form in which code review shows what analysers say.

use serde_json::{Value, json};

use crate::{Diagnostic, Label, Severity, SourceMap};

/// What SARIF calls a rule: a code with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// The code.
    pub code: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its page, in Markdown.
    pub page: &'a str,
}

/// Where the schema of the format stands.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run of the program as a document. `rules` are those of the codes that occur; others are not listed.
pub fn render_sarif(
    version: &str,
    diagnostics: &[Diagnostic],
    sources: &SourceMap,
    rules: &[Rule<'_>],
) -> Value {
    let used: Vec<&Rule<'_>> =
        rules.iter().filter(|rule| diagnostics.iter().any(|one| one.code == rule.code)).collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|one| result(one, sources, used.iter().position(|rule| rule.code == one.code)))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mlp",
                "version": version,
                "semanticVersion": version,
                "rules": used.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": i32::from(diagnostics.iter().any(Diagnostic::is_error)),
            }],
            "results": results,
        }],
    })
}

fn described(rule: &Rule<'_>) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": { "text": rule.title },
        "help": { "text": rule.page, "markdown": rule.page },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(diagnostic: &Diagnostic, sources: &SourceMap, rule: Option<usize>) -> Value {
    let mut result = json!({
        "ruleId": diagnostic.code,
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "message": { "text": message(diagnostic) },
    });
    if let Some(rule) = rule {
        result["ruleIndex"] = json!(rule);
    }
    let primary = diagnostic.labels.iter().position(|label| label.primary);
    let of = |at: usize| diagnostic.labels.get(at).and_then(|label| location(label, sources));
    if let Some(location) = primary.and_then(of) {
        result["locations"] = json!([location]);
    }
    let related: Vec<Value> =
        (0..diagnostic.labels.len()).filter(|at| Some(*at) != primary).filter_map(of).collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let (None, Some(subject)) = (primary, &diagnostic.subject) {
        let path = [subject.address.as_str(), subject.path.as_str()];
        let name = path.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(".");
        result["locations"] = json!([{ "logicalLocations": [{ "fullyQualifiedName": name }] }]);
    }
    result
}

/// Everything that is said, as one text.
fn message(diagnostic: &Diagnostic) -> String {
    let label = diagnostic.labels.iter().find(|label| label.primary && !label.text.is_empty());
    let mut text = diagnostic.headline.clone();
    if let Some(label) = label {
        text.push_str(": ");
        text.push_str(&label.text);
    }
    for note in &diagnostic.notes {
        text.push('\n');
        text.push_str(note);
    }
    if let Some(help) = &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

/// A place; none for what stands in no file, such as a value on the command line.
fn location(label: &Label, sources: &SourceMap) -> Option<Value> {
    let span = label.span;
    let name = sources.name(span.file);
    if name.is_empty() || name.starts_with('<') {
        return None;
    }
    let start = sources.line_col(span.file, span.start);
    let end = sources.line_col(span.file, span.end);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(name), "uriBaseId": "%SRCROOT%" },
            "region": {
                "startLine": start.line, "startColumn": start.column,
                "endLine": end.line, "endColumn": end.column,
                "byteOffset": span.start, "byteLength": span.end.saturating_sub(span.start),
            },
        },
    });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    Some(location)
}

/// A path as a relative URI: what may not stand in one is written by its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn a_result_has_its_rule_its_place_and_what_belongs_to_it() {
        let mut sources = SourceMap::default();
        let file = sources.add("my files/ü.mlp", "ü = 1\nb = 2\n");
        let value = sources.add("<-var>", "3");
        let rules = [
            Rule { code: "MLP0101", title: "syntax", page: "# page" },
            Rule { code: "MLP0304", title: "unknown attribute", page: "# page" },
        ];
        let all = [
            Diagnostic::error("MLP0304", "no `b`")
                .at(Span::new(file, 7, 8), "here")
                .see(Span::new(file, 0, 2), "there")
                .note("because")
                .help("take it out"),
            Diagnostic::warning("MLP0901", "no place").on("endpoint.a", "port"),
            Diagnostic::note_only("MLP0304", "in no file").at(Span::new(value, 0, 1), ""),
        ];
        let document = render_sarif("1.2.3", &all, &sources, &rules);
        let run = &document["runs"][0];
        assert_eq!(document["version"], "2.1.0");
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
        let results = run["results"].as_array().unwrap();
        assert_eq!((&results[0]["ruleIndex"], &results[0]["level"]), (&json!(0), &json!("error")));
        assert_eq!(results[0]["message"]["text"], "no `b`: here\nbecause\nhelp: take it out");
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20files/%C3%BC.mlp");
        assert_eq!(
            place["region"],
            json!({ "startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 2, "byteOffset": 7, "byteLength": 1 })
        );
        assert_eq!(results[0]["relatedLocations"][0]["message"]["text"], "there");
        assert_eq!(
            results[1]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
            "endpoint.a.port"
        );
        assert!(results[1].get("ruleIndex").is_none() && results[2].get("locations").is_none());
    }
}
