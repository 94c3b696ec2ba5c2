//! Unpacking a wheel into a virtual environment, as the specification of binary distributions says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mlp_floor::Problem;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::codes;
use crate::layer::{Content, Layer, Wheel};
use crate::store::{Blob, open};

/// Where the environment of packages is in an image.
pub(crate) const VENV: &str = "mlp/venv";

/// The directories of one environment, from the root of the image.
pub(crate) struct Places {
    packages: String,
    headers: String,
}

impl Places {
    /// Of a python that is called so, as in `python3.11`.
    pub(crate) fn new(python: &str) -> Self {
        Self {
            packages: format!("{VENV}/lib/{python}/site-packages"),
            headers: format!("{VENV}/include/site/{}", python.trim_end_matches('t')),
        }
    }
}

/// What is wrong with a wheel.
struct Broken<'a> {
    file: &'a str,
}

impl Broken<'_> {
    fn because(&self, why: impl std::fmt::Display) -> Problem {
        Problem::new(codes::PACKAGE, format!("`{}` is no wheel that can be unpacked: {why}", self.file))
            .help("lock another version of it, and tell its makers")
    }
}

/// Puts what a wheel holds into a layer.
pub(crate) fn unpack(blob: &Blob, file: &str, places: &Places, layer: &mut Layer) -> Result<(), Problem> {
    let broken = Broken { file };
    let archive = ZipArchive::new(open(&blob.path)?).map_err(|error| broken.because(error))?;
    let wheel: Wheel = Rc::new(RefCell::new(archive));
    let all = members(&wheel, &broken)?;
    let info = all.keys().find_map(|name| {
        name.split_once('/').map(|(folder, _)| folder).filter(|folder| folder.ends_with(".dist-info"))
    });
    let info = info.ok_or_else(|| broken.because("it has no `.dist-info`"))?.to_owned();
    let data = format!("{}.data/", info.trim_end_matches(".dist-info"));
    let text = |name: &str| -> Result<Option<String>, Problem> {
        let Some(member) = all.get(&format!("{info}/{name}")) else { return Ok(None) };
        let bytes = bytes(&wheel, member.index).map_err(|error| broken.because(error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    };
    let about = text("WHEEL")?.ok_or_else(|| broken.because("it has no `WHEEL`"))?;
    let version =
        about.lines().find_map(|line| line.strip_prefix("Wheel-Version:")).unwrap_or_default().trim();
    if !version.starts_with("1.") {
        return Err(broken.because(format!("it is of the version `{version}` of the format")));
    }
    let record = text("RECORD")?.ok_or_else(|| broken.because("it has no `RECORD`"))?;
    check(&wheel, &all, &record, &broken)?;
    let project = info.split('-').next().unwrap_or_default();
    let mut placed: Vec<String> = Vec::new();
    for (name, member) in &all {
        let own = name.strip_prefix(&info).map(|rest| rest.trim_start_matches('/'));
        if matches!(
            own,
            Some("RECORD" | "RECORD.jws" | "RECORD.p7s" | "INSTALLER" | "REQUESTED" | "direct_url.json")
        ) {
            continue;
        }
        let (path, is_script) = place(name, &data, project, places)
            .ok_or_else(|| broken.because(format!("`{name}` belongs to no place that is known")))?;
        if is_script {
            let bytes = bytes(&wheel, member.index).map_err(|error| broken.because(error))?;
            layer.file(&path, Content::Bytes(shebang(bytes)), true);
        } else {
            layer.file(&path, Content::Zipped(Rc::clone(&wheel), member.index), member.executable);
        }
        placed.push(path);
    }
    for (script, module, attribute) in scripts(&text("entry_points.txt")?.unwrap_or_default()) {
        let path = format!("{VENV}/bin/{script}");
        layer.file(&path, Content::Bytes(starter(&module, &attribute).into_bytes()), true);
        placed.push(path);
    }
    let installer = format!("{}/{info}/INSTALLER", places.packages);
    layer.bytes(&installer, "mlp\n");
    let record = format!("{}/{info}/RECORD", places.packages);
    placed.extend([installer, record.clone()]);
    placed.sort();
    layer.bytes(record, listing(&placed, places));
    Ok(())
}

struct Member {
    index: usize,
    executable: bool,
}

/// The files of a wheel by their names; one that would leave its place is refused.
fn members(wheel: &Wheel, broken: &Broken<'_>) -> Result<BTreeMap<String, Member>, Problem> {
    let mut wheel = wheel.borrow_mut();
    let mut found = BTreeMap::new();
    for index in 0..wheel.len() {
        let file = wheel.by_index_raw(index).map_err(|error| broken.because(error))?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(|error| broken.because(error))?.into_owned();
        if name.starts_with('/')
            || name.contains('\\')
            || name.split('/').any(|word| matches!(word, "" | "." | ".."))
        {
            return Err(broken.because(format!("`{name}` leads out of it")));
        }
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        found.insert(name, Member { index, executable });
    }
    Ok(found)
}

fn bytes(wheel: &Wheel, index: usize) -> io::Result<Vec<u8>> {
    let mut wheel = wheel.borrow_mut();
    let mut file = wheel.by_index(index).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether every file is what the wheel's own list says.
fn check(
    wheel: &Wheel,
    all: &BTreeMap<String, Member>,
    record: &str,
    broken: &Broken<'_>,
) -> Result<(), Problem> {
    let listed: BTreeMap<String, String> = record.lines().filter_map(entry).collect();
    for (name, member) in all {
        if name.ends_with(".dist-info/RECORD")
            || name.ends_with(".dist-info/RECORD.jws")
            || name.ends_with(".dist-info/RECORD.p7s")
        {
            continue;
        }
        let Some(hash) = listed.get(name) else {
            return Err(broken.because(format!("`{name}` is not in its `RECORD`")));
        };
        let Some(expected) = hash.strip_prefix("sha256=") else { continue };
        let mut hash = Sha256::new();
        let mut archive = wheel.borrow_mut();
        let mut file = archive.by_index(member.index).map_err(|error| broken.because(error))?;
        io::copy(&mut file, &mut HashWriter(&mut hash)).map_err(|error| broken.because(error))?;
        if URL_SAFE_NO_PAD.encode(hash.finalize()) != expected.trim_end_matches('=') {
            return Err(broken.because(format!("`{name}` is not what its `RECORD` says")));
        }
    }
    Ok(())
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Name and hash of a line of `RECORD`, whose names with commas are quoted.
fn entry(line: &str) -> Option<(String, String)> {
    let (rest, _size) = line.trim_end().rsplit_once(',')?;
    let (name, hash) = rest.rsplit_once(',')?;
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    };
    Some((name, hash.to_owned()))
}

/// Where a file goes, and whether it is a script.
fn place(name: &str, data: &str, project: &str, places: &Places) -> Option<(String, bool)> {
    let Some(rest) = name.strip_prefix(data) else {
        return Some((format!("{}/{name}", places.packages), false));
    };
    let (scheme, rest) = rest.split_once('/')?;
    Some(match scheme {
        "purelib" | "platlib" => (format!("{}/{rest}", places.packages), false),
        "scripts" => (format!("{VENV}/bin/{rest}"), true),
        "headers" => (format!("{}/{project}/{rest}", places.headers), false),
        "data" => (format!("{VENV}/{rest}"), false),
        _ => return None,
    })
}

/// A script for `#!python` is one for the python of the environment.
fn shebang(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.starts_with(b"#!python") {
        return bytes;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let first = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let arguments =
        first.split_once(char::is_whitespace).map(|(_, rest)| format!(" {rest}")).unwrap_or_default();
    [format!("#!/{VENV}/bin/python{}", arguments.trim_end()).into_bytes(), bytes[end..].to_vec()].concat()
}

/// Scripts that entry points make: name, module, attribute.
fn scripts(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut wanted = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            wanted = matches!(section.trim_end_matches(']').trim(), "console_scripts" | "gui_scripts");
        } else if let Some((name, target)) =
            line.split_once('=').filter(|_| wanted && !line.starts_with(['#', ';']))
        {
            // Extras behind it say only what else has to be there.
            let target = target.split('[').next().unwrap_or_default().trim();
            let name = name.trim();
            if let Some((module, attribute)) = target.split_once(':').filter(|_| !name.contains('/')) {
                found.push((name.to_owned(), module.trim().to_owned(), attribute.trim().to_owned()));
            }
        }
    }
    found
}

fn starter(module: &str, attribute: &str) -> String {
    let first = attribute.split('.').next().unwrap_or(attribute);
    format!(
        "#!/{VENV}/bin/python\nimport sys\nfrom {module} import {first}\nif __name__ == \"__main__\":\n    sys.exit({attribute}())\n"
    )
}

/// The list of what was put where, from the directory of packages; what is in a file was checked before.
fn listing(placed: &[String], places: &Places) -> String {
    let depth = places.packages.split('/').count() - VENV.split('/').count();
    let line = |path: &String| {
        let name = match path.strip_prefix(&format!("{}/", places.packages)) {
            Some(below) => below.to_owned(),
            None => {
                format!("{}{}", "../".repeat(depth), path.trim_start_matches(VENV).trim_start_matches('/'))
            }
        };
        let name =
            if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name };
        format!("{name},,\n")
    };
    placed.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_wheel_have_their_places() {
        let places = Places::new("python3.11");
        let at = |name: &str| place(name, "a-1.data/", "a", &places);
        let packages = "mlp/venv/lib/python3.11/site-packages";
        for (name, expected) in [
            ("a/b.py", Some((format!("{packages}/a/b.py"), false))),
            ("a-1.data/purelib/a/c.py", Some((format!("{packages}/a/c.py"), false))),
            ("a-1.data/platlib/a.so", Some((format!("{packages}/a.so"), false))),
            ("a-1.data/scripts/run", Some(("mlp/venv/bin/run".into(), true))),
            ("a-1.data/data/share/x", Some(("mlp/venv/share/x".into(), false))),
            ("a-1.data/headers/x.h", Some(("mlp/venv/include/site/python3.11/a/x.h".into(), false))),
            ("a-1.data/else/x", None),
        ] {
            assert_eq!(at(name), expected, "{name}");
        }
        let placed = [format!("{packages}/a/b,c.py"), "mlp/venv/bin/run".to_owned()];
        assert_eq!(listing(&placed, &places), "\"a/b,c.py\",,\n../../../bin/run,,\n");
        assert_eq!(entry("\"a,\"\"b.py\",sha256=x,3"), Some(("a,\"b.py".into(), "sha256=x".into())));
    }

    #[test]
    fn scripts_start_in_the_environment() {
        let text = "[console_scripts]\nrun = a.b:main\nsub=a:App.go [extra]\n[other]\nx = y:z\n";
        let found = scripts(text);
        assert_eq!(found[0], ("run".into(), "a.b".into(), "main".into()));
        assert_eq!(found[1], ("sub".into(), "a".into(), "App.go".into()));
        assert_eq!(found.len(), 2);
        assert!(
            starter("a", "App.go").contains("from a import App\n")
                && starter("a", "App.go").contains("App.go()")
        );
        assert_eq!(shebang(b"#!python -E\nx".to_vec()), b"#!/mlp/venv/bin/python -E\nx");
        assert_eq!(shebang(b"#!/bin/sh\n".to_vec()), b"#!/bin/sh\n");
    }
}
