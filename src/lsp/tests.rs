//! The server without a stream: messages in, messages out.

use mlp_value::facts::{Fact, Need};

use lsp_types::TextEdit;

use super::*;
use crate::names::{Role, What};
use crate::navigate::definitions;

/// Files in memory, seen from a directory.
struct Files(BTreeMap<String, String>, String, bool);

impl Host for Files {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(&format!("{}{path}", self.1)).cloned()
    }

    fn names(&self, directory: &str, ending: &str) -> Vec<String> {
        let here = if directory == "." { self.1.clone() } else { format!("{}{directory}/", self.1) };
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&here));
        inside.filter(|name| !name.contains('/') && name.ends_with(ending)).map(str::to_owned).collect()
    }

    fn was_applied(&self) -> bool {
        self.2
    }

    fn answer(&self, _environment: &str, _need: &Need) -> Fact {
        Fact::Missing
    }
}

/// A client and its server.
struct Client {
    server: Server,
    next: i32,
    published: BTreeMap<String, Vec<lsp::Diagnostic>>,
}

const HEAD: &str = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n}\nenvironment \"staging\" {\n  provider = provider.local.here\n  endpoint \"e\" {\n    scaling = { min = 3 }\n  }\n}\n";
const BODY: &str = "variable \"v\" {\n  type    = number\n  default = 2\n}\nmodel \"m\" {\n  aliases = [\"champion\"]\n}\nendpoint \"e\" {\n  kind  = \"online\"\n  model = model.m.alias.champion\n  scaling = { min = var.v, max = max(4, 5) }\n}\n";

impl Client {
    fn new(files: &[(&str, &str)], applied: bool) -> Self {
        let files: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let server = Server::new(Box::new(move |directory| {
            let below = directory.strip_prefix("/p").unwrap().display().to_string();
            let prefix = if below.is_empty() { below } else { format!("{below}/") };
            Arc::new(Files(files.clone(), prefix, applied))
        }));
        let mut client = Self { server, next: 0, published: BTreeMap::new() };
        client.ask("initialize", json!({ "capabilities": {}, "rootUri": "file:///p" })).unwrap();
        client.tell("initialized", json!({}));
        client
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.next += 1;
        let request = Request::new(RequestId::from(self.next), method.to_owned(), params);
        match self.server.handle(Message::Request(request)).unwrap().pop() {
            Some(Message::Response(Response { result: Some(value), .. })) => Ok(value),
            Some(Message::Response(Response { error: Some(error), .. })) => Err(error.message),
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.server.handle(Message::Notification(Notification::new(method.to_owned(), params))).unwrap();
        self.settle();
    }

    fn settle(&mut self) {
        for message in self.server.settle() {
            let Message::Notification(notification) = message else { panic!("{message:?}") };
            let params: lsp::PublishDiagnosticsParams = serde_json::from_value(notification.params).unwrap();
            self.published.insert(params.uri.as_str().to_owned(), params.diagnostics);
        }
    }

    fn open(&mut self, path: &str, text: &str) {
        let document = json!({ "uri": uri(path), "languageId": "mlp", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Replaces the whole text.
    fn write(&mut self, path: &str, text: &str) {
        let document = json!({ "uri": uri(path), "version": 2 });
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
    }

    fn messages(&self, path: &str) -> Vec<String> {
        self.published.get(&uri(path)).into_iter().flatten().map(|one| one.message.clone()).collect()
    }

    /// What is answered at the place of a word of a text.
    fn at(&mut self, method: &str, text: &str, word: &str) -> Result<Value, String> {
        let offset = text.find(word).unwrap_or_else(|| panic!("{word}")) + word.len();
        let position = Text::new(text.to_owned()).position(offset);
        self.ask(method, json!({ "textDocument": { "uri": uri("main.mlp") }, "position": position, "newName": "neu", "context": { "includeDeclaration": true, "triggerKind": 1 } }))
    }

    fn labels(&mut self, text: &str, word: &str) -> Vec<String> {
        let items = self.at("textDocument/completion", text, word).unwrap();
        items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }
}

fn uri(path: &str) -> String {
    format!("file:///p/{path}")
}

fn whole() -> String {
    format!("{HEAD}{BODY}")
}

fn started(text: &str) -> Client {
    let mut client = Client::new(&[("main.mlp", text)], false);
    client.open("main.mlp", text);
    client
}

#[test]
fn diagnostics_come_and_go() {
    let mut client = started(&whole());
    assert_eq!(client.messages("main.mlp"), Vec::<String>::new());
    client.write("main.mlp", &whole().replace("kind  =", "kindd ="));
    let found = client.messages("main.mlp");
    assert!(
        found.len() == 1 && found[0].contains("kindd") && found[0].contains("did you mean `kind`"),
        "{found:?}"
    );
    let shown = &client.published[&uri("main.mlp")][0];
    assert_eq!((shown.range.start.line, shown.range.start.character, shown.range.end.character), (19, 2, 7));
    client.write("main.mlp", &whole());
    assert_eq!(client.messages("main.mlp"), Vec::<String>::new());
}

#[test]
fn what_is_not_saved_counts_and_what_is_not_open_is_reported_too() {
    let other = "storage \"s\" {\n  patern = \"scan\"\n}\n";
    let mut client = Client::new(&[("main.mlp", HEAD), ("other.mlp", other)], false);
    client.settle();
    assert_eq!(client.messages("other.mlp").len(), 1, "{:?}", client.published);
    client.open("other.mlp", "storage \"s\" {\n  pattern = \"scan\"\n}\n");
    assert_eq!(client.messages("other.mlp").len(), 0);
    // Closed without saving, the disk counts again.
    client.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri("other.mlp") } }));
    assert_eq!(client.messages("other.mlp").len(), 1);
}

#[test]
fn edits_in_ranges_count_utf16() {
    let text = format!("# 🦀é\n{}", whole());
    let mut client = started(&text);
    let position = Text::new(text.clone()).position(text.find("\"online\"").unwrap() + 1);
    let end = lsp::Position { character: position.character + 6, ..position };
    let change = json!({ "range": { "start": position, "end": end }, "text": "onlin" });
    let document = json!({ "uri": uri("main.mlp"), "version": 2 });
    client.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    let found = client.messages("main.mlp");
    assert!(found.len() == 1 && found[0].contains("onlin"), "{found:?}");
    let start = lsp::Position { line: 0, character: 2 };
    let change = json!({ "range": { "start": start, "end": { "line": 0, "character": 5 } }, "text": "" });
    client.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    assert_eq!(client.published[&uri("main.mlp")].len(), 1);
    assert_eq!(
        client.server.projects.values().next().unwrap().open["main.mlp"].text.lines().next(),
        Some("# ")
    );
}

#[test]
fn hover_says_what_it_is_and_where_the_value_comes_from() {
    let text = whole();
    let mut client = started(&text);
    let mut says = |word: &str, wanted: &[&str]| {
        let found = client.at("textDocument/hover", &text, word).unwrap();
        let said = found["contents"]["value"].as_str().unwrap_or_default().to_owned();
        for one in wanted {
            assert!(said.contains(one), "{word}: {one} in {said}");
        }
    };
    says("endpoin", &["Serving"]);
    says("  kin", &["How it serves", "`\"online\"` (main.mlp:20)", "every environment"]);
    says("scaling = { min = va", &["value of a variable"]);
    says("scaling = { min = var.v", &["var", "`2`"]);
    says(
        "scaling = { mi",
        &["fewest replicas", "staging: `3` (environment.staging, main.mlp:9)", "local: `2`"],
    );
    says("max = ma", &["max("]);
    says("model = model.m.alias.champ", &["model.m.alias.champion"]);
    assert_eq!(client.at("textDocument/hover", &text, "= {").unwrap(), Value::Null);
}

#[test]
fn completion_knows_what_can_stand_there() {
    let text = whole();
    let mut client = started(&text);
    for (before, wanted, unwanted) in [
        ("en", &["endpoint", "environment"][..], &["kind"][..]),
        ("endpoint \"x\" {\n  ", &["kind", "variant", "owner"], &["endpoint"]),
        ("endpoint \"x\" {\n  kind = ", &["\"batch\"", "var", "max"], &["kind"]),
        ("endpoint \"x\" {\n  kind = \"", &["batch"], &["max"]),
        ("endpoint \"x\" {\n  model = ", &["model.m", "model.m.alias.champion"], &["endpoint.e"]),
        ("endpoint \"x\" {\n  model = model.", &["m"], &["e"]),
        ("endpoint \"x\" {\n  model = model.m.", &["alias", "version"], &["champion"]),
        ("endpoint \"x\" {\n  model = model.m.alias.", &["champion"], &["alias"]),
        ("endpoint \"x\" {\n  scaling = { min = var.", &["v"], &["m"]),
        ("endpoint \"x\" {\n  scaling {\n    ", &["min", "max"], &["kind"]),
        ("endpoint \"x\" {\n  accelerator = { name = \"", &["H100", "TPU-v6e"], &["kind"]),
        ("endpoint \"x\" {\n  accelerator = { name = [\"L4\", \"", &["H100"], &["kind"]),
        ("pipeline \"x\" {\n  step \"a\" {}\n  step \"b\" { from = step.", &[], &["v"]),
        ("environment \"y\" {\n  endpoint \"", &["e"], &["v"]),
        ("locals {\n  a = \"x ${var.", &["v"], &[]),
        ("locals {\n  a = [for x in [1] : x.", &[], &["v", "max"]),
    ] {
        let now = format!("{text}{before}");
        client.write("main.mlp", &now);
        let position = Text::new(now.clone()).position(now.len());
        let asked = json!({ "textDocument": { "uri": uri("main.mlp") }, "position": position });
        let items = client.ask("textDocument/completion", asked).unwrap();
        let labels: Vec<&str> =
            items.as_array().unwrap().iter().filter_map(|item| item["label"].as_str()).collect();
        for one in wanted {
            assert!(labels.contains(one), "{before}: no {one} in {labels:?}");
        }
        for one in unwanted {
            assert!(!labels.contains(one), "{before}: {one} in {labels:?}");
        }
    }
}

#[test]
fn steps_of_a_pipeline_are_known_while_it_is_written() {
    let good = format!(
        "{HEAD}pipeline \"t\" {{\n  step \"split\" {{\n    run = \"x\"\n  }}\n  step \"fit\" {{\n    run = \"y\"\n  }}\n}}\n"
    );
    let mut client = started(&good);
    let now = good.replace("run = \"y\"", "inputs = { a = step. }");
    client.write("main.mlp", &now);
    assert!(client.labels(&now, "step.").contains(&"split".to_owned()));
}

#[test]
fn definitions_and_references_are_found() {
    let text = whole();
    let mut client = started(&text);
    let lines = |value: Value| -> Vec<u64> {
        value.as_array().unwrap().iter().map(|one| one["range"]["start"]["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(lines(client.at("textDocument/definition", &text, "var.v").unwrap()), [11]);
    assert_eq!(lines(client.at("textDocument/definition", &text, "alias.champ").unwrap()), [16]);
    assert_eq!(lines(client.at("textDocument/definition", &text, "  endpoint \"e").unwrap()), [18]);
    assert_eq!(lines(client.at("textDocument/references", &text, "variable \"v").unwrap()), [11, 21]);
    assert_eq!(
        lines(client.at("textDocument/references", &text, "provider \"local\" \"he").unwrap()),
        [1, 3, 6]
    );
    assert_eq!(lines(client.at("textDocument/documentHighlight", &text, "variable \"v").unwrap()), [11, 21]);
}

#[test]
fn a_renaming_is_right_everywhere_or_refused() {
    let values = "v = 7\n";
    let text = whole();
    let mut client = Client::new(&[("main.mlp", &text), ("a.auto.mlpvars", values)], true);
    client.open("main.mlp", &text);
    let edits = client.at("textDocument/rename", &text, "variable \"v").unwrap();
    assert_eq!(edits["changes"][uri("main.mlp")].as_array().unwrap().len(), 2, "{edits}");
    assert_eq!(edits["changes"][uri("a.auto.mlpvars")].as_array().unwrap().len(), 1, "{edits}");
    // What was applied keeps what lives under its old name.
    let edits = client.at("textDocument/rename", &text, "\nmodel \"m").unwrap();
    let edits = edits["changes"][uri("main.mlp")].as_array().unwrap().clone();
    let texts: Vec<&str> = edits.iter().map(|edit| edit["newText"].as_str().unwrap()).collect();
    assert_eq!(texts, ["neu", "neu", "\nmoved {\n  from = model.m\n  to   = model.neu\n}\n"]);
    for (word, why) in
        [("alias.champ", "registry"), ("environment \"local", "state"), ("kind ", "no name here")]
    {
        let refused = client.at("textDocument/rename", &text, word).unwrap_err();
        assert!(refused.contains(why), "{word}: {refused}");
    }
    client.write("main.mlp", &format!("{text}storage \"neu\" {{\n  x = = 1\n}}\n"));
    assert!(client.at("textDocument/rename", &text, "variable \"v").unwrap_err().contains("cannot be read"));
    client.write("main.mlp", &format!("{text}variable \"neu\" {{}}\n"));
    assert!(client.at("textDocument/rename", &text, "variable \"v").unwrap_err().contains("there already"));
}

#[test]
fn a_module_is_part_of_the_project() {
    let root = format!(
        "{HEAD}module \"m\" {{\n  source = \"./modules/a\"\n  size   = 3\n}}\noutput \"o\" {{\n  value = module.m.twice\n}}\n"
    );
    let module = "variable \"size\" {\n  type = number\n}\noutput \"twice\" {\n  value = var.size * 2\n}\n";
    let mut client = Client::new(&[("main.mlp", &root), ("modules/a/main.mlp", module)], false);
    client.open("main.mlp", &root);
    assert_eq!(client.messages("main.mlp"), Vec::<String>::new());
    client.open("modules/a/main.mlp", module);
    let found = client.at("textDocument/references", &root, "  size").unwrap();
    assert_eq!(found.as_array().unwrap().len(), 3, "{found}");
    client.write("modules/a/main.mlp", &module.replace("var.size", "var.sise"));
    assert!(client.messages("modules/a/main.mlp")[0].contains("sise"));
}

#[test]
fn outline_tokens_formatting_and_corrections() {
    let text = whole().replace("kind  = \"online\"", "kindd   =   \"online\"");
    let mut client = started(&text);
    let document = json!({ "textDocument": { "uri": uri("main.mlp") } });
    let symbols = client.ask("textDocument/documentSymbol", document.clone()).unwrap();
    let names: Vec<&str> =
        symbols.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"endpoint e") && names.contains(&"model m"), "{names:?}");
    let tokens = client.ask("textDocument/semanticTokens/full", document.clone()).unwrap();
    assert!(tokens["data"].as_array().unwrap().len() > 50);
    let asked = json!({ "textDocument": { "uri": uri("main.mlp") }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = client.ask("textDocument/formatting", asked).unwrap();
    let edit: TextEdit = serde_json::from_value(edits[0].clone()).unwrap();
    let formatted = Text::new(text.clone()).edited(Some(edit.range), &edit.new_text);
    assert_eq!(formatted.text, mlp_syntax::format(&text).unwrap());
    let range = client.published[&uri("main.mlp")][0].range;
    let asked = json!({ "textDocument": { "uri": uri("main.mlp") }, "range": range, "context": { "diagnostics": [] } });
    let actions = client.ask("textDocument/codeAction", asked).unwrap();
    assert_eq!(actions[0]["title"], "Write `kind`", "{actions}");
    assert_eq!(actions[0]["edit"]["changes"][uri("main.mlp")][0]["newText"], "kind");
}

#[test]
fn every_piece_of_a_reference_specification_has_a_meaning() {
    for name in ["fraud", "support-llm"] {
        let path = format!("{}/../../tests/reference/{name}/main.mlp", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut client = started(&text);
        let names = client.server.projects.values_mut().next().unwrap().names();
        let marks = &names["main.mlp"].marks;
        let symbols = marks.iter().filter_map(|mark| match &mark.what {
            What::Symbol(symbol, role) => Some((symbol, role, mark)),
            _ => None,
        });
        for (symbol, role, mark) in symbols {
            let line = text[..mark.span.start as usize].lines().count();
            assert!(
                *role != Role::Reference
                    || !definitions(&names, symbol).is_empty()
                    || symbol.words.iter().any(|word| word == "standard" || word == "latest"),
                "{name}:{line}: {symbol:?}"
            );
        }
        for mark in marks {
            if let What::Attribute(set) = &mark.what {
                let free = [
                    "inputs",
                    "params",
                    "outputs",
                    "card",
                    "labels",
                    "schema",
                    "search",
                    "set",
                    "args",
                    "catalog",
                    "variables",
                    "milestone",
                    "state",
                    "terms",
                ];
                let line = text[..mark.span.start as usize].lines().count();
                let open = set
                    .path
                    .steps()
                    .iter()
                    .any(|step| matches!(step, mlp_value::Step::Field(name) if free.contains(&&**name)));
                let open = open || set.owner.words[0] == "provider";
                assert!(set.schema.is_some() || open, "{name}:{line}: {:?}", set.path);
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_answered() {
    let mut client = started(&whole());
    assert!(client.ask("textDocument/hover", json!({ "nonsense": 1 })).is_err());
    assert!(client.ask("textDocument/nonsense", json!({})).is_err());
    assert!(client.ask("textDocument/hover", json!({ "textDocument": { "uri": "file:///p/none.mlp" }, "position": { "line": 0, "character": 0 } })).is_err());
    client.tell("textDocument/didChange", json!({ "textDocument": 1 }));
    client.tell("no/such", json!(null));
    client.ask("shutdown", json!(null)).unwrap();
    assert!(client.ask("textDocument/hover", json!({})).is_err());
}

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }
}

/// Where diagnostics stand, what they say and what else they point at, in an order of their own.
fn said(client: &Client) -> Vec<String> {
    let of_file = |(path, all): (&String, &Vec<lsp::Diagnostic>)| {
        all.iter().map(|one| format!("{path} {}", serde_json::to_string(one).unwrap())).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = client.published.iter().flat_map(of_file).collect();
    all.sort();
    all
}

#[test]
fn after_any_edit_the_same_is_said_as_of_a_fresh_look() {
    const PIECES: &[&str] = &[
        "",
        "\n",
        "}",
        "{",
        "\"",
        "x",
        " = ",
        "var.v",
        "model.m",
        "null",
        "# c\n",
        "[",
        "endpoint.e",
        "local.x",
        "é",
        "dataset \"n\" {\n  from = [\"a.csv\"]\n}\n",
        "locals {\n  x = 1\n}\n",
        "variable \"v\" {\n}\n",
        "<<E\n",
        "environment \"test\" {\n  provider = provider.local.here\n}\n",
        "storage \"s\" {\n  kind = \"object\"\n}\n",
    ];
    let mut texts = [HEAD.to_owned(), BODY.to_owned()];
    let names = ["head.mlp", "main.mlp"];
    let files = |texts: &[String; 2]| {
        let mut client = Client::new(&[(names[0], texts[0].as_str()), (names[1], texts[1].as_str())], false);
        client.settle();
        client
    };
    let mut client = files(&texts);
    names.iter().zip(&texts).for_each(|(name, text)| client.open(name, text));
    let mut chance = Chance(7);
    for round in 0..120 {
        // Now and then the text is whole again, so that most edits are looked at among things that make sense.
        let at = chance.below(2);
        if round % 6 == 5 {
            texts = [HEAD.to_owned(), BODY.to_owned()];
            names.iter().zip(&texts).for_each(|(name, text)| client.write(name, text));
        } else {
            let text = &mut texts[at];
            let mut start = chance.below(text.len());
            let mut end = (start + chance.below(4)).min(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let range = Text::new(text.clone()).range(start..end);
            let piece = PIECES[chance.below(PIECES.len())];
            text.replace_range(start..end, piece);
            let document = json!({ "uri": uri(names[at]), "version": round + 2 });
            let change = json!({ "range": range, "text": piece });
            client.tell(
                "textDocument/didChange",
                json!({ "textDocument": document, "contentChanges": [change] }),
            );
        }
        assert_eq!(said(&client), said(&files(&texts)), "{texts:?}");
    }
}
