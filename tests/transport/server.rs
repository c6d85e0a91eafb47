//! A listener that says exactly what a test scripts: well-formed LDAP, or anything else.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ad_connector::config::{DeltaMethod, DirectoryAuth, DirectorySettings, LdapTransport, ReachPolicy};
use ad_connector::directory::{self, BindGuard, DirectoryError, KnownControllers, LdapSearch, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const PASSWORD: &str = "Sesame-7f3e!";
pub const BASE: &str = "DC=corp,DC=example";

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One accepted connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// One request: message id, operation tag and content, the rest (controls).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: u32,
    pub tag: u8,
    pub content: Vec<u8>,
    pub controls: Vec<u8>,
}

impl Request {
    pub fn asks_for(&self, text: &str) -> bool {
        self.content
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
        }
    }

    /// The next request; `None` when the client is gone or says goodbye.
    pub async fn request(&mut self) -> Option<Request> {
        loop {
            if let Some((_, content, rest)) = split(&self.buffer) {
                let (_, id, after) = split(content)?;
                let (tag, operation, controls) = split(after)?;
                let request = Request {
                    id: id.iter().fold(0, |id, octet| id * 256 + u32::from(*octet)),
                    tag,
                    content: operation.to_vec(),
                    controls: controls.to_vec(),
                };
                self.buffer = rest.to_vec();
                return (tag != 0x42).then_some(request);
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Sends octets; `false` when the client is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Answers the bind that must come next with success.
    pub async fn bound(mut self) -> Option<Self> {
        let request = self.request().await.filter(|request| request.tag == 0x60)?;
        self.send(message(request.id, 0x61, &result(0, ""), &[]))
            .await
            .then_some(self)
    }

    /// Waits until the client goes away.
    pub async fn until_gone(&mut self) {
        while self.request().await.is_some() {}
    }
}

/// Tag, content, rest.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (header, length) = if first < 0x80 {
        (2, first)
    } else {
        let octets = bytes.get(2..2 + first - 0x80)?;
        (
            2 + octets.len(),
            octets
                .iter()
                .fold(0, |length, octet| length * 256 + usize::from(*octet)),
        )
    };
    Some((
        tag,
        bytes.get(header..header + length)?,
        bytes.get(header + length..)?,
    ))
}

/// One element, its length in four octets as Active Directory writes it.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x84];
    out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    out.extend(content);
    out
}

pub fn message(id: u32, tag: u8, content: &[u8], controls: &[u8]) -> Vec<u8> {
    element(
        0x30,
        &[
            element(0x02, &id.to_be_bytes()),
            element(tag, content),
            controls.to_vec(),
        ]
        .concat(),
    )
}

pub fn result(code: u8, diagnostic: &str) -> Vec<u8> {
    [
        element(0x0A, &[code]),
        element(0x04, b""),
        element(0x04, diagnostic.as_bytes()),
    ]
    .concat()
}

pub fn entry(id: u32, dn: &str, attributes: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let set: Vec<u8> = values.iter().flat_map(|value| element(0x04, value)).collect();
            element(
                0x30,
                &[element(0x04, name.as_bytes()), element(0x31, &set)].concat(),
            )
        })
        .collect();
    message(
        id,
        0x64,
        &[element(0x04, dn.as_bytes()), element(0x30, &list)].concat(),
        &[],
    )
}

/// The end of a search; with a cookie, the paging control beside it.
pub fn done(id: u32, code: u8, diagnostic: &str, cookie: Option<&[u8]>) -> Vec<u8> {
    let controls = cookie.map_or_else(Vec::new, |cookie| {
        let value = element(0x30, &[element(0x02, &[0]), element(0x04, cookie)].concat());
        let control = [element(0x04, b"1.2.840.113556.1.4.319"), element(0x04, &value)].concat();
        element(0xA0, &element(0x30, &control))
    });
    message(id, 0x65, &result(code, diagnostic), &controls)
}

/// The cookie that a request sends back; `None` when it has no paging control.
pub fn cookie_of(request: &Request) -> Option<Vec<u8>> {
    let (_, mut controls, _) = split(&request.controls)?;
    while let Some((_, control, rest)) = split(controls) {
        let (_, oid, parts) = split(control)?;
        if oid == b"1.2.840.113556.1.4.319" {
            let (_, truth, parts) = split(parts)?;
            assert_eq!(truth, [0xFF], "the paging control is critical");
            let (_, value, _) = split(parts)?;
            let (_, sequence, _) = split(value)?;
            let (_, _, after_size) = split(sequence)?;
            return Some(split(after_size)?.1.to_vec());
        }
        controls = rest;
    }
    None
}

/// A listener on loopback that gives every connection to a script.
pub struct Server {
    pub port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(stream));
            }
        });
        Self { port, accepted }
    }

    /// A script over plain TCP that begins before the bind.
    pub async fn plain<F, Fut>(script: F) -> Self
    where
        F: Fn(Wire) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::start(move |stream| script(Wire::new(stream))).await
    }

    /// A script over plain TCP that begins after a successful bind.
    pub async fn bound<F, Fut>(script: F) -> Self
    where
        F: Fn(Wire) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::plain(move |wire| {
            let script = script.clone();
            async move {
                if let Some(wire) = wire.bound().await {
                    script(wire).await;
                }
            }
        })
        .await
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Connects as a process of its own does, which knows of no earlier attempt to bind.
pub async fn connect(settings: &DirectorySettings) -> Result<Session, DirectoryError> {
    directory::connect(settings, &BindGuard::default(), &KnownControllers::default()).await
}

/// Settings for a plain connection to `port`, with a time limit that a healthy exchange never meets.
pub fn settings(port: u16) -> DirectorySettings {
    DirectorySettings {
        hosts: vec!["127.0.0.1".to_owned()],
        domain: None,
        transport: LdapTransport::Ldap,
        port,
        auth: DirectoryAuth::Simple {
            name: "svc@corp.example".to_owned(),
            password: PASSWORD.into(),
        },
        certificates: None,
        pins: vec![],
        server_name: None,
        page_size: 1000,
        parallel_reads: 1,
        timeout: Duration::from_secs(20),
        delta: DeltaMethod::Usn,
        reach: ReachPolicy::Unrestricted,
    }
}

/// As [`settings`], for scripts that never answer.
pub fn impatient(port: u16) -> DirectorySettings {
    DirectorySettings {
        timeout: Duration::from_millis(300),
        ..settings(port)
    }
}

pub fn search() -> LdapSearch {
    LdapSearch {
        base: BASE.to_owned(),
        scope: ad_connector::config::SearchScope::Subtree,
        filter: "(objectCategory=group)".to_owned(),
        attributes: vec!["name".to_owned(), "member".to_owned()],
        show_deleted: false,
    }
}
