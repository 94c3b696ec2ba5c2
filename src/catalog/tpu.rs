//! Topologies of tensor processors: chips in a grid, and the hosts that follow.
//!
//! Shapes: xpk `system_characteristics.py`, cluster-toolkit `hardware.go`. A slice over several hosts has four chips on each.

/// Chips on each host of a slice over several.
const EACH: u64 = 4;

/// The shapes of two dimensions (v5e, v6e).
const FLAT: &[&str] = &["1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"];
/// The smallest of three dimensions (v4, v5p, TPU7x); then multiples of 4 in each.
const SOLID: &[&str] = &["2x2x1", "2x2x2", "2x2x4", "2x4x4"];

/// A slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) chips: u64,
    pub(crate) hosts: u64,
}

/// Why a topology is refused, and the way out.
pub(crate) type Refusal = (String, String);

/// The slice of a topology; `count` is how many chips a host has, where that is said.
pub(crate) fn slice(chip: &str, topology: &str, count: Option<u64>) -> Result<Slice, Refusal> {
    let flat = chip.ends_with('e');
    let sides: Vec<u64> =
        topology.split('x').filter_map(|side| side.parse().ok()).filter(|side| *side > 0).collect();
    let dimensions = if flat { 2 } else { 3 };
    let whole = sides.len() == topology.split('x').count() && sides.len() == dimensions;
    let cube = || sides.iter().all(|side| side % 4 == 0 && *side <= 64);
    let known = if flat { FLAT.contains(&topology) } else { SOLID.contains(&topology) || cube() };
    if !whole || !known {
        let shapes = if flat { FLAT } else { SOLID };
        let more = if flat { "" } else { ", and then multiples of 4 such as 4x4x4" };
        return Err((
            format!("`{topology}` is not a topology of {chip}"),
            format!("possible are {}{more}", shapes.join(", ")),
        ));
    }
    let chips: u64 = sides.iter().product();
    let hosts = |each: u64| Slice { chips, hosts: chips / each };
    match (chips, count) {
        (_, Some(each))
            if each == 0 || !chips.is_multiple_of(each) || each > chips || ![1, 2, 4, 8].contains(&each) =>
        {
            Err((
                format!("{each} chips a host do not make `{topology}`"),
                "leave `count` out: it follows from the topology".to_owned(),
            ))
        }
        (8, Some(each @ (4 | 8))) if flat => Ok(hosts(each)),
        (8, None) if flat => Err((
            format!("`{topology}` of {chip} is one host of 8 chips or two of 4"),
            "say which: `count = 8` or `count = 4`, the chips of each host".to_owned(),
        )),
        (chips, None) if chips <= EACH => Ok(hosts(chips)),
        (chips, Some(each)) if chips <= EACH && each == chips => Ok(hosts(chips)),
        (_, None | Some(EACH)) => Ok(hosts(EACH)),
        (_, Some(each)) => Err((
            format!("a host of `{topology}` has {} chips, and not {each}", chips.min(EACH)),
            "leave `count` out: it follows from the topology".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_follow_from_the_topology() {
        for (chip, topology, count, wanted) in [
            ("TPU-v6e", "4x4", None, "16 on 4"),
            ("TPU-v6e", "1x1", None, "1 on 1"),
            ("TPU-v6e", "2x2", None, "4 on 1"),
            ("TPU-v6e", "2x4", Some(8), "8 on 1"),
            ("TPU-v6e", "2x4", Some(4), "8 on 2"),
            ("TPU-v6e", "2x4", None, "`2x4` of TPU-v6e is one host of 8 chips or two of 4"),
            ("TPU-v5p", "2x2x1", None, "4 on 1"),
            ("TPU-v5p", "4x4x8", None, "128 on 32"),
            ("TPU-v5p", "4x4", None, "`4x4` is not a topology of TPU-v5p"),
            ("TPU-v6e", "3x3", None, "`3x3` is not a topology of TPU-v6e"),
            ("TPU-v6e", "4x4", Some(8), "a host of `4x4` has 4 chips, and not 8"),
            ("TPU7x", "axb", None, "`axb` is not a topology of TPU7x"),
        ] {
            let found = match slice(chip, topology, count) {
                Ok(slice) => format!("{} on {}", slice.chips, slice.hosts),
                Err((why, _)) => why,
            };
            assert_eq!(found, wanted, "{chip} {topology}");
        }
    }
}
