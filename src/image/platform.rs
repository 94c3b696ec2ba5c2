//! What machine an image is for.

use std::fmt;
use std::str::FromStr;

/// Processors as registries name them, with the name that the kernel and python give them.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("amd64", "x86_64"),
    ("arm64", "aarch64"),
    ("ppc64le", "ppc64le"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
];

/// A platform of Linux, as in `linux/amd64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    architecture: &'static str,
    machine: &'static str,
}

impl Platform {
    /// That of this machine; nothing where it is none an image can be for.
    #[must_use]
    pub fn here() -> Option<Self> {
        Self::found(|_, machine| machine == std::env::consts::ARCH)
    }

    fn found(fits: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let (architecture, machine) = ARCHITECTURES.iter().find(|(name, machine)| fits(name, machine))?;
        Some(Self { architecture, machine })
    }

    /// As registries say it: `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    /// As the kernel says it: `x86_64`.
    #[must_use]
    pub fn machine(&self) -> &'static str {
        self.machine
    }

    /// The number of the processor in the header of a program (ELF, `e_machine`).
    pub(crate) fn elf(&self) -> u16 {
        match self.architecture {
            "amd64" => 62,
            "arm64" => 183,
            "ppc64le" => 21,
            "riscv64" => 243,
            _ => 22,
        }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || {
            let names: Vec<String> = ARCHITECTURES.iter().map(|(name, _)| format!("linux/{name}")).collect();
            names.join(", ")
        };
        let architecture = text.strip_prefix("linux/").unwrap_or_default();
        let architecture = architecture.strip_suffix("/v8").unwrap_or(architecture);
        Self::found(|name, _| name == architecture)
            .ok_or_else(|| format!("`{text}` is no platform an image is built for: there are {}", known()))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_as_registries_name_them() {
        let arm: Platform = "linux/arm64".parse().unwrap();
        assert_eq!((arm.to_string().as_str(), arm.machine()), ("linux/arm64", "aarch64"));
        assert_eq!("linux/arm64/v8".parse(), Ok(arm));
        assert!("windows/amd64".parse::<Platform>().unwrap_err().contains("linux/amd64"));
    }
}
