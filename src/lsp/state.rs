//! One project that is being edited.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lsp_types::{DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, Uri};
use mlp_diag::{Diagnostic, FileId, Severity, Span};

use crate::Host;
use crate::analysis::{Analysis, Answers, place};
use crate::names::{self, FileNames};
use crate::navigate::Marks;
use crate::project::Project;
use crate::text::Text;
use crate::uri::{normal, uri};

/// The names of a file, and what they were found for.
struct Found {
    text: Arc<Text>,
    number: FileId,
    natives: BTreeSet<String>,
    names: Arc<FileNames>,
}

/// A project, what is open of it, and what was found out.
pub(crate) struct State {
    pub(crate) directory: PathBuf,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) open: BTreeMap<String, Arc<Text>>,
    pub(crate) project: Project,
    pub(crate) answers: Arc<Answers>,
    /// The state of the text; an analysis of an older one gives up.
    pub(crate) newest: Arc<AtomicU64>,
    pub(crate) analysis: Arc<Analysis>,
    /// When it is to be analysed next.
    pub(crate) due: Option<Instant>,
    names: Option<Arc<Marks>>,
    /// The names of files as they were found, with the text and the native kinds they were found for.
    found: BTreeMap<String, Found>,
    published: BTreeMap<String, Vec<lsp_types::Diagnostic>>,
}

impl State {
    pub(crate) fn new(directory: PathBuf, host: Arc<dyn Host>) -> Self {
        let mut state = Self {
            directory,
            host,
            open: BTreeMap::new(),
            project: Project::default(),
            answers: Arc::default(),
            newest: Arc::default(),
            analysis: Arc::default(),
            due: None,
            names: None,
            found: BTreeMap::new(),
            published: BTreeMap::new(),
        };
        state.reread();
        state
    }

    /// Reads the files again: one came, went, or was changed outside.
    pub(crate) fn reread(&mut self) {
        self.project = Project::read(&*self.host, &self.open, std::mem::take(&mut self.project));
        self.answers.forget();
        self.changed();
    }

    /// Takes over a new text of an open file.
    pub(crate) fn edit(&mut self, path: &str, text: Arc<Text>) {
        self.open.insert(path.to_owned(), text.clone());
        if self.project.update(path, text) {
            self.changed();
        } else {
            self.reread();
        }
    }

    fn changed(&mut self) {
        self.newest.fetch_add(1, Ordering::Relaxed);
        self.names = None;
        self.due = Some(Instant::now());
    }

    pub(crate) fn version(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// The path of a file of this project, as the project calls it.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let known = self.project.files.iter().find(|file| normal(&self.directory.join(&file.path)) == path);
        known.map(|file| file.path.clone())
    }

    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        uri(&normal(&self.directory.join(path)))
    }

    /// The names in the text as it is now; what did not change is not looked through again.
    pub(crate) fn names(&mut self) -> Arc<Marks> {
        if let Some(names) = &self.names {
            return names.clone();
        }
        let mut natives: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for file in &self.project.files {
            natives.entry(&file.room).or_default().extend(names::natives(file));
        }
        let mut before = std::mem::take(&mut self.found);
        let none = BTreeSet::new();
        for file in &self.project.files {
            let natives = natives.get(file.room.as_str()).unwrap_or(&none);
            let same = |found: &Found| {
                Arc::ptr_eq(&found.text, &file.text) && found.number == file.id() && found.natives == *natives
            };
            let found = before.remove(&file.path).filter(same).unwrap_or_else(|| Found {
                text: file.text.clone(),
                number: file.id(),
                natives: natives.clone(),
                names: Arc::new(names::names(file, natives)),
            });
            self.found.insert(file.path.clone(), found);
        }
        let all = self.found.iter().map(|(path, found)| (path.clone(), found.names.clone())).collect();
        let names: Arc<Marks> = Arc::new(all);
        self.names = Some(names.clone());
        names
    }

    /// Takes over what was found out: the diagnostics of every file for which they changed.
    pub(crate) fn finish(&mut self, analysis: Analysis) -> Vec<(Uri, Vec<lsp_types::Diagnostic>)> {
        if analysis.version != self.version() {
            return Vec::new();
        }
        let mut by_file: BTreeMap<String, Vec<lsp_types::Diagnostic>> =
            analysis.project.files.iter().map(|file| (file.path.clone(), Vec::new())).collect();
        for one in &analysis.diagnostics {
            let (number, _) = place(one);
            let Some(file) = analysis.project.by_id(FileId(number)) else { continue };
            by_file.entry(file.path.clone()).or_default().extend(self.shown(&analysis.project, one));
        }
        // What a file that is gone was said of is taken back.
        for path in self.published.keys() {
            by_file.entry(path.clone()).or_default();
        }
        let before = std::mem::take(&mut self.published);
        let nothing = Vec::new();
        let mut changed = Vec::new();
        for (path, found) in &by_file {
            if before.get(path).unwrap_or(&nothing) != found {
                changed.extend(self.uri(path).map(|uri| (uri, found.clone())));
            }
        }
        by_file.retain(|_, found| !found.is_empty());
        self.published = by_file;
        let before = std::mem::replace(&mut self.analysis, Arc::new(analysis));
        // To give back the memory of a large project takes as long as a keystroke; where no thread starts it is done here.
        let dropped = std::thread::Builder::new().spawn(move || drop(before));
        dropped.map(drop).unwrap_or_default();
        changed
    }

    /// A diagnostic as the protocol has it.
    pub(crate) fn shown(&self, project: &Project, one: &Diagnostic) -> Option<lsp_types::Diagnostic> {
        let (number, bytes) = place(one);
        let file = project.by_id(FileId(number))?;
        let mut message = one.headline.clone();
        let primary = one.labels.iter().find(|label| label.primary);
        if let Some(label) = primary.filter(|label| !label.text.is_empty()) {
            message.push_str(&format!("\n{}", label.text));
        }
        one.notes.iter().for_each(|note| message.push_str(&format!("\nnote: {note}")));
        one.help.iter().for_each(|help| message.push_str(&format!("\nhelp: {help}")));
        let others = one.labels.iter().filter(|label| Some(*label) != primary);
        let related: Vec<DiagnosticRelatedInformation> = others
            .filter_map(|label| {
                let location = self.location(project, label.span)?;
                let message = if label.text.is_empty() { "here".to_owned() } else { label.text.clone() };
                Some(DiagnosticRelatedInformation { location, message })
            })
            .collect();
        Some(lsp_types::Diagnostic {
            range: file.text.range(bytes),
            severity: Some(match one.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Note => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(one.code.clone())),
            source: Some("mlp".to_owned()),
            message,
            related_information: (!related.is_empty()).then_some(related),
            ..lsp_types::Diagnostic::default()
        })
    }

    fn location(&self, project: &Project, span: Span) -> Option<Location> {
        let file = project.by_id(span.file)?;
        let range = file.text.range(span.start as usize..span.end as usize);
        Some(Location { uri: self.uri(&file.path)?, range })
    }
}
