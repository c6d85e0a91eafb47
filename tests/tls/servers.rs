//! What answers on the port: controllers of the simulator with any certificate, OpenSSL's server, and what is no controller.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lab::certificates::ServerCertificate;
use lab::simulator::{Action, Directory, On, Options, People, Simulator, Tls};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Who there is in the directory: a page each.
const PEOPLE: People = People {
    seed: 4,
    users: 3,
    groups: 2,
    computers: 0,
};

/// Something that listens on loopback until it is dropped.
pub struct Server {
    pub port: u16,
    simulator: Option<Simulator>,
    process: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Server {
    /// A controller.
    pub fn controller(tls: Tls) -> Server {
        let simulator = Simulator::start(Options {
            directory: Directory::new("corp.example", PEOPLE),
            tls,
            ..Options::default()
        });
        Server {
            port: simulator.addr().port(),
            simulator: Some(simulator),
            process: None,
        }
    }

    /// A controller over LDAPS that shows this certificate.
    pub fn ldaps(certificate: &ServerCertificate) -> Server {
        Server::controller(Tls::Ldaps(certificate.server_config()))
    }

    /// A controller that sends these octets to everybody who connects.
    pub fn greeting(octets: &[u8]) -> Server {
        let server = Server::controller(Tls::None);
        let simulator = server.simulator.as_ref().unwrap();
        simulator
            .faults()
            .always(On::Connect, Action::Raw(octets.to_vec()));
        server
    }

    /// A listener that does `act` to everybody who connects.
    pub async fn acting<Fut>(act: fn(TcpStream) -> Fut) -> Server
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(act(stream));
            }
        });
        Server {
            port,
            simulator: None,
            process: None,
        }
    }

    /// OpenSSL's server, which speaks what rustls has given up.
    pub fn openssl(certificate: &ServerCertificate, arguments: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate.write(folder.path(), "server");
        Server::openssl_with(&certificate, &key, arguments)
    }

    /// The same, with the files of a certificate and its key.
    pub fn openssl_with(certificate: &Path, key: &Path, arguments: &[&str]) -> Server {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                line.strip_prefix("ACCEPT ")?
                    .rsplit(':')
                    .next()?
                    .trim()
                    .parse()
                    .ok()
            })
            .expect("openssl says where it listens");
        // Whoever prints into a closed pipe dies of it.
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            port,
            simulator: None,
            process: Some(process),
        }
    }

    /// How many binds arrived; 0 where nobody understands LDAP.
    pub fn binds(&self) -> u64 {
        self.simulator
            .as_ref()
            .map_or(0, |simulator| simulator.statistics().counts().binds)
    }
}

/// Reads what comes, then ends the connection in an orderly way.
pub async fn close(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
}

/// Reads what comes, then resets the connection.
pub async fn reset(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A configuration that shows `certificate` and speaks these versions alone.
pub fn speaking(
    certificate: &ServerCertificate,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.cert_der.clone())],
            key(certificate),
        );
    Arc::new(config.unwrap())
}

/// A configuration that shows `certificate`, which everybody can have, and has the key of `other`.
pub fn impostor(certificate: &ServerCertificate, other: &ServerCertificate) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from(certificate.cert_der.clone())];
    let key = aws_lc_rs::sign::any_supported_type(&key(other)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Only(Arc::new(CertifiedKey::new(chain, key)))));
    Arc::new(config)
}

fn key(certificate: &ServerCertificate) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.key_der.clone()))
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
