//! What an image has for packages and programs: its python and its C library, read out of its files.

use mlp_floor::Problem;
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use crate::files::{Files, Source};

/// Where programs are when an image does not say it.
pub(crate) const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The C library with its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Libc {
    Gnu(u32, u32),
    Musl(u32, u32),
}

/// CPython.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Python {
    /// The program, from the root.
    pub(crate) program: String,
    pub(crate) minor: u32,
    /// In full, as in `3.11.2`.
    pub(crate) version: String,
    /// Built to run without the global lock.
    pub(crate) free: bool,
}

impl Python {
    /// `python3.11`, as its directory of packages is called.
    pub(crate) fn name(&self) -> String {
        format!("python3.{}{}", self.minor, if self.free { "t" } else { "" })
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) python: Option<Python>,
    pub(crate) libc: Option<Libc>,
    /// Programs that start others: what a program names as its interpreter.
    pub(crate) loaders: Vec<String>,
}

impl Look {
    /// Looks through the layers of an image whose programs are searched for in `search`.
    pub(crate) fn at(layers: &[Source], search: &str) -> Result<Self, Problem> {
        let files = Files::of(layers)?;
        let is_loader = |name: &str| name.starts_with("ld-") && name.contains(".so");
        let loaders: Vec<String> = files.named(is_loader).map(|path| format!("/{path}")).collect();
        let short =
            loaders.iter().filter_map(|path| path.strip_prefix("/usr/")).map(|path| format!("/{path}"));
        let short: Vec<String> = short.filter(|path| files.resolve(path).is_some()).collect();
        Ok(Self {
            python: python(&files, layers, search)?,
            libc: libc(&files, layers)?,
            loaders: [loaders, short].concat(),
        })
    }
}

fn python(files: &Files, layers: &[Source], search: &str) -> Result<Option<Python>, Problem> {
    let folders = || search.split(':').filter(|folder| !folder.is_empty());
    let plain = folders().find_map(|folder| files.resolve(&format!("{folder}/python3")));
    let numbered = || {
        let all =
            folders().flat_map(|folder| (0..100).rev().map(move |minor| format!("{folder}/python3.{minor}")));
        all.into_iter().find_map(|path| files.resolve(&path))
    };
    let Some(program) = plain.or_else(numbered) else { return Ok(None) };
    let name = program.rsplit('/').next().unwrap_or_default();
    let rest = name.strip_prefix("python3.").unwrap_or_default();
    let free = rest.ends_with('t');
    let Ok(minor) = rest.trim_end_matches('t').parse::<u32>() else { return Ok(None) };
    let library = format!("libpython{}.so", &name["python".len()..]);
    let mut places = vec![program.clone()];
    places.extend(files.named(|name| name.starts_with(&library)).map(str::to_owned));
    // The version stands in the interpreter as text that ends in a zero byte.
    let pattern = format!(r"(3\.{minor}\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?\x00");
    let mut version = None;
    for place in places {
        let bytes = files.read(layers, &place)?.unwrap_or_default();
        version = first(&pattern, &bytes).map(|found| found[0].clone());
        if version.is_some() {
            break;
        }
    }
    let version = version.unwrap_or_else(|| format!("3.{minor}"));
    Ok(Some(Python { program: format!("/{program}"), minor, version, free }))
}

fn libc(files: &Files, layers: &[Source]) -> Result<Option<Libc>, Problem> {
    let of = |path: &str, pattern: &str| -> Result<Option<(u32, u32)>, Problem> {
        let bytes = files.read(layers, path)?.unwrap_or_default();
        let found = first(pattern, &bytes);
        Ok(found.and_then(|found| Some((found[0].parse().ok()?, found.get(1)?.parse().ok()?))))
    };
    for path in files.named(|name| name == "libc.so.6") {
        let found = of(path, r"GNU C Library [^\n]*release version ([0-9]+)\.([0-9]+)")?;
        if let Some((major, minor)) = found {
            return Ok(Some(Libc::Gnu(major, minor)));
        }
    }
    for path in files.named(|name| name.starts_with("ld-musl-")) {
        if let Some((major, minor)) = of(path, r"\x00([0-9]+)\.([0-9]+)\.[0-9]+\x00")? {
            return Ok(Some(Libc::Musl(major, minor)));
        }
    }
    Ok(None)
}

/// The groups of the first place that fits.
fn first(pattern: &str, bytes: &[u8]) -> Option<Vec<String>> {
    let found = Regex::new(&format!("(?-u){pattern}")).ok()?.captures(bytes)?;
    let text = |group: regex::bytes::Match<'_>| String::from_utf8_lossy(group.as_bytes()).into_owned();
    Some(found.iter().skip(1).flatten().map(text).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::layer::Layer;
    use crate::store::Store;

    /// An image of these files, of which `name -> target` is a link.
    pub(crate) fn look(files: &[(&str, &str)]) -> Look {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let mut layer = Layer::default();
        for (path, text) in files {
            match path.split_once(" -> ") {
                Some((path, target)) => layer.link(path, target),
                None => layer.bytes(*path, *text),
            }
        }
        let blob = layer.pack(&store, "x", 0).unwrap().blob;
        let media_type = "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
        Look::at(&[Source { blob, media_type }], SEARCH).unwrap()
    }

    #[test]
    fn a_debian_is_read_out_of_its_files() {
        let found = look(&[
            ("usr/bin/python3 -> python3.11", ""),
            ("usr/bin/python3.11", "..\x003.11.2\x00"),
            ("lib -> usr/lib", ""),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", "GNU C Library (Debian) stable release version 2.36.\n"),
            ("usr/lib/ld-linux.so.2", ""),
        ]);
        let python = Python {
            program: "/usr/bin/python3.11".into(),
            minor: 11,
            version: "3.11.2".into(),
            free: false,
        };
        assert_eq!((found.python, found.libc), (Some(python), Some(Libc::Gnu(2, 36))));
        assert_eq!(found.loaders, ["/usr/lib/ld-linux.so.2", "/lib/ld-linux.so.2"]);
    }

    #[test]
    fn an_alpine_and_a_python_in_its_library_are_too() {
        let found = look(&[
            ("usr/local/bin/python3 -> python3.13t", ""),
            ("usr/local/bin/python3.13t", "small"),
            ("usr/local/lib/libpython3.13t.so.1.0", "x\x003.13.0rc1+\x00"),
            ("lib/ld-musl-x86_64.so.1", "a\x001.2.5\x00b"),
        ]);
        let python = found.python.unwrap();
        assert_eq!(
            (python.version.as_str(), python.free, python.name().as_str()),
            ("3.13.0rc1", true, "python3.13t")
        );
        assert_eq!(found.libc, Some(Libc::Musl(1, 2)));
        assert_eq!(look(&[("bin/sh", "")]).python, None);
    }
}
