//! Failures of the database server and of the connection to it, with their remedies (R29).

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::exit_code;

/// Fault of a request, as it came.
#[derive(Debug)]
pub(in crate::store) enum PostgresFault {
    /// The server cannot be reached, or refuses the session.
    Connecting(tokio_postgres::Error),
    /// An answer, or the end of the connection.
    Answered(tokio_postgres::Error),
    /// No answer within a time.
    Silent(Duration),
    /// `STATE_CA_CERTIFICATE` cannot be used.
    Certificates(String),
    /// The thread of the connection does not start.
    Thread(io::Error),
    /// Something else.
    Other(String),
    /// The server is a standby.
    Standby,
    /// Transactions only read, by a setting of the database, the user or the server.
    ReadOnly,
    /// The connection broke while the transaction was committed, and its outcome is unknown.
    Undecided,
}

impl From<tokio_postgres::Error> for PostgresFault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Answered(error)
    }
}

impl PostgresFault {
    /// Returns whether the session is of no use any more.
    pub(super) fn ends_session(&self) -> bool {
        match self {
            Self::Answered(error) => match error.as_db_error() {
                Some(said) => is_end(said.code()),
                None => error.is_closed() || is_io(error),
            },
            _ => true,
        }
    }

    /// Returns whether the server has no space for what was written.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Answered(error) if error.code() == Some(&SqlState::DISK_FULL))
    }

    /// Returns the error as the operator sees it.
    pub(in crate::store) fn of(self, database: &str) -> DatabaseError {
        let (problem, cause) = match &self {
            Self::Connecting(error) | Self::Answered(error) => explain(error),
            Self::Silent(limit) => (
                DatabaseProblem::Unreachable,
                format!("no answer within {} s", limit.as_secs()),
            ),
            Self::Certificates(cause) => (DatabaseProblem::Certificate, cause.clone()),
            Self::Thread(cause) => (DatabaseProblem::Failed, cause.to_string()),
            Self::Other(cause) => (DatabaseProblem::Failed, cause.clone()),
            Self::Standby => (DatabaseProblem::ReadOnly, "the server is in recovery".to_owned()),
            Self::ReadOnly => (
                DatabaseProblem::ReadOnly,
                "default_transaction_read_only is on".to_owned(),
            ),
            Self::Undecided => (
                DatabaseProblem::Unreachable,
                "the connection broke during a commit".to_owned(),
            ),
        };
        DatabaseError {
            database: database.to_owned(),
            problem,
            cause,
        }
    }
}

/// Returns whether the server ends the session with this code.
fn is_end(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
        || code.code().starts_with("08")
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|cause| cause.downcast_ref::<io::Error>().is_some())
}

/// Kind of a failure of the database, as far as the remedy depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseProblem {
    /// It cannot be reached, or the connection broke.
    Unreachable,
    /// TLS: the certificate is not trusted, or there is none.
    Certificate,
    /// It refuses the user.
    Refused,
    /// There is no such database.
    Missing,
    /// The user lacks a right.
    Forbidden,
    /// It cannot be written: a standby, or set so.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// Another transaction held what this one waited for.
    Busy,
    /// It is damaged.
    Corrupt,
    /// Anything else.
    Failed,
}

/// Failure to use the database. Nothing was half-written: every change is one transaction.
#[derive(Debug)]
pub struct DatabaseError {
    /// Its URL, without the password.
    pub database: String,
    /// Kind of the failure.
    pub problem: DatabaseProblem,
    /// Message of the server or of the system.
    pub cause: String,
}

impl std::error::Error for DatabaseError {}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            problem,
            cause,
        } = self;
        let what = match problem {
            DatabaseProblem::Unreachable => "cannot be reached",
            DatabaseProblem::Certificate => "has no certificate that is trusted",
            DatabaseProblem::Refused => "refuses the user",
            DatabaseProblem::Missing => "does not exist",
            DatabaseProblem::Forbidden => "does not give this user the rights that are needed",
            DatabaseProblem::ReadOnly => "cannot be written",
            DatabaseProblem::Full => "has no space left",
            DatabaseProblem::Busy => "is busy",
            DatabaseProblem::Corrupt => "is damaged",
            DatabaseProblem::Failed => "failed",
        };
        write!(f, "the database {database} {what}: {cause}")
    }
}

impl DatabaseError {
    /// Returns 77 (EX_NOPERM of sysexits.h) where the server refuses the user, else 69
    /// (EX_UNAVAILABLE).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.problem {
            DatabaseProblem::Refused | DatabaseProblem::Forbidden | DatabaseProblem::Certificate => {
                exit_code::REFUSED
            }
            _ => exit_code::UNAVAILABLE,
        }
    }

    /// Returns what the operator does next.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.problem {
            DatabaseProblem::Unreachable => {
                "check that the server of STATE_URL runs and can be reached from here (`pg_isready`), and its log; \
                 nothing was lost, the next run goes on"
            }
            DatabaseProblem::Certificate => {
                "check the host name in STATE_URL against the certificate, and put the CA certificate that issued it \
                 into the file of STATE_CA_CERTIFICATE; the server needs ssl = on"
            }
            DatabaseProblem::Refused => {
                "check the user in STATE_URL, STATE_PASSWORD (or the file of STATE_PASSWORD_FILE), and the lines for \
                 this host in pg_hba.conf"
            }
            DatabaseProblem::Missing => "create it: CREATE DATABASE … OWNER …, with the names in STATE_URL",
            DatabaseProblem::Forbidden => {
                "make the user of STATE_URL the owner of the database, or give it the rights on the schema and its \
                 tables"
            }
            DatabaseProblem::ReadOnly => {
                "point STATE_URL to the primary server; after a failover, wait until the new one is promoted; \
                 nothing was lost, the next run goes on"
            }
            DatabaseProblem::Full => {
                "free space on the server's disk; nothing read or staged was lost, the next run goes on"
            }
            DatabaseProblem::Busy => {
                "see in pg_stat_activity which transaction holds the lock, let it finish, and try again"
            }
            DatabaseProblem::Corrupt => {
                "restore the database from its back-up, or create an empty one: a full read fills it, at the price of \
                 sending every asset once more; check the server's disk before"
            }
            DatabaseProblem::Failed => "check the log of the database server",
        }
    }
}

/// Returns what an error of the library means.
fn explain(error: &tokio_postgres::Error) -> (DatabaseProblem, String) {
    let Some(said) = error.as_db_error() else {
        return explain_connection(error);
    };
    let cause = format!("{} ({})", said.message(), said.code().code());
    let problem = match said.code().code() {
        "28P01" | "28000" => DatabaseProblem::Refused,
        "3D000" => DatabaseProblem::Missing,
        "42501" => DatabaseProblem::Forbidden,
        "25006" => DatabaseProblem::ReadOnly,
        "53100" => DatabaseProblem::Full,
        "53300" | "55P03" | "57014" | "40001" | "40P01" => DatabaseProblem::Busy,
        "XX001" | "XX002" => DatabaseProblem::Corrupt,
        "57P01" | "57P02" | "57P03" | "25P03" => DatabaseProblem::Unreachable,
        code if code.starts_with("08") => DatabaseProblem::Unreachable,
        _ => DatabaseProblem::Failed,
    };
    (problem, cause)
}

/// Returns what an error means that no server sent.
fn explain_connection(error: &tokio_postgres::Error) -> (DatabaseProblem, String) {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<io::Error>()
            && let Some(wrapped) = error
                .get_ref()
                .and_then(|cause| cause.downcast_ref::<rustls::Error>())
        {
            return (DatabaseProblem::Certificate, wrapped.to_string());
        }
        let told = inner.to_string();
        if !cause.contains(&told) {
            cause = format!("{cause}: {told}");
        }
        source = inner.source();
    }
    let problem = if cause.contains("does not support TLS") {
        DatabaseProblem::Certificate
    } else if cause.contains("password missing") || cause.contains("authentication") {
        DatabaseProblem::Refused
    } else {
        DatabaseProblem::Unreachable
    };
    (problem, cause)
}
