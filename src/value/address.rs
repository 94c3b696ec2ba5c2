//! Addresses: which declaration is meant.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The key of one instance of a declaration with `for_each` or `count`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// By `count`.
    Index(u64),
    /// By `for_each`.
    Text(Arc<str>),
}

/// The words of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words {
    /// The modules it lies in, outermost first, each printed with its key.
    pub module: Vec<Arc<str>>,
    /// The block's kind; for native resources the type (`local_value`). Of few texts, each kept once: see [`kept`].
    pub kind: Arc<str>,
    /// The block's label.
    pub name: SmolStr,
    /// The instance.
    pub key: Option<Key>,
}

impl PartialOrd for Words {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Words {
    /// By module, kind, name and key: what most addresses have in common is told without reading it.
    fn cmp(&self, other: &Self) -> Ordering {
        if !(self.module.is_empty() && other.module.is_empty()) {
            match self.module.cmp(&other.module) {
                Ordering::Equal => {}
                different => return different,
            }
        }
        if !Arc::ptr_eq(&self.kind, &other.kind) {
            match self.kind.cmp(&other.kind) {
                Ordering::Equal => {}
                different => return different,
            }
        }
        self.name.as_str().cmp(other.name.as_str()).then_with(|| self.key.cmp(&other.key))
    }
}

thread_local! {
    /// The kinds that this thread has met: a platform has a dozen of them, and up to a million addresses.
    static KINDS: RefCell<Vec<Arc<str>>> = const { RefCell::new(Vec::new()) };
}

/// Kinds that are kept; beyond them each address has its own.
const MOST_KINDS: usize = 64;

/// This text, once for each thread: threads that share one would wait for its counter.
fn kept(kind: &str) -> Arc<str> {
    KINDS.with_borrow_mut(|kinds| {
        if let Some(known) = kinds.iter().find(|known| ***known == *kind) {
            return known.clone();
        }
        let kind = Arc::from(kind);
        if kinds.len() < MOST_KINDS {
            kinds.push(Arc::clone(&kind));
        }
        kind
    })
}

/// `model.fraud`, `dataset.x["eu"]`, `module.a.model.fraud`.
///
/// Its words lie in one place that all its copies share: tables of a million addresses copy a pointer each, and most
/// comparisons end at it.
#[derive(Clone)]
pub struct Address(Arc<Words>);

impl Deref for Address {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.0
    }
}

impl DerefMut for Address {
    fn deref_mut(&mut self) -> &mut Words {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Words> for Address {
    fn from(words: Words) -> Self {
        Self(Arc::new(words))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        // The name first: it is what most addresses differ by.
        Arc::ptr_eq(&self.0, &other.0) || (self.name == other.name && self.0 == other.0)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl Address {
    /// An address in the root module, without a key.
    pub fn new(kind: &str, name: &str) -> Self {
        Self::within(Vec::new(), kind, name)
    }

    /// An address in that module, without a key.
    pub fn within(module: Vec<Arc<str>>, kind: &str, name: &str) -> Self {
        Words { module, kind: kept(kind), name: name.into(), key: None }.into()
    }

    /// The same declaration's instance of that key.
    #[must_use]
    pub fn with_key(&self, key: Key) -> Self {
        Words { key: Some(key), ..Words::clone(self) }.into()
    }

    /// The `module` blocks it lies in, outermost first, each as an address of its own.
    pub fn enclosing(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for (at, word) in self.module.iter().enumerate() {
            let (name, key) = segments(word).and_then(|words| words.into_iter().next()).unwrap_or_default();
            let module = self.module[..at].to_vec();
            found.push(Words { module, kind: kept("module"), name, key }.into());
        }
        found
    }

    /// What lies in this `module` block has this in front of its address.
    pub fn inside(&self) -> Vec<Arc<str>> {
        let mut module = self.module.clone();
        module.push(module_word(&(self.name.clone(), self.key.clone())));
        module
    }

    /// Whether it is that declaration, or an instance of it.
    pub fn is_of(&self, declaration: &Self) -> bool {
        self.name == declaration.name && self.kind == declaration.kind && self.module == declaration.module
    }

    /// The declaration this is an instance of.
    #[must_use]
    pub fn without_key(&self) -> Self {
        if self.key.is_none() {
            return self.clone();
        }
        Words { key: None, ..Words::clone(self) }.into()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for module in &self.module {
            write!(f, "module.{module}.")?;
        }
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, ".{}", self.name)?;
        }
        match &self.key {
            None => Ok(()),
            Some(Key::Index(index)) => write!(f, "[{index}]"),
            Some(Key::Text(text)) => write!(f, "[{text:?}]"),
        }
    }
}

/// One word of an address, with the key behind it.
type Segment = (SmolStr, Option<Key>);

/// The words of an address with their keys; `None` where it is not written as one.
fn segments(text: &str) -> Option<Vec<Segment>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let word = SmolStr::new(&rest[..end]);
        rest = &rest[end..];
        let mut key = None;
        if let Some(inner) = rest.strip_prefix('[') {
            let (read, after) = read_key(inner)?;
            (key, rest) = (Some(read), after);
        }
        if end == 0 {
            return None;
        }
        found.push((word, key));
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None => return rest.is_empty().then_some(found),
        }
    }
}

/// The key at the start of `text`, and what stands behind its bracket.
fn read_key(text: &str) -> Option<(Key, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find(']')?;
        return Some((Key::Index(text[..end].parse().ok()?), &text[end + 1..]));
    };
    let mut key = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((Key::Text(Arc::from(key)), inner[at + 1..].strip_prefix(']')?)),
            '\\' => key.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                'u' => {
                    let digits = letters.by_ref().map(|(_, letter)| letter).skip(1);
                    let digits: String = digits.take_while(|letter| *letter != '}').collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                other => other,
            }),
            other => key.push(other),
        }
    }
    None
}

/// A module as it stands in front of an address: its name with its key.
fn module_word((name, key): &Segment) -> Arc<str> {
    match key {
        None => Arc::from(name.as_str()),
        Some(Key::Index(index)) => Arc::from(format!("{name}[{index}]")),
        Some(Key::Text(text)) => Arc::from(format!("{name}[{text:?}]")),
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address such as `model.churn` or `dataset.x[\"eu\"]`");
        let words = segments(text).ok_or_else(wrong)?;
        let mut module = Vec::new();
        let mut rest = words.as_slice();
        while let [(word, None), call, more @ ..] = rest
            && word == "module"
            && !more.is_empty()
        {
            module.push(module_word(call));
            rest = more;
        }
        let (kind, name, key) = match rest {
            [(kind, None), (name, key)] => (kept(kind), name.clone(), key.clone()),
            [(kind, None), (label, None), (name, key)] if LABELLED_TWICE.contains(&kind.as_str()) => {
                (kept(kind), format!("{label}.{name}").into(), key.clone())
            }
            // As in a plan: what is declared by `resource "local_directory" "x"` is `local_directory.x`.
            [(word, None), (kind, None), (name, _)] if word == "resource" => {
                return Err(format!("`{text}` has a word too many: the address is `{kind}.{name}`"));
            }
            [(kind, None)] if kind == "project" => (kept(kind), SmolStr::default(), None),
            _ => return Err(wrong()),
        };
        Ok(Words { module, kind, name, key }.into())
    }
}

/// Kinds whose blocks have two labels.
const LABELLED_TWICE: &[&str] = &["provider", "data"];

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_prints() {
        for text in [
            "model.a",
            "dataset.x[\"eu\"]",
            "dataset.x[3]",
            "module.m.model.a",
            "provider.local.here",
            "project",
            "module.m",
            "module.m[\"a.b\"].module.n[0].dataset.x[\"q\\\"]\"]",
            "module.a.module.b",
            "data.local_dataset.x",
            // What is printed with its number: a space without width, a byte of zeros, a mark that combines.
            "dataset.x[\"a\\u{200b}b\\0\\u{301}\"]",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("model".parse::<Address>().is_err());
        let why = "resource.local_directory.x".parse::<Address>().unwrap_err();
        assert!(why.ends_with("the address is `local_directory.x`"), "{why}");
        assert!("model..a".parse::<Address>().is_err());
        assert!("model.a[\"x".parse::<Address>().is_err());
        let inner: Address = "module.m[\"k\"].module.n.model.a".parse().unwrap();
        let calls: Vec<String> = inner.enclosing().iter().map(ToString::to_string).collect();
        assert_eq!(calls, ["module.m[\"k\"]", "module.m[\"k\"].module.n"]);
        assert_eq!(inner.enclosing()[1].inside(), inner.module);
    }
}
