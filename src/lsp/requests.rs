//! What requests about a place of a file are answered with.

use std::collections::HashMap;

use lsp_server::ErrorCode;
use lsp_types::{self as lsp, TextEdit, Uri, WorkspaceEdit};
use serde::Serialize;
use serde_json::{Value, json};

use crate::analysis::place;
use crate::complete::complete;
use crate::hover::{Values, hover};
use crate::names::{Role, Symbol, What};
use crate::navigate::{Place, can_rename, definitions, mark_at, places, rename};
use crate::server::{Answer, Server};
use crate::state::State;
use crate::text::Text;
use crate::{actions, outline};

impl Server {
    /// The symbol at a position, with the project.
    fn symbol(
        &mut self,
        at: &lsp::TextDocumentPositionParams,
    ) -> Result<(&mut State, String, Option<Symbol>, usize), (ErrorCode, String)> {
        let position = at.position;
        let (state, relative) = self.state(&at.text_document.uri)?;
        let offset = state.project.file(&relative).map_or(0, |file| file.text.offset(position));
        let names = state.names();
        let symbol = mark_at(&names, &relative, offset).and_then(|mark| match &mark.what {
            What::Symbol(symbol, _) => Some(symbol.clone()),
            _ => None,
        });
        Ok((state, relative, symbol, offset))
    }

    pub(crate) fn completion(&mut self, params: lsp::CompletionParams) -> Answer {
        let at = params.text_document_position;
        let (state, relative) = self.state(&at.text_document.uri)?;
        let names = state.names();
        let Some(file) = state.project.file(&relative) else { return Ok(Value::Null) };
        to_value(complete(file, file.text.offset(at.position), &names))
    }

    pub(crate) fn hover(&mut self, params: lsp::HoverParams) -> Answer {
        let at = params.text_document_position_params;
        let (state, relative, _, offset) = self.symbol(&at)?;
        let names = state.names();
        let Some(mark) = mark_at(&names, &relative, offset) else { return Ok(Value::Null) };
        let sources = state.analysis.project.sources();
        let values = Values { platforms: &state.analysis.platforms, sources: &sources };
        let Some(value) = hover(mark, &values) else { return Ok(Value::Null) };
        let file = state.project.file(&relative);
        let range = file.map(|file| file.text.range(mark.span.start as usize..mark.span.end as usize));
        let contents =
            lsp::HoverContents::Markup(lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value });
        to_value(lsp::Hover { contents, range })
    }

    pub(crate) fn definition(&mut self, params: lsp::GotoDefinitionParams) -> Answer {
        let (state, _, symbol, _) = self.symbol(&params.text_document_position_params)?;
        let Some(symbol) = symbol else { return Ok(Value::Null) };
        let names = state.names();
        let found = definitions(&names, &symbol);
        to_value(found.iter().filter_map(|place| location(state, place)).collect::<Vec<_>>())
    }

    pub(crate) fn references(&mut self, params: lsp::ReferenceParams) -> Answer {
        let (state, _, symbol, _) = self.symbol(&params.text_document_position)?;
        let Some(symbol) = symbol else { return Ok(Value::Null) };
        let names = state.names();
        let all = places(&names, &symbol).into_iter();
        let wanted = all.filter(|(_, role)| params.context.include_declaration || *role != Role::Definition);
        to_value(wanted.filter_map(|(place, _)| location(state, &place)).collect::<Vec<_>>())
    }

    pub(crate) fn highlight(&mut self, params: lsp::DocumentHighlightParams) -> Answer {
        let (state, relative, symbol, _) = self.symbol(&params.text_document_position_params)?;
        let Some(symbol) = symbol else { return Ok(Value::Null) };
        let names = state.names();
        let here = places(&names, &symbol).into_iter().filter(|((path, _), _)| *path == relative);
        let shown = here.filter_map(|(place, role)| {
            let kind = if role == Role::Reference {
                lsp::DocumentHighlightKind::READ
            } else {
                lsp::DocumentHighlightKind::WRITE
            };
            Some(lsp::DocumentHighlight { range: location(state, &place)?.range, kind: Some(kind) })
        });
        to_value(shown.collect::<Vec<_>>())
    }

    pub(crate) fn prepare_rename(&mut self, params: lsp::TextDocumentPositionParams) -> Answer {
        let (state, relative, symbol, offset) = self.symbol(&params)?;
        let Some(symbol) = symbol else {
            return Err((ErrorCode::RequestFailed, "there is no name here".to_owned()));
        };
        let names = state.names();
        can_rename(&names, &symbol).map_err(|why| (ErrorCode::RequestFailed, why))?;
        let mark = mark_at(&names, &relative, offset);
        let file = state.project.file(&relative);
        let range = mark
            .zip(file)
            .map(|(mark, file)| file.text.range(mark.span.start as usize..mark.span.end as usize));
        to_value(range.map(|range| json!({ "range": range, "placeholder": symbol.name() })))
    }

    pub(crate) fn rename(&mut self, params: lsp::RenameParams) -> Answer {
        let (state, _, symbol, _) = self.symbol(&params.text_document_position)?;
        let Some(symbol) = symbol else {
            return Err((ErrorCode::RequestFailed, "there is no name here".to_owned()));
        };
        let names = state.names();
        let applied = state.host.was_applied();
        let renaming = rename(&state.project, &names, &symbol, &params.new_name, applied)
            .map_err(|why| (ErrorCode::RequestFailed, why))?;
        #[expect(clippy::mutable_key_type, reason = "the protocol's type; the part that changes is a cache")]
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for place in &renaming.places {
            let Some(location) = location(state, place) else { continue };
            let edit = TextEdit { range: location.range, new_text: params.new_name.clone() };
            changes.entry(location.uri).or_default().push(edit);
        }
        if let Some((path, block)) = renaming.moved
            && let (Some(uri), Some(file)) = (state.uri(&path), state.project.file(&path))
        {
            let end = file.text.whole().end;
            let edit = TextEdit { range: lsp::Range { start: end, end }, new_text: block };
            changes.entry(uri).or_default().push(edit);
        }
        to_value(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
    }

    pub(crate) fn formatting(&mut self, params: lsp::DocumentFormattingParams) -> Answer {
        let (state, relative) = self.state(&params.text_document.uri)?;
        let Some(file) = state.project.file(&relative) else { return Ok(Value::Null) };
        // What cannot be read stays as it is: the diagnostics say why.
        let Ok(formatted) = mlp_syntax::format(&file.text.text) else { return Ok(Value::Null) };
        to_value(difference(&file.text, &formatted).into_iter().collect::<Vec<_>>())
    }

    pub(crate) fn symbols(&mut self, params: lsp::DocumentSymbolParams) -> Answer {
        let (state, relative) = self.state(&params.text_document.uri)?;
        to_value(state.project.file(&relative).map(outline::symbols).unwrap_or_default())
    }

    pub(crate) fn tokens(&mut self, params: lsp::SemanticTokensParams) -> Answer {
        let (state, relative) = self.state(&params.text_document.uri)?;
        let names = state.names();
        let marks = names.get(&relative).map(|found| found.marks.as_slice()).unwrap_or_default();
        let data =
            state.project.file(&relative).map(|file| outline::semantic(file, marks)).unwrap_or_default();
        to_value(lsp::SemanticTokens { result_id: None, data })
    }

    pub(crate) fn actions(&mut self, params: lsp::CodeActionParams) -> Answer {
        let uri = params.text_document.uri;
        let wanted = params.range;
        let (state, relative) = self.state(&uri)?;
        let analysis = state.analysis.clone();
        if analysis.version != state.version() {
            return Ok(json!([]));
        }
        let Some(file) = analysis.project.file(&relative) else { return Ok(json!([])) };
        let found = analysis.diagnostics.iter().filter(|one| place(one).0 == file.id().0);
        let actions = found.filter_map(|one| {
            let shown = state.shown(&analysis.project, one)?;
            let touches = shown.range.start <= wanted.end && wanted.start <= shown.range.end;
            touches.then(|| actions::correction(one, &shown, &uri, &file.text)).flatten()
        });
        to_value(actions.collect::<Vec<_>>())
    }
}

fn location(state: &State, (path, bytes): &Place) -> Option<lsp::Location> {
    let file = state.project.file(path)?;
    Some(lsp::Location { uri: state.uri(path)?, range: file.text.range(bytes.clone()) })
}

/// The one edit that makes a text another: what is the same at both ends stays.
fn difference(before: &Text, after: &str) -> Option<TextEdit> {
    let old = before.text.as_str();
    if old == after {
        return None;
    }
    let same = old.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    let line = old[..floor(old, same)].rfind('\n').map_or(0, |at| at + 1);
    let most = old.len().min(after.len()) - line;
    let tail = old.bytes().rev().zip(after.bytes().rev()).take(most).take_while(|(a, b)| a == b).count();
    let end = (old.len() - tail..=old.len()).find(|at| old.is_char_boundary(*at)).unwrap_or(old.len());
    let new_end = after.len() - (old.len() - end);
    Some(TextEdit { range: before.range(line..end), new_text: after[line..new_end].to_owned() })
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

pub(crate) fn to_value(value: impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}
