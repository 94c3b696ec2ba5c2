//! The server: messages in, messages out; analyses run beside it.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, unbounded};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    self as lsp, CompletionOptions, HoverProviderCapability, OneOf, SemanticTokensFullOptions,
    SemanticTokensLegend, SemanticTokensOptions, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind, Uri,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::analysis::{Analysis, Answers, analyse};
use crate::project::Project;
use crate::requests::to_value;
use crate::state::State;
use crate::text::Text;
use crate::uri::path;
use crate::{Host, outline, wire};

/// How long nobody must have typed before the project is analysed: as long as an editor takes to send several changes at once. People
/// type slower than any pause that is worth waiting for.
const QUIET: Duration = Duration::from_millis(2);

/// Makes the host of a directory.
pub type MakeHost = Box<dyn Fn(&Path) -> Arc<dyn Host> + Send>;

/// What is to be analysed.
struct Job {
    directory: PathBuf,
    project: Project,
    version: u64,
    host: Arc<dyn Host>,
    answers: Arc<Answers>,
    newest: Arc<AtomicU64>,
}

impl Job {
    fn run(self) -> Option<(PathBuf, Analysis)> {
        let found = analyse(self.project, self.version, &*self.host, &self.answers, &self.newest)?;
        Some((self.directory, found))
    }
}

/// Everything the server knows.
pub struct Server {
    make_host: MakeHost,
    roots: Vec<PathBuf>,
    projects: BTreeMap<PathBuf, State>,
    /// Which project an open file belongs to.
    open: BTreeMap<PathBuf, (PathBuf, String)>,
    initialized: bool,
    stopping: bool,
    watches: bool,
    asked: i32,
}

/// Why a request is refused.
pub(crate) type Refusal = (ErrorCode, String);

pub(crate) type Answer = Result<Value, Refusal>;

impl Server {
    /// A server that has heard nothing yet.
    pub fn new(make_host: MakeHost) -> Self {
        Self {
            make_host,
            roots: Vec::new(),
            projects: BTreeMap::new(),
            open: BTreeMap::new(),
            initialized: false,
            stopping: false,
            watches: false,
            asked: 0,
        }
    }

    /// What one message is answered with; `None` when it was the last.
    pub fn handle(&mut self, message: Message) -> Option<Vec<Message>> {
        match message {
            Message::Request(request) => Some(vec![self.request(request)]),
            Message::Notification(notification) if notification.method == "exit" => None,
            Message::Notification(notification) => Some(self.notification(notification)),
            Message::Response(_) => Some(Vec::new()),
        }
    }

    /// The same for the bytes of a message; what is none is passed over.
    pub fn hear(&mut self, body: &[u8]) -> Option<Vec<Message>> {
        match wire::message(body) {
            Ok(message) => self.handle(message),
            Err(_) => Some(Vec::new()),
        }
    }

    /// Analyses everything that is due at once, and says what came of it.
    pub fn settle(&mut self) -> Vec<Message> {
        let jobs = self.jobs(None);
        jobs.into_iter()
            .filter_map(Job::run)
            .flat_map(|(directory, found)| self.finish(&directory, found))
            .collect()
    }

    fn finish(&mut self, directory: &Path, analysis: Analysis) -> Vec<Message> {
        let Some(state) = self.projects.get_mut(directory) else { return Vec::new() };
        let found = state.finish(analysis);
        found
            .into_iter()
            .map(|(uri, diagnostics)| {
                let params = lsp::PublishDiagnosticsParams { uri, diagnostics, version: None };
                Message::Notification(Notification::new("textDocument/publishDiagnostics".to_owned(), params))
            })
            .collect()
    }

    /// The analyses that are due: all of them, or those that nobody has touched for a while.
    fn jobs(&mut self, now: Option<Instant>) -> Vec<Job> {
        let due = |since: Instant| now.is_none_or(|now| now >= since + QUIET);
        let mut jobs = Vec::new();
        for (directory, state) in &mut self.projects {
            if state.due.is_some_and(due) {
                state.due = None;
                jobs.push(Job {
                    directory: directory.clone(),
                    project: state.project.clone(),
                    version: state.version(),
                    host: state.host.clone(),
                    answers: state.answers.clone(),
                    newest: state.newest.clone(),
                });
            }
        }
        jobs
    }

    fn wait(&self) -> Duration {
        let next = self.projects.values().filter_map(|state| state.due).min();
        next.map_or(Duration::from_secs(3600), |since| {
            (since + QUIET).saturating_duration_since(Instant::now())
        })
    }

    fn request(&mut self, request: Request) -> Message {
        let id = request.id.clone();
        let refused = match (self.initialized, self.stopping, request.method.as_str()) {
            (false, _, method) if method != "initialize" => {
                Some((ErrorCode::ServerNotInitialized, "initialize first"))
            }
            (true, _, "initialize") => Some((ErrorCode::InvalidRequest, "initialized already")),
            (_, true, _) => Some((ErrorCode::InvalidRequest, "shut down already")),
            _ => None,
        };
        let answer = match refused {
            Some((code, why)) => Err((code, why.to_owned())),
            None => self.answer(request),
        };
        Message::Response(match answer {
            Ok(value) => Response::new_ok(id, value),
            Err((code, why)) => Response::new_err(id, code as i32, why),
        })
    }

    fn answer(&mut self, request: Request) -> Answer {
        match request.method.as_str() {
            "initialize" => self.initialize(parse(request.params)?),
            "shutdown" => {
                self.stopping = true;
                Ok(Value::Null)
            }
            "textDocument/completion" => self.completion(parse(request.params)?),
            "textDocument/hover" => self.hover(parse(request.params)?),
            "textDocument/definition" => self.definition(parse(request.params)?),
            "textDocument/references" => self.references(parse(request.params)?),
            "textDocument/documentHighlight" => self.highlight(parse(request.params)?),
            "textDocument/prepareRename" => self.prepare_rename(parse(request.params)?),
            "textDocument/rename" => self.rename(parse(request.params)?),
            "textDocument/formatting" => self.formatting(parse(request.params)?),
            "textDocument/documentSymbol" => self.symbols(parse(request.params)?),
            "textDocument/semanticTokens/full" => self.tokens(parse(request.params)?),
            "textDocument/codeAction" => self.actions(parse(request.params)?),
            other => Err((ErrorCode::MethodNotFound, format!("`{other}` is not known here"))),
        }
    }

    fn initialize(&mut self, params: lsp::InitializeParams) -> Answer {
        self.initialized = true;
        let folders = params.workspace_folders.unwrap_or_default();
        self.roots = folders.iter().filter_map(|folder| path(&folder.uri)).collect();
        #[expect(deprecated, reason = "clients of older versions of the protocol name their folder so")]
        let old = params.root_uri.as_ref().and_then(path);
        if self.roots.is_empty() {
            self.roots.extend(old);
        }
        let watched = params.capabilities.workspace.and_then(|workspace| workspace.did_change_watched_files);
        self.watches = watched.and_then(|watched| watched.dynamic_registration) == Some(true);
        to_value(lsp::InitializeResult {
            capabilities: capabilities(),
            server_info: Some(lsp::ServerInfo {
                name: "mlp".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        })
    }

    fn notification(&mut self, notification: Notification) -> Vec<Message> {
        if !self.initialized {
            return Vec::new();
        }
        match notification.method.as_str() {
            "initialized" => return self.watch(),
            "textDocument/didOpen" => self.with(notification, Self::did_open),
            "textDocument/didChange" => self.with(notification, Self::did_change),
            "textDocument/didClose" => self.with(notification, Self::did_close),
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                self.projects.values_mut().for_each(State::reread);
            }
            // What is not known has no answer.
            _ => {}
        }
        Vec::new()
    }

    fn with<P: DeserializeOwned>(&mut self, notification: Notification, act: impl FnOnce(&mut Self, P)) {
        // A notification has no answer, so one that cannot be read is passed over.
        if let Ok(params) = serde_json::from_value(notification.params) {
            act(self, params);
        }
    }

    /// Begins with the projects of the folders, and asks to hear of changes of files that are not open.
    fn watch(&mut self) -> Vec<Message> {
        for root in self.roots.clone() {
            let host = (self.make_host)(&root);
            if !host.names(".", ".mlp").is_empty() {
                self.projects.entry(root.clone()).or_insert_with(|| State::new(root, host));
            }
        }
        if !self.watches {
            return Vec::new();
        }
        self.asked += 1;
        let endings = [".mlp"].into_iter().chain(mlp_config::VALUE_FILES.iter().copied());
        let watchers: Vec<_> =
            endings.map(|ending| json!({ "globPattern": format!("**/*{ending}") })).collect();
        let registration = json!({ "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": { "watchers": watchers } });
        vec![Message::Request(Request::new(
            RequestId::from(self.asked),
            "client/registerCapability".to_owned(),
            json!({ "registrations": [registration] }),
        ))]
    }

    /// The project of a file: the nearest directory above it that declares one, else its own directory.
    fn directory_of(&self, file: &Path) -> PathBuf {
        let own = file.parent().unwrap_or(file).to_owned();
        let is_inside = |directory: &Path| self.roots.iter().any(|root| directory.starts_with(root));
        let above = own.ancestors().take_while(|directory| *directory == own || is_inside(directory));
        let declares = |directory: &&Path| {
            let host = (self.make_host)(directory);
            let names = host.names(".", ".mlp");
            names
                .iter()
                .filter_map(|name| host.read(name))
                .any(|text| text.lines().any(|line| line.starts_with("project ")))
        };
        above.into_iter().find(declares).unwrap_or(&own).to_owned()
    }

    fn did_open(&mut self, params: lsp::DidOpenTextDocumentParams) {
        let Some(file) = path(&params.text_document.uri) else { return };
        let text = Arc::new(Text::new(params.text_document.text));
        let mut directory = self.directory_of(&file);
        if !self.open_in(&directory, &file, text.clone()) {
            file.parent().unwrap_or(&file).clone_into(&mut directory);
            self.open_in(&directory, &file, text);
        }
    }

    /// Whether the file belongs to the project of that directory.
    fn open_in(&mut self, directory: &Path, file: &Path, text: Arc<Text>) -> bool {
        let is_new = !self.projects.contains_key(directory);
        let host = (self.make_host)(directory);
        let state = self
            .projects
            .entry(directory.to_owned())
            .or_insert_with(|| State::new(directory.to_owned(), host));
        let relative = state.relative(file).or_else(|| {
            let inside = file.strip_prefix(directory).ok()?;
            Some(inside.to_str()?.to_owned())
        });
        let Some(relative) = relative else { return false };
        state.edit(&relative, text);
        if state.project.file(&relative).is_none() {
            state.open.remove(&relative);
            if is_new {
                self.projects.remove(directory);
            }
            return false;
        }
        self.open.insert(file.to_owned(), (directory.to_owned(), relative));
        true
    }

    fn did_change(&mut self, params: lsp::DidChangeTextDocumentParams) {
        let Some(file) = path(&params.text_document.uri) else { return };
        let Some((directory, relative)) = self.open.get(&file) else { return };
        let Some(state) = self.projects.get_mut(directory) else { return };
        let Some(mut text) = state.open.get(relative).cloned() else { return };
        for change in params.content_changes {
            text = Arc::new(text.edited(change.range, &change.text));
        }
        state.edit(relative, text);
    }

    fn did_close(&mut self, params: lsp::DidCloseTextDocumentParams) {
        let Some(file) = path(&params.text_document.uri) else { return };
        let Some((directory, relative)) = self.open.remove(&file) else { return };
        let Some(state) = self.projects.get_mut(&directory) else { return };
        state.open.remove(&relative);
        state.reread();
    }

    pub(crate) fn state(&mut self, uri: &Uri) -> Result<(&mut State, String), Refusal> {
        let known = path(uri).and_then(|file| self.open.get(&file).cloned());
        let Some((directory, relative)) = known else {
            return Err((ErrorCode::InvalidParams, format!("`{}` is not open", uri.as_str())));
        };
        match self.projects.get_mut(&directory) {
            Some(state) if state.project.file(&relative).is_some() => Ok((state, relative)),
            _ => Err((ErrorCode::InvalidParams, format!("`{}` is not open", uri.as_str()))),
        }
    }
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(lsp::TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(lsp::TextDocumentSyncSaveOptions::Supported(true)),
            ..lsp::TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "\"", "=", "{", "["].map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(lsp::RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: lsp::WorkDoneProgressOptions::default(),
        })),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(lsp::CodeActionProviderCapability::Simple(true)),
        semantic_tokens_provider: Some(lsp::SemanticTokensServerCapabilities::SemanticTokensOptions(
            SemanticTokensOptions {
                legend: SemanticTokensLegend {
                    token_types: outline::TYPES.to_vec(),
                    token_modifiers: Vec::new(),
                },
                full: Some(SemanticTokensFullOptions::Bool(true)),
                ..SemanticTokensOptions::default()
            },
        )),
        ..ServerCapabilities::default()
    }
}

fn parse<P: DeserializeOwned>(params: Value) -> Result<P, (ErrorCode, String)> {
    serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}

/// Serves one client until it says goodbye; whether it did so properly.
///
/// # Errors
/// A stream broke.
pub fn serve(
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
    make_host: MakeHost,
) -> std::io::Result<bool> {
    let (heard, messages) = unbounded();
    let (jobs, work) = unbounded::<Job>();
    let (done, results) = unbounded();
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || read_all(input, &heard))?;
    std::thread::Builder::new()
        .name("analysis".to_owned())
        .stack_size(crate::STACK)
        .spawn(move || work_all(&work, &done))?;
    let mut server = Server::new(make_host);
    loop {
        let answers = select! {
            recv(messages) -> heard => match heard {
                Err(_) => return Ok(server.stopping),
                Ok(Err(why)) => {
                    refuse(&mut output, &why)?;
                    continue;
                }
                Ok(Ok(message)) => match server.handle(message) {
                    None => return Ok(server.stopping),
                    Some(answers) => answers,
                },
            },
            recv(results) -> result => match result {
                Ok((directory, analysis)) => server.finish(&directory, analysis),
                // It ends only when it broke: an editor starts the server again then.
                Err(_) => return Err(std::io::Error::other("the analysis broke off")),
            },
            default(server.wait()) => Vec::new(),
        };
        for answer in answers {
            answer.write(&mut output)?;
        }
        for job in server.jobs(Some(Instant::now())) {
            // The worker lives as long as this does.
            let _ = jobs.send(job);
        }
    }
}

fn read_all(mut input: impl BufRead, heard: &Sender<Result<Message, String>>) {
    // The end of the stream, or a stream that makes no sense any more, ends the conversation.
    while let Ok(Some(message)) = wire::read(&mut input) {
        if heard.send(message).is_err() {
            return;
        }
    }
}

fn work_all(work: &Receiver<Job>, done: &Sender<(PathBuf, Analysis)>) {
    for job in work {
        if let Some(found) = job.run()
            && done.send(found).is_err()
        {
            return;
        }
    }
}

/// Says that what came was no message.
fn refuse(output: &mut impl Write, why: &str) -> std::io::Result<()> {
    let error = json!({ "code": ErrorCode::ParseError as i32, "message": why });
    let text = json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
