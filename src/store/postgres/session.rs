//! One connection to the database server, driven by a thread of its own.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::sync::oneshot;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::fault::PostgresFault;
use super::tls::Tls;
use super::wait::wait;
use crate::config::Database;

/// Time to connect, TLS and authentication included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Silence after which the system asks the server for a sign of life, how often and how long it
/// does: a network that was cut is noticed within 15 s.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(5), Duration::from_secs(2), 5);

/// Session with the server.
pub(super) struct DatabaseSession {
    pub(super) client: Client,
    /// Time that the server may take to answer a request.
    answers_within: Duration,
    /// Ends the thread, and with it the connection, when it is dropped.
    _end: oneshot::Sender<()>,
}

impl DatabaseSession {
    /// Connects and authenticates.
    pub(super) fn open(database: &Database, answers_within: Duration) -> Result<Self, PostgresFault> {
        let within = answers_within.min(CONNECT_WITHIN);
        let config = configured(database);
        let tls = if database.is_encrypted {
            Some(Tls::trusting(&database.certificates).map_err(PostgresFault::Certificates)?)
        } else {
            None
        };
        let (end, ended) = oneshot::channel();
        let (opened, open) = mpsc::channel();
        thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(drive(config, tls, within, &opened, ended)),
                    Err(cause) => drop(opened.send(Err(PostgresFault::Thread(cause)))),
                }
            })
            .map_err(PostgresFault::Thread)?;
        let client = open
            .recv_timeout(within + Duration::from_secs(1))
            .unwrap_or(Err(PostgresFault::Silent(within)))?;
        Ok(Self {
            client,
            answers_within,
            _end: end,
        })
    }

    /// Returns `false` when the connection is known to be gone.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Waits for the answer to a request.
    pub(super) fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresFault> {
        match wait(request, self.answers_within) {
            Some(answer) => Ok(answer?),
            None => Err(PostgresFault::Silent(self.answers_within)),
        }
    }

    /// Runs statements without parameters in one round trip, and returns the columns of the last
    /// row.
    pub(super) fn batch(&self, statements: &str) -> Result<Vec<Option<String>>, PostgresFault> {
        let messages = self.wait(self.client.simple_query(statements))?;
        let last = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|place| row.get(place).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        });
        Ok(last.unwrap_or_default())
    }
}

fn configured(database: &Database) -> Config {
    let mut config = Config::new();
    let (idle, interval, retries) = KEEPALIVE;
    config
        .host(&database.host)
        .port(database.port)
        .user(&database.user)
        .dbname(&database.name)
        .application_name(format!("ad-connector {}", database.instance))
        .connect_timeout(CONNECT_WITHIN)
        .keepalives_idle(idle)
        .keepalives_interval(interval)
        .keepalives_retries(retries)
        .tcp_user_timeout(idle + interval * retries)
        .ssl_mode(if database.is_encrypted {
            SslMode::Require
        } else {
            SslMode::Disable
        });
    if let Some(password) = &database.password {
        config.password(password.expose_secret());
    }
    config
}

/// Connects, gives the client away, and serves it until `ended` or the end of the connection.
async fn drive(
    config: Config,
    tls: Option<Tls>,
    within: Duration,
    opened: &mpsc::Sender<Result<Client, PostgresFault>>,
    ended: oneshot::Receiver<()>,
) {
    match tls {
        Some(tls) => match tokio::time::timeout(within, config.connect(tls)).await {
            Ok(Ok((client, connection))) => serve(client, connection, opened, ended).await,
            failed => fail(failed.map(Result::err), within, opened),
        },
        None => match tokio::time::timeout(within, config.connect(NoTls)).await {
            Ok(Ok((client, connection))) => serve(client, connection, opened, ended).await,
            failed => fail(failed.map(Result::err), within, opened),
        },
    }
}

async fn serve(
    client: Client,
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    opened: &mpsc::Sender<Result<Client, PostgresFault>>,
    ended: oneshot::Receiver<()>,
) {
    if opened.send(Ok(client)).is_err() {
        return;
    }
    // The user of the client gets an error with the answer that it waits for.
    tokio::select! {
        _ = connection => {}
        _ = ended => {}
    }
}

fn fail<T>(
    error: Result<Option<tokio_postgres::Error>, T>,
    within: Duration,
    opened: &mpsc::Sender<Result<Client, PostgresFault>>,
) {
    let fault = match error {
        Ok(Some(error)) => PostgresFault::Connecting(error),
        _ => PostgresFault::Silent(within),
    };
    // The caller does not wait any more where it took too long.
    let _ = opened.send(Err(fault));
}
