//! The accelerator phrase: which chips it means, in order of preference.

use mlp_value::units::{Comparator, at_least};

use crate::chips::{Chip, Form};
use crate::{Catalog, tpu};

/// What is asked for, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phrase {
    /// Chips in order of preference.
    pub names: Vec<String>,
    /// Devices a node.
    pub count: Option<u64>,
    /// A part of one device.
    pub slice: Option<String>,
    /// A demand on the nominal memory of one device.
    pub memory: Option<String>,
    /// The form.
    pub form: Option<String>,
    /// The topology of a slice of tensor processors.
    pub topology: Option<String>,
}

/// What it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The chip.
    pub chip: Chip,
    /// Devices a node.
    pub count: u64,
    /// Nodes, where they follow from a topology.
    pub hosts: Option<u64>,
    /// The part of one device.
    pub slice: Option<String>,
}

/// Why a phrase means nothing, or several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The attribute at fault: `name`, `slice`, `topology` …
    pub at: &'static str,
    /// Which of several names, from 0.
    pub index: Option<usize>,
    /// What is wrong.
    pub why: String,
    /// The way out, where that is not to name another chip.
    pub help: Option<String>,
    /// Whether the rest of the phrase still means something.
    pub passing: bool,
}

impl Problem {
    fn new(at: &'static str, why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at, index: None, why: why.into(), help: Some(help.into()), passing: false }
    }

    fn of_name(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }
}

impl Catalog {
    /// What a phrase may be, the preferred first, and everything that is wrong with it.
    pub fn resolve(&self, phrase: &Phrase) -> (Vec<Choice>, Vec<Problem>) {
        let (mut choices, mut problems) = (Vec::new(), Vec::new());
        if phrase.slice.is_some() && phrase.count.is_some_and(|count| count > 1) {
            let help = "a slice is a part of one device: take `count` or `slice` away";
            problems.push(Problem::new("slice", "a slice of several devices", help));
        }
        if phrase.slice.is_some() && phrase.topology.is_some() {
            let why = "a slice of a device and a topology of many";
            problems.push(Problem::new("topology", why, "take one of the two away"));
        }
        if phrase.names.is_empty() {
            problems.push(Problem::new("name", "no chip is named", "name one, such as \"H100\""));
        }
        for (index, name) in phrase.names.iter().enumerate() {
            match self.one(phrase, name) {
                Ok(found) => choices.extend(found),
                Err(problem) => problems.push(problem.of_name(index)),
            }
        }
        // A name that can never be chosen is a slip; with others beside it the rest still means something.
        if !choices.is_empty() {
            problems
                .iter_mut()
                .filter(|one| one.at == "memory" || one.at == "form")
                .for_each(|one| one.passing = true);
        }
        (choices, problems)
    }

    fn one(&self, phrase: &Phrase, name: &str) -> Result<Vec<Choice>, Problem> {
        let varieties = self.varieties(name);
        if varieties.is_empty() {
            let instance = self.machines.iter().find(|one| one.instance == name);
            let why = format!("nobody knows the chip `{name}`");
            return Err(match instance {
                Some(machine) => Problem::new(
                    "name",
                    format!("`{name}` is a machine type of {}, and not a chip", machine.provider),
                    format!("name the chip: \"{}\"", machine.chip.name),
                ),
                None => Problem { at: "name", index: None, why, help: None, passing: false },
            });
        }
        let fitting = of_size(phrase, name, &divided(phrase, varieties))?;
        decided(phrase, name, &fitting)?;
        fitting.into_iter().map(|chip| choice(phrase, chip)).collect()
    }
}

fn named(chips: &[&Chip]) -> String {
    chips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The varieties that can be divided as is asked for; all where none can, which is spoken of later.
fn divided<'c>(phrase: &Phrase, varieties: Vec<&'c Chip>) -> Vec<&'c Chip> {
    let Some(slice) = &phrase.slice else { return varieties };
    let can: Vec<&Chip> = varieties.iter().filter(|chip| chip.slices.contains(slice)).copied().collect();
    if can.is_empty() { varieties } else { can }
}

/// The varieties with the memory and form that are asked for.
fn of_size<'c>(phrase: &Phrase, name: &str, varieties: &[&'c Chip]) -> Result<Vec<&'c Chip>, Problem> {
    let wanted = match phrase.memory.as_deref().map(at_least) {
        None => None,
        Some(Ok(wanted)) => Some(wanted),
        Some(Err(why)) => return Err(Problem::new("memory", why, "write \">=80GiB\"")),
    };
    let enough = |chip: &&&Chip| wanted.is_none_or(|(comparator, bytes)| holds(chip, comparator, bytes));
    let large: Vec<&Chip> = varieties.iter().filter(enough).copied().collect();
    if large.is_empty() {
        let why = format!("no `{name}` has {}", phrase.memory.as_deref().unwrap_or_default());
        return Err(Problem::new("memory", why, format!("there is {}", named(varieties))));
    }
    let form = phrase.form.as_deref().and_then(Form::of);
    let of_form = |chip: &&Chip| form.is_none() || chip.form.is_none() || chip.form == form;
    let fitting: Vec<&Chip> = large.iter().filter(|chip| of_form(chip)).copied().collect();
    if fitting.is_empty() {
        let why = format!("no `{name}` has the form {}", phrase.form.as_deref().unwrap_or_default());
        return Err(Problem::new("form", why, format!("there is {}", named(&large))));
    }
    Ok(fitting)
}

fn holds(chip: &Chip, comparator: Comparator, bytes: u64) -> bool {
    const GIB: f64 = 1_073_741_824.0;
    // Nominal sizes are small whole numbers of GiB; what nobody knows is not held against a chip.
    chip.memory_gib.is_none_or(|memory| comparator.holds((memory * GIB) as u64, bytes))
}

/// Several varieties are one choice only where the phrase says how much memory is enough.
fn decided(phrase: &Phrase, name: &str, fitting: &[&Chip]) -> Result<(), Problem> {
    let [first, .., _] = fitting else { return Ok(()) };
    // So does a part of a device: its name says its memory.
    if phrase.memory.is_some() || phrase.slice.is_some() {
        return Ok(());
    }
    let differs = fitting.iter().any(|chip| chip.memory_gib != first.memory_gib);
    let help = if differs {
        let mut sizes: Vec<f64> = fitting.iter().filter_map(|chip| chip.memory_gib).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let words: Vec<String> = sizes.iter().map(|size| format!("`memory = \">={size}GiB\"`")).collect();
        format!("say how much memory is enough: {}", words.join(" or "))
    } else {
        "say its form: `form = \"sxm\"` or another".to_owned()
    };
    Err(Problem::new(
        "name",
        format!(
            "`{name}` may be {}",
            fitting.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        ),
        help,
    ))
}

fn choice(phrase: &Phrase, chip: &Chip) -> Result<Choice, Problem> {
    let slice = phrase.slice.as_deref();
    if let Some(slice) = slice.filter(|slice| !chip.slices.iter().any(|known| known == slice)) {
        let help = match chip.slices.as_slice() {
            [] => format!("{chip} is not divided, as far as is known; ask for a whole one with `count = 1`"),
            slices => format!("{chip} is divided into {}", slices.join(", ")),
        };
        return Err(Problem::new("slice", format!("`{slice}` is not a part of {chip}"), help));
    }
    let mut found = Choice {
        chip: chip.clone(),
        count: phrase.count.unwrap_or(1),
        hosts: None,
        slice: slice.map(str::to_owned),
    };
    if let Some(topology) = phrase.topology.as_deref() {
        if !chip.is_tpu() {
            let why = format!("{chip} has no topology");
            return Err(Problem::new("topology", why, "say `count` for each node, and `nodes`"));
        }
        let shape = tpu::slice(&chip.name, topology, phrase.count);
        let shape = shape.map_err(|(why, help)| Problem::new("topology", why, help))?;
        found.count = shape.chips / shape.hosts;
        found.hosts = Some(shape.hosts);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(names: &[&str], change: impl FnOnce(&mut Phrase)) -> Phrase {
        let mut phrase =
            Phrase { names: names.iter().map(|&name| name.to_owned()).collect(), ..Phrase::default() };
        change(&mut phrase);
        phrase
    }

    #[track_caller]
    fn check(phrase: &Phrase, wanted: &str) {
        let (choices, problems) = Catalog::built_in().resolve(phrase);
        let found = match problems.first() {
            Some(problem) => {
                format!("{}: {} ({})", problem.at, problem.why, problem.help.as_deref().unwrap_or("?"))
            }
            None => {
                let words = choices.iter().map(|choice| {
                    let hosts = choice.hosts.map(|hosts| format!(" on {hosts}")).unwrap_or_default();
                    format!("{}x {}{hosts}", choice.count, choice.chip)
                });
                words.collect::<Vec<_>>().join(", ")
            }
        };
        assert_eq!(found, wanted, "{phrase:?}");
    }

    #[test]
    fn a_phrase_means_chips_or_says_why_not() {
        let memory = |text: &'static str| move |it: &mut Phrase| it.memory = Some(text.to_owned());
        let slice = |text: &'static str| move |it: &mut Phrase| it.slice = Some(text.to_owned());
        check(&phrase(&["L4"], |_| {}), "1x L4 24GiB pcie");
        check(&phrase(&["h200", "l40s"], |it| it.count = Some(8)), "8x H200 141GiB sxm, 8x L40S 48GiB pcie");
        // Nominal memory counts, not what a cloud reports of it.
        check(
            &phrase(&["L40S", "A10G", "A10", "L4"], memory(">=20GiB")),
            "1x L40S 48GiB pcie, 1x A10G 24GiB pcie, 1x A10 24GiB pcie, 1x L4 24GiB pcie",
        );
        check(&phrase(&["L4"], memory(">=24GiB")), "1x L4 24GiB pcie");
        check(
            &phrase(&["A100"], |_| {}),
            "name: `A100` may be A100 40GiB sxm or A100 80GiB sxm or A100 80GiB pcie (say how much memory is enough: `memory = \">=40GiB\"` or `memory = \">=80GiB\"`)",
        );
        check(&phrase(&["A100"], memory(">=80GiB")), "1x A100 80GiB sxm, 1x A100 80GiB pcie");
        check(&phrase(&["H100"], |it| it.form = Some("nvl".into())), "1x H100 94GiB nvl");
        check(
            &phrase(&["H100"], |it| it.form = Some("pcie".into())),
            "form: no `H100` has the form pcie (there is H100 80GiB sxm, H100 94GiB nvl)",
        );
        check(
            &phrase(&["A100"], memory(">=96GiB")),
            "memory: no `A100` has >=96GiB (there is A100 40GiB sxm, A100 80GiB sxm, A100 80GiB pcie)",
        );
        check(&phrase(&["H1000"], |_| {}), "name: nobody knows the chip `H1000` (?)");
        check(
            &phrase(&["p5.48xlarge"], |_| {}),
            "name: `p5.48xlarge` is a machine type of aws, and not a chip (name the chip: \"H100\")",
        );
        check(&phrase(&["H200"], slice("1g.18gb")), "1x H200 141GiB sxm");
        check(
            &phrase(&["H200"], slice("1g.10gb")),
            "slice: `1g.10gb` is not a part of H200 141GiB sxm (H200 141GiB sxm is divided into 1g.18gb, 1g.35gb, 2g.35gb, 3g.71gb, 4g.71gb, 7g.141gb)",
        );
        check(
            &phrase(&["L4"], |it| it.topology = Some("4x4".into())),
            "topology: L4 24GiB pcie has no topology (say `count` for each node, and `nodes`)",
        );
        check(&phrase(&["TPU v6e"], |it| it.topology = Some("4x4".into())), "4x TPU-v6e 32GiB on 4");
        check(&phrase(&[], |_| {}), "name: no chip is named (name one, such as \"H100\")");
    }

    #[test]
    fn a_name_that_cannot_be_chosen_beside_others_passes() {
        let wanted = phrase(&["H100", "T4"], |it| it.memory = Some(">=40GiB".into()));
        let (choices, problems) = Catalog::built_in().resolve(&wanted);
        assert_eq!((choices.len(), problems.len()), (2, 1));
        assert!(problems[0].passing && problems[0].index == Some(1));
    }
}
