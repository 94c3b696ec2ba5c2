//! Where everything stands: layers from left to right, few crossings, modules in bands of their own.
//!
//! Long edges get a bend in every layer they pass, which has its place in the order like a node; so they go around nodes.

use std::collections::BTreeMap;

use super::Graph;

/// Space between two layers, in which edges bend.
const BETWEEN: f64 = 72.0;
/// Space between two nodes of a layer.
const GAP: f64 = 18.0;
/// Height of a node, and what a bend takes.
pub(super) const HEIGHT: f64 = 40.0;
const BEND: f64 = 10.0;
/// Inside of a module's box, and its title.
const PADDING: f64 = 14.0;
const TITLE: f64 = 22.0;
/// Width of a character of a name, and of a node's inside.
const CHARACTER: f64 = 7.3;
const INSIDE: f64 = 24.0;
/// Sweeps over the layers: enough that none changes any more in graphs that a person looks at.
const SWEEPS: usize = 24;

/// A place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Box {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything stands.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By the numbers of the nodes.
    pub(super) nodes: Vec<Box>,
    /// The points each edge goes through, by the numbers of the edges.
    pub(super) edges: Vec<Vec<(f64, f64)>>,
    /// Modules, outer ones first.
    pub(super) modules: Vec<(String, Box)>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A node, or a bend of an edge.
struct Spot {
    layer: usize,
    /// The module's path.
    band: Vec<String>,
    width: f64,
    height: f64,
    y: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Places everything.
pub(super) fn layout(graph: &Graph) -> Layout {
    let layers = layers(graph);
    let mut spots: Vec<Spot> = graph
        .nodes
        .iter()
        .zip(&layers)
        .map(|(node, layer)| Spot {
            layer: *layer,
            band: node.address.module.iter().map(ToString::to_string).collect(),
            width: width(&node.name(), &format!("{} {}", node.address.kind, node.note)),
            height: HEIGHT,
            y: 0.0,
            before: Vec::new(),
            after: Vec::new(),
        })
        .collect();
    let paths: Vec<Vec<usize>> =
        graph.edges.iter().map(|edge| bends(&mut spots, edge.from, edge.to)).collect();
    let mut order = ordered(&mut spots);
    let bands = placed(&mut spots, &mut order);
    drawn(graph, &spots, &order, &paths, bands)
}

fn width(name: &str, kind: &str) -> f64 {
    let longest = (name.chars().count() as f64 * CHARACTER).max(kind.chars().count() as f64 * 6.2);
    longest.max(48.0) + INSIDE
}

/// The layer of every node: behind all that flows into it, and as near as can be to what it flows into.
fn layers(graph: &Graph) -> Vec<usize> {
    let count = graph.nodes.len();
    let mut after = vec![Vec::new(); count];
    let mut open = vec![0usize; count];
    for edge in graph.edges.iter().filter(|edge| !edge.back) {
        after[edge.from].push(edge.to);
        open[edge.to] += 1;
    }
    let has_before: Vec<bool> = open.iter().map(|before| *before > 0).collect();
    let mut ready: Vec<usize> = (0..count).filter(|at| open[*at] == 0).collect();
    let mut layer = vec![0usize; count];
    let mut sequence = Vec::new();
    while let Some(at) = ready.pop() {
        sequence.push(at);
        for next in after[at].clone() {
            layer[next] = layer[next].max(layer[at] + 1);
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    for at in sequence.into_iter().rev() {
        let nearest = after[at].iter().map(|next| layer[*next]).min();
        if let Some(nearest) = nearest.filter(|_| !has_before[at]) {
            layer[at] = nearest.saturating_sub(1);
        }
    }
    alone(graph, &mut layer);
    layer
}

/// What nothing flows into or out of stands where others of its kind do.
fn alone(graph: &Graph, layer: &mut [usize]) {
    let connected = |at: usize| graph.edges.iter().any(|edge| edge.from == at || edge.to == at);
    for at in (0..graph.nodes.len()).filter(|at| !connected(*at)).collect::<Vec<_>>() {
        let kind = &graph.nodes[at].address.kind;
        let others = (0..graph.nodes.len())
            .filter(|other| graph.nodes[*other].address.kind == *kind && connected(*other));
        let first = others.map(|other| layer[other]).min();
        let last = layer.iter().max().copied().unwrap_or_default();
        let rank = graph.nodes[at].rank().unwrap_or_default() as usize;
        layer[at] = first.unwrap_or(rank.min(last));
    }
}

/// The spots an edge goes through, its ends included.
fn bends(spots: &mut Vec<Spot>, from: usize, to: usize) -> Vec<usize> {
    let (start, end) = (spots[from].layer, spots[to].layer);
    let between: Vec<usize> =
        if start < end { (start + 1..end).collect() } else { (end + 1..start).rev().collect() };
    let mut path = vec![from];
    for layer in between {
        let band = spots[from].band.clone();
        spots.push(Spot {
            layer,
            band,
            width: 0.0,
            height: BEND,
            y: 0.0,
            before: Vec::new(),
            after: Vec::new(),
        });
        path.push(spots.len() - 1);
    }
    path.push(to);
    let forward = start < end;
    for pair in path.windows(2) {
        let (left, right) = if forward { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
        if spots[left].layer < spots[right].layer {
            spots[left].after.push(right);
            spots[right].before.push(left);
        }
    }
    path
}

/// The order in each layer, bands first; sweeps to and fro put each spot at the middle of its neighbours and keep the
/// order with the fewest crossings.
fn ordered(spots: &mut [Spot]) -> Vec<Vec<usize>> {
    let last = spots.iter().map(|spot| spot.layer).max().unwrap_or_default();
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (at, spot) in spots.iter().enumerate() {
        order[spot.layer].push(at);
    }
    let mut best: Option<(usize, Vec<Vec<usize>>)> = None;
    for sweep in 0..SWEEPS {
        let to_right = sweep % 2 == 0;
        let layers: Vec<usize> = if to_right { (0..=last).collect() } else { (0..=last).rev().collect() };
        for layer in layers {
            let mut positions = vec![0.0; spots.len()];
            for row in &order {
                row.iter()
                    .enumerate()
                    .for_each(|(at, spot)| positions[*spot] = at as f64 / row.len().max(1) as f64);
            }
            let middle = |at: &usize| {
                let spot = &spots[*at];
                let near = if to_right { &spot.before } else { &spot.after };
                let near = if near.is_empty() {
                    [spot.before.as_slice(), &spot.after].concat()
                } else {
                    near.clone()
                };
                if near.is_empty() {
                    return positions[*at];
                }
                near.iter().map(|other| positions[*other]).sum::<f64>() / near.len() as f64
            };
            let mut row: Vec<(f64, usize)> = order[layer].iter().map(|at| (middle(at), *at)).collect();
            row.sort_by(|(left, a), (right, b)| {
                spots[*a].band.cmp(&spots[*b].band).then(left.total_cmp(right))
            });
            order[layer] = row.into_iter().map(|(_, at)| at).collect();
        }
        let crossings = crossings(spots, &order);
        if best.as_ref().is_none_or(|(fewest, _)| crossings < *fewest) {
            best = Some((crossings, order.clone()));
        }
    }
    best.map_or(order, |(_, order)| order)
}

fn crossings(spots: &[Spot], order: &[Vec<usize>]) -> usize {
    let mut position = vec![0usize; spots.len()];
    order.iter().for_each(|row| row.iter().enumerate().for_each(|(at, spot)| position[*spot] = at));
    let mut found = 0;
    for row in order {
        let mut seen: Vec<usize> = Vec::new();
        for spot in row {
            let mut ends: Vec<usize> = spots[*spot].after.iter().map(|to| position[*to]).collect();
            ends.sort_unstable();
            for end in &ends {
                found += seen.len() - seen.partition_point(|other| other <= end);
            }
            for end in ends {
                seen.insert(seen.partition_point(|other| *other <= end), end);
            }
        }
    }
    found
}

/// The heights of all spots; gives the bands with their upper and lower ends.
fn placed(spots: &mut [Spot], order: &mut [Vec<usize>]) -> BTreeMap<Vec<String>, (f64, f64)> {
    let mut bands: Vec<Vec<String>> = spots.iter().map(|spot| spot.band.clone()).collect();
    bands.sort();
    bands.dedup();
    let mut top = 0.0;
    let mut ends = BTreeMap::new();
    let mut before: Vec<String> = Vec::new();
    for band in bands {
        let shared = band.iter().zip(&before).take_while(|(a, b)| a == b).count();
        top += (before.len() - shared) as f64 * PADDING + (band.len() - shared) as f64 * (TITLE + PADDING);
        let lower = settle(spots, order, &band, top);
        ends.insert(band.clone(), (top, lower));
        top = lower + GAP;
        before = band;
    }
    ends
}

/// Places the spots of one band from `top` on; gives its lower end.
fn settle(spots: &mut [Spot], order: &[Vec<usize>], band: &[String], top: f64) -> f64 {
    let rows: Vec<Vec<usize>> =
        order.iter().map(|row| row.iter().copied().filter(|at| spots[*at].band == band).collect()).collect();
    for row in &rows {
        let mut y = top;
        for at in row {
            spots[*at].y = y;
            y += spots[*at].height + GAP;
        }
    }
    for sweep in 0..SWEEPS {
        let layers: Vec<usize> =
            if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in layers {
            relax(spots, &rows[layer], top);
        }
    }
    let least = rows.iter().flatten().map(|at| spots[*at].y).fold(f64::INFINITY, f64::min);
    if least.is_finite() {
        rows.iter().flatten().for_each(|at| spots[*at].y += top - least);
    }
    rows.iter().flatten().map(|at| spots[*at].y + spots[*at].height).fold(top, f64::max)
}

/// Moves each spot of a row as near to the middle of its neighbours as the order and the gaps allow: runs of spots that
/// press against each other move as one.
fn relax(spots: &mut [Spot], row: &[usize], top: f64) {
    struct Run {
        members: Vec<usize>,
        /// Where its first member would like to be, summed over the members.
        wish: f64,
        height: f64,
    }
    let mut runs: Vec<Run> = Vec::new();
    for at in row {
        let spot = &spots[*at];
        let middles: Vec<f64> = spot
            .before
            .iter()
            .chain(&spot.after)
            .map(|other| spots[*other].y + spots[*other].height / 2.0)
            .collect();
        let wish = match middles.len() {
            0 => spot.y,
            count => middles.iter().sum::<f64>() / count as f64 - spot.height / 2.0,
        };
        runs.push(Run { members: vec![*at], wish: wish.max(top), height: spot.height + GAP });
        while let [.., upper, lower] = runs.as_slice() {
            let upper_at = upper.wish / upper.members.len() as f64;
            let lower_at = lower.wish / lower.members.len() as f64;
            if upper_at + upper.height <= lower_at {
                break;
            }
            let Some(lower) = runs.pop() else { break };
            let Some(upper) = runs.last_mut() else { break };
            upper.wish += lower.wish - lower.members.len() as f64 * upper.height;
            upper.height += lower.height;
            upper.members.extend(lower.members);
        }
    }
    let mut least = top;
    for run in runs {
        let mut y = (run.wish / run.members.len() as f64).max(least);
        for at in run.members {
            spots[at].y = y;
            y += spots[at].height + GAP;
        }
        least = y;
    }
}

fn drawn(
    graph: &Graph,
    spots: &[Spot],
    order: &[Vec<usize>],
    paths: &[Vec<usize>],
    bands: BTreeMap<Vec<String>, (f64, f64)>,
) -> Layout {
    let depth = bands.keys().map(Vec::len).max().unwrap_or_default() as f64;
    let margin = 20.0 + depth * PADDING;
    let mut x = margin;
    let mut columns = Vec::new();
    for row in order {
        let width = row.iter().map(|at| spots[*at].width).fold(0.0, f64::max);
        columns.push((x, width));
        x += width + BETWEEN;
    }
    let width = (x - BETWEEN).max(margin) + margin;
    let place = |at: usize| {
        let spot = &spots[at];
        let (x, column) = columns[spot.layer];
        Box { x: x + (column - spot.width) / 2.0, y: spot.y + 20.0, width: spot.width, height: spot.height }
    };
    let nodes: Vec<Box> = (0..graph.nodes.len()).map(place).collect();
    let mut edges: Vec<Vec<(f64, f64)>> =
        paths.iter().map(|path| route(path, spots, &columns, &nodes)).collect();
    spread(&nodes, &mut edges);
    let height =
        bands.iter().map(|(band, (_, lower))| lower + band.len() as f64 * PADDING).fold(0.0, f64::max) + 40.0;
    Layout { nodes, edges, modules: modules(&bands, width), width, height }
}

/// The points of an edge: from one side of a node, level through the columns it passes, to the side of the other.
fn route(path: &[usize], spots: &[Spot], columns: &[(f64, f64)], nodes: &[Box]) -> Vec<(f64, f64)> {
    let [from, .., to] = path else { return Vec::new() };
    let (start, end) = (&nodes[*from], &nodes[*to]);
    let to_right = spots[*from].layer < spots[*to].layer;
    let middle = |place: &Box| place.y + place.height / 2.0;
    let mut points = Vec::new();
    if to_right {
        points.push((start.x + start.width, middle(start)));
    } else {
        points.push((start.x, middle(start)));
    }
    for at in &path[1..path.len() - 1] {
        let (x, width) = columns[spots[*at].layer];
        let y = spots[*at].y + 20.0 + BEND / 2.0;
        let ends = if to_right { [x, x + width] } else { [x + width, x] };
        points.extend(ends.map(|x| (x, y)));
    }
    let at_its_left = to_right || spots[*from].layer == spots[*to].layer;
    points.push((if at_its_left { end.x } else { end.x + end.width }, middle(end)));
    points
}

/// Lets the edges of one side of a node end beside each other, in the order of where they come from.
fn spread(nodes: &[Box], edges: &mut [Vec<(f64, f64)>]) {
    for node in nodes {
        for side in [node.x, node.x + node.width] {
            let mut here: Vec<(f64, usize, usize)> = Vec::new();
            for (at, points) in edges.iter().enumerate() {
                let last = points.len().saturating_sub(1);
                for (end, next) in [(0, 1), (last, last.saturating_sub(1))] {
                    let (Some(point), Some(other)) = (points.get(end), points.get(next)) else { continue };
                    let on_side =
                        (point.0 - side).abs() < 0.5 && (node.y..=node.y + node.height).contains(&point.1);
                    if on_side {
                        here.push((other.1, at, end));
                    }
                }
            }
            here.sort_by(|left, right| left.0.total_cmp(&right.0));
            let step = ((node.height - 12.0) / here.len().max(1) as f64).min(8.0);
            let first = node.y + node.height / 2.0 - step * (here.len().saturating_sub(1)) as f64 / 2.0;
            for (number, (_, at, end)) in here.into_iter().enumerate() {
                edges[at][end].1 = first + step * number as f64;
            }
        }
    }
}

fn modules(bands: &BTreeMap<Vec<String>, (f64, f64)>, width: f64) -> Vec<(String, Box)> {
    let mut found: BTreeMap<Vec<String>, (f64, f64)> = BTreeMap::new();
    for (band, (upper, lower)) in bands {
        for depth in 1..=band.len() {
            let inner = (band.len() - depth) as f64;
            let (top, bottom) =
                (upper - TITLE - inner * (TITLE + PADDING), lower + PADDING + inner * PADDING);
            let ends = found.entry(band[..depth].to_vec()).or_insert((top, bottom));
            *ends = (ends.0.min(top), ends.1.max(bottom));
        }
    }
    let boxed = |(path, (top, bottom)): (Vec<String>, (f64, f64))| {
        let inset = 8.0 + (path.len() - 1) as f64 * PADDING;
        let place = Box { x: inset, y: top + 20.0, width: width - 2.0 * inset, height: bottom - top };
        (format!("module.{}", path.last().map_or("", String::as_str)), place)
    };
    found.into_iter().map(boxed).collect()
}
