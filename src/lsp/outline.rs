//! The outline of a file, and the meaning of its words for highlighting.

use lsp_types::{DocumentSymbol, SemanticToken, SemanticTokenType, SymbolKind};
use mlp_diag::Span;
use mlp_syntax::{Block, Body, TokenKind, tokens};

use crate::names::{Mark, Role, What};
use crate::project::File;
use crate::text::Text;

/// The types of semantic tokens, in the order of their numbers.
pub(crate) const TYPES: [SemanticTokenType; 10] = [
    SemanticTokenType::TYPE,
    SemanticTokenType::PROPERTY,
    SemanticTokenType::VARIABLE,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::NUMBER,
    SemanticTokenType::COMMENT,
    SemanticTokenType::KEYWORD,
];

/// Blocks as a tree, attributes inside them.
pub(crate) fn symbols(file: &File) -> Vec<DocumentSymbol> {
    file.trees().flat_map(|tree| inside(&file.text, &tree.body, true)).collect()
}

fn inside(text: &Text, body: &Body, top: bool) -> Vec<DocumentSymbol> {
    let attributes = body.attributes.iter().map(|attribute| {
        let kind = if top { SymbolKind::VARIABLE } else { SymbolKind::PROPERTY };
        symbol(text, &attribute.name.name, kind, (attribute.span, attribute.name.span), Vec::new())
    });
    let blocks = body.blocks.iter().map(|block| of_block(text, block, top));
    let mut all: Vec<DocumentSymbol> = attributes.chain(blocks).collect();
    all.sort_by_key(|symbol| (symbol.range.start.line, symbol.range.start.character));
    all
}

fn of_block(text: &Text, block: &Block, top: bool) -> DocumentSymbol {
    let labels: String = block.labels.iter().map(|label| format!(" {}", label.name)).collect();
    let kind = match (top, block.kind.name.as_str()) {
        (true, "module" | "standard") => SymbolKind::MODULE,
        (true, "variable" | "locals" | "output") => SymbolKind::VARIABLE,
        (true, "environment" | "provider" | "project") => SymbolKind::NAMESPACE,
        (true, _) => SymbolKind::CLASS,
        (false, _) => SymbolKind::STRUCT,
    };
    let name = format!("{}{labels}", block.kind.name);
    symbol(text, &name, kind, (block.span, block.header), inside(text, &block.body, false))
}

#[expect(deprecated, reason = "the protocol's type has a field that nobody sets any more")]
fn symbol(
    text: &Text,
    name: &str,
    kind: SymbolKind,
    (whole, at): (Span, Span),
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    let range = |span: Span| text.range(span.start as usize..span.end as usize);
    DocumentSymbol {
        name: if name.is_empty() { "?".to_owned() } else { name.to_owned() },
        detail: None,
        kind,
        tags: None,
        deprecated: None,
        range: range(whole.to(at)),
        selection_range: range(at),
        children: (!children.is_empty()).then_some(children),
    }
}

/// Words with their meanings, and what the lexer knows of the rest.
pub(crate) fn semantic(file: &File, marks: &[Mark]) -> Vec<SemanticToken> {
    let mut found: Vec<(usize, usize, u32)> = marks
        .iter()
        .filter_map(|mark| Some((mark.span.start as usize, mark.span.end as usize, kind_of(&mark.what)?)))
        .collect();
    let text = &file.text.text;
    for token in tokens(text) {
        let kind = match token.kind {
            TokenKind::Number => 7,
            TokenKind::Comment => 8,
            TokenKind::Name
                if matches!(
                    &text[token.start..token.end],
                    "true" | "false" | "null" | "for" | "in" | "if"
                ) =>
            {
                9
            }
            _ => continue,
        };
        found.push((token.start, token.end, kind));
    }
    found.sort_unstable();
    found.dedup_by_key(|(start, ..)| *start);
    encode(&file.text, &found)
}

fn kind_of(what: &What) -> Option<u32> {
    Some(match what {
        What::Kind(_) => 0,
        What::Attribute(set)
            if set.schema.is_some_and(|schema| !crate::names::inner(&schema.ty).is_empty()) =>
        {
            0
        }
        What::Attribute(_) => 1,
        What::Symbol(symbol, Role::Reference | Role::History) if symbol.is_member() => 6,
        What::Symbol(_, Role::Reference | Role::History) => 2,
        What::Symbol(..) => 6,
        What::Part(..) => 1,
        What::Function(_) => 3,
        What::Bound => 4,
        What::Root(_) => 5,
    })
}

/// Each token relative to the one before, one for each line it stands on.
fn encode(text: &Text, found: &[(usize, usize, u32)]) -> Vec<SemanticToken> {
    let mut tokens = Vec::new();
    let (mut line, mut column) = (0, 0);
    for (start, end, kind) in found {
        let mut at = *start;
        for piece in text.text[*start..*end].split_inclusive('\n') {
            let range = text.range(at..at + piece.trim_end_matches(['\n', '\r']).len());
            at += piece.len();
            let length = range.end.character.saturating_sub(range.start.character);
            if length == 0 || (range.start.line, range.start.character) < (line, column) {
                continue;
            }
            let delta_line = range.start.line - line;
            let delta_start =
                if delta_line == 0 { range.start.character - column } else { range.start.character };
            (line, column) = (range.start.line, range.start.character);
            tokens.push(SemanticToken {
                delta_line,
                delta_start,
                length,
                token_type: *kind,
                token_modifiers_bitset: 0,
            });
        }
    }
    tokens
}
