//! `STATE_URL`: a file of SQLite, or a database of PostgreSQL.

use std::path::PathBuf;

use reqwest::Url;

use crate::config::refused::{ValueFault, quoted};
use crate::config::{Database, StateLocation};

/// Port of PostgreSQL.
const PORT: u16 = 5432;

/// Longest name of a role or a database (NAMEDATALEN - 1).
const LONGEST_NAME: usize = 63;

/// Reads `sqlite:PATH`, `sqlite://PATH` or `postgres://USER@HOST[:PORT]/DATABASE`. The store finds
/// out whether it can be opened.
pub fn location(text: &str) -> Result<StateLocation, ValueFault> {
    match text.split_once(':') {
        Some(("sqlite", path)) => file(text, path).map(StateLocation::File),
        Some(("postgres" | "postgresql", _)) => {
            database(text).map(|database| StateLocation::Database(Box::new(database)))
        }
        // A URL of another database server may hold a password.
        Some(_) => Err(ValueFault::new(
            "names another store than sqlite or postgres",
            USUAL,
        )),
        None => Err(ValueFault::new(
            "does not begin with `sqlite:` or `postgres:`",
            USUAL,
        )),
    }
}

const USUAL: &str = "write sqlite:PATH such as sqlite:/var/lib/ad-connector/state.db, or \
    postgres://USER@HOST/DATABASE";

fn file(text: &str, path: &str) -> Result<PathBuf, ValueFault> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let fault = |cause: &str| Err(ValueFault::new(format!("{} {cause}", quoted(text)), USUAL));
    match path {
        "" => fault("has no path"),
        ":memory:" => fault("would forget everything at a restart"),
        _ if path.contains('?') => fault("has options, which are not taken"),
        _ if path.ends_with('/') || path.ends_with("/.") || path.ends_with("..") => {
            fault("is a directory, not a file")
        }
        _ => Ok(PathBuf::from(path)),
    }
}

/// Reads the URL of a database. No message shows the URL: somebody may have written a password into
/// it.
fn database(text: &str) -> Result<Database, ValueFault> {
    let advice = "write it like postgres://ad_connector@db.example/ad_connector; the password goes into STATE_PASSWORD";
    let fault = |cause: String| ValueFault::new(cause, advice);
    let url = Url::parse(text).map_err(|error| fault(format!("the value is not a URL: {error}")))?;
    if url.password().is_some() {
        return Err(fault("the URL holds a password".to_owned()));
    }
    if url.fragment().is_some() {
        return Err(fault("the URL has a fragment".to_owned()));
    }
    let mut host = decoded(url.host_str().unwrap_or_default(), "host").map_err(fault)?;
    let mut user = decoded(url.username(), "user").map_err(fault)?;
    let mut is_encrypted = true;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("sslmode", "verify-full") => is_encrypted = true,
            ("sslmode", "disable") => is_encrypted = false,
            ("sslmode", _) => {
                return Err(ValueFault::new(
                    "the URL has another sslmode than verify-full",
                    "leave sslmode out: the certificate is always verified; sslmode=disable is for loopback and Unix sockets",
                ));
            }
            ("host", socket) if socket.starts_with('/') && host.is_empty() => host = socket.to_owned(),
            ("user", name) if user.is_empty() => name.clone_into(&mut user),
            (name, _) => {
                return Err(fault(format!(
                    "the URL has the parameter {}, which is not taken",
                    quoted(name)
                )));
            }
        }
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = decoded(url.path().trim_start_matches('/'), "database").map_err(fault)?;
    if host.is_empty() {
        return Err(fault("the URL has no host".to_owned()));
    }
    for (what, value) in [("user", &user), ("database", &name)] {
        if value.is_empty() || value.len() > LONGEST_NAME || value.contains(['/', '\0']) {
            return Err(fault(format!("the URL has no usable name of the {what}")));
        }
    }
    let is_socket = host.starts_with('/');
    if !is_encrypted && !is_socket && !is_loopback(&host) {
        return Err(ValueFault::new(
            "sslmode=disable would send the state unencrypted",
            "leave sslmode out; without TLS only loopback and Unix sockets are allowed",
        ));
    }
    Ok(Database {
        port: url.port().unwrap_or(PORT),
        is_encrypted: is_encrypted && !is_socket,
        host,
        user,
        name,
        password: None,
        certificates: Vec::new(),
        instance: String::new(),
    })
}

/// Decodes `%2F` and the like.
fn decoded(text: &str, what: &str) -> Result<String, String> {
    let bad = || format!("the {what} in the URL is badly encoded");
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digits = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
        let digits = std::str::from_utf8(&digits).map_err(|_| bad())?;
        octets.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
    }
    String::from_utf8(octets).map_err(|_| bad())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database_of(text: &str) -> Database {
        match location(text).unwrap_or_else(|_| panic!("{text} is taken")) {
            StateLocation::Database(database) => *database,
            StateLocation::File(_) => panic!("{text} is a database"),
        }
    }

    #[test]
    fn a_database_is_named_by_host_or_socket() {
        let remote = database_of("postgres://ad@db.example/state");
        assert_eq!(
            (
                remote.host.as_str(),
                remote.port,
                remote.user.as_str(),
                remote.name.as_str()
            ),
            ("db.example", 5432, "ad", "state")
        );
        assert!(remote.is_encrypted, "verify-full is the default");
        let six = database_of("postgresql://ad@[::1]:6000/state?sslmode=disable");
        assert_eq!(
            (six.host.as_str(), six.port, six.is_encrypted),
            ("::1", 6000, false)
        );
        for text in [
            "postgres://ad@%2Frun%2Fpostgresql/state",
            "postgres:///state?host=/run/postgresql&user=ad",
        ] {
            let socket = database_of(text);
            assert_eq!(
                (socket.host.as_str(), socket.is_encrypted),
                ("/run/postgresql", false)
            );
            assert_eq!(socket.to_string(), "postgres://ad@%2Frun%2Fpostgresql:5432/state");
        }
    }

    #[test]
    fn what_would_be_unsafe_or_unclear_is_refused_without_showing_a_password() {
        for (text, part) in [
            ("postgres://ad:geheim@db.example/state", "password"),
            ("postgres://ad@db.example/state?sslmode=disable", "unencrypted"),
            ("postgres://ad@db.example/state?sslmode=require", "verify-full"),
            ("postgres://ad@db.example/state?password=geheim", "not taken"),
            ("postgres://db.example/state", "user"),
            ("postgres://ad@db.example/", "database"),
            ("postgres:///state?user=ad", "no host"),
            ("mysql://ad:geheim@db.example/state", "another store"),
        ] {
            let fault = location(text)
                .err()
                .map(|fault| fault.of("STATE_URL").to_string());
            let told = fault.unwrap_or_default();
            assert!(told.contains(part), "{text}: {told}");
            assert!(!told.contains("geheim"), "{told}");
        }
    }
}
