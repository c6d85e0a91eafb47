//! A receiver of its own: `receiver --listen 127.0.0.1:9443 --client-id ID --client-secret SECRET`.
//!
//! It plays the Qualys gateway until it is stopped. Ask it with `GET /_receiver/summary`, `/_receiver/assets` (the latest
//! asset of each id, NDJSON), `/_receiver/deliveries`, `/_receiver/violations`; `POST /_receiver/reset` forgets it all.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use lab::receiver::{Options, Receiver};

/// Plays the Qualys gateway: token endpoints and the ingest call.
#[derive(Debug, Parser)]
#[command(name = "receiver")]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9443")]
    listen: SocketAddr,
    /// clientId accepted at /auth/oidc and /auth/oauth.
    #[arg(long, default_value = "lab-client")]
    client_id: String,
    /// clientSecret that goes with it.
    #[arg(long, default_value = "lab-client-secret")]
    client_secret: String,
    /// username accepted at /auth.
    #[arg(long, default_value = "lab-user")]
    username: String,
    /// password that goes with it.
    #[arg(long, default_value = "lab-password")]
    password: String,
    /// Seconds a token is valid.
    #[arg(long, default_value_t = 4 * 3600)]
    token_life: u64,
    /// Bodies above this many bytes are answered 413.
    #[arg(long, default_value_t = 64 << 20)]
    max_body: usize,
    /// Keep the latest asset of each id alone, not every delivery and request.
    #[arg(long)]
    forget_deliveries: bool,
    /// Certificate chain, PEM; with it and --tls-key the receiver speaks TLS.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(cert), Some(key)) => Some((std::fs::read_to_string(cert)?, std::fs::read_to_string(key)?)),
        _ => None,
    };
    let receiver = Receiver::start(Options {
        listen: arguments.listen,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret,
        username: arguments.username,
        password: arguments.password,
        token_life: Duration::from_secs(arguments.token_life),
        max_body: arguments.max_body,
        keep_deliveries: !arguments.forget_deliveries,
        tls,
        ..Options::default()
    })
    .await;
    println!("listening on {}", receiver.url());
    stop_signal().await
}

/// Ends on Ctrl-C and on SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}
