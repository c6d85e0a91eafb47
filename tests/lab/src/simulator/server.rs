//! Accepting connections: plain, with StartTLS, or TLS from the first byte.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, End};
use super::faults::{Action, On};
use super::session::{Next, Session};
use super::statistics::Statistics;
use super::{Shared, Tls};

/// Accepts connections until told to stop; each is served by a task of its own, which ends at the same moment.
pub(super) async fn serve(listener: TcpListener, tls: Tls, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        Statistics::add(&shared.statistics.connections, 1);
        let (tls, shared, stop) = (tls.clone(), Arc::clone(&shared), stop.clone());
        connections.spawn(async move {
            let cut = shared.cut.lock().unwrap().clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = cut.cancelled() => {}
                _ = connection(stream, tls, Arc::clone(&shared)) => {}
            }
        });
    }
    connections.close();
    connections.wait().await;
}

async fn connection(mut stream: TcpStream, tls: Tls, shared: Arc<Shared>) -> Result<(), End> {
    stream.set_nodelay(true)?;
    for action in shared.faults.due(On::Connect, "") {
        match action {
            Action::Cut => return Err(End::Cut),
            Action::Delay(time) => tokio::time::sleep(time).await,
            Action::Silence => std::future::pending().await,
            Action::Raw(bytes) => stream.write_all(&bytes).await?,
            Action::Run(run) => run(),
            other => panic!("{other:?} makes no sense before the first request"),
        }
    }
    match tls {
        Tls::Ldaps(config) => encrypted(stream, config, Session::new(shared, true)).await,
        Tls::None => plain(stream, None, Session::new(shared, false)).await,
        Tls::StartTls(config) => plain(stream, Some(config), Session::new(shared, false)).await,
    }
}

async fn plain(
    stream: TcpStream,
    config: Option<Arc<ServerConfig>>,
    mut session: Session,
) -> Result<(), End> {
    let mut connection = Connection::new(stream);
    match (session.serve(&mut connection).await?, config) {
        (Next::StartTls, Some(config)) => {
            session.encrypted();
            encrypted(connection.into_stream(), config, session).await
        }
        _ => {
            connection.close().await;
            Ok(())
        }
    }
}

async fn encrypted(stream: TcpStream, config: Arc<ServerConfig>, mut session: Session) -> Result<(), End> {
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let mut connection = Connection::new(stream);
    session.serve(&mut connection).await?;
    connection.close().await;
    Ok(())
}
