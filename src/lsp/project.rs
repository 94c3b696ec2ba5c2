//! A project as the editor has it: the files on the disk, those that are open above them, each in chunks that are read again
//! only when they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mlp_config::{Assignment, Module, VALUE_FILES, assignments, called, read_unasked, values_tree};
use mlp_diag::{Diagnostic, Diagnostics, FileId, SourceMap};
use mlp_syntax::{Changed, Chunks, Tree};

use crate::Host;
use crate::text::Text;

/// The project's own directory.
pub(crate) const ROOT: &str = ".";

/// One top-level item of a file, its spans those of the file.
#[derive(Debug, Clone)]
struct Chunk {
    start: usize,
    text: String,
    tree: Tree,
    problems: Diagnostics,
    /// While it cannot be read: what it was before, for the names that it declares.
    ghost: Option<Arc<Chunk>>,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Its path, relative to the project's directory.
    pub(crate) path: String,
    /// Its directory.
    pub(crate) room: String,
    number: u32,
    pub(crate) text: Arc<Text>,
    split: Chunks,
    chunks: Vec<Arc<Chunk>>,
}

impl File {
    pub(crate) fn id(&self) -> FileId {
        FileId(self.number)
    }

    /// What chunks were before that cannot be read now; their places are no longer right.
    pub(crate) fn ghosts(&self) -> impl Iterator<Item = &Tree> {
        self.chunks.iter().filter_map(|chunk| chunk.ghost.as_ref()).map(|ghost| &ghost.tree)
    }

    /// The trees of its chunks.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.chunks.iter().map(|chunk| &chunk.tree)
    }

    /// The bytes of the chunk a byte stands in, or the whole where it stands between two.
    pub(crate) fn chunk_at(&self, offset: usize) -> std::ops::Range<usize> {
        let found = self.chunks.iter().rfind(|chunk| chunk.start <= offset);
        let Some(chunk) = found else { return offset..offset };
        chunk.start..(chunk.start + chunk.text.len()).max(offset)
    }

    /// What is wrong with its text.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Diagnostic> {
        self.chunks.iter().flat_map(|chunk| &chunk.problems)
    }

    /// Whether it holds values of variables instead of blocks.
    pub(crate) fn is_values(&self) -> bool {
        VALUE_FILES.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// All files, in an order that stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    pub(crate) files: Vec<File>,
}

impl Project {
    /// Reads it; chunks that `before` had already are taken over.
    pub(crate) fn read(host: &dyn Host, open: &BTreeMap<String, Arc<Text>>, before: Self) -> Self {
        let mut known: BTreeMap<String, File> =
            before.files.into_iter().map(|file| (file.path.clone(), file)).collect();
        let mut project = Self::default();
        let mut rooms = vec![ROOT.to_owned()];
        let mut done = std::collections::BTreeSet::new();
        while let Some(room) = rooms.pop() {
            if !done.insert(room.clone()) {
                continue;
            }
            for path in paths(host, open, &room) {
                let text = open
                    .get(&path)
                    .cloned()
                    .or_else(|| host.read(&path).map(|text| Arc::new(Text::new(text))));
                let Some(text) = text else { continue };
                let id = FileId(u32::try_from(project.files.len()).unwrap_or(u32::MAX));
                let before = known.remove(&path);
                project.files.push(read(path, room.clone(), id, text, before));
            }
            let trees: Vec<&Tree> = project
                .files
                .iter()
                .filter(|file| file.room == room && !file.is_values())
                .flat_map(File::trees)
                .collect();
            rooms.extend(called(&room, &trees));
        }
        project
    }

    /// Takes over the new text of an open file; whether it was one of the project's.
    pub(crate) fn update(&mut self, path: &str, text: Arc<Text>) -> bool {
        let Some(at) = self.files.iter().position(|file| file.path == path) else { return false };
        let calls = |file: &File| called(&file.room, &file.trees().collect::<Vec<_>>());
        let before = std::mem::take(&mut self.files[at]);
        let called_before = calls(&before);
        let (room, id) = (before.room.clone(), before.id());
        self.files[at] = read(path.to_owned(), room, id, text, Some(before));
        calls(&self.files[at]) == called_before
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn by_id(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    /// The text of all files, by their numbers.
    pub(crate) fn sources(&self) -> SourceMap {
        let mut map = SourceMap::default();
        for file in &self.files {
            map.add(file.path.as_str(), file.text.text.as_str());
        }
        map
    }

    /// The trees of the project's own directory.
    pub(crate) fn root_trees(&self) -> Vec<&Tree> {
        self.trees_of(ROOT)
    }

    fn trees_of(&self, room: &str) -> Vec<&Tree> {
        self.files
            .iter()
            .filter(|file| file.room == room && !file.is_values())
            .flat_map(File::trees)
            .collect()
    }

    /// The modules that are called.
    pub(crate) fn modules(&self) -> Vec<Module<'_>> {
        let mut rooms: Vec<&str> =
            self.files.iter().map(|file| file.room.as_str()).filter(|room| *room != ROOT).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
            .into_iter()
            .map(|room| Module { directory: room.to_owned(), trees: self.trees_of(room) })
            .collect()
    }

    /// The values that files give to variables without being named on a command line.
    pub(crate) fn assignments(&self, diagnostics: &mut Diagnostics) -> Vec<Assignment> {
        let of_root = self.files.iter().filter(|file| file.room == ROOT);
        let unasked = read_unasked(of_root.map(|file| file.path.as_str()));
        unasked
            .into_iter()
            .filter_map(|path| self.file(path))
            .flat_map(|file| {
                let mut whole = Tree::default();
                for tree in file.trees() {
                    whole.body.attributes.extend(tree.body.attributes.iter().cloned());
                    whole.body.blocks.extend(tree.body.blocks.iter().cloned());
                }
                assignments(&whole, &file.path, diagnostics)
            })
            .collect()
    }
}

/// The files of a directory: those on the disk and those that are open and not saved yet.
fn paths(host: &dyn Host, open: &BTreeMap<String, Arc<Text>>, room: &str) -> Vec<String> {
    let mut endings = vec![".mlp"];
    if room == ROOT {
        endings.extend(VALUE_FILES);
    }
    let beside = |name: String| if room == ROOT { name } else { format!("{room}/{name}") };
    let mut found: Vec<String> =
        endings.iter().flat_map(|ending| host.names(room, ending)).map(beside).collect();
    let directory = |path: &str| path.rsplit_once('/').map_or(ROOT, |(directory, _)| directory).to_owned();
    found.extend(
        open.keys()
            .filter(|path| directory(path) == room && endings.iter().any(|ending| path.ends_with(ending)))
            .cloned(),
    );
    found.sort();
    found.dedup();
    found
}

/// Reads a file; what has the text of a chunk that was there before is not parsed again.
fn read(path: String, room: String, id: FileId, text: Arc<Text>, before: Option<File>) -> File {
    let before = before.filter(|before| before.id() == id);
    if before.as_ref().is_some_and(|before| before.text == text) {
        return File { path, room, ..before.unwrap_or_default() };
    }
    // Values in JSON are one piece.
    if path.ends_with(".json") {
        let (tree, problems) = values_tree(&path, id, &text.text);
        let whole = Chunk { start: 0, text: text.text.clone(), tree, problems, ghost: None };
        return File {
            path,
            room,
            number: id.0,
            text,
            split: Chunks::default(),
            chunks: vec![Arc::new(whole)],
        };
    }
    let Some(before) = before else {
        let split = Chunks::of(&text.text);
        let chunks = pieces(id, &text.text, &split.ranges, &mut HashMap::new());
        return File { path, room, number: id.0, text, split, chunks };
    };
    let Changed { chunks: split, first, last } = before.split.changed(&before.text.text, &text.text);
    let mut left = before.chunks;
    let mut kept = left.split_off(left.len() - last);
    let mut old: HashMap<String, Vec<Arc<Chunk>>> = HashMap::new();
    for chunk in left.split_off(first).into_iter().rev() {
        old.entry(chunk.text.clone()).or_default().push(chunk);
    }
    let behind = split.ranges.len() - last;
    let mut chunks = left;
    chunks.extend(pieces(id, &text.text, &split.ranges[first..behind], &mut old));
    for (chunk, range) in kept.iter_mut().zip(&split.ranges[behind..]) {
        shift(chunk, range.start);
    }
    chunks.append(&mut kept);
    File { path, room, number: id.0, text, split, chunks }
}

/// The pieces of a text; those that are among the old ones are taken from there.
fn pieces(
    id: FileId,
    text: &str,
    ranges: &[std::ops::Range<usize>],
    old: &mut HashMap<String, Vec<Arc<Chunk>>>,
) -> Vec<Arc<Chunk>> {
    let mut chunks: Vec<Option<Arc<Chunk>>> = ranges
        .iter()
        .map(|range| {
            let mut chunk = old.get_mut(&text[range.clone()]).and_then(Vec::pop)?;
            shift(&mut chunk, range.start);
            Some(chunk)
        })
        .collect();
    for (chunk, range) in chunks.iter_mut().zip(ranges).filter(|(chunk, _)| chunk.is_none()) {
        let written = &text[range.clone()];
        let (tree, problems) = mlp_syntax::parse(id, written);
        let ghost = if problems.is_empty() { None } else { ghost(written, old) };
        let mut new = Arc::new(Chunk { start: 0, text: written.to_owned(), tree, problems, ghost });
        shift(&mut new, range.start);
        *chunk = Some(new);
    }
    chunks.into_iter().flatten().collect()
}

/// What a chunk that begins so was before.
fn ghost(written: &str, old: &HashMap<String, Vec<Arc<Chunk>>>) -> Option<Arc<Chunk>> {
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let wanted = first(written);
    let found = old.values().flatten().find(|chunk| first(&chunk.text) == wanted)?;
    if found.problems.is_empty() { Some(found.clone()) } else { found.ghost.clone() }
}

fn shift(chunk: &mut Arc<Chunk>, to: usize) {
    let signed = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let by = signed(to) - signed(chunk.start);
    if by != 0 {
        let chunk = Arc::make_mut(chunk);
        chunk.start = to;
        mlp_syntax::shift(&mut chunk.tree, by);
        chunk.problems.iter_mut().for_each(|one| mlp_syntax::shift_diagnostic(one, by));
    }
}
