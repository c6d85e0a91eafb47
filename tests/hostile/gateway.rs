//! A gateway that answers with raw octets: the token endpoint rightly and the ingest call in some hostile way, or the token
//! endpoint, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a request is answered once it has been read.
#[derive(Debug, Clone)]
pub enum Raw {
    /// Not at all.
    Silence,
    /// These octets, and the end of the connection.
    Once(Vec<u8>),
    /// The first octets, then the second for ever.
    Endless(&'static [u8], Vec<u8>),
    /// These octets 50,000 times a second, or as often as the machine can: a debug build is slower than a network.
    Often(&'static [u8]),
    /// These octets, one a second.
    Drip(&'static [u8]),
}

/// Where the hostility begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the token endpoint.
    Token,
    /// At the ingest call.
    Ingest,
}

/// A gateway, and how often it was connected to.
pub struct Gateway {
    /// `http://127.0.0.1:…`
    pub url: String,
    connections: Arc<AtomicUsize>,
}

impl Gateway {
    /// Answers until the test ends.
    pub async fn start(from: From, raw: Raw) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let raw = raw.clone();
                tokio::spawn(async move { answer(stream, from, &raw).await });
            }
        });
        Gateway { url, connections }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

const TOKEN: &[u8] = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 11\r\n\r\nthe.raw.key";

/// `None` when the client has gone.
async fn answer(mut stream: TcpStream, from: From, raw: &Raw) -> Option<()> {
    let path = request(&mut stream).await?;
    if from == From::Ingest && path.starts_with("/auth") {
        return stream.write_all(TOKEN).await.ok();
    }
    match raw {
        Raw::Silence => {}
        Raw::Once(octets) => return stream.write_all(octets).await.ok(),
        Raw::Endless(first, then) => {
            stream.write_all(first).await.ok()?;
            loop {
                stream.write_all(then).await.ok()?;
            }
        }
        Raw::Often(octets) => loop {
            stream.write_all(&octets.repeat(50)).await.ok()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        },
        Raw::Drip(octets) => {
            for octet in *octets {
                stream.write_all(&[*octet]).await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    // Until the client leaves.
    while stream.read(&mut [0; 1024]).await.ok()? > 0 {}
    None
}

/// Reads one whole request and gives its path.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut octets = Vec::new();
    loop {
        let head = octets
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .map(|at| at + 4);
        if let Some(end) = head {
            let text = String::from_utf8_lossy(&octets[..end]).to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if octets.len() >= end + length.unwrap_or(0) {
                return text.split(' ').nth(1).map(str::to_owned);
            }
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
}

/// A 200 with this body.
pub fn page(body: &[u8]) -> Raw {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Raw::Once([head.as_bytes(), body].concat())
}

/// A gzip stream of zeros that never ends: 13 octets are 2064 (RFC 1951 section 3.2.6, fixed Huffman codes).
pub fn gzip_bomb() -> Raw {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff";
    // A block of fixed codes that is not the last; the literal 0. Codes stand with their first bit first.
    let start = "01000110000";
    // "The octet before, 258 times", eight times, which is a whole number of octets.
    let zeros = "1100010100000".repeat(8);
    // The octets of the start end inside the first code: it is shifted once, then every round is the same.
    let bits = format!("{start}{}", zeros.repeat(5000));
    let octets = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| bits.iter().rev().fold(0, |octet, bit| octet << 1 | (bit - b'0')));
    let octets: Vec<u8> = octets.collect();
    // The first two octets hold the start; what follows repeats every 13.
    let (first, rest) = octets.split_at(2);
    let first: Vec<u8> = [HEAD, first].concat();
    let rounds = rest.len() / 13 * 13;
    Raw::Endless(first.leak(), rest[..rounds].to_vec())
}
