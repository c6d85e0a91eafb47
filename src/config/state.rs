//! Location of the state: a file, or a database server that several instances share.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Secret;

/// Place of the state (`STATE_URL`).
#[derive(Debug, Clone)]
pub enum StateLocation {
    /// `sqlite:PATH`.
    File(PathBuf),
    /// `postgres://USER@HOST[:PORT]/DATABASE`.
    Database(Box<Database>),
}

/// PostgreSQL database that holds the state.
#[derive(Debug, Clone)]
pub struct Database {
    /// Host name, or folder of the Unix socket where it begins with `/`.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Name of the database.
    pub name: String,
    /// TLS with a verified certificate. Off only to loopback or a Unix socket.
    pub is_encrypted: bool,
    /// `STATE_PASSWORD`.
    pub password: Option<Secret>,
    /// `STATE_CA_CERTIFICATE`: further root certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// `INSTANCE_NAME`: how this instance is called to the others.
    pub instance: String,
}

impl StateLocation {
    /// Returns the path of the state file; `None` where the state is in a database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Database(_) => None,
        }
    }

    /// Returns the value of `STATE_URL`, without a secret.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Database(database) => database.to_string(),
        }
    }
}

impl From<&Path> for StateLocation {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for StateLocation {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Self> for StateLocation {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

/// As the operator knows it: the path of the file, or the URL of the database.
impl fmt::Display for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(database) => database.fmt(f),
        }
    }
}

/// The URL, without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            user,
            name,
            ..
        } = self;
        let host = match host.as_str() {
            socket if socket.starts_with('/') => socket.replace('/', "%2F"),
            address if address.contains(':') => format!("[{address}]"),
            name => name.to_owned(),
        };
        write!(f, "postgres://{user}@{host}:{port}/{name}")
    }
}

/// Returns the name of this host, which is that of the instance by default (in a container, the
/// container's).
#[must_use]
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this host".to_owned(),
        name => name.to_owned(),
    }
}
