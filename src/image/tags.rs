//! Which wheels fit an image: the tags of the python packaging specifications, best first.

use crate::look::{Libc, Python};
use crate::platform::Platform;

/// Names of glibc versions from before they were numbers.
const LEGACY: &[(u32, &str)] = &[(17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")];

/// All tags a python understands, `interpreter-abi-platform`.
pub(crate) fn tags(python: &Python, libc: Option<Libc>, platform: Platform) -> Vec<String> {
    let platforms = platforms(libc, platform);
    let minor = python.minor;
    let own = format!("cp3{minor}");
    let abi = if python.free { format!("{own}t") } else { own.clone() };
    let mut found = Vec::new();
    let mut of_platforms = |interpreter: &str, abi: &str| {
        found.extend(platforms.iter().map(|platform| format!("{interpreter}-{abi}-{platform}")));
    };
    of_platforms(&own, &abi);
    // The stable ABI holds for every later version, and not without the global lock.
    let stable = |minor: u32| (2..=minor).rev().filter(|_| !python.free);
    stable(minor).take(1).for_each(|_| of_platforms(&own, "abi3"));
    of_platforms(&own, "none");
    stable(minor.saturating_sub(1)).for_each(|minor| of_platforms(&format!("cp3{minor}"), "abi3"));
    let generic: Vec<String> = [format!("py3{minor}"), "py3".to_owned()]
        .into_iter()
        .chain((0..minor).rev().map(|minor| format!("py3{minor}")))
        .collect();
    generic.iter().for_each(|interpreter| of_platforms(interpreter, "none"));
    found.push(format!("{own}-none-any"));
    found.extend(generic.iter().map(|interpreter| format!("{interpreter}-none-any")));
    found
}

fn platforms(libc: Option<Libc>, platform: Platform) -> Vec<String> {
    let machine = platform.machine();
    let mut found = Vec::new();
    match libc {
        Some(Libc::Gnu(major, newest)) => {
            // There were wheels for x86 first; for others they began with glibc 2.17.
            let oldest = if machine == "x86_64" { 5 } else { 17 };
            for minor in (oldest..=newest).rev().filter(|_| major == 2) {
                found.push(format!("manylinux_2_{minor}_{machine}"));
                let legacy = LEGACY.iter().filter(|(of, _)| *of == minor);
                found.extend(legacy.map(|(_, name)| format!("{name}_{machine}")));
            }
        }
        Some(Libc::Musl(major, newest)) => {
            found.extend((0..=newest).rev().map(|minor| format!("musllinux_{major}_{minor}_{machine}")));
        }
        None => {}
    }
    found.push(format!("linux_{machine}"));
    found
}

/// The name of a wheel, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WheelName {
    pub(crate) version: String,
    build: (u64, String),
    tags: Vec<String>,
}

impl WheelName {
    /// `numpy-2.4.6-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl`.
    pub(crate) fn of(file: &str) -> Option<Self> {
        let words: Vec<&str> = file.strip_suffix(".whl")?.split('-').collect();
        let (version, build, [interpreters, abis, platforms]) = match words.as_slice() {
            [_, version, a, b, c] => (version, "", [a, b, c]),
            [_, version, build, a, b, c] => (version, *build, [a, b, c]),
            _ => return None,
        };
        let mut tags = Vec::new();
        for interpreter in interpreters.split('.') {
            for abi in abis.split('.') {
                tags.extend(platforms.split('.').map(|platform| format!("{interpreter}-{abi}-{platform}")));
            }
        }
        let digits: String = build.chars().take_while(char::is_ascii_digit).collect();
        let rest = build[digits.len()..].to_owned();
        Some(Self { version: (*version).to_owned(), build: (digits.parse().unwrap_or(0), rest), tags })
    }

    /// How well it fits, the least best; nothing where it does not.
    pub(crate) fn rank(&self, known: &[String]) -> Option<(usize, std::cmp::Reverse<(u64, String)>)> {
        let best = known.iter().position(|tag| self.tags.contains(tag))?;
        Some((best, std::cmp::Reverse(self.build.clone())))
    }

    /// Its tags as its name says them.
    pub(crate) fn said(file: &str) -> String {
        let words: Vec<&str> = file.trim_end_matches(".whl").rsplitn(4, '-').collect();
        words.iter().take(3).rev().copied().collect::<Vec<_>>().join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(minor: u32, free: bool) -> Python {
        Python { program: "/usr/bin/python3".into(), minor, version: format!("3.{minor}.0"), free }
    }

    fn fits(file: &str, known: &[String]) -> Option<usize> {
        WheelName::of(file).unwrap().rank(known).map(|(rank, _)| rank)
    }

    #[test]
    fn what_fits_best_comes_first() {
        let platform = "linux/amd64".parse().unwrap();
        let debian = tags(&python(11, false), Some(Libc::Gnu(2, 36)), platform);
        let rank = |file: &str| fits(file, &debian);
        let ordered = [
            "a-1-cp311-cp311-manylinux_2_28_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "a-1-cp311-abi3-manylinux1_x86_64.whl",
            "a-1-cp38-abi3-manylinux2014_x86_64.whl",
            "a-1-py3-none-manylinux2014_x86_64.whl",
            "a-1-py2.py3-none-any.whl",
        ];
        let ranks: Vec<_> = ordered.iter().map(|file| rank(file).unwrap()).collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
        for other in [
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_39_x86_64.whl",
            "a-1-cp311-cp311-manylinux_2_28_aarch64.whl",
            "a-1-cp311-cp311-musllinux_1_2_x86_64.whl",
            "a-1-cp311-cp311-win_amd64.whl",
            "a-1-cp312-abi3-manylinux1_x86_64.whl",
        ] {
            assert_eq!(rank(other), None, "{other}");
        }
        let alpine = tags(&python(11, false), Some(Libc::Musl(1, 2)), platform);
        assert!(fits("a-1-cp311-cp311-musllinux_1_1_x86_64.whl", &alpine).is_some());
        assert_eq!(fits("a-1-cp311-cp311-manylinux_2_17_x86_64.whl", &alpine), None);
        let free = tags(&python(13, true), Some(Libc::Gnu(2, 36)), platform);
        assert!(fits("a-1-cp313-cp313t-manylinux_2_28_x86_64.whl", &free).is_some());
        assert_eq!(fits("a-1-cp39-abi3-manylinux2014_x86_64.whl", &free), None);
        assert_eq!(WheelName::said("a-1-cp311-cp311-win_amd64.whl"), "cp311-cp311-win_amd64");
        let newer = WheelName::of("a-1-2-py3-none-any.whl").unwrap().rank(&debian);
        assert!(newer < WheelName::of("a-1-1-py3-none-any.whl").unwrap().rank(&debian));
    }
}
