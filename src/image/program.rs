//! The program that is put into an image: whether it can run there.

use std::path::Path;

use mlp_floor::Problem;
use regex::bytes::Regex;

use crate::codes;
use crate::layer::{self, Content, Layer, Packed};
use crate::look::{Libc, Look};
use crate::platform::Platform;
use crate::store::{Store, key, sha256_of, unread};

/// Where it is in an image.
const PLACE: &str = "mlp/bin/mlp";
/// `PT_INTERP`: which program loads it.
const INTERPRETER: u32 = 3;

/// The layer of a program.
pub(crate) fn build(
    path: &Path,
    look: &Look,
    platform: Platform,
    store: &Store,
    epoch: u64,
) -> Result<Packed, Problem> {
    let bytes =
        std::fs::read(path).map_err(|error| unread(path, &error).help("name a program with --program"))?;
    check(&bytes, look, platform).map_err(|why| {
        Problem::new(codes::PROGRAM, format!("`{}` cannot run in the image: {why}", path.display())).help(format!(
            "name one for {platform} with --program; one that is linked statically (`--target {}-unknown-linux-musl`) runs in every image",
            platform.machine()
        ))
    })?;
    let key = key("program", ["1", &sha256_of(path)?, &epoch.to_string()]);
    if let Some(made) = layer::made(store, &key) {
        return Ok(made);
    }
    let mut layer = Layer::default();
    layer.file(PLACE, Content::Path(path.to_owned()), true);
    layer.pack(store, &key, epoch)
}

fn check(bytes: &[u8], look: &Look, platform: Platform) -> Result<(), String> {
    let elf = Elf::of(bytes).ok_or("it is no 64-bit program for Linux")?;
    if elf.machine != platform.elf() {
        return Err(format!("it is for another processor than {platform}"));
    }
    let Some(loader) = elf.interpreter() else { return Ok(()) };
    if !look.loaders.contains(&loader) {
        return Err(format!("it is loaded by `{loader}`, which is not in the base image"));
    }
    let needed = newest_glibc(bytes);
    match (look.libc, needed) {
        (Some(Libc::Gnu(_, there)), Some(needed)) if there < needed => {
            Err(format!("it needs glibc 2.{needed}, and the base image has 2.{there}"))
        }
        _ => Ok(()),
    }
}

/// The newest version of glibc that it names.
fn newest_glibc(bytes: &[u8]) -> Option<u32> {
    let pattern = Regex::new(r"(?-u)GLIBC_2\.([0-9]+)(?:\.[0-9]+)?\x00").ok()?;
    let found =
        pattern.captures_iter(bytes).filter_map(|found| String::from_utf8_lossy(&found[1]).parse().ok());
    found.max()
}

/// The little of an executable's header that says where it runs.
struct Elf<'a> {
    bytes: &'a [u8],
    machine: u16,
    little: bool,
}

impl<'a> Elf<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        // `\x7fELF`, and the class of 64 bits.
        if !bytes.starts_with(b"\x7fELF\x02") {
            return None;
        }
        let mut found = Self { bytes, machine: 0, little: bytes.get(5) == Some(&1) };
        found.machine = u16::try_from(found.number(18, 2)?).ok()?;
        Some(found)
    }

    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at + size)?;
        let join = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    }

    /// The program that loads it, where it is not linked statically.
    fn interpreter(&self) -> Option<String> {
        let place =
            |at: usize, size: usize| self.number(at, size).and_then(|number| usize::try_from(number).ok());
        let (table, entry, count) = (place(32, 8)?, place(54, 2)?, place(56, 2)?);
        (0..count).find_map(|index| {
            let at = table.checked_add(index.checked_mul(entry)?)?;
            if self.number(at, 4)? != u64::from(INTERPRETER) {
                return None;
            }
            let (from, size) = (place(at + 8, 8)?, place(at + 32, 8)?);
            let text = self.bytes.get(from..from.checked_add(size)?)?;
            Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_where_its_processor_loader_and_library_are() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let here = Platform::here().unwrap();
        let loader = Elf::of(&own).unwrap().interpreter();
        let look = |libc| Look { python: None, libc: Some(libc), loaders: loader.iter().cloned().collect() };
        assert_eq!(check(&own, &look(Libc::Gnu(2, 99)), here), Ok(()));
        let other = if here.architecture() == "amd64" { "linux/arm64" } else { "linux/amd64" };
        assert!(
            check(&own, &look(Libc::Gnu(2, 99)), other.parse().unwrap()).unwrap_err().contains("processor")
        );
        assert!(check(b"#!/bin/sh\n", &look(Libc::Gnu(2, 99)), here).unwrap_err().contains("no 64-bit"));
        if loader.is_some() {
            assert!(check(&own, &look(Libc::Gnu(2, 1)), here).unwrap_err().contains("needs glibc"));
            let without = Look { python: None, libc: None, loaders: Vec::new() };
            assert!(check(&own, &without, here).unwrap_err().contains("not in the base image"));
        }
    }
}
