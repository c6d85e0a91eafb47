//! The other side of a connection, which says what was recorded.

use std::time::Duration;

use super::recorded::{header, id_of, with_id};
use ad_connector::config::{DeltaMethod, DirectoryAuth, DirectorySettings, LdapTransport, ReachPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers of the other side to one request.
pub enum Turn {
    /// Messages, with the message id of the request in the place of the recorded one, unless that
    /// is 0.
    Answer(Vec<u8>),
    /// Octets as they are.
    Octets(Vec<u8>),
}

/// The other side; it gives the requests that came.
pub struct Peer {
    pub settings: DirectorySettings,
    requests: JoinHandle<Vec<Vec<u8>>>,
}

impl Peer {
    /// Accepts one connection and answers each request with the next of `turns`, in chunks of
    /// `size` octets.
    pub async fn start(turns: Vec<Turn>, size: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            talk(stream, turns, size).await
        });
        let settings = DirectorySettings {
            hosts: vec!["127.0.0.1".to_owned()],
            domain: None,
            transport: LdapTransport::Ldap,
            port,
            auth: DirectoryAuth::Simple {
                name: "someone".to_owned(),
                password: "a-password".into(),
            },
            certificates: None,
            pins: Vec::new(),
            server_name: None,
            page_size: 1000,
            parallel_reads: 1,
            timeout: Duration::from_secs(60),
            delta: DeltaMethod::Usn,
            reach: ReachPolicy::Unrestricted,
        };
        Self { settings, requests }
    }

    /// The requests, once the client has gone.
    pub async fn requests(self) -> Vec<Vec<u8>> {
        self.requests.await.unwrap()
    }
}

/// The operation of an unbind request, `[APPLICATION 2] NULL`.
const UNBIND: &[u8] = &[0x42, 0x00];

async fn talk(mut stream: TcpStream, turns: Vec<Turn>, size: usize) -> Vec<Vec<u8>> {
    stream.set_nodelay(true).unwrap();
    let mut requests = Vec::new();
    for turn in turns {
        let Some(request) = request(&mut stream).await else {
            return requests;
        };
        if request.ends_with(UNBIND) {
            requests.push(request);
            return requests;
        }
        let octets = match turn {
            Turn::Octets(octets) => octets,
            Turn::Answer(messages) => each_message(&messages)
                .flat_map(|message| with_id(message, id_of(&request)))
                .collect(),
        };
        requests.push(request);
        for chunk in octets.chunks(size) {
            if stream.write_all(chunk).await.is_err() {
                return requests;
            }
        }
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    requests.push(rest);
    requests
}

/// The next message of the client.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    loop {
        if let Some((size, length)) = header(&octets)
            && octets.len() >= size + length
        {
            assert_eq!(octets.len(), size + length, "one request at a time");
            return Some(octets);
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
}

pub fn each_message(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (size, length) = header(octets)?;
        let (message, rest) = octets.split_at(size + length);
        octets = rest;
        Some(message)
    })
}
