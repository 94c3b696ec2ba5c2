//! The graph of a specification: what flows from where to where, and its pictures.

mod layout;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::{Expr, Node, Quoted, TraversalStep, reference_of};
use mlp_platform::{Declaration, EdgeKind, Platform};
use mlp_value::{Address, Path, Step};

pub use svg::svg;
pub use text::{dot, json, mermaid};

/// Where a kind stands when data goes from left to right; kinds that are not named here only support others.
const FLOW: &[(&str, u32)] = &[
    ("source", 0),
    ("reference", 0),
    ("data", 0),
    ("dataset", 1),
    ("features", 2),
    ("pipeline", 3),
    ("experiment", 3),
    ("model", 4),
    ("endpoint", 5),
    ("monitor", 6),
    ("app", 6),
    ("product", 7),
    ("alert", 7),
];

/// Where those stand that only watch.
const WATCHES: u32 = 5;

/// Kinds that say something of the specification itself and are no part of a graph.
const NOT_DRAWN: &[&str] = &[
    "project",
    "environment",
    "provider",
    "variable",
    "locals",
    "output",
    "import",
    "moved",
    "removed",
    "module",
    "standard",
    "promotion",
];

/// Attributes by which a declaration writes what it names.
const WRITES: &[&str] = &["register", "writes", "capture", "output", "outputs"];

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Its address.
    pub address: Address,
    /// What a person sees of it beside its name: `3 steps`.
    pub note: String,
}

impl Drawn {
    /// Its name with the key.
    pub fn name(&self) -> String {
        let mut bare = self.address.clone();
        bare.module.clear();
        let shown = bare.to_string();
        shown.strip_prefix(&format!("{}.", bare.kind)).map_or(shown.clone(), str::to_owned)
    }

    /// Where it stands in the flow of data.
    pub fn rank(&self) -> Option<u32> {
        FLOW.iter().find(|(kind, _)| *kind == &*self.address.kind).map(|(_, rank)| *rank)
    }
}

/// A connection, in the direction in which something flows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The number of the node it comes from.
    pub from: usize,
    /// The number of the node it goes to.
    pub to: usize,
    /// Whether it only orders.
    pub ordering: bool,
    /// Whether it closes a circle: a monitor that starts the training of what it watches.
    pub back: bool,
}

/// Nodes by address, and what connects them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// In the order of their addresses.
    pub nodes: Vec<Drawn>,
    /// Each once.
    pub edges: Vec<Edge>,
}

/// What of a specification is drawn.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What supports others too: runtimes, storage, teams.
    pub all: bool,
    /// Only what lies in this module, as its calls print: `features`, `a.b`.
    pub module: Option<String>,
}

impl Graph {
    /// The graph of one environment, or of several together.
    pub fn of<'p>(platforms: impl IntoIterator<Item = &'p Platform>, selection: &Selection) -> Self {
        let mut nodes: BTreeMap<Address, Drawn> = BTreeMap::new();
        let mut found: BTreeSet<(Address, Address, bool)> = BTreeSet::new();
        for platform in platforms {
            for (address, declaration) in &platform.declarations {
                if !is_drawn(address, selection) {
                    continue;
                }
                let count = |name: &str| {
                    declaration.body.field(name).and_then(|steps| steps.as_object()).map(|it| it.len())
                };
                let note = match count("step") {
                    Some(1) => "1 step".to_owned(),
                    Some(steps) => format!("{steps} steps"),
                    None => String::new(),
                };
                nodes.insert(address.clone(), Drawn { address: address.clone(), note });
                for (to, at) in measured(declaration).into_iter().filter(|(to, _)| *to != *address) {
                    let (from, to) = if writes(&at) { (address.clone(), to) } else { (to, address.clone()) };
                    found.insert((from, to, false));
                }
                for edge in declaration.edges.iter().filter(|edge| edge.to != *address) {
                    let ordering = edge.kind == EdgeKind::Ordering;
                    let (from, to) = if writes(&edge.at) { (address, &edge.to) } else { (&edge.to, address) };
                    found.insert((from.clone(), to.clone(), ordering));
                }
            }
        }
        let numbers: BTreeMap<&Address, usize> =
            nodes.keys().enumerate().map(|(at, address)| (address, at)).collect();
        let number = |(from, to, ordering): &(Address, Address, bool)| {
            Some(Edge { from: *numbers.get(from)?, to: *numbers.get(to)?, ordering: *ordering, back: false })
        };
        let mut edges: Vec<Edge> = found.iter().filter_map(number).collect();
        // What flows and is ordered as well is drawn once.
        edges.dedup_by_key(|edge| (edge.from, edge.to));
        let mut graph = Self { nodes: nodes.into_values().collect(), edges };
        graph.mark_circles();
        graph
    }

    /// Marks the edges that go against the flow and would close a circle.
    fn mark_circles(&mut self) {
        let rank = |at: usize| self.nodes[at].rank().unwrap_or(0);
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        // Those that go with the flow are taken first, so that it is the others that give way.
        order.sort_by_key(|at| {
            let edge = &self.edges[*at];
            (i64::from(rank(edge.from)) - i64::from(rank(edge.to)), edge.from, edge.to)
        });
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for at in order {
            let (from, to) = (self.edges[at].from, self.edges[at].to);
            let forward = rank(from) < rank(to) && self.nodes[from].rank().is_some();
            // What watches changes what it watches only by taking it back.
            let takes_back = rank(from) > rank(to) && rank(from) > WATCHES;
            if !forward && (takes_back || reaches(&after, to, from)) {
                self.edges[at].back = true;
            } else {
                after[from].push(to);
            }
        }
    }
}

/// What the expressions kept for later name, and where: `endpoint.x.p99_ms > 40`, `at(features.x, run.started_at)`.
fn measured(declaration: &Declaration) -> Vec<(Address, Path)> {
    let mut found = Vec::new();
    declaration.body.walk(&mut |at, value| {
        if let Some(quoted) = Quoted::of(value) {
            let mut named = Vec::new();
            names_in(&quoted.expr, &declaration.address, &mut named);
            found.extend(named.into_iter().map(|address| (address, at.clone())));
        }
    });
    found
}

fn names_in(expr: &Expr, owner: &Address, found: &mut Vec<Address>) {
    match &expr.node {
        Node::Traverse { traversal } => {
            if let [TraversalStep::Attr(name), ..] = traversal.steps.as_slice()
                && mlp_platform::kinds::kind(&traversal.root).is_some_and(|kind| kind.labels.len() == 1)
            {
                let module = owner.module.clone();
                found.push(Address::within(module, &traversal.root, name));
            }
        }
        Node::Literal { value } => {
            value.walk(&mut |_, inner| found.extend(reference_of(inner).map(|reference| reference.address)));
        }
        _ => {}
    }
    expr.children(&mut |child| names_in(child, owner, found));
}

fn reaches(after: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; after.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&after[at]);
        }
    }
    false
}

fn is_drawn(address: &Address, selection: &Selection) -> bool {
    let kind = &*address.kind;
    let inside = match &selection.module {
        None => true,
        Some(module) => {
            let words: Vec<&str> = address.module.iter().map(|word| &**word).collect();
            let path = words.join(".");
            path == *module
                || path.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
        }
    };
    let flows = FLOW.iter().any(|(known, _)| *known == kind) || mlp_platform::kinds::kind(kind).is_none();
    inside && !NOT_DRAWN.contains(&kind) && (selection.all || flows)
}

/// Whether what stands at this attribute is written.
fn writes(at: &Path) -> bool {
    at.steps().iter().any(|step| matches!(step, Step::Field(name) if WRITES.contains(&&**name)))
        && !at.steps().iter().any(|step| matches!(step, Step::Field(name) if &**name == "inputs"))
}
