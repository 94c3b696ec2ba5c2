//! The chips of the catalogue, for completion.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The catalogue of facts.
const TABLE: &str = include_str!("../../schemas/catalog/accelerators.csv");

static CHIPS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut chips: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in TABLE.lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(provider), Some(machine), Some(chip), Some(count)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        chips.entry(name(chip)).or_default().push(format!("{provider} {machine} ×{count}"));
    }
    chips
});

/// The name of a chip as a specification says it: `h100` and `A100-80` are `H100` and `A100`, `TPU v6e` is `TPU-v6e`.
fn name(chip: &str) -> String {
    let chip = chip.split(['(', ' ']).next().filter(|_| !chip.starts_with("TPU")).unwrap_or(chip);
    let chip = ["-80", "-40"].iter().find_map(|end| chip.strip_suffix(end)).unwrap_or(chip).replace(' ', "-");
    let is_code = chip.len() <= 6 && chip.chars().any(|c| c.is_ascii_digit());
    if is_code { chip.to_uppercase().replace("TPUV", "TPU-v") } else { chip }
}

/// The names of all chips.
pub(crate) fn chips() -> impl Iterator<Item = &'static str> {
    CHIPS.keys().map(String::as_str)
}

/// Which machines carry a chip.
pub(crate) fn about(chip: &str) -> String {
    let machines = CHIPS.get(chip).map(Vec::as_slice).unwrap_or_default();
    let shown = machines.iter().take(12).map(|machine| format!("- {machine}\n")).collect::<String>();
    match machines.len().saturating_sub(12) {
        0 => shown,
        more => format!("{shown}- and {more} more\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_are_named_as_specifications_name_them() {
        let all: Vec<&str> = chips().collect();
        for chip in ["H100", "H200", "A100", "L40S", "A10G", "L4", "T4", "TPU-v6e", "MI300X"] {
            assert!(all.contains(&chip), "{chip}: {all:?}");
        }
        assert!(about("H100").contains("aws"));
    }
}
