//! Machines that carry chips, and what they cost.

use std::cmp::Ordering;
use std::fmt;

use mlp_value::Number;

use crate::Catalog;
use crate::chips::{Chip, Form, form};
use crate::rows::{Row, RowProblem, rows};

const COLUMNS: &[&str] = &[
    "provider",
    "instance",
    "accelerator",
    "count",
    "mem_gib_each",
    "form",
    "vcpu",
    "host_gib",
    "net_gbps",
    "rdma",
    "usd_hr",
    "price_per_hour",
    "currency",
    "region",
    "price_as_of",
    "note",
    "source",
];
const PRICE_COLUMNS: &[&str] =
    &["accelerator", "form", "memory_gib", "price_per_hour", "currency", "source", "date"];

/// How far reported memory may be from nominal.
const NEAR: f64 = 0.07;

/// A machine type in a region, or a chip by itself where a hall of one's own is priced.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// `aws`, `azure`, `gcp`, or the kind of the provider that a user's file names.
    pub provider: String,
    /// The machine type as the provider names it; empty for a chip by itself.
    pub instance: String,
    /// The chip it carries.
    pub chip: Chip,
    /// How many.
    pub count: Count,
    /// Virtual processors of the host.
    pub vcpu: Option<f64>,
    /// Memory of the host in GiB.
    pub host_gib: Option<f64>,
    /// Network of the host in Gb/s.
    pub net_gbps: Option<f64>,
    /// The network between machines, in the provider's words.
    pub interconnect: Option<String>,
    /// What an hour of it costs.
    pub price: Option<Price>,
    /// Where the price holds.
    pub region: String,
    /// What else is to be known.
    pub note: String,
    /// Where this was read.
    pub source: String,
    /// Which file says so: `the program`, or a user's.
    pub from: String,
}

/// How many chips a machine has; a fraction where a chip is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many …
    pub of: u64,
    /// … of so many parts of a chip.
    pub parts: u64,
}

/// A price.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// For one hour of the whole machine.
    pub amount: Number,
    /// The currency.
    pub currency: String,
    /// When it was read.
    pub as_of: String,
}

/// The network between machines, from what a phrase asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fabric {
    /// Any.
    Any,
    /// Chips reach the network without the host's memory.
    GpuDirect,
    /// Remote memory is reached without the host's processor.
    Rdma,
}

impl Fabric {
    /// The fabric of that name.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "gpudirect" => Some(Self::GpuDirect),
            "rdma" => Some(Self::Rdma),
            _ => None,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts == 1 { write!(f, "{}", self.of) } else { write!(f, "{}/{}", self.of, self.parts) }
    }
}

impl Machine {
    /// What an hour of one chip costs.
    pub fn price_each(&self) -> Option<Number> {
        let price = self.price.as_ref()?;
        let parts = price.amount.times(&Number::from(self.count.parts));
        parts.divided_by(&Number::from(self.count.of))
    }

    /// The fabric it has; `None` when nobody says.
    pub fn fabric(&self) -> Option<Fabric> {
        let words = self.interconnect.as_deref()?;
        Some(if words.contains("TCPX") { Fabric::GpuDirect } else { Fabric::Rdma })
    }

    /// What is not known of it.
    pub fn unknown(&self) -> Vec<&'static str> {
        let all = [
            ("price", self.price.is_none()),
            ("memory", self.chip.memory_gib.is_none()),
            ("form", self.chip.form.is_none() && !self.chip.is_tpu()),
            ("interconnect", self.interconnect.is_none()),
            ("network", self.net_gbps.is_none()),
            ("host", self.vcpu.is_none() || self.host_gib.is_none()),
        ];
        all.into_iter().filter(|(_, unknown)| *unknown).map(|(name, _)| name).collect()
    }

    /// Whether it is in a region.
    pub fn is_in(&self, region: &str) -> bool {
        self.region.split('/').any(|one| one == region)
    }
}

/// The cheaper by chip first, unknown prices last; then by provider and name.
pub(crate) fn by_price(a: &Machine, b: &Machine) -> Ordering {
    let prices = match (a.price_each(), b.price_each()) {
        (Some(a), Some(b)) => a.to_f64().total_cmp(&b.to_f64()),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    prices.then_with(|| (&a.provider, &a.instance, &a.region).cmp(&(&b.provider, &b.instance, &b.region)))
}

/// Which machines are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Varieties of chips; empty for all.
    pub chips: Vec<Chip>,
    /// Chips a machine.
    pub count: Option<u64>,
    /// The provider.
    pub provider: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The most an hour may cost, with its currency: what has no price, or one in another currency, is left out.
    pub most: Option<(Number, String)>,
    /// The network between machines.
    pub fabric: Option<Fabric>,
}

impl Filter {
    pub(crate) fn lets(&self, machine: &Machine) -> bool {
        let affordable = |(most, currency): &(Number, String)| {
            let price = machine.price.as_ref().filter(|price| price.currency == *currency);
            price.is_some_and(|price| price.amount <= *most)
        };
        let fabric = |wanted: &Fabric| *wanted == Fabric::Any || machine.fabric() >= Some(*wanted);
        (self.chips.is_empty() || self.chips.contains(&machine.chip))
            && self.count.is_none_or(|count| machine.count == Count { of: count, parts: 1 })
            && self.provider.as_ref().is_none_or(|provider| machine.provider == *provider)
            && self.region.as_ref().is_none_or(|region| machine.is_in(region))
            && self.most.as_ref().is_none_or(affordable)
            && self.fabric.as_ref().is_none_or(fabric)
    }
}

/// Adds the rows of a file.
pub(crate) fn extend(catalog: &mut Catalog, text: &str, from: &str) -> Vec<RowProblem> {
    let (rows, mut problems) = rows(text, COLUMNS);
    for row in rows {
        if let Err(problem) = add(catalog, &row, from) {
            problems.push(problem);
        }
    }
    problems
}

fn add(catalog: &mut Catalog, row: &Row, from: &str) -> Result<(), RowProblem> {
    let provider = row.needed("provider")?.to_owned();
    let instance = row.get("instance").unwrap_or_default().to_owned();
    let region = row.get("region");
    let price = price_of(row)?;
    let known = catalog.machines.iter_mut().find(|one| {
        one.provider == provider
            && one.instance == instance
            && !instance.is_empty()
            && region.is_none_or(|it| one.is_in(it))
    });
    // A row may say no more than what is otherwise of a machine that is known.
    if let Some(known) = known.filter(|_| row.get("accelerator").is_none()) {
        if let Some(price) = price {
            known.price = Some(price);
        }
        known.vcpu = row.number("vcpu")?.or(known.vcpu);
        known.host_gib = row.number("host_gib")?.or(known.host_gib);
        known.net_gbps = row.number("net_gbps")?.or(known.net_gbps);
        if let Some(words) = row.get("rdma") {
            known.interconnect = Some(words.to_owned());
        }
        known.note = row.get("note").map_or_else(|| known.note.clone(), str::to_owned);
        known.source = row.get("source").map_or_else(|| known.source.clone(), str::to_owned);
        from.clone_into(&mut known.from);
        return Ok(());
    }
    let (chip, count) = chip_of(catalog, row)?;
    let machine = Machine {
        provider,
        instance,
        chip,
        count,
        vcpu: row.number("vcpu")?,
        host_gib: row.number("host_gib")?,
        net_gbps: row.number("net_gbps")?,
        interconnect: row.get("rdma").map(str::to_owned),
        price,
        region: region.unwrap_or_default().to_owned(),
        note: row.get("note").unwrap_or_default().to_owned(),
        source: row.get("source").unwrap_or(from).to_owned(),
        from: from.to_owned(),
    };
    let same = |one: &&mut Machine| {
        !machine.instance.is_empty()
            && (&one.provider, &one.instance, &one.region)
                == (&machine.provider, &machine.instance, &machine.region)
    };
    match catalog.machines.iter_mut().find(same) {
        Some(there) => *there = machine,
        None => catalog.machines.push(machine),
    }
    Ok(())
}

/// The price a row says: in USD in one column, or in any currency in two.
fn price_of(row: &Row) -> Result<Option<Price>, RowProblem> {
    let in_dollars: Option<Number> = row.number("usd_hr")?;
    let (amount, currency) = match (in_dollars, row.number::<Number>("price_per_hour")?) {
        (None, None) => return Ok(None),
        (Some(amount), None) => (amount, "USD".to_owned()),
        (None, Some(amount)) => (amount, row.get("currency").unwrap_or("USD").to_owned()),
        (Some(_), Some(_)) => {
            let why = "it says `usd_hr` and `price_per_hour`";
            return Err(RowProblem::new(row.line, why, "keep one of the two"));
        }
    };
    if amount.is_negative() || amount.is_zero() {
        let why = format!("{amount} is no price");
        return Err(RowProblem::new(row.line, why, "leave the cell empty where the price is not known"));
    }
    let as_of = row.get("price_as_of").or(row.get("date")).unwrap_or_default().to_owned();
    if as_of.is_empty() {
        let why = "the price has no date";
        return Err(RowProblem::new(row.line, why, "say when it was read: 2026-11-01"));
    }
    Ok(Some(Price { amount, currency, as_of }))
}

/// The variety of chip that a row means, and how many of it a machine has.
fn chip_of(catalog: &mut Catalog, row: &Row) -> Result<(Chip, Count), RowProblem> {
    let name = row.needed("accelerator")?;
    let memory: Option<f64> = row.number("mem_gib_each")?;
    let wanted = form(row)?;
    let written = row.get("count").unwrap_or("1");
    let mut varieties: Vec<Chip> = catalog.varieties(name).into_iter().cloned().collect();
    varieties.retain(|chip| wanted.is_none() || chip.form.is_none() || chip.form == wanted);
    if varieties.is_empty() {
        return unheard_of(catalog, row, name, memory, wanted);
    }
    let count = count(row.line, written)?;
    // A part of a chip has a part of its memory.
    let whole = match (count, memory) {
        (Some(Count { parts, .. }), Some(memory)) if parts > 1 => Some(memory * parts as f64),
        (None, _) => None,
        (_, memory) => memory,
    };
    if let Some(whole) = whole {
        varieties
            .retain(|chip| chip.memory_gib.is_none_or(|nominal| (whole - nominal).abs() <= nominal * NEAR));
    }
    let [chip] = varieties.as_slice() else {
        let known: Vec<String> = catalog.varieties(name).iter().map(ToString::to_string).collect();
        let why = format!("`{name}` with this memory and form is not one chip");
        return Err(RowProblem::new(row.line, why, format!("the varieties are {}", known.join(", "))));
    };
    let count = count.unwrap_or_else(|| shared(chip, memory));
    Ok((chip.clone(), count))
}

/// A chip that only the file knows.
fn unheard_of(
    catalog: &mut Catalog,
    row: &Row,
    name: &str,
    memory: Option<f64>,
    form: Option<Form>,
) -> Result<(Chip, Count), RowProblem> {
    let Some(memory) = memory else {
        let known = catalog.names().join(", ");
        return Err(RowProblem::new(
            row.line,
            format!("nobody knows the chip `{name}`"),
            format!("say its memory in `mem_gib_each` to add it; known are {known}"),
        ));
    };
    let chip = Chip {
        name: name.to_owned(),
        memory_gib: Some(memory),
        form,
        vendor: String::new(),
        aliases: Vec::new(),
        slices: Vec::new(),
        source: row.get("source").unwrap_or("the project").to_owned(),
    };
    let count = count(row.line, row.get("count").unwrap_or("1"))?.unwrap_or(Count { of: 1, parts: 1 });
    let at =
        catalog.chips.iter().rposition(|one| one.name == chip.name).map_or(catalog.chips.len(), |at| at + 1);
    catalog.chips.insert(at, chip.clone());
    Ok((chip, count))
}

/// `8`, `1/3`; `None` for `0`, by which some list what is shared.
fn count(line: u64, text: &str) -> Result<Option<Count>, RowProblem> {
    let (of, parts) = text.split_once('/').unwrap_or((text, "1"));
    match (of.trim().parse(), parts.trim().parse()) {
        (Ok(0), Ok(1)) => Ok(None),
        (Ok(of), Ok(parts)) if of > 0 && parts > 0 => Ok(Some(Count { of, parts })),
        _ => Err(RowProblem::new(
            line,
            format!("`{text}` is not a number of chips"),
            "write 8, or 1/3 of a chip",
        )),
    }
}

/// Which part of a chip has this memory.
fn shared(chip: &Chip, memory: Option<f64>) -> Count {
    let parts = match (chip.memory_gib, memory) {
        (Some(whole), Some(part)) if part > 0.0 => (whole / part).round(),
        _ => 1.0,
    };
    // What is reported is a little less than nominal, so that the parts are counted by powers of two.
    let parts = [1_u64, 2, 4, 8, 16].into_iter().min_by(|a, b| {
        let far = |it: u64| (it as f64 - parts).abs();
        far(*a).total_cmp(&far(*b))
    });
    Count { of: 1, parts: parts.unwrap_or(1) }
}

/// Adds the prices of one provider's chips.
pub(crate) fn price(catalog: &mut Catalog, provider: &str, text: &str, from: &str) -> Vec<RowProblem> {
    let (rows, mut problems) = rows(text, PRICE_COLUMNS);
    for row in rows {
        match priced(catalog, &row, provider, from) {
            Ok(machines) => catalog.machines.extend(machines),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

/// A chip of a hall of one's own; a price for several varieties holds for each.
fn priced(catalog: &Catalog, row: &Row, provider: &str, from: &str) -> Result<Vec<Machine>, RowProblem> {
    let name = row.needed("accelerator")?;
    let wanted = form(row)?;
    let memory: Option<f64> = row.number("memory_gib")?;
    let price = price_of(row)?;
    let fits = |chip: &&Chip| {
        (wanted.is_none() || chip.form.is_none() || chip.form == wanted)
            && (memory.is_none() || chip.memory_gib.is_none() || chip.memory_gib == memory)
    };
    let varieties: Vec<Chip> = catalog.varieties(name).into_iter().filter(fits).cloned().collect();
    if varieties.is_empty() {
        let known = catalog.names().join(", ");
        let why = format!("nobody knows the chip `{name}` in this form");
        return Err(RowProblem::new(row.line, why, format!("known are {known}")));
    }
    let machine = |chip: Chip| Machine {
        provider: provider.to_owned(),
        instance: String::new(),
        chip,
        count: Count { of: 1, parts: 1 },
        vcpu: None,
        host_gib: None,
        net_gbps: None,
        interconnect: None,
        price: price.clone(),
        region: String::new(),
        note: String::new(),
        source: row.get("source").unwrap_or(from).to_owned(),
        from: from.to_owned(),
    };
    Ok(varieties.into_iter().map(machine).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(catalog: &Catalog, chip: &str, change: impl FnOnce(&mut Filter)) -> Vec<String> {
        let chips = catalog.varieties(chip).into_iter().cloned().collect();
        let mut filter = Filter { chips, ..Filter::default() };
        change(&mut filter);
        catalog.offers(&filter).into_iter().map(|one| one.instance.clone()).collect()
    }

    #[test]
    fn offers_are_the_cheapest_first_and_the_unknown_last() {
        let catalog = Catalog::built_in();
        let all = offers(catalog, "h200", |_| {});
        assert_eq!(all, ["p5en.48xlarge", "Standard_ND96isr_H200_v5", "p5e.48xlarge", "a3-ultragpu-8g"]);
        let eight = offers(catalog, "H100", |filter| {
            filter.count = Some(8);
            filter.most = Some((Number::from(60_i64), "USD".into()));
        });
        assert_eq!(eight, ["p5.48xlarge"]);
        let rdma = offers(catalog, "H100", |filter| filter.fabric = Some(Fabric::Rdma));
        assert!(rdma.contains(&"p5.48xlarge".to_owned()) && !rdma.contains(&"a3-highgpu-8g".to_owned()));
        let direct = offers(catalog, "H100", |filter| filter.fabric = Some(Fabric::GpuDirect));
        assert!(
            direct.contains(&"a3-highgpu-8g".to_owned()) && !direct.contains(&"a3-highgpu-1g".to_owned())
        );
    }

    #[test]
    fn a_part_of_a_chip_costs_its_part() {
        let catalog = Catalog::built_in();
        let find = |instance: &str| catalog.machines.iter().find(|one| one.instance == instance).unwrap();
        for (instance, count, each) in [
            ("Standard_NV6ads_A10_v5", "1/6", "2.724"),
            ("g6f.large", "1/8", "1.616"),
            ("g6f.4xlarge", "1/2", "1.9"),
            ("p5.48xlarge", "8", "6.88"),
        ] {
            let found = find(instance);
            assert_eq!(found.count.to_string(), count, "{instance}");
            assert_eq!(found.price_each().unwrap().to_string(), each, "{instance}");
        }
        let unknown = find("p5e.48xlarge");
        assert_eq!((unknown.price_each(), unknown.unknown()), (None, vec!["price"]));
    }

    #[test]
    fn a_users_file_prices_anew_and_adds() {
        let mut catalog = Catalog::built_in().clone();
        let text = "provider,instance,accelerator,count,mem_gib_each,usd_hr,region,price_as_of,source\n\
                    aws,p5.48xlarge,,,,44.10,,2026-11-01,our contract\n\
                    hall,rack-1,GB300,4,288,20,,2026-11-01,finance\n";
        assert_eq!(catalog.extend(text, "catalog.csv"), []);
        let find = |instance: &str| catalog.machines.iter().find(|one| one.instance == instance).unwrap();
        let contract = find("p5.48xlarge");
        assert_eq!(contract.price.as_ref().unwrap().amount.to_string(), "44.1");
        assert_eq!((contract.region.as_str(), contract.from.as_str()), ("us-east-1", "catalog.csv"));
        assert_eq!(find("rack-1").chip.to_string(), "GB300 288GiB");
        for (text, why) in [
            ("provider,instance,accelerator\naws,x,H1000\n", "nobody knows the chip"),
            ("provider,instance,accelerator\naws,x,A100\n", "is not one chip"),
            ("provider,instance,usd_hr\naws,p5.48xlarge,0\n", "0 is no price"),
            ("provider,instance,usd_hr\naws,p5.48xlarge,9\n", "the price has no date"),
            ("provider,instanze\naws,x\n", "there is no column `instanze`"),
            ("provider,usd_hr\naws,many\n", "is not a number"),
        ] {
            let problems = catalog.extend(text, "catalog.csv");
            assert!(problems[0].why.contains(why), "{text}: {problems:?}");
        }
    }

    #[test]
    fn a_hall_of_ones_own_has_prices_by_chip() {
        let mut catalog = Catalog::built_in().clone();
        let text =
            "accelerator,form,price_per_hour,currency,source,date\nH100,sxm,2.10,EUR,finance,2026-11-01\n";
        assert_eq!(catalog.price("kubernetes", text, "dc1.csv"), []);
        let found = catalog.machines.last().unwrap();
        assert_eq!(
            (found.chip.to_string().as_str(), found.price.as_ref().unwrap().currency.as_str()),
            ("H100 80GiB sxm", "EUR")
        );
    }
}
