//! A resource on a web server: fetched once, and again only when the server says that it changed.

use std::io::{Read, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::keep::{Output, Session, write_failed};
use super::wire::{BROKE_OFF, CONNECT, DENIED, LOOK, NOT_DATA, SETTING, SILENCE, UNREACHABLE, absent, chain};
use super::{Authorization, SourceSpec};
use crate::Problem;

/// How often a request is made before it is given up.
const ATTEMPTS: u32 = 4;
/// How often a look-up is made.
const LOOK_ATTEMPTS: u32 = 2;
/// The longest wait that a server may ask for and get.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The first wait between attempts; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A resource without validators is read by each look-up, if it is not larger than this.
const LARGEST_LOOK: u64 = 16 * 1024 * 1024;
/// The formats a resource may have.
const FORMATS: &[&str] = &["csv", "jsonl", "json", "parquet"];

pub(super) fn check(spec: &SourceSpec) -> Result<(), Problem> {
    let refused = |at: &str, text: String, help: &str| Err(Problem::new(SETTING, text).at(at).help(help));
    let parsed = spec.uri.parse::<ureq::http::Uri>().ok();
    let Some(uri) =
        parsed.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
    else {
        return refused(
            "uri",
            format!("`{}` is no address on the web", spec.uri),
            "write `https://host/path`",
        );
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let help = "take them out, and name a `secret` that holds `user:password`, with `auth = \"basic\"`";
        return refused("uri", "credentials stand in the address".to_owned(), help);
    }
    for name in spec.headers.keys() {
        if name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("cookie") {
            let text = format!("`{name}` would stand in the specification and the state as it is");
            return refused(&format!("headers.{name}"), text, "name a `secret` instead");
        }
    }
    if spec.secret.is_some() && uri.scheme_str() == Some("http") && !is_near(uri.host().unwrap_or_default()) {
        let text = "the secret would travel unencrypted".to_owned();
        return refused("uri", text, "use `https://`");
    }
    match format(spec) {
        Some(format) if FORMATS.contains(&format.as_str()) => Ok(()),
        Some(other) => refused(
            "format",
            format!("the format `{other}` cannot be read"),
            "use `csv`, `jsonl`, `json` or `parquet`",
        ),
        None => refused(
            "format",
            format!("the format of `{}` is unknown", spec.uri),
            "set `format`: `csv`, `jsonl`, `json` or `parquet`",
        ),
    }
}

fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The format that is declared, or that the path's ending tells.
pub(super) fn format(spec: &SourceSpec) -> Option<String> {
    if let Some(format) = &spec.format {
        return Some(format.clone());
    }
    let uri = spec.uri.parse::<ureq::http::Uri>().ok()?;
    let ending = uri.path().rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(if ending == "ndjson" { "jsonl".to_owned() } else { ending })
}

/// The client: certificates of the machine, a limit on every silence, credentials only to the host they are for.
fn agent(silence: Duration) -> Agent {
    let certificates: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("mlp/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .build()
        .new_agent()
}

/// One request; with what the last answer said of itself, so that the same is not sent twice.
fn ask(
    agent: &Agent,
    spec: &SourceSpec,
    secret: Option<&str>,
    head: bool,
    known: Option<&Json>,
) -> Result<Response<Body>, ureq::Error> {
    let mut request = if head { agent.head(&spec.uri) } else { agent.get(&spec.uri) };
    for (name, value) in &spec.headers {
        request = request.header(name, value);
    }
    if let Some(secret) = secret {
        let value = match spec.auth.unwrap_or_default() {
            Authorization::Bearer => format!("Bearer {secret}"),
            Authorization::Basic => format!("Basic {}", base64(secret.as_bytes())),
        };
        request = request.header(header::AUTHORIZATION, value);
    }
    for (name, field) in [(header::IF_NONE_MATCH, "etag"), (header::IF_MODIFIED_SINCE, "modified")] {
        if let Some(value) = known.and_then(|known| known.get(field)?.as_str()) {
            request = request.header(name, value);
        }
    }
    request.call()
}

/// What a server does that another attempt may mend.
fn passes(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
}

/// Tries until it works, cannot work, or was tried often enough.
fn persist<T>(attempts: u32, work: &mut dyn FnMut() -> Result<T, Trouble>) -> Result<T, Problem> {
    let mut wait = FIRST_WAIT;
    let mut attempt = 1;
    loop {
        let trouble = match work() {
            Ok(found) => return Ok(found),
            Err(trouble) => trouble,
        };
        let wanted = trouble.after.unwrap_or(wait);
        if !trouble.passes || attempt >= attempts || wanted > LONGEST_WAIT {
            let problem = trouble.problem;
            return Err(if attempt > 1 {
                problem.note(format!("it was tried {attempt} times"))
            } else {
                problem
            });
        }
        std::thread::sleep(wanted);
        wait *= 2;
        attempt += 1;
    }
}

/// A failed attempt.
pub(super) struct Trouble {
    pub(super) problem: Problem,
    pub(super) passes: bool,
    /// How long the server asks to wait.
    pub(super) after: Option<Duration>,
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self { problem, passes: false, after: None }
    }
}

fn unreachable(spec: &SourceSpec, error: &ureq::Error) -> Trouble {
    let mut problem =
        Problem::new(UNREACHABLE, format!("`{}` cannot be reached: {}", spec.uri, chain(error)))
            .at("uri")
            .help("correct the address, or try again when the server answers");
    let passes = matches!(
        error,
        ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::Protocol(_)
    );
    if matches!(error, ureq::Error::TooManyRedirects | ureq::Error::Rustls(_) | ureq::Error::Tls(_)) {
        problem.code = DENIED;
    }
    Trouble { problem, passes, after: None }
}

/// Refuses every answer that is not the resource.
fn judge(spec: &SourceSpec, answer: Response<Body>) -> Result<Response<Body>, Trouble> {
    let status = answer.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(answer);
    }
    let said = format!("`{}` answered {status}", spec.uri);
    let problem = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            let at = if spec.secret.is_some() { "secret" } else { "uri" };
            Problem::new(DENIED, said)
                .at(at)
                .help("name a `secret` that may read it; `auth` says how it is shown")
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => absent(said, "uri", "correct the address"),
        _ if passes(status) => {
            Problem::new(UNREACHABLE, said).at("uri").help("try again when the server is well")
        }
        _ => Problem::new(SETTING, said).at("uri").help("see what the server wants, and correct the address"),
    };
    let after =
        answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(Trouble { problem, passes: passes(status), after: after.map(Duration::from_secs) })
}

/// What an answer says of what it carries.
fn validators(answer: &Response<Body>) -> Json {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let mut found = serde_json::Map::new();
    for (field, name) in [("etag", header::ETAG), ("modified", header::LAST_MODIFIED)] {
        if let Some(value) = text(name) {
            found.insert(field.to_owned(), Json::from(value));
        }
    }
    Json::Object(found)
}

pub(super) fn look(spec: &SourceSpec, secret: Option<&str>) -> Result<String, Problem> {
    let agent = agent(LOOK);
    let ask = |head: bool| ask(&agent, spec, secret, head, None).map_err(|error| unreachable(spec, &error));
    let answer = persist(LOOK_ATTEMPTS, &mut || {
        let answer = ask(true)?;
        // Not every server that gives a resource answers about it.
        let answer = if answer.status().is_client_error() || answer.status().is_server_error() {
            ask(false)?
        } else {
            answer
        };
        judge(spec, answer)
    })?;
    let mut mark = validators(&answer);
    if mark.as_object().is_none_or(serde_json::Map::is_empty) {
        mark = json!({ "content": persist(LOOK_ATTEMPTS, &mut || digest(spec, judge(spec, ask(false)?)?))? });
    } else if let Some(length) =
        answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok())
        && answer.headers().get(header::ETAG).is_none()
    {
        mark["length"] = Json::from(length);
    }
    Ok(blake3::hash(mark.to_string().as_bytes()).to_hex()[..32].to_owned())
}

/// The digest of a body that is small enough to be read by every plan.
fn digest(spec: &SourceSpec, answer: Response<Body>) -> Result<String, Trouble> {
    let mut reader = answer.into_body().into_reader().take(LARGEST_LOOK + 1);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) => return Err(broke_off(spec, &error)),
        }
        if size > LARGEST_LOOK {
            let text = format!(
                "nothing tells when `{}` changes, and it is too large to be read by every plan",
                spec.uri
            );
            return Err(Problem::new(SETTING, text)
                .at("uri")
                .note("the server gives neither `ETag` nor `Last-Modified`, and more than 16 MiB")
                .help("let the server give one of them, or fetch it to a file and use `kind = \"file\"`")
                .into());
        }
    }
}

fn broke_off(spec: &SourceSpec, error: &std::io::Error) -> Trouble {
    let problem = Problem::new(BROKE_OFF, format!("`{}` broke off: {}", spec.uri, chain(error)))
        .at("uri")
        .help("apply again: nothing was changed here");
    Trouble { problem, passes: true, after: None }
}

pub(super) fn extract(spec: &SourceSpec, secret: Option<&str>, session: &mut Session) -> Result<(), Problem> {
    let format = format(spec).unwrap_or_default();
    let ending = if format == "json" { "jsonl" } else { &format };
    let silence = spec.timeout_seconds.map_or(SILENCE, Duration::from_secs);
    let agent = agent(silence);
    let kept = session.kept(&spec.uri);
    let known = kept.as_ref().map(|(kept, _)| &kept.position);
    let fetched = persist(ATTEMPTS, &mut || {
        let answer = ask(&agent, spec, secret, false, known).map_err(|error| unreachable(spec, &error))?;
        let answer = judge(spec, answer)?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let found = validators(&answer);
        let out = session.output(&spec.uri, ending)?;
        receive(spec, &format, answer, out).map(|(out, bytes)| Some((out, bytes, found)))
    })?;
    match (fetched, kept) {
        (Some((out, bytes, found)), _) => {
            session.say(format!("{}: {bytes} bytes fetched", spec.uri));
            let keeps =
                found.as_object().is_some_and(|found| !found.is_empty()).then_some((found, Json::Null));
            session.give(&spec.uri, out, keeps)
        }
        (None, Some((kept, path))) => {
            session.say(format!("{}: unchanged, not fetched again", spec.uri));
            session.give_again(&spec.uri, kept, &path, ending)
        }
        (None, None) => {
            let text = format!("`{}` answered that nothing changed, and nothing was asked", spec.uri);
            Err(Problem::new(NOT_DATA, text).at("uri").help("see what stands between here and the server"))
        }
    }
}

/// Writes a body to a file, and refuses what is certainly not the data that was declared.
fn receive(
    spec: &SourceSpec,
    format: &str,
    answer: Response<Body>,
    mut out: Output,
) -> Result<(Output, u64), Trouble> {
    let web_page = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let mut reader = answer.into_body().into_reader();
    if format == "json" {
        let bytes = super::http_json::rows(spec, reader, &mut out)?;
        return Ok((out, bytes));
    }
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(|error| broke_off(spec, &error))?;
        if bytes == 0 {
            refuse_pages(spec, format, web_page, &buffer[..count])?;
        }
        if count == 0 {
            return Ok((out, bytes));
        }
        out.write_all(&buffer[..count]).map_err(|error| write_failed(&out.path, &error))?;
        bytes += count as u64;
    }
}

fn refuse_pages(spec: &SourceSpec, format: &str, web_page: bool, start: &[u8]) -> Result<(), Problem> {
    let head = String::from_utf8_lossy(&start[..start.len().min(64)]).trim_start().to_ascii_lowercase();
    let what = if web_page || head.starts_with("<!doctype") || head.starts_with("<html") {
        "a web page"
    } else if format != "parquet" && start.contains(&0) {
        "binary data"
    } else {
        return Ok(());
    };
    let text = format!("`{}` gives {what}, not {format}", spec.uri);
    Err(Problem::new(NOT_DATA, text).at("uri").help(
        "see with a browser what is there: often it is a page to sign in on; else correct `uri` or `format`",
    ))
}

/// Base64, for `Authorization: Basic`.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number =
            part.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)) << (8 * (3 - part.len()));
        for index in 0..4 {
            text.push(if index <= part.len() {
                char::from(DIGITS[number >> (18 - 6 * index) & 63])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("ann:s3cret", "YW5uOnMzY3JldA==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
