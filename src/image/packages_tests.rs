//! Packages from an index of this process, in wheels made by hand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use crate::Problem;
use crate::look::{Libc, Look, Python};
use crate::packages::{For, Packages, build};
use crate::requirements::read;
use crate::store::{Store, sha256};

/// Answers every path with its bytes and nothing else, as long as the test lives.
struct Server {
    place: String,
}

fn serve(pages: BTreeMap<String, (&'static str, Vec<u8>)>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &pages);
        }
    });
    Server { place }
}

fn answer(stream: TcpStream, pages: &BTreeMap<String, (&'static str, Vec<u8>)>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = match pages.get(path) {
        Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
        None => ("404 Not Found", "text/plain", &b""[..]),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// A wheel of these files, with its list; a name that ends in `*` is executable.
fn wheel(info: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut record = String::new();
    let about = [(format!("{info}/WHEEL"), "Wheel-Version: 1.0\n".to_owned())];
    let all = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).chain(about);
    for (name, text) in all {
        let mode = if name.ends_with('*') { 0o755 } else { 0o644 };
        let name = name.trim_end_matches('*');
        archive.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        record += &format!("{name},sha256={hash},{}\n", text.len());
    }
    archive.start_file(format!("{info}/RECORD"), SimpleFileOptions::default()).unwrap();
    archive.write_all(format!("{record}{info}/RECORD,,\n").as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    server: Server,
    hashes: BTreeMap<String, String>,
}

impl World {
    /// An index with these files of packages.
    fn of(files: &[(&str, &str, Vec<u8>)]) -> Self {
        let mut pages = BTreeMap::new();
        let mut links: BTreeMap<&str, String> = BTreeMap::new();
        let mut hashes = BTreeMap::new();
        for (package, file, bytes) in files {
            let hash = sha256(bytes).trim_start_matches("sha256:").to_owned();
            links
                .entry(package)
                .or_default()
                .push_str(&format!("<a href=\"/files/{file}#sha256={hash}\">{file}</a>\n"));
            hashes.insert((*file).to_owned(), hash);
            pages.insert(format!("/files/{file}"), ("application/octet-stream", bytes.clone()));
        }
        for (package, text) in links {
            pages.insert(format!("/simple/{package}/"), ("text/html", text.into_bytes()));
        }
        let dir = tempfile::tempdir().unwrap();
        Self { store: Store::at(dir.path()), _dir: dir, server: serve(pages), hashes }
    }

    /// Builds what `lock` says, in which `{file}` stands for the hash of a file.
    fn build(&self, lock: &str) -> Result<Packages, Problem> {
        let mut text = format!("--index-url {}/simple\n{lock}", self.server.place);
        for (file, hash) in &self.hashes {
            text = text.replace(&format!("{{{file}}}"), &format!("--hash=sha256:{hash}"));
        }
        let python = Python {
            program: "/usr/bin/python3.11".into(),
            minor: 11,
            version: "3.11.2".into(),
            free: false,
        };
        let look = Look { python: Some(python.clone()), libc: Some(Libc::Gnu(2, 36)), loaders: Vec::new() };
        let image = For {
            python: &python,
            look: &look,
            platform: "linux/amd64".parse().unwrap(),
            lock: "requirements.lock",
        };
        build(&read("requirements.lock", &text)?, &image, &self.store, 0, &|_| {})
    }

    fn refused(&self, lock: &str) -> Problem {
        match self.build(lock) {
            Err(problem) => problem,
            Ok(_) => panic!("{lock} was built"),
        }
    }
}

/// What is in a layer: path to mode and text, or to where a link leads.
fn contents(packages: &Packages) -> BTreeMap<String, (u32, String)> {
    let bytes = flate2::read::GzDecoder::new(std::fs::File::open(&packages.layer.blob.path).unwrap());
    let mut archive = tar::Archive::new(bytes);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        if let Some(target) = entry.link_name().unwrap() {
            text = target.display().to_string();
        }
        let path = entry.path().unwrap().display().to_string();
        found.insert(path, (entry.header().mode().unwrap(), text));
    }
    found
}

const PACKAGES: &str = "mlp/venv/lib/python3.11/site-packages";

#[test]
fn wheels_are_laid_out_as_their_specification_says() {
    let pure = wheel(
        "pure-1.0.dist-info",
        &[
            ("pure/__init__.py", "x = 1"),
            ("pure/run.sh*", "#!/bin/sh\n"),
            ("pure-1.0.data/scripts/tool", "#!python\nprint()\n"),
            ("pure-1.0.data/data/share/pure.txt", "data"),
            ("pure-1.0.data/headers/pure.h", "h"),
            ("pure-1.0.data/purelib/more.py", "y = 2"),
            ("pure-1.0.dist-info/entry_points.txt", "[console_scripts]\npure = pure:main\n"),
        ],
    );
    let native = wheel("native-2.dist-info", &[("native.so", "elf")]);
    let world = World::of(&[
        ("pure", "pure-1.0-py3-none-any.whl", pure),
        ("native", "native-2-cp311-cp311-manylinux_2_17_x86_64.whl", native.clone()),
        ("native", "native-2-cp312-cp312-manylinux_2_17_x86_64.whl", native),
    ]);
    let lock = "Pure==1.0 {pure-1.0-py3-none-any.whl}\nnative==2 {native-2-cp311-cp311-manylinux_2_17_x86_64.whl} \
                {native-2-cp312-cp312-manylinux_2_17_x86_64.whl}\nabsent==1 ; sys_platform == 'win32' --hash=sha256:00\n";
    let built = world.build(lock).unwrap();
    assert_eq!((built.count, built.fetched, built.layer.cached), (2, 2, false));
    let there = contents(&built);
    let text = |path: &str| there.get(path).map(|(mode, text)| (*mode, text.as_str()));
    assert_eq!(text(&format!("{PACKAGES}/pure/__init__.py")), Some((0o644, "x = 1")));
    assert_eq!(text(&format!("{PACKAGES}/pure/run.sh")), Some((0o755, "#!/bin/sh\n")));
    assert_eq!(text(&format!("{PACKAGES}/more.py")), Some((0o644, "y = 2")));
    assert_eq!(text(&format!("{PACKAGES}/native.so")), Some((0o644, "elf")));
    assert_eq!(text("mlp/venv/bin/tool"), Some((0o755, "#!/mlp/venv/bin/python\nprint()\n")));
    assert_eq!(text("mlp/venv/share/pure.txt"), Some((0o644, "data")));
    assert_eq!(text("mlp/venv/include/site/python3.11/pure/pure.h"), Some((0o644, "h")));
    assert_eq!(text("mlp/venv/bin/python"), Some((0o777, "/usr/bin/python3.11")));
    assert!(text("mlp/venv/bin/pure").unwrap().1.contains("from pure import main"));
    assert!(text("mlp/venv/pyvenv.cfg").unwrap().1.starts_with("home = /usr/bin\n"));
    assert_eq!(text(&format!("{PACKAGES}/pure-1.0.dist-info/INSTALLER")), Some((0o644, "mlp\n")));
    let record = text(&format!("{PACKAGES}/pure-1.0.dist-info/RECORD")).unwrap().1;
    assert!(record.contains("../../../bin/tool,,\n") && record.contains("pure/__init__.py,,\n"), "{record}");
    assert!(!there.keys().any(|path| path.ends_with(".pyc") || path.contains("absent")));

    let again = world.build(lock).unwrap();
    assert_eq!((again.layer.cached, again.fetched, &again.layer.blob), (true, 0, &built.layer.blob));
    let elsewhere = World { store: Store::at(&world._dir.path().join("other")), ..world };
    assert_eq!(elsewhere.build(lock).unwrap().layer.blob.digest, built.layer.blob.digest);
}

#[test]
fn what_has_no_wheel_is_refused_by_name() {
    let bytes = wheel("a-1.dist-info", &[("a.py", "")]);
    let fitting = wheel("a-1.dist-info", &[("a.py", "linux")]);
    let world = World::of(&[
        ("other", "other-1-cp312-cp312-macosx_11_0_arm64.whl", bytes),
        ("other", "other-1-cp311-cp311-manylinux_2_17_x86_64.whl", fitting),
        ("source", "source-1.tar.gz", b"tar".to_vec()),
    ]);
    let found = world.refused("other==1 {other-1-cp312-cp312-macosx_11_0_arm64.whl}\n");
    assert_eq!((found.code, found.message.as_str()), ("MLP0882", "no wheel of `other 1` fits the image"));
    assert!(found.notes.iter().any(|note| note == "there is cp312-cp312-macosx_11_0_arm64"), "{found}");
    assert!(found.notes.iter().any(|note| note.contains("glibc 2.36") && note.contains("3.11.2")), "{found}");
    assert!(found.help.unwrap().contains("not locked"));
    let found = world.refused("source==1 {source-1.tar.gz}\n");
    assert_eq!(found.message, "`source 1` is there only as source, and images are made of wheels");
    assert!(world.refused("nowhere==1 --hash=sha256:aa\n").message.contains("no package `nowhere`"));
    assert!(world.refused("source==1 --hash=sha256:aa\n").message.contains("no file of `source 1`"));
}

#[test]
fn what_is_not_what_was_locked_or_listed_is_refused() {
    let good = wheel("a-1.dist-info", &[("a.py", "good")]);
    let mut world = World::of(&[("a", "a-1-py3-none-any.whl", good)]);
    // The index tells another file's hash, and gives this one.
    let hash = "00".repeat(32);
    let page = format!("<a href=\"/files/a-1-py3-none-any.whl#sha256={hash}\">a</a>");
    let evil = wheel("a-1.dist-info", &[("a.py", "evil")]);
    world.server = serve(BTreeMap::from([
        ("/simple/a/".to_owned(), ("text/html", page.into_bytes())),
        ("/files/a-1-py3-none-any.whl".to_owned(), ("application/octet-stream", evil)),
    ]));
    let found = world.refused(&format!("a==1 --hash=sha256:{hash}\n"));
    assert_eq!(
        (found.code, found.message.as_str()),
        ("MLP0882", "`a-1-py3-none-any.whl` is not the file that was locked")
    );

    let broken = |files: &[(&str, &str)]| {
        let world = World::of(&[("b", "b-1-py3-none-any.whl", wheel("b-1.dist-info", files))]);
        world.refused("b==1 {b-1-py3-none-any.whl}\n").message
    };
    assert!(broken(&[("../b.py", "x")]).contains("leads out of it"));
    assert!(broken(&[("b-1.data/else/b.py", "x")]).contains("no place that is known"));
    let garbage = World::of(&[("b", "b-1-py3-none-any.whl", b"no zip".to_vec())]);
    assert!(
        garbage.refused("b==1 {b-1-py3-none-any.whl}\n").message.contains("no wheel that can be unpacked")
    );
}
