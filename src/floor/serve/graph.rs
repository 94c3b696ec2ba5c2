//! Several models that answer together: what each node takes from the request or from the answers of others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::Problem;

/// The models of an endpoint as one: each node is the variant of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphSpec {
    /// What each node takes, by its name.
    pub nodes: BTreeMap<String, Feed>,
    /// What is answered.
    pub output: Feed,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// The rows of the request.
    Request,
    /// The answers of one node.
    Node(Pick),
    /// An object of answers, by the names of its members.
    Object(BTreeMap<String, Pick>),
}

/// The answers of a node, or one field of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// The node.
    pub node: String,
    /// The names that lead to the field; empty for the whole answer.
    #[serde(default)]
    pub path: Vec<String>,
}

/// One value a row, as its text.
pub(super) type Values = Vec<Box<RawValue>>;
/// What the nodes answered so far.
pub(super) type Answers = BTreeMap<String, Values>;

impl Feed {
    fn picks(&self) -> Vec<&Pick> {
        match self {
            Self::Request => Vec::new(),
            Self::Node(pick) => vec![pick],
            Self::Object(members) => members.values().collect(),
        }
    }

    /// The nodes whose answers it needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        self.picks().into_iter().map(|pick| pick.node.as_str())
    }

    /// The rows for a node. A field keeps its name; an answer that is no object is named after its node.
    pub(super) fn rows(&self, request: &[&RawValue], answers: &Answers) -> Result<Values, Mismatch> {
        match self {
            Self::Request => Ok(request.iter().map(|row| (*row).to_owned()).collect()),
            Self::Node(pick) => {
                let name = pick.path.last().unwrap_or(&pick.node);
                let wrap = |value: Box<RawValue>| {
                    if pick.path.is_empty() && value.get().starts_with('{') {
                        return Ok(value);
                    }
                    raw(&BTreeMap::from([(name, &value)]), pick)
                };
                pick.values(answers)?.into_iter().map(wrap).collect()
            }
            Self::Object(members) => object(members, answers, request.len()),
        }
    }

    /// What is answered for each row.
    pub(super) fn answer(&self, request: &[&RawValue], answers: &Answers) -> Result<Values, Mismatch> {
        match self {
            Self::Node(pick) => pick.values(answers),
            Self::Request | Self::Object(_) => self.rows(request, answers),
        }
    }
}

/// An answer of a node lacks what another needs of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) node: String,
    pub(super) message: String,
}

impl Pick {
    fn values(&self, answers: &Answers) -> Result<Values, Mismatch> {
        let all = answers.get(&self.node).map(Vec::as_slice).unwrap_or_default();
        all.iter().map(|value| self.of(value)).collect()
    }

    fn of(&self, answer: &RawValue) -> Result<Box<RawValue>, Mismatch> {
        let mut value = answer.to_owned();
        for word in &self.path {
            let mut members: BTreeMap<String, Box<RawValue>> =
                serde_json::from_str(value.get()).map_err(|_| {
                    self.mismatch(format!("its answer is no object, and `{word}` of it is needed"))
                })?;
            value = members
                .remove(word)
                .ok_or_else(|| self.mismatch(format!("its answer has no `{word}`, which is needed")))?;
        }
        Ok(value)
    }

    fn mismatch(&self, message: String) -> Mismatch {
        Mismatch { node: self.node.clone(), message }
    }
}

fn object(members: &BTreeMap<String, Pick>, answers: &Answers, rows: usize) -> Result<Values, Mismatch> {
    let mut columns = Vec::new();
    for (name, pick) in members {
        columns.push((name, pick, pick.values(answers)?.into_iter()));
    }
    let mut made = Vec::with_capacity(rows);
    for _ in 0..rows {
        let row: BTreeMap<_, _> = columns
            .iter_mut()
            .filter_map(|(name, _, values)| values.next().map(|value| (*name, value)))
            .collect();
        if let Some((_, pick, _)) = columns.first() {
            made.push(raw(&row, pick)?);
        }
    }
    Ok(made)
}

fn raw<T: Serialize>(value: &T, pick: &Pick) -> Result<Box<RawValue>, Mismatch> {
    to_raw_value(value).map_err(|error| pick.mismatch(error.to_string()))
}

impl GraphSpec {
    /// Checks that it leads from the request to an answer.
    ///
    /// # Errors
    /// Says which reference leads nowhere or in a circle, or which node nobody needs.
    pub fn validate(&self) -> Result<(), Problem> {
        let places = self.nodes.iter().map(|(name, feed)| (format!("graph.node.{name}.input"), feed));
        let output = ("graph.output".to_owned(), &self.output);
        for (place, feed) in places.chain([output]) {
            if matches!(feed, Feed::Object(members) if members.is_empty()) {
                return Err(refused("an object without members is no row").at(place));
            }
            if let Some(unknown) = feed.needs().find(|name| !self.nodes.contains_key(*name)) {
                return Err(refused(format!("the graph has no node `{unknown}`")).at(place));
            }
        }
        if let Some(node) = self.circle() {
            let text = format!("node `{node}` needs its own answer");
            return Err(refused(text).at(format!("graph.node.{node}.input")));
        }
        let mut needed = BTreeSet::new();
        let mut open: Vec<&str> = self.output.needs().collect();
        while let Some(name) = open.pop() {
            if needed.insert(name) {
                open.extend(self.nodes.get(name).into_iter().flat_map(Feed::needs));
            }
        }
        match self.nodes.keys().find(|name| !needed.contains(name.as_str())) {
            Some(idle) => Err(refused(format!("nobody needs the answer of node `{idle}`"))
                .help("take it out, or let `output` or the `input` of another node name it")
                .at(format!("graph.node.{idle}"))),
            None => Ok(()),
        }
    }

    /// A node that is its own input through others.
    fn circle(&self) -> Option<&str> {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        loop {
            let ready: Vec<&str> = self
                .waiting(&done)
                .filter(|(_, feed)| feed.needs().all(|n| done.contains(n)))
                .map(|(name, _)| name)
                .collect();
            if ready.is_empty() {
                return self.waiting(&done).map(|(name, _)| name).next();
            }
            done.extend(ready);
        }
    }

    fn waiting<'s>(&'s self, done: &BTreeSet<&str>) -> impl Iterator<Item = (&'s str, &'s Feed)> {
        self.nodes
            .iter()
            .map(|(name, feed)| (name.as_str(), feed))
            .filter(|(name, _)| !done.contains(name))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn refused(message: impl Into<String>) -> Problem {
    Problem::new("MLP0787", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pick(text: &str) -> Pick {
        let mut words = text.split('.').map(str::to_owned);
        Pick { node: words.next().unwrap(), path: words.collect() }
    }

    fn graph(nodes: &[(&str, Feed)], output: &str) -> GraphSpec {
        let nodes = nodes.iter().map(|(name, feed)| ((*name).to_owned(), feed.clone())).collect();
        GraphSpec { nodes, output: Feed::Node(pick(output)) }
    }

    fn after(text: &str) -> Feed {
        Feed::Node(pick(text))
    }

    fn values(values: &[serde_json::Value]) -> Values {
        values.iter().map(|value| to_raw_value(value).unwrap()).collect()
    }

    fn texts(values: &Values) -> Vec<&str> {
        values.iter().map(|value| value.get()).collect()
    }

    #[test]
    fn a_graph_that_leads_nowhere_is_refused_at_its_place() {
        assert_eq!(graph(&[("a", Feed::Request), ("b", after("a.text"))], "b").validate(), Ok(()));
        for (graph, place) in [
            (graph(&[("a", after("c"))], "a"), "graph.node.a.input"),
            (graph(&[("a", Feed::Request)], "b.text"), "graph.output"),
            (graph(&[("a", after("b")), ("b", after("a"))], "b"), "graph.node.a.input"),
            (graph(&[("a", after("a"))], "a"), "graph.node.a.input"),
            (graph(&[("a", Feed::Request), ("b", Feed::Request)], "b"), "graph.node.a"),
        ] {
            let problem = graph.validate().unwrap_err();
            assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0787", Some(place)), "{problem}");
        }
    }

    #[test]
    fn answers_become_rows_and_numbers_keep_their_text() {
        let number = vec![RawValue::from_string("1.10".into()).unwrap()];
        let answers = Answers::from([
            ("a".to_owned(), values(&[json!({"text": "hi", "deep": {"x": 2}})])),
            ("b".to_owned(), number),
        ]);
        let rows = |feed: &Feed| feed.rows(&[], &answers).map(|rows| texts(&rows).join(","));
        assert_eq!(rows(&after("a.text")).unwrap(), r#"{"text":"hi"}"#);
        assert_eq!(rows(&after("a.deep.x")).unwrap(), r#"{"x":2}"#);
        assert_eq!(rows(&after("b")).unwrap(), r#"{"b":1.10}"#);
        assert_eq!(texts(&after("a.text").answer(&[], &answers).unwrap()), [r#""hi""#]);
        let both = Feed::Object([("t", "a.text"), ("n", "b")].map(|(k, v)| (k.to_owned(), pick(v))).into());
        let row = RawValue::from_string("{}".into()).unwrap();
        assert_eq!(texts(&both.rows(&[&row], &answers).unwrap()), [r#"{"n":1.10,"t":"hi"}"#]);
        let missing = rows(&after("a.word")).unwrap_err();
        assert!(missing.node == "a" && missing.message.contains("`word`"), "{missing:?}");
        assert!(rows(&after("b.word")).unwrap_err().message.contains("no object"));
    }
}
