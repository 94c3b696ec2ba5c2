//! Addresses of networks in CIDR notation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mlp_value::{Number as Exact, Value};

use super::Given;
use super::arguments::{Arguments, Fault, blame, text};
use super::collection::texts;
use super::define::Want::{Number, Text, Texts};
use super::define::{FunctionInfo, new, p};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new(
        "cidrhost",
        "The address of a host of a network, by its number; a negative one counts from the end.",
        &[p("prefix", Text), p("host", Number)],
        Text,
        cidrhost,
    )
    .examples(&[("cidrhost(\"10.12.112.0/20\", 16)", "\"10.12.112.16\"")]),
    new("cidrnetmask", "The mask of an IPv4 network.", &[p("prefix", Text)], Text, |call| {
        let network = Network::of(call)?;
        if network.bits == 128 {
            return blame(0, "an IPv6 network has no mask in that form");
        }
        text(network.shown(network.ones()))
    })
    .examples(&[("cidrnetmask(\"172.16.0.0/12\")", "\"255.240.0.0\"")]),
    new(
        "cidrsubnet",
        "A part of a network: so many bits longer, by its number.",
        &[p("prefix", Text), p("newbits", Number), p("number", Number)],
        Text,
        cidrsubnet,
    )
    .examples(&[("cidrsubnet(\"172.16.0.0/12\", 4, 2)", "\"172.18.0.0/16\"")]),
    new(
        "cidrsubnets",
        "Parts of a network one behind the other, each so many bits longer.",
        &[p("prefix", Text)],
        Texts,
        cidrsubnets,
    )
    .variadic(p("newbits", Number))
    .examples(&[(
        "cidrsubnets(\"10.1.0.0/16\", 4, 4, 8)",
        "[\"10.1.0.0/20\", \"10.1.16.0/20\", \"10.1.32.0/24\"]",
    )]),
];

/// A network: its first address as a number, the length of the prefix, and how long an address is.
#[derive(Clone, Copy)]
struct Network {
    start: u128,
    prefix: u32,
    bits: u32,
}

impl Network {
    fn of(call: &Arguments<'_>) -> Result<Self, Fault> {
        let text = call.text(0)?;
        Self::read(&text)
            .map_or_else(|| blame(0, format!("{text:?} is not a network such as \"10.0.0.0/8\"")), Ok)
    }

    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        if prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let prefix: u32 = prefix.parse().ok()?;
        let (start, bits) = match address.parse::<Ipv6Addr>() {
            Ok(address) => (u128::from(address), 128),
            Err(_) => (u128::from(u32::from(dotted(address)?)), 32),
        };
        let network = Self { start, prefix, bits };
        (prefix <= bits).then(|| Self { start: start & network.ones(), ..network })
    }

    /// How many bits tell hosts apart.
    fn host_bits(self) -> u32 {
        self.bits - self.prefix
    }

    /// The mask as a number.
    fn ones(self) -> u128 {
        let all = if self.bits == 128 { u128::MAX } else { (1 << self.bits) - 1 };
        all & !below(self.host_bits())
    }

    fn shown(self, address: u128) -> String {
        if self.bits == 32 {
            return Ipv4Addr::from(u32::try_from(address).unwrap_or(u32::MAX)).to_string();
        }
        IpAddr::V6(Ipv6Addr::from(address)).to_string()
    }
}

/// Four numbers; zeros before them count for nothing.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(|part| {
        let plain = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u8>().ok() } else { None }
    });
    let parts: [u8; 4] = parts.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
    Some(Ipv4Addr::from(parts))
}

/// A number of so many ones.
fn below(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

fn cidrhost(call: &Arguments<'_>) -> Given {
    let network = Network::of(call)?;
    let number = call.number(1)?;
    if !number.is_integer() {
        return blame(1, format!("a whole number is needed, this is {number}"));
    }
    let size = below(network.host_bits());
    let counted =
        if number.is_negative() { number.negated().minus(&Exact::from(1_i64)) } else { number.clone() };
    let offset = counted.to_string().parse::<u128>().ok().filter(|offset| *offset <= size);
    let Some(offset) = offset else {
        return blame(1, format!("a prefix of {} has no host {number}", network.prefix));
    };
    let host = if number.is_negative() { size - offset } else { offset };
    text(network.shown(network.start | host))
}

fn longer(call: &Arguments<'_>, at: usize, network: Network) -> Result<u32, Fault> {
    let more = call.integer(at)?;
    match u32::try_from(more) {
        Ok(more) if more <= network.host_bits() => Ok(more),
        Ok(more) => blame(at, format!("a prefix of {} cannot be {more} bits longer", network.prefix)),
        Err(_) => blame(at, "the prefix cannot become shorter"),
    }
}

fn cidrsubnet(call: &Arguments<'_>) -> Given {
    let network = Network::of(call)?;
    let more = longer(call, 1, network)?;
    let number = call.number(2)?;
    let found = number.to_string().parse::<u128>().ok().filter(|found| *found <= below(more));
    let Some(found) = found else {
        return blame(2, format!("{more} bits do not number a part {number}"));
    };
    let part = Network { prefix: network.prefix + more, ..network };
    let shift = part.host_bits();
    let start = network.start | if shift >= 128 { 0 } else { found << shift };
    text(format!("{}/{}", part.shown(start), part.prefix))
}

fn cidrsubnets(call: &Arguments<'_>) -> Given {
    let network = Network::of(call)?;
    let (mut parts, mut next) = (Vec::new(), Some(network.start));
    let last = network.start | below(network.host_bits());
    for at in 1..call.len() {
        let more = longer(call, at, network)?;
        if more == 0 || more > 32 {
            return blame(at, "a part is 1 to 32 bits longer than the network");
        }
        let part = Network { prefix: network.prefix + more, ..network };
        let size = below(part.host_bits());
        // A part starts at a multiple of its size.
        let start = next.and_then(|next| next.checked_add(size)).map(|end| end & !size);
        match start.filter(|start| *start <= last && size <= last - *start) {
            Some(start) => {
                parts.push(Value::text(format!("{}/{}", part.shown(start), part.prefix)));
                next = start.checked_add(size).and_then(|end| end.checked_add(1));
            }
            None => return blame(at, format!("the network has no room left for a part of /{}", part.prefix)),
        }
    }
    Ok(Some(texts(parts)))
}
