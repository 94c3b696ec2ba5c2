//! The locked packages of an image: for each the wheel that fits its python best, and all of them as one layer.

use mlp_floor::Problem;
use pep440_rs::Version;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::codes;
use crate::index::{Indexes, Offer};
use crate::layer::{self, Layer, Packed};
use crate::look::{Look, Python};
use crate::markers;
use crate::platform::Platform;
use crate::requirements::{At, Lock, Requirement};
use crate::store::{Store, key};
use crate::tags::{WheelName, tags};
use crate::wheel::{Places, VENV, unpack};

/// How many names of wheels that do not fit are told.
const SHOWN: usize = 8;
/// Counted up when the same wheels would be laid out in another way.
const LAYOUT: &str = "1";

/// The image that packages are for.
pub(crate) struct For<'a> {
    pub(crate) python: &'a Python,
    pub(crate) look: &'a Look,
    pub(crate) platform: Platform,
    /// The lock file as the specification names it.
    pub(crate) lock: &'a str,
}

/// A wheel that was chosen.
#[derive(Serialize, Deserialize)]
struct Wheel {
    file: String,
    digest: String,
}

/// The layer of packages.
pub(crate) struct Packages {
    pub(crate) layer: Packed,
    pub(crate) count: usize,
    /// How many were fetched now.
    pub(crate) fetched: usize,
}

pub(crate) fn build(
    lock: &Lock,
    image: &For<'_>,
    store: &Store,
    epoch: u64,
    say: &dyn Fn(&str),
) -> Result<Packages, Problem> {
    let known = tags(image.python, image.look.libc, image.platform);
    // The hashes of a lock file leave no choice but what fits best: it is the same for ever.
    let machine = image.platform.to_string();
    let about = [lock.digest.as_str(), &image.python.version, &machine];
    let choice = key("choice", about.into_iter().chain(known.iter().map(String::as_str)));
    let before: Option<Vec<Wheel>> = store.noted(&choice);
    if let Some(wheels) = &before
        && let Some(layer) = layer::made(store, &layer_key(image.python, wheels, epoch))
    {
        return Ok(Packages { layer, count: wheels.len(), fetched: 0 });
    }
    let (wheels, fetched) = choose(lock, image, &known, store, say)?;
    store.note(&choice, &wheels)?;
    let key = layer_key(image.python, &wheels, epoch);
    let count = wheels.len();
    if let Some(layer) = layer::made(store, &key) {
        return Ok(Packages { layer, count, fetched });
    }
    let mut layer = environment(image.python);
    let places = Places::new(&image.python.name());
    for wheel in &wheels {
        say(&format!("unpacking {}", wheel.file));
        let gone = || {
            Problem::new(codes::WRITE, format!("`{}` went out of the cache while it was used", wheel.file))
                .help("build again")
        };
        let blob = store.blob(&wheel.digest).ok_or_else(gone)?;
        unpack(&blob, &wheel.file, &places, &mut layer)?;
    }
    say("packing the packages");
    Ok(Packages { layer: layer.pack(store, &key, epoch)?, count, fetched })
}

/// What decides about the layer.
fn layer_key(python: &Python, wheels: &[Wheel], epoch: u64) -> String {
    let epoch = epoch.to_string();
    let base = [LAYOUT, &python.program, &python.version, &epoch];
    let wheels = wheels.iter().flat_map(|wheel| [wheel.file.as_str(), wheel.digest.as_str()]);
    key("packages", base.into_iter().chain(wheels))
}

/// The wheels for an image, by name, and how many had to be fetched.
fn choose(
    lock: &Lock,
    image: &For<'_>,
    known: &[String],
    store: &Store,
    say: &dyn Fn(&str),
) -> Result<(Vec<Wheel>, usize), Problem> {
    let mut indexes = None;
    let mut chosen: Vec<Wheel> = Vec::new();
    let mut fetched = 0;
    for package in wanted(lock, image)? {
        let indexes = match &mut indexes {
            Some(indexes) => indexes,
            none => none.insert(Indexes::new(lock.index.as_deref(), &lock.extra)?),
        };
        let (wheel, new) = get(package, image, known, indexes, store, say)?;
        fetched += usize::from(new);
        chosen.push(wheel);
    }
    chosen.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((chosen, fetched))
}

/// The virtual environment itself.
fn environment(python: &Python) -> Layer {
    let mut layer = Layer::default();
    let home = python.program.rsplit_once('/').map_or("/usr/bin", |(folder, _)| folder);
    layer.bytes(
        format!("{VENV}/pyvenv.cfg"),
        format!(
            "home = {home}\ninclude-system-site-packages = false\nversion = {}\nexecutable = {}\n",
            python.version, python.program
        ),
    );
    layer.link(format!("{VENV}/bin/python"), &python.program);
    layer.link(format!("{VENV}/bin/python3"), "python");
    layer.link(format!("{VENV}/bin/{}", python.name()), "python");
    layer.link(format!("{VENV}/lib64"), "lib");
    layer
}

/// What of a lock file is for this image.
fn wanted<'l>(lock: &'l Lock, image: &For<'_>) -> Result<Vec<&'l Requirement>, Problem> {
    let mut found = Vec::new();
    for package in &lock.packages {
        let marker = package.marker.as_deref();
        let holds = marker.map_or(Ok(true), |marker| markers::holds(marker, image.python, image.platform));
        if holds.map_err(|why| {
            Problem::new(
                codes::LOCK,
                format!("the marker in line {} of `{}` cannot be read: {why}", package.line, image.lock),
            )
            .help("lock again with a tool that writes markers as PEP 508 has them")
        })? {
            found.push(package);
        }
    }
    Ok(found)
}

/// The best wheel of a package, and whether it was fetched now.
fn get(
    package: &Requirement,
    image: &For<'_>,
    known: &[String],
    indexes: &Indexes,
    store: &Store,
    say: &dyn Fn(&str),
) -> Result<(Wheel, bool), Problem> {
    let offers = match &package.at {
        At::Url(text) => vec![direct(package, text, image)?],
        At::Version(_) => {
            say(&format!("looking for {}", package.name));
            indexes.offers(&package.name)?
        }
    };
    let offer = best(package, &offers, known).ok_or_else(|| nothing_fits(package, &offers, image, known))?;
    let there = offer.sha256.as_deref().filter(|hash| package.hashes.iter().any(|locked| locked == hash));
    if let Some(blob) = there.and_then(|hash| store.blob(&format!("sha256:{hash}"))) {
        return Ok((Wheel { file: offer.file.clone(), digest: blob.digest }, false));
    }
    say(&format!("fetching {}", offer.file));
    let blob = indexes.fetch(&offer.url, &offer.file, &package.hashes, store)?;
    Ok((Wheel { file: offer.file.clone(), digest: blob.digest }, true))
}

fn direct(package: &Requirement, text: &str, image: &For<'_>) -> Result<Offer, Problem> {
    let url = Url::parse(text).map_err(|error| {
        Problem::new(codes::LOCK, format!("line {} of `{}` has no URL: {error}", package.line, image.lock))
    })?;
    let file = url.path().rsplit('/').next().unwrap_or_default().replace("%2B", "+");
    Ok(Offer { file, url, sha256: package.hashes.first().cloned().filter(|_| package.hashes.len() == 1) })
}

fn is_of(package: &Requirement, offer: &Offer) -> bool {
    match (&offer.sha256, &package.at) {
        (Some(hash), _) => package.hashes.contains(hash),
        (None, At::Url(_)) => true,
        // An index that tells no hashes: the version decides, and the hash after fetching.
        (None, At::Version(version)) => {
            WheelName::of(&offer.file).is_some_and(|name| same(&name.version, version))
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    match (a.parse::<Version>(), b.parse::<Version>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn best<'o>(package: &Requirement, offers: &'o [Offer], known: &[String]) -> Option<&'o Offer> {
    let ranked = offers.iter().filter(|offer| is_of(package, offer)).filter_map(|offer| {
        let rank = WheelName::of(&offer.file)?.rank(known)?;
        Some((rank, &offer.file, offer))
    });
    ranked.min_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1))).map(|(_, _, offer)| offer)
}

fn nothing_fits(package: &Requirement, offers: &[Offer], image: &For<'_>, known: &[String]) -> Problem {
    let version = match &package.at {
        At::Version(version) => format!(" {version}"),
        At::Url(_) => String::new(),
    };
    let who = format!("{}{version}", package.name);
    let image_is = format!(
        "the image is for {} with python {} and {}",
        image.platform,
        image.python.version,
        libc(image.look)
    );
    let wants = known.first().map(|tag| format!("a wheel like `{tag}` would fit")).unwrap_or_default();
    let locked: Vec<&Offer> = offers.iter().filter(|offer| is_of(package, offer)).collect();
    let problem =
        |what: String| Problem::new(codes::PACKAGE, what).note(image_is.clone()).note(wants.clone());
    let wheels: Vec<String> = locked
        .iter()
        .filter(|offer| offer.file.ends_with(".whl"))
        .map(|offer| WheelName::said(&offer.file))
        .collect();
    let fitting = |offer: &&Offer| WheelName::of(&offer.file).is_some_and(|name| name.rank(known).is_some());
    if locked.is_empty() {
        return problem(format!(
            "no file of `{who}` in the index has a hash that line {} of `{}` locks",
            package.line, image.lock
        ))
        .help("lock it again, or name the index it was locked from with `--index-url` in the lock file");
    }
    if wheels.is_empty() {
        return problem(format!("`{who}` is there only as source, and images are made of wheels"))
            .note(format!("there is {}", locked.iter().map(|offer| offer.file.as_str()).collect::<Vec<_>>().join(", ")))
            .help("lock a version that has a wheel, build one into an index of your own, or take a base image that has the package and leave it out of the lock");
    }
    let unlocked = offers.iter().filter(|offer| !is_of(package, offer)).filter(fitting).any(|offer| {
        let version = match &package.at {
            At::Version(version) => version,
            At::Url(_) => return false,
        };
        WheelName::of(&offer.file).is_some_and(|name| same(&name.version, version))
    });
    let more = wheels.len().saturating_sub(SHOWN);
    let shown = wheels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let help = if unlocked {
        "there is one that fits and is not locked: lock with the hashes of all platforms (`uv pip compile --universal --generate-hashes`)"
    } else {
        "take a base image or a platform that one of them is for, or lock another version"
    };
    problem(format!("no wheel of `{who}` fits the image")).note(format!("there is {shown}{more}")).help(help)
}

fn libc(look: &Look) -> String {
    match look.libc {
        Some(crate::look::Libc::Gnu(major, minor)) => format!("glibc {major}.{minor}"),
        Some(crate::look::Libc::Musl(major, minor)) => format!("musl {major}.{minor}"),
        None => "no C library that is known".to_owned(),
    }
}
