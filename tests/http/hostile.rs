//! Hundreds of clients at once that send nothing, read nothing, or ask without end: nobody else
//! notices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::support::http::Served;
use super::support::simulated::Simulated;
use super::{CONNECTION, quiet, served};

/// Limit for health check, page and metrics while others do their worst.
const WITHIN: Duration = Duration::from_secs(1);

/// The same for each single answer, on a machine that has other things to do as well.
const EACH_WITHIN: Duration = Duration::from_secs(5);

/// Behaviour of a hostile client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hostile {
    /// Sends nothing.
    Silent,
    /// Sends requests without end and reads no answer.
    Unreading,
    /// Sends the head of a request, an octet at a time.
    Dripping,
    /// Promises a body that does not come.
    Bodiless,
    /// Follows the events and reads none of them.
    Following,
    /// Sends wrong tokens, one after the other.
    Guessing,
}

fn address(served: &Served) -> SocketAddr {
    served.base.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A connection whose client takes as little as it can before it has to read.
async fn connected(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

impl Hostile {
    /// Goes on until the service ends the connection; how often that happened is of no interest.
    async fn once(self, address: SocketAddr) -> std::io::Result<()> {
        let mut stream = connected(address).await;
        let host = "Host: localhost\r\n";
        match self {
            Self::Silent => {
                stream.read_u8().await?;
            }
            Self::Unreading => loop {
                let request = format!("GET /page/style.css HTTP/1.1\r\n{host}\r\n");
                stream.write_all(request.as_bytes()).await?;
            },
            Self::Dripping => loop {
                stream.write_all(b"G").await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            },
            Self::Bodiless => {
                let head = format!("POST {CONNECTION}/sync HTTP/1.1\r\n{host}Content-Length: 10000\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                stream.read_to_end(&mut Vec::new()).await?;
            }
            Self::Following => {
                let head = format!("GET {CONNECTION}/events HTTP/1.1\r\n{host}\r\n");
                stream.write_all(head.as_bytes()).await?;
                std::future::pending::<()>().await;
            }
            Self::Guessing => loop {
                let head = format!("GET {CONNECTION} HTTP/1.1\r\n{host}Authorization: Bearer guess\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                let mut answer = [0; 4096];
                if stream.read(&mut answer).await? == 0 {
                    break;
                }
            },
        }
        Ok(())
    }
}

/// Starts so many of each, which come again whenever their connection ends.
fn hostile(address: SocketAddr, clients: &[(Hostile, usize)]) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for (kind, number) in clients {
        for _ in 0..*number {
            let kind = *kind;
            all.spawn(async move {
                loop {
                    let _ = kind.once(address).await;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
    }
    all
}

/// Measures everything that must go on: health check, page, metrics, state, and the first event.
async fn asked(lab: &Simulated, served: &Served) -> Vec<(String, Duration)> {
    let mut took = Vec::new();
    for path in ["/live", "/ready", "/", "/page/app.js", "/metrics", CONNECTION] {
        let asked = Instant::now();
        served.get(path).await.with(200);
        took.push((path.to_owned(), asked.elapsed()));
    }
    let asked = Instant::now();
    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    took.push(("the events".to_owned(), asked.elapsed()));
    let asked = Instant::now();
    let listen = served.base.strip_prefix("http://").unwrap();
    let check = lab.connector.start_with("HTTP_LISTEN", listen, &["healthcheck"]);
    let ended = check.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    took.push(("healthcheck".to_owned(), asked.elapsed()));
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_hostile_clients_cost_nobody_else_anything() {
    let (lab, served) = served().await;
    // More than there are connections at a time.
    let clients = [
        (Hostile::Silent, 400),
        (Hostile::Unreading, 64),
        (Hostile::Dripping, 16),
        (Hostile::Bodiless, 16),
        (Hostile::Following, 80),
        (Hostile::Guessing, 16),
    ];
    let hostile = hostile(address(&served), &clients);
    let mut all: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    // Before they are all there, and long after.
    for _ in 0..9 {
        for (what, took) in asked(&lab, &served).await {
            assert!(took < EACH_WITHIN, "{what} took {took:?}");
            all.entry(what).or_default().push(took);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for (what, took) in &mut all {
        took.sort_unstable();
        assert!(took[took.len() / 2] < WITHIN, "{what} took {took:?}");
    }
    drop(hostile);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_does_not_read_is_sent_away() {
    let (_lab, served) = served().await;
    let mut stream = connected(address(&served)).await;
    let began = Instant::now();
    let request = "GET /page/style.css HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Nothing is read, so that in the end nothing more can be written, until the service gives up.
    let refused = loop {
        match tokio::time::timeout(Duration::from_secs(25), stream.write_all(request.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break error,
            Err(_) => panic!("it is still there after {:?}", began.elapsed()),
        }
    };
    let took = began.elapsed();
    assert!(took > Duration::from_secs(8), "{refused} after {took:?}");
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_client_that_reads_gets_all_of_it() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.sync(0).await;
    let served = Served::start(&lab.connector).await;
    let path = format!("{CONNECTION}/inventory?limit=200");
    let whole = served.read(&path).await.with(200).body;
    let mut stream = connected(address(&served)).await;
    let token = super::TOKEN;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        match stream.read(&mut part).await.unwrap() {
            0 => break,
            octets => answer.extend(&part[..octets]),
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.ends_with(&whole),
        "{} octets of {}",
        answer.len(),
        whole.len()
    );
    served.service.stopped_with(0).await;
}
