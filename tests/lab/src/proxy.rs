//! Way to a server that a test can cut and open again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Proxy for TCP. What it carries is cut when it is dropped.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    server: Arc<Mutex<SocketAddr>>,
}

impl Proxy {
    /// Starts a proxy to `server` at a port of the same address.
    ///
    /// # Panics
    /// When no port can be listened on.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((server.ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(watch::Sender::new(true));
        let opened = is_open.subscribe();
        let server = Arc::new(Mutex::new(server));
        let led = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = *led.lock().unwrap();
                tokio::spawn(carry(stream, server, opened.clone()));
            }
        });
        Self {
            address,
            is_open,
            server,
        }
    }

    /// Cuts every connection, and leads new ones to another server.
    ///
    /// # Panics
    /// When a thread panicked that used the proxy.
    pub fn lead_to(&self, server: SocketAddr) {
        self.cut();
        *self.server.lock().unwrap() = server;
        self.restore();
    }

    /// Cuts every connection, and lets none through until [`Self::restore`].
    pub fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        self.is_open.send_replace(true);
    }
}

async fn carry(mut stream: TcpStream, server: SocketAddr, mut opened: watch::Receiver<bool>) {
    if !*opened.borrow_and_update() {
        return;
    }
    let Ok(mut there) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut there) => {}
        _ = opened.wait_for(|is_open| !is_open) => {}
    }
}
