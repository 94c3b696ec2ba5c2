//! What could be written where the cursor stands.

use std::collections::BTreeSet;

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, InsertTextFormat, MarkupContent,
    MarkupKind, TextEdit,
};
use mlp_eval::functions;
use mlp_platform::kinds::{self, KINDS};
use mlp_platform::schema::{Attribute, Kind, Ty};
use mlp_platform::type_name;

use crate::catalog;
use crate::context::{Context, Frame, Place, context};
use crate::names::{REMOVE, Symbol, inner};
use crate::navigate::Marks;
use crate::project::{File, ROOT};

/// The proposals at a byte of a file.
pub(crate) fn complete(file: &File, offset: usize, declared: &Marks) -> Vec<CompletionItem> {
    let chunk = file.chunk_at(offset);
    let context = context(&file.text.text[chunk.start.min(offset)..offset]);
    let range = file.text.range(offset - context.typed.min(offset)..offset);
    let mut items =
        Completer { room: &file.room, values: file.is_values(), declared, context: &context }.items();
    for item in &mut items {
        let text = item.insert_text.take().unwrap_or_else(|| item.label.clone());
        item.text_edit = Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text }));
    }
    items
}

struct Completer<'c> {
    room: &'c str,
    values: bool,
    declared: &'c Marks,
    context: &'c Context,
}

/// What the frames around the cursor say.
#[derive(Default)]
struct Around {
    kind: Option<&'static Kind>,
    /// The attributes that can be set here.
    attributes: Vec<&'static Attribute>,
    /// The declaration.
    owner: Option<Symbol>,
    /// Whether blocks of other kinds can stand here.
    environment: bool,
}

impl<'c> Completer<'c> {
    fn symbols(&self) -> impl Iterator<Item = &'c Symbol> + use<'c> {
        self.declared.values().flat_map(|file| &file.declared)
    }

    fn items(&self) -> Vec<CompletionItem> {
        let around = self.around();
        match &self.context.place {
            Place::Nothing => Vec::new(),
            Place::Name if self.values => {
                self.names_of(ROOT, &["variable"]).into_iter().map(assignment).collect()
            }
            Place::Name => self.names(&around),
            Place::Label(kind) => self.labels(kind),
            Place::Text(attribute) => self.texts(&around, attribute.as_deref()),
            Place::Value(attribute, chain) if chain.is_empty() => {
                self.any_value(&around, attribute.as_deref())
            }
            Place::Value(_, chain) => self.steps(&around, chain),
        }
    }

    fn around(&self) -> Around {
        let mut around = Around::default();
        let mut frames = self.context.frames.iter();
        while let Some(frame) = frames.next() {
            match (frame, around.kind) {
                (Frame::Block(words), None) => self.enter(&mut around, words),
                (Frame::Block(words), Some(_)) if around.environment => {
                    let known = around
                        .attributes
                        .iter()
                        .any(|attribute| Some(attribute.name) == words.first().map(String::as_str));
                    if known {
                        self.descend(&mut around, words.first().map(String::as_str));
                    } else {
                        self.enter(&mut around, words);
                    }
                }
                (Frame::Block(words), Some(_)) => {
                    self.descend(&mut around, words.first().map(String::as_str))
                }
                (Frame::Object(name), _) => self.descend(&mut around, name.as_deref()),
                (Frame::List(_) | Frame::Call(_), _) => {}
            }
            around.environment &= matches!(frame, Frame::Block(words) if words.first().is_some_and(|word| word == "environment"));
        }
        around
    }

    fn enter(&self, around: &mut Around, words: &[String]) {
        let Some(kind) = words.first().and_then(|word| kinds::kind(word)) else { return };
        *around = Around {
            kind: Some(kind),
            attributes: kind.all_attributes().chain(around.environment.then_some(&REMOVE)).collect(),
            owner: Some(Symbol { room: self.room.to_owned(), words: words.to_vec() }),
            environment: kind.name == "environment" && around.kind.is_none(),
        };
    }

    fn descend(&self, around: &mut Around, name: Option<&str>) {
        // An object inside a list has the attributes of the list's items, which are those of the attribute itself.
        let Some(name) = name else { return };
        let found = around.attributes.iter().find(|attribute| attribute.name == name);
        around.attributes = found.map(|attribute| inner(&attribute.ty)).unwrap_or_default();
    }

    fn names(&self, around: &Around) -> Vec<CompletionItem> {
        if around.kind.is_none() && self.context.frames.is_empty() {
            return KINDS.iter().map(|kind| block(kind)).collect();
        }
        let mut items: Vec<CompletionItem> =
            around.attributes.iter().map(|attribute| self.attribute(attribute)).collect();
        if around.environment {
            items.extend(KINDS.iter().filter(|kind| kind.partial).map(|kind| block(kind)));
        }
        if let Some(owner) =
            around.owner.as_ref().filter(|_| around.kind.is_some_and(|kind| kind.name == "module"))
        {
            // The source is a literal of the block, which may stand behind the cursor: every module's variables are proposed.
            let inputs =
                self.symbols().filter(|symbol| symbol.room != owner.room && symbol.words[0] == "variable");
            items.extend(inputs.map(|symbol| assignment(symbol.name().to_owned())));
        }
        items
    }

    fn attribute(&self, attribute: &'static Attribute) -> CompletionItem {
        let in_object = matches!(self.context.frames.last(), Some(Frame::Object(_)));
        let as_block = match attribute.ty {
            Ty::Labelled(_) => Some(format!("{} \"${{1:name}}\" {{\n  $0\n}}", attribute.name)),
            Ty::Repeated(_) => Some(format!("{} {{\n  $0\n}}", attribute.name)),
            Ty::Object(_) | Ty::Open(_) if !in_object => Some(format!("{} {{\n  $0\n}}", attribute.name)),
            _ => None,
        };
        let text = as_block.unwrap_or_else(|| match attribute.ty {
            Ty::Text | Ty::Enum(_) | Ty::Duration | Ty::Bytes | Ty::Money | Ty::Rate | Ty::Path => {
                format!("{} = \"$0\"", attribute.name)
            }
            Ty::List(_) => format!("{} = [$0]", attribute.name),
            Ty::Map(_) => format!("{} = {{ $0 }}", attribute.name),
            _ => format!("{} = $0", attribute.name),
        });
        let need = if attribute.required { "required, " } else { "" };
        CompletionItem {
            label: attribute.name.to_owned(),
            kind: Some(CompletionItemKind::PROPERTY),
            detail: Some(format!("{need}{}", type_name(&attribute.ty))),
            documentation: Some(markdown(attribute.doc)),
            insert_text: Some(text),
            insert_text_format: Some(InsertTextFormat::SNIPPET),
            sort_text: Some(format!("{}{}", u8::from(!attribute.required), attribute.name)),
            ..CompletionItem::default()
        }
    }

    /// Names of labels that are known: those of declarations, for a partial block of an environment.
    fn labels(&self, kind: &str) -> Vec<CompletionItem> {
        let inside = matches!(self.context.frames.first(), Some(Frame::Block(words)) if words.first().is_some_and(|word| word == "environment"));
        if !inside || self.context.frames.len() != 1 {
            return Vec::new();
        }
        self.names_of(self.room, &[kind])
            .into_iter()
            .map(|name| plain(name, CompletionItemKind::REFERENCE))
            .collect()
    }

    fn expected(&self, around: &Around, attribute: Option<&str>) -> Option<&'static Attribute> {
        let attribute = attribute?;
        around.attributes.iter().find(|known| known.name == attribute).copied()
    }

    fn texts(&self, around: &Around, attribute: Option<&str>) -> Vec<CompletionItem> {
        let mut items: Vec<CompletionItem> = self
            .expected(around, attribute)
            .map(|attribute| words(&attribute.ty))
            .unwrap_or_default()
            .into_iter()
            .map(|word| plain(word.to_owned(), CompletionItemKind::ENUM_MEMBER))
            .collect();
        if is_accelerator(&self.context.frames, attribute) {
            items.extend(catalog::chips().map(accelerator));
        }
        if attribute == Some("alias") || attribute == Some("from") || attribute == Some("to") {
            items.extend(self.own_members(around, "alias"));
        }
        items
    }

    fn own_members(&self, around: &Around, word: &str) -> Vec<CompletionItem> {
        let Some(owner) = &around.owner else { return Vec::new() };
        let mut before: Vec<&str> = owner.words.iter().map(String::as_str).collect();
        before.push(word);
        let names = self.names_of(&owner.room, &before);
        names.into_iter().map(|name| plain(name, CompletionItemKind::ENUM_MEMBER)).collect()
    }

    fn any_value(&self, around: &Around, attribute: Option<&str>) -> Vec<CompletionItem> {
        let expected = self.expected(around, attribute);
        let mut items = Vec::new();
        if let Some(attribute) = expected {
            let quoted = |word: &str| plain(format!("\"{word}\""), CompletionItemKind::ENUM_MEMBER);
            items.extend(words(&attribute.ty).into_iter().map(quoted));
            if accepts_bool(&attribute.ty) {
                items.extend(
                    ["true", "false"].map(|word| plain(word.to_owned(), CompletionItemKind::KEYWORD)),
                );
            }
            items.extend(self.references(&attribute.ty));
        }
        if is_accelerator(&self.context.frames, attribute) {
            items.extend(
                catalog::chips().map(|chip| plain(format!("\"{chip}\""), CompletionItemKind::ENUM_MEMBER)),
            );
        }
        items.iter_mut().for_each(|item| item.sort_text = Some(format!("0{}", item.label)));
        let roots = ["var", "local", "each", "count", "path", "target", "self"];
        let kinds = KINDS.iter().filter(|kind| !kind.labels.is_empty()).map(|kind| kind.name);
        let used: BTreeSet<&str> = self.symbols().map(|symbol| symbol.words[0].as_str()).collect();
        let mut words: Vec<&str> = roots.to_vec();
        words.extend(
            kinds.filter(|kind| used.contains(kind) && !["variable", "output", "resource"].contains(kind)),
        );
        words.extend(self.scope_words(around));
        let word = |word: &&str| CompletionItem {
            sort_text: Some(format!("1{word}")),
            ..plain((*word).to_owned(), CompletionItemKind::MODULE)
        };
        items.extend(words.iter().map(word));
        items.extend(functions().iter().map(|info| CompletionItem {
            label: info.name.to_owned(),
            kind: Some(CompletionItemKind::FUNCTION),
            detail: Some(info.signature()),
            documentation: Some(markdown(info.doc)),
            insert_text: Some(format!("{}($0)", info.name)),
            insert_text_format: Some(InsertTextFormat::SNIPPET),
            sort_text: Some(format!("2{}", info.name)),
            ..CompletionItem::default()
        }));
        items
    }

    fn scope_words(&self, around: &Around) -> Vec<&'static str> {
        match around.kind.map(|kind| kind.name) {
            Some("pipeline") => vec!["step", "param", "input", "output", "run"],
            Some("component") => vec!["param", "input", "output", "run"],
            Some("endpoint") => vec!["node"],
            Some("model") => vec!["candidate", "champion"],
            Some("dataset") => vec!["row"],
            _ => Vec::new(),
        }
    }

    /// Whole references to what the type takes.
    fn references(&self, ty: &'static Ty) -> Vec<CompletionItem> {
        let mut wanted = Vec::new();
        kinds_of(ty, &mut wanted);
        let fits = |symbol: &&Symbol| {
            let room =
                if matches!(symbol.words[0].as_str(), "environment" | "provider") { ROOT } else { self.room };
            symbol.room == room && wanted.iter().any(|wanted| is_a(symbol, wanted))
        };
        let found = self.symbols().filter(fits);
        found.map(|symbol| plain(symbol.written(), CompletionItemKind::REFERENCE)).collect()
    }

    /// What can follow `a.b.`
    fn steps(&self, around: &Around, chain: &[String]) -> Vec<CompletionItem> {
        let words: Vec<&str> = chain.iter().map(String::as_str).collect();
        let fixed = |words: &[&str]| {
            words.iter().map(|word| plain((*word).to_owned(), CompletionItemKind::PROPERTY)).collect()
        };
        match words.as_slice() {
            ["var"] => self.variables(),
            ["each"] => fixed(&["key", "value"]),
            ["count"] => fixed(&["index"]),
            ["path"] => fixed(&["module", "root"]),
            ["target"] => fixed(&["name", "mode", "residency"]),
            ["run"] => fixed(&["id", "started_at"]),
            ["step" | "node"] => self.own_members(around, words[0]),
            ["module", call] => self.module_outputs(call),
            [root, ..] => match kinds::kind(root) {
                Some(kind) => self.of_declaration(kind, &words),
                None => {
                    let names = self.names_of(self.room, &[&["resource"], words.as_slice()].concat());
                    let names = if *root == "local" { self.names_of(self.room, &words) } else { names };
                    names.into_iter().map(|name| plain(name, CompletionItemKind::VARIABLE)).collect()
                }
            },
            [] => Vec::new(),
        }
    }

    fn variables(&self) -> Vec<CompletionItem> {
        let names = self.names_of(self.room, &["variable"]);
        names.into_iter().map(|name| plain(name, CompletionItemKind::VARIABLE)).collect()
    }

    fn module_outputs(&self, _call: &str) -> Vec<CompletionItem> {
        let outputs = self.symbols().filter(|symbol| symbol.room != self.room && symbol.words[0] == "output");
        let names: BTreeSet<&str> = outputs.map(Symbol::name).collect();
        names.into_iter().map(|name| plain(name.to_owned(), CompletionItemKind::PROPERTY)).collect()
    }

    fn of_declaration(&self, kind: &'static Kind, words: &[&str]) -> Vec<CompletionItem> {
        let room = if matches!(kind.name, "environment" | "provider") { ROOT } else { self.room };
        let labels = kind.labels.len();
        if words.len() <= labels {
            let names = self.names_of(room, words);
            return names.into_iter().map(|name| plain(name, CompletionItemKind::VARIABLE)).collect();
        }
        match &words[labels + 1..] {
            [] => {
                let mut items: Vec<CompletionItem> = Vec::new();
                for output in kind.outputs {
                    items.push(detailed(
                        output.name,
                        CompletionItemKind::FIELD,
                        type_name(&output.ty),
                        output.doc,
                    ));
                }
                for member in kind.members.iter().filter(|member| member.word != "*") {
                    items.push(plain(member.word.to_owned(), CompletionItemKind::MODULE));
                }
                for attribute in kind.attributes {
                    let item = detailed(
                        attribute.name,
                        CompletionItemKind::PROPERTY,
                        type_name(&attribute.ty),
                        attribute.doc,
                    );
                    items.push(item);
                }
                let mut seen = BTreeSet::new();
                items.retain(|item| seen.insert(item.label.clone()));
                items
            }
            [word] => {
                let before: Vec<&str> = words[..=labels].iter().copied().chain([*word]).collect();
                let names = self.names_of(room, &before);
                names.into_iter().map(|name| plain(name, CompletionItemKind::VARIABLE)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The words that follow these in what is declared.
    fn names_of(&self, room: &str, words: &[&str]) -> Vec<String> {
        let longer = self.symbols().filter(|symbol| symbol.room == room && symbol.words.len() > words.len());
        let found: BTreeSet<&str> = longer
            .filter(|symbol| symbol.words.iter().zip(words).all(|(have, want)| have == want))
            .map(|symbol| symbol.words[words.len()].as_str())
            .collect();
        found.into_iter().map(str::to_owned).collect()
    }
}

fn is_accelerator(frames: &[Frame], attribute: Option<&str>) -> bool {
    let inside = frames.iter().any(|frame| {
        matches!(frame, Frame::Object(Some(name)) if name == "accelerator")
            || matches!(frame, Frame::Block(words) if words.first().is_some_and(|word| word == "accelerator"))
    });
    inside && attribute == Some("name")
}

fn accelerator(chip: &str) -> CompletionItem {
    CompletionItem {
        documentation: Some(markdown(&catalog::about(chip))),
        ..plain(chip.to_owned(), CompletionItemKind::ENUM_MEMBER)
    }
}

fn assignment(name: String) -> CompletionItem {
    CompletionItem { insert_text: Some(format!("{name} = ")), ..plain(name, CompletionItemKind::PROPERTY) }
}

fn block(kind: &Kind) -> CompletionItem {
    let labels: String =
        kind.labels.iter().enumerate().map(|(at, label)| format!(" \"${{{}:{label}}}\"", at + 1)).collect();
    let required = kind.attributes.iter().filter(|attribute| attribute.required);
    let body: String = required
        .enumerate()
        .map(|(at, attribute)| format!("  {} = ${{{}}}\n", attribute.name, kind.labels.len() + at + 1))
        .collect();
    let body = if body.is_empty() { "  $0\n".to_owned() } else { body };
    CompletionItem {
        insert_text: Some(format!("{}{labels} {{\n{body}}}", kind.name)),
        insert_text_format: Some(InsertTextFormat::SNIPPET),
        ..detailed(kind.name, CompletionItemKind::CLASS, "block".to_owned(), kind.doc)
    }
}

fn plain(label: String, kind: CompletionItemKind) -> CompletionItem {
    CompletionItem { label, kind: Some(kind), ..CompletionItem::default() }
}

fn detailed(label: &str, kind: CompletionItemKind, detail: String, doc: &str) -> CompletionItem {
    CompletionItem {
        detail: Some(detail),
        documentation: Some(markdown(doc)),
        ..plain(label.to_owned(), kind)
    }
}

fn markdown(text: &str) -> Documentation {
    Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: text.to_owned() })
}

/// The words a type takes as text.
fn words(ty: &'static Ty) -> Vec<&'static str> {
    match ty {
        Ty::Enum(words) => words.to_vec(),
        Ty::KindName => KINDS.iter().map(|kind| kind.name).collect(),
        Ty::List(inner) | Ty::Map(inner) => words(inner),
        Ty::OneOf(options) => options.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

fn accepts_bool(ty: &'static Ty) -> bool {
    match ty {
        Ty::Bool => true,
        Ty::OneOf(options) => options.iter().any(accepts_bool),
        _ => false,
    }
}

fn kinds_of(ty: &'static Ty, found: &mut Vec<&'static str>) {
    match ty {
        Ty::Ref([]) => found.extend(KINDS.iter().filter(|kind| kind.common).map(|kind| kind.name)),
        Ty::Ref(names) => found.extend(*names),
        Ty::List(inner) | Ty::Map(inner) => kinds_of(inner, found),
        Ty::OneOf(options) => options.iter().for_each(|ty| kinds_of(ty, found)),
        _ => {}
    }
}

/// Whether a reference to this is what a type calls so: a kind, or what a member is.
fn is_a(symbol: &Symbol, wanted: &str) -> bool {
    let Some(kind) = kinds::kind(&symbol.words[0]) else { return false };
    match symbol.words.get(kind.labels.len() + 1) {
        None => kind.name == wanted && symbol.words.len() == kind.labels.len() + 1,
        Some(word) => kind.members.iter().any(|member| member.word == word && (member.is == wanted)),
    }
}
