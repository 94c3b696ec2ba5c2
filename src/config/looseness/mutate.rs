//! Mutants of a tree: one thing is changed, and its place stays as it was.

use mlp_diag::Span;
use mlp_syntax::{Body, Expr, ExprKind, Ident, TemplatePart, Tree};

/// What is done to one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// The name of an attribute, of a block or of an object's key is misspelt.
    Name,
    /// A word of a reference, of a type or of a function's name is misspelt.
    Word,
    /// A list of lists of truths stands where something else is wanted.
    List,
    /// A text that means nothing.
    Text,
    /// An object with a key that nothing has.
    Object,
    /// A reference to a declaration of a kind that nothing wants.
    Kind,
}

/// A place and what becomes of it.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) way: Way,
    /// Which of the places of the tree, in the order of the walk.
    place: usize,
    /// Which word of a reference.
    word: usize,
    /// The words of kinds, attributes and keys that lead there.
    pub(super) path: String,
    pub(super) span: Span,
    /// What stood there, or the word that is misspelt.
    pub(super) what: String,
}

impl Mutant {
    /// Whether it is where a pattern says: `path`, `file:path`, and `path=word` for one word of a reference.
    pub(super) fn is_at(&self, file: &str, pattern: &str) -> bool {
        let (of, pattern) = pattern.split_once(':').unwrap_or((file, pattern));
        let (pattern, word) = pattern.split_once('=').map_or((pattern, None), |(at, word)| (at, Some(word)));
        if of != file || word.is_some_and(|word| !self.what.ends_with(&format!(": {word}"))) {
            return false;
        }
        let mut words = self.path.split('.');
        for wanted in pattern.split('.') {
            match (wanted, words.next()) {
                ("**", _) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(word)) if wanted == word => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }

    /// The tree with this change.
    pub(super) fn of(&self, tree: &Tree, stranger: &str) -> Tree {
        let mut tree = tree.clone();
        let mut at = 0;
        walk_body(&mut tree.body, "", &mut |_, place| {
            if at == self.place {
                self.apply(place, stranger);
            }
            at += 1;
        });
        tree
    }

    fn apply(&self, place: Place<'_>, stranger: &str) {
        match place {
            Place::Name(name) => name.name = misspelt(&name.name),
            Place::Key(key) => {
                if let ExprKind::Text(name) | ExprKind::Name(name) = &mut key.kind {
                    *name = misspelt(name);
                }
            }
            Place::Value(expr) => {
                let span = expr.span;
                expr.kind = wrong(self.way, span);
            }
            Place::Reference(expr) if self.way == Way::Kind => *expr = reference(stranger, expr.span),
            Place::Reference(expr) => {
                let mut words = Vec::new();
                words_of(expr, &mut words);
                let word = words.swap_remove(self.word);
                *word = misspelt(word);
            }
            Place::Function(name, _) => name.name = misspelt(&name.name),
        }
    }
}

/// Somewhere in a tree.
enum Place<'p> {
    Name(&'p mut Ident),
    Key(&'p mut Expr),
    Value(&'p mut Expr),
    Reference(&'p mut Expr),
    Function(&'p mut Ident, Span),
}

/// A word with a letter missing, or one too many where it is short.
fn misspelt(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() < 5 {
        return format!("{word}x");
    }
    let gone = letters.len() / 2;
    letters.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, letter)| *letter).collect()
}

fn wrong(way: Way, span: Span) -> ExprKind {
    let expr = |kind: ExprKind| Expr { kind, span };
    match way {
        Way::List => ExprKind::List(vec![expr(ExprKind::List(vec![expr(ExprKind::Bool(true))]))]),
        Way::Object => {
            ExprKind::Object(vec![(expr(ExprKind::Text("zzz".into())), expr(ExprKind::Object(Vec::new())))])
        }
        _ => ExprKind::Text("?!".into()),
    }
}

fn reference(text: &str, span: Span) -> Expr {
    let mut words = text.split('.');
    let first = ExprKind::Name(words.next().unwrap_or_default().to_owned());
    words.fold(Expr { kind: first, span }, |target, word| Expr {
        kind: ExprKind::Attr(Box::new(target), Ident { name: word.to_owned(), span }),
        span,
    })
}

/// The words of a reference from its first on.
fn words_of<'e>(expr: &'e mut Expr, words: &mut Vec<&'e mut String>) {
    match &mut expr.kind {
        ExprKind::Name(name) => words.push(name),
        ExprKind::Attr(target, attr) => {
            words_of(target, words);
            words.push(&mut attr.name);
        }
        ExprKind::Index(target, _) => words_of(target, words),
        _ => {}
    }
}

/// All mutants of a tree.
pub(super) fn mutants(tree: &Tree, stranger: &str) -> Vec<Mutant> {
    let mut tree = tree.clone();
    let mut all = Vec::new();
    let mut at = 0;
    walk_body(&mut tree.body, "", &mut |path, place| {
        let mut add = |way, word, span, what: String| {
            all.push(Mutant { way, place: at, word, path: path.to_owned(), span, what });
        };
        match place {
            Place::Name(name) => add(Way::Name, 0, name.span, name.name.clone()),
            Place::Function(name, call) => add(Way::Word, 0, call, name.name.clone()),
            Place::Key(key) => add(Way::Name, 0, key.span, text_of(key)),
            Place::Value(expr) => {
                for way in [Way::List, Way::Text, Way::Object] {
                    add(way, 0, expr.span, text_of(expr));
                }
            }
            Place::Reference(expr) => {
                let (span, text) = (expr.span, text_of(expr));
                let mut words = Vec::new();
                words_of(expr, &mut words);
                for (index, word) in words.iter().enumerate() {
                    add(Way::Word, index, span, format!("{text}: {word}"));
                }
                if words.len() > 1 && text != stranger {
                    add(Way::Kind, 0, span, text);
                }
            }
        }
        at += 1;
    });
    all
}

fn text_of(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Text(text) | ExprKind::Name(text) | ExprKind::Number(text) => text.clone(),
        ExprKind::Attr(target, attr) => format!("{}.{}", text_of(target), attr.name),
        ExprKind::Bool(value) => value.to_string(),
        _ => "…".to_owned(),
    }
}

type Visit<'v> = dyn FnMut(&str, Place<'_>) + 'v;

fn walk_body(body: &mut Body, path: &str, visit: &mut Visit<'_>) {
    for attribute in &mut body.attributes {
        let path = under(path, &attribute.name.name);
        visit(&path, Place::Name(&mut attribute.name));
        visit(&path, Place::Value(&mut attribute.expr));
        walk_expr(&mut attribute.expr, &path, visit);
    }
    for block in &mut body.blocks {
        // A partial block is a block of its kind.
        let whole = mlp_platform::kinds::kind(&block.kind.name)
            .is_some_and(|_| path.is_empty() || path == "environment");
        let own = path == "environment" && block.kind.name == "state";
        let inner = if whole && !own { block.kind.name.clone() } else { under(path, &block.kind.name) };
        visit(&inner, Place::Name(&mut block.kind));
        walk_body(&mut block.body, &inner, visit);
    }
}

fn under(path: &str, name: &str) -> String {
    let name = name.replace('.', "/");
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn walk_expr(expr: &mut Expr, path: &str, visit: &mut Visit<'_>) {
    let span = expr.span;
    match &mut expr.kind {
        ExprKind::Name(_) | ExprKind::Attr(..) => visit(path, Place::Reference(expr)),
        ExprKind::Index(..) => visit(path, Place::Reference(expr)),
        ExprKind::Object(items) => {
            for (key, value) in items {
                let path = under(path, &text_of(key));
                visit(&path, Place::Key(key));
                visit(&path, Place::Value(value));
                walk_expr(value, &path, visit);
            }
        }
        ExprKind::Template(parts) => parts.iter_mut().for_each(|part| walk_part(part, path, visit)),
        ExprKind::List(items) => items.iter_mut().for_each(|item| walk_expr(item, path, visit)),
        ExprKind::Call { function, arguments, .. } => {
            visit(path, Place::Function(function, span));
            arguments.iter_mut().for_each(|argument| walk_expr(argument, path, visit));
        }
        ExprKind::Parens(inner) | ExprKind::Unary(_, inner) => walk_expr(inner, path, visit),
        ExprKind::Binary(_, left, right) => {
            [left, right].into_iter().for_each(|one| walk_expr(one, path, visit))
        }
        ExprKind::Conditional(one, two, three) => {
            [one, two, three].into_iter().for_each(|one| walk_expr(one, path, visit));
        }
        _ => {}
    }
}

fn walk_part(part: &mut TemplatePart, path: &str, visit: &mut Visit<'_>) {
    if let TemplatePart::Expr(expr) = part {
        walk_expr(expr, path, visit);
    }
}
