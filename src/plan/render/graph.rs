//! The steps of a plan laid out as a graph: each in the column after the last of those it comes after.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Part, Plan, PlanStep};

/// Steps above which no graph is drawn: nobody can read it, and a browser is slow with it.
const MOST: usize = 400;
const WIDTH: usize = 230;
const HEIGHT: usize = 34;
const ACROSS: usize = 300;
const DOWN: usize = 46;
const MARGIN: usize = 12;
/// Letters of an address that a node holds.
const LETTERS: usize = 28;

/// A graph with its places.
#[derive(Serialize)]
pub(crate) struct Graph {
    pub width: usize,
    pub height: usize,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// Why nothing is drawn.
    pub left_out: Option<String>,
}

/// A step.
#[derive(Serialize)]
pub(crate) struct Node {
    pub x: usize,
    pub y: usize,
    pub number: u32,
    /// The step whose card speaks of it.
    pub card: u32,
    pub symbol: &'static str,
    pub text: String,
    pub title: String,
}

/// From a step to one that comes after it.
#[derive(Serialize)]
pub(crate) struct Edge {
    pub path: String,
    pub from: u32,
    pub to: u32,
}

/// Lays out the steps.
pub(crate) fn graph(plan: &Plan) -> Graph {
    let mut graph = Graph { width: 0, height: 0, nodes: Vec::new(), edges: Vec::new(), left_out: None };
    if plan.steps.len() > MOST {
        graph.left_out = Some(format!(
            "The graph of {} steps is not drawn: it would show more than {MOST}.",
            plan.steps.len()
        ));
        return graph;
    }
    let places = places(plan);
    for step in &plan.steps {
        let Some((x, y)) = places.get(&step.number).copied() else { continue };
        graph.width = graph.width.max(x + WIDTH + MARGIN);
        graph.height = graph.height.max(y + HEIGHT + MARGIN);
        graph.nodes.push(Node { card: card_of(plan, step), ..node(step, x, y) });
        for before in &step.after {
            let Some((from_x, from_y)) = places.get(before).copied() else { continue };
            let (x1, y1, y2) = (from_x + WIDTH, from_y + HEIGHT / 2, y + HEIGHT / 2);
            let bend = (x.saturating_sub(x1)) / 2;
            let path = format!("M{x1},{y1} C{},{y1} {},{y2} {x},{y2}", x1 + bend, x.saturating_sub(bend));
            graph.edges.push(Edge { path, from: *before, to: step.number });
        }
    }
    graph
}

/// Where each step stands: across by what it comes after, down near the middle of those.
fn places(plan: &Plan) -> BTreeMap<u32, (usize, usize)> {
    let mut level: BTreeMap<u32, usize> = BTreeMap::new();
    let mut columns: BTreeMap<usize, Vec<&PlanStep>> = BTreeMap::new();
    for step in &plan.steps {
        let at = step.after.iter().filter_map(|before| level.get(before)).max().map_or(0, |last| last + 1);
        level.insert(step.number, at);
        columns.entry(at).or_default().push(step);
    }
    let mut places: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (column, mut steps) in columns {
        let middle = |step: &PlanStep| {
            let heights: Vec<usize> =
                step.after.iter().filter_map(|before| places.get(before)).map(|place| place.1).collect();
            heights.iter().sum::<usize>().checked_div(heights.len()).unwrap_or(0)
        };
        steps.sort_by_key(|step| (middle(step), step.number));
        let found: Vec<(u32, (usize, usize))> = steps
            .iter()
            .enumerate()
            .map(|(row, step)| (step.number, (MARGIN + column * ACROSS, MARGIN + row * DOWN)))
            .collect();
        places.extend(found);
    }
    places
}

/// The old half of a replacement is spoken of with the new one.
fn card_of(plan: &Plan, step: &PlanStep) -> u32 {
    let new = |one: &&PlanStep| one.resource == step.resource && one.part == Some(Part::New);
    let half = step.part == Some(Part::Old);
    plan.steps.iter().find(|one| half && new(one)).map_or(step.number, |new| new.number)
}

fn node(step: &PlanStep, x: usize, y: usize) -> Node {
    let name = step.resource.to_string();
    let text = match name.chars().count() {
        0..=LETTERS => name.clone(),
        _ => name.chars().take(LETTERS - 1).chain(['…']).collect(),
    };
    let (symbol, what) = match step.part {
        Some(Part::Old) => ("-", "the old one ends"),
        Some(Part::New) => ("+", "the new one is made"),
        None => (step.action.symbol(), step.action.phrase()),
    };
    Node {
        x,
        y,
        number: step.number,
        card: step.number,
        symbol,
        text,
        title: format!("step {}: {name} {what}", step.number),
    }
}
