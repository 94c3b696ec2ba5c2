//! The address of a PostgreSQL database: what libpq calls a connection URI, less what must not stand in a specification.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::wire::{CONNECT, SETTING};
use crate::Problem;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// What the driver takes.
    pub(super) config: Config,
    /// Whether the connection is encrypted, and the server's certificate checked.
    pub(super) encrypted: bool,
    /// A file of certificates to trust instead of the machine's own.
    pub(super) roots: Option<String>,
    /// Host and database, for messages.
    pub(super) label: String,
}

/// Reads an address.
pub(super) fn parse(uri: &str) -> Result<Address, Problem> {
    let refused = |text: String, help: &str| Problem::new(SETTING, text).at("uri").help(help);
    if !(uri.starts_with("postgres://") || uri.starts_with("postgresql://")) {
        let text = "the address of a PostgreSQL database begins with `postgres://`".to_owned();
        return Err(refused(text, "write `postgres://user@host:5432/database`"));
    }
    if has_password(uri) {
        let text = "a password stands in the address".to_owned();
        return Err(refused(text, "take it out, and name a `secret` that holds it"));
    }
    let (plain, mut mode, mut roots) = (uri.split_once('?').map_or(uri, |(plain, _)| plain), None, None);
    let mut kept = Vec::new();
    for pair in uri.split_once('?').map_or("", |(_, query)| query).split('&').filter(|pair| !pair.is_empty())
    {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(value.replace("%2F", "/").replace("%2f", "/")),
            Some(("password", _)) => {
                let text = "a password stands in the address".to_owned();
                return Err(refused(text, "take it out, and name a `secret` that holds it"));
            }
            _ => kept.push(pair),
        }
    }
    let text = if kept.is_empty() { plain.to_owned() } else { format!("{plain}?{}", kept.join("&")) };
    let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        let why = super::wire::chain(&error);
        refused(
            format!("the address of the database cannot be used: {why}"),
            "write `postgres://user@host:5432/database`",
        )
    })?;
    let near = config.get_hosts().iter().all(is_near);
    let encrypted = match mode.as_deref() {
        None => !near,
        Some("disable") => false,
        Some("require" | "verify-full") => true,
        Some(other) => {
            let text = format!("`sslmode={other}` may end without encryption or without knowing the server");
            return Err(refused(
                text,
                "use `sslmode=verify-full`, with `sslrootcert=FILE` for an authority of your own, or `sslmode=disable`",
            ));
        }
    };
    if config.get_hosts().is_empty() {
        return Err(refused(
            "the address names no host".to_owned(),
            "write `postgres://user@host:5432/database`",
        ));
    }
    config
        .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable })
        .connect_timeout(CONNECT)
        .tcp_user_timeout(Duration::from_secs(60))
        .keepalives_idle(Duration::from_secs(30))
        .application_name("mlp");
    let hosts: Vec<String> = config.get_hosts().iter().map(host_text).collect();
    let label = format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or("postgres"));
    Ok(Address { config, encrypted, roots, label })
}

fn has_password(uri: &str) -> bool {
    let authority = uri.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Whether the way to the host leaves this machine.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_told_otherwise() {
        for (uri, encrypted) in [
            ("postgres://ann@localhost/orders", false),
            ("postgres://ann@127.0.0.1:5433/orders", false),
            ("postgresql:///orders?host=%2Frun%2Fpostgresql", false),
            ("postgres://core.acme.io/cards", true),
            ("postgres://core.acme.io/cards?sslmode=disable", false),
            ("postgres://localhost/cards?sslmode=verify-full&sslrootcert=ca%2Froot.pem", true),
        ] {
            let address = parse(uri).unwrap();
            assert_eq!(address.encrypted, encrypted, "{uri}");
            assert_eq!(address.roots.is_some(), uri.contains("sslrootcert"), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_way_out() {
        for (uri, said) in [
            ("mysql://x/y", "begins with `postgres://`"),
            ("postgres://ann:hunter2@x/y", "a password"),
            ("postgres://x/y?password=hunter2", "a password"),
            ("postgres://x/y?sslmode=prefer", "sslmode=prefer"),
            ("postgres://x/y?sslmode=verify-ca", "sslmode=verify-ca"),
            ("postgres://x:port/y", "cannot be used"),
            ("postgres:///y", "names no host"),
        ] {
            let problem = parse(uri).unwrap_err();
            assert!(problem.message.contains(said) && problem.help.is_some(), "{uri}: {problem}");
            assert_eq!(problem.subject.as_deref(), Some("uri"));
            assert!(!problem.to_string().contains("hunter2"));
        }
    }
}
