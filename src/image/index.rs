//! Package indexes: which files there are of a package (PEP 503 and 691), and fetching one.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mlp_floor::Problem;
use regex::Regex;
use serde::Deserialize;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, http};
use url::Url;

use crate::codes;
use crate::store::{Blob, Hashing, Store, unwritten};

/// What pip asks first.
const DEFAULT: &str = "https://pypi.org/simple";
/// Both forms of the interface, the one that says more first.
const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest page of a package.
const LONGEST_PAGE: u64 = 64 << 20;
/// How often a request is made that a server could not answer.
const ATTEMPTS: u32 = 3;

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) file: String,
    pub(crate) url: Url,
    /// Lower-case SHA-256, where the index says it.
    pub(crate) sha256: Option<String>,
}

/// Indexes in the order in which they are asked.
pub(crate) struct Indexes {
    urls: Vec<Url>,
    agent: Agent,
}

impl Indexes {
    /// Those of a lock file, else those that pip's variables and settings name, else the public one.
    pub(crate) fn new(own: Option<&str>, extra: &[String]) -> Result<Self, Problem> {
        let settings = Settings::read();
        let first = own
            .map(str::to_owned)
            .or_else(|| settings.one("index-url"))
            .unwrap_or_else(|| DEFAULT.to_owned());
        let more = if extra.is_empty() { settings.many("extra-index-url") } else { extra.to_vec() };
        let mut urls = Vec::new();
        for text in std::iter::once(first).chain(more) {
            let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|error| {
                Problem::new(codes::PACKAGE, format!("the package index `{text}` is no URL: {error}"))
                    .help("look at `--index-url` of the lock file, PIP_INDEX_URL and pip.conf")
            })?;
            urls.push(url);
        }
        Ok(Self { urls, agent: agent() })
    }

    /// All files of a package, of the first index that has it and of all others.
    pub(crate) fn offers(&self, name: &str) -> Result<Vec<Offer>, Problem> {
        let mut found = Vec::new();
        let mut known = false;
        for index in &self.urls {
            let Ok(page) = index.join(&format!("{name}/")) else { continue };
            let Some((json, text)) = self.page(&page)? else { continue };
            known = true;
            found.extend(if json { of_json(&page, &text) } else { Ok(of_html(&page, &text)) }.map_err(
                |error| {
                    Problem::new(
                        codes::PACKAGE,
                        format!("{} is no page of a package index: {error}", shown(&page)),
                    )
                },
            )?);
        }
        if !known {
            let asked: Vec<String> = self.urls.iter().map(shown).collect();
            return Err(Problem::new(codes::PACKAGE, format!("there is no package `{name}`"))
                .note(format!("asked was {}", asked.join(", ")))
                .help("name the index that has it: `--index-url` in the lock file, or PIP_INDEX_URL"));
        }
        Ok(found)
    }

    fn page(&self, url: &Url) -> Result<Option<(bool, String)>, Problem> {
        let mut answer = self.get(url, ACCEPT)?;
        if answer.status() == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let kind =
            answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let json = kind.contains("json");
        let reader = answer.body_mut().with_config().limit(LONGEST_PAGE);
        let text = reader.read_to_string().map_err(|error| failed(url, &error.to_string()))?;
        Ok(Some((json, text)))
    }

    fn get(&self, url: &Url, accept: &str) -> Result<http::Response<ureq::Body>, Problem> {
        let mut attempt = 1;
        loop {
            let mut request = self.agent.get(plain(url).as_str()).header("accept", accept);
            if let Some(value) = authorization(url) {
                request = request.header("authorization", value);
            }
            let (problem, passes) = match request.call() {
                Ok(answer)
                    if answer.status().is_success() || answer.status() == http::StatusCode::NOT_FOUND =>
                {
                    return Ok(answer);
                }
                Ok(answer) => {
                    let status = answer.status();
                    let problem = failed(url, &format!("it answers {status}"));
                    let denied = matches!(status.as_u16(), 401 | 403);
                    let problem = if denied {
                        problem.help("write the credentials into the URL of the index: `https://user:token@host/simple` in PIP_INDEX_URL or pip.conf")
                    } else {
                        problem
                    };
                    (problem, status.is_server_error() || status.as_u16() == 429)
                }
                Err(error) => (failed(url, &error.to_string()), true),
            };
            if !passes || attempt == ATTEMPTS {
                return Err(problem);
            }
            std::thread::sleep(Duration::from_millis(500 << attempt));
            attempt += 1;
        }
    }

    /// Fetches a file; it is kept only when it has one of the hashes.
    pub(crate) fn fetch(
        &self,
        url: &Url,
        file: &str,
        hashes: &[String],
        store: &Store,
    ) -> Result<Blob, Problem> {
        let mut answer = self.get(url, "*/*")?;
        if answer.status() == http::StatusCode::NOT_FOUND {
            return Err(failed(url, "there is no such file"));
        }
        let new = store.begin()?;
        let path = new.path().to_owned();
        let mut to = Hashing::new(new);
        let mut from = answer.body_mut().with_config().limit(u64::MAX).reader();
        copy(&mut from, &mut to, url, &path)?;
        let (new, digest, size) = to.finish();
        let bare = digest.trim_start_matches("sha256:");
        if !hashes.iter().any(|hash| hash == bare) {
            return Err(Problem::new(codes::PACKAGE, format!("`{file}` is not the file that was locked"))
                .note(format!("{} gives {size} bytes with the hash sha256:{bare}", shown(url)))
                .note(format!(
                    "locked is {}",
                    hashes.iter().map(|hash| format!("sha256:{hash}")).collect::<Vec<_>>().join(", ")
                ))
                .help("see who changed it before you lock it anew; nothing of it was kept"));
        }
        store.keep(new, &digest)
    }
}

/// Copies, and tells the one side's failure from the other's.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn io::Write,
    url: &Url,
    path: &std::path::Path,
) -> Result<(), Problem> {
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut piece).map_err(|error| failed(url, &format!("it broke off: {error}")))?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read]).map_err(|error| unwritten(path, &error))?;
    }
}

fn failed(url: &Url, why: &str) -> Problem {
    Problem::new(codes::PACKAGE, format!("cannot get {}: {why}", shown(url)))
}

/// The URL without what nobody should read.
fn shown(url: &Url) -> String {
    plain(url).to_string()
}

fn plain(url: &Url) -> Url {
    let mut plain = url.clone();
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.set_fragment(None);
    plain
}

fn authorization(url: &Url) -> Option<String> {
    use base64::Engine;
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return None;
    }
    let text = |part: &str| percent(part);
    let both = format!("{}:{}", text(url.username()), text(password));
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both)))
}

/// Takes `%40` back to `@`.
fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        found.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&found).into_owned()
}

fn agent() -> Agent {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<Certificate<'static>> =
        found.into_iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .user_agent(concat!("mlp/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .build()
        .new_agent()
}

#[derive(Deserialize)]
struct Page {
    files: Vec<PageFile>,
}

#[derive(Deserialize)]
struct PageFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

fn of_json(page: &Url, text: &str) -> Result<Vec<Offer>, serde_json::Error> {
    let found: Page = serde_json::from_str(text)?;
    let offer = |file: PageFile| {
        let url = join(page, &file.url)?;
        Some(Offer {
            file: file.filename,
            url,
            sha256: file.hashes.get("sha256").map(|hash| hash.to_lowercase()),
        })
    };
    Ok(found.files.into_iter().filter_map(offer).collect())
}

fn of_html(page: &Url, text: &str) -> Vec<Offer> {
    let Ok(anchor) = Regex::new(r#"(?is)<a\s[^>]*?href\s*=\s*["']([^"']+)["']"#) else { return Vec::new() };
    let offer = |found: regex::Captures<'_>| {
        let url = join(page, &found[1].replace("&amp;", "&"))?;
        let file = percent(url.path().rsplit('/').next().unwrap_or_default());
        let sha256 =
            url.fragment().and_then(|fragment| fragment.strip_prefix("sha256=")).map(str::to_lowercase);
        Some(Offer { file, url, sha256 })
    };
    anchor.captures_iter(text).filter_map(offer).collect()
}

/// A link of a page; an index that wants credentials wants them for its own files too.
fn join(page: &Url, link: &str) -> Option<Url> {
    let mut url = page.join(link).ok()?;
    if url.origin() == page.origin() && url.username().is_empty() {
        let _ = url.set_username(page.username());
        let _ = url.set_password(page.password());
    }
    Some(url)
}

/// What pip was told: its variables before its files, a user's file before the machine's.
struct Settings(Vec<BTreeMap<String, String>>);

impl Settings {
    fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from);
        let config =
            variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".config")));
        let named = variable("PIP_CONFIG_FILE").map(PathBuf::from);
        let environment = variable("VIRTUAL_ENV").map(|folder| PathBuf::from(folder).join("pip.conf"));
        let users = [
            named,
            environment,
            config.map(|folder| folder.join("pip/pip.conf")),
            home.map(|home| home.join(".pip/pip.conf")),
        ];
        let files = users.into_iter().flatten().chain([PathBuf::from("/etc/pip.conf")]);
        let spoken: BTreeMap<String, String> = ["index-url", "extra-index-url"]
            .into_iter()
            .filter_map(|key| {
                Some((key.to_owned(), variable(&format!("PIP_{}", key.to_uppercase().replace('-', "_")))?))
            })
            .collect();
        let read = files.filter_map(|path| Some(ini(&std::fs::read_to_string(path).ok()?)));
        Self(std::iter::once(spoken).chain(read).collect())
    }

    fn one(&self, key: &str) -> Option<String> {
        self.0.iter().find_map(|settings| settings.get(key)).map(|value| value.trim().to_owned())
    }

    fn many(&self, key: &str) -> Vec<String> {
        self.one(key).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

/// The section `global` of a settings file; a value goes on in lines that are set in.
fn ini(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let (mut global, mut last) = (false, None::<String>);
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        if let Some(section) = line.trim().strip_prefix('[') {
            global = matches!(section.trim_end_matches(']'), "global" | "install");
            last = None;
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|key| found.get_mut(key)) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(['=', ':']).filter(|_| global) {
            let key = key.trim().replace('_', "-");
            last = Some(key.clone());
            found.insert(key, value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_page_say_the_same() {
        let page = Url::parse("http://u:p@127.0.0.1:1/simple/a/").unwrap();
        let html = of_html(
            &page,
            "<a class=x href=\"../../f/a-1%2Bx-py3-none-any.whl#sha256=AB\">a</a><a href='https://o/b.tar.gz'>",
        );
        let json = r#"{"files":[{"filename":"a-1+x-py3-none-any.whl","url":"../../f/a-1%2Bx-py3-none-any.whl","hashes":{"sha256":"AB"}},{"filename":"b.tar.gz","url":"https://o/b.tar.gz"}]}"#;
        let json = of_json(&page, json).unwrap();
        let plain = |offers: &[Offer]| {
            offers
                .iter()
                .map(|offer| (offer.file.clone(), shown(&offer.url), offer.sha256.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(plain(&html), plain(&json));
        assert_eq!(html[0].sha256.as_deref(), Some("ab"));
        assert_eq!((html[0].url.password(), html[1].url.password()), (Some("p"), None));
        assert_eq!(shown(&html[0].url), "http://127.0.0.1:1/f/a-1%2Bx-py3-none-any.whl");
    }

    #[test]
    fn settings_of_pip_are_read() {
        let found = ini(
            "[global]\nindex-url = https://a/simple\nextra_index_url =\n    https://b/simple\n    https://c\n# x\n[list]\nformat = x\n",
        );
        assert_eq!(found["index-url"], "https://a/simple");
        assert_eq!(found["extra-index-url"].split_whitespace().count(), 2);
        assert!(!found.contains_key("format"));
        assert_eq!(
            authorization(&Url::parse("https://u%40x:p@h/").unwrap()).as_deref(),
            Some("Basic dUB4OnA=")
        );
    }
}
