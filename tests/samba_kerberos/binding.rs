//! A controller that demands channel binding (`LdapEnforceChannelBinding=2`): Samba's checks none, so one of the test's own
//! does, with a ticket of the real realm and MIT's library as acceptor.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::certificates::{Authority, Shape};
use lab::samba::kerberos;
use libgssapi::context::{SecurityContext as _, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};

use crate::world::{World, world};

/// Names the folder of the controller to the process that is one.
const FOLDER: &str = "TEST_CONTROLLER_FOLDER";

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_bound_to_the_certificate_that_the_controller_shows() {
    let Some(world) = world().await else { return };
    let names = [world.domain.place().host()];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let authority = Authority::new("Binding Authority");
    let trusted = authority.write(world.folder.path());
    let [shown, another] = [(); 2].map(|()| authority.server(&names, Shape::Sound));
    for (name, demanded, code, words) in [
        // The bind was accepted; this controller cannot do more.
        ("own", &shown, 69, &["result 52", "base \"\""][..]),
        // As if somebody in between had shown a certificate of his own.
        ("other", &another, 77, &["channel binding", "proxy"]),
    ] {
        let folder = world.file(name);
        shown.write(&folder, "shown");
        demanded.write(&folder, "demanded");
        let (_controller, port) = controller(&world, &folder).await;
        let connector = world
            .connector("ldaps")
            .with("AD_CERTIFICATE", trusted.to_str().unwrap())
            .with("AD_HOST", "127.0.0.1")
            .with("AD_SERVER_NAME", names[0])
            .with("AD_PORT", &port);
        connector.run(&["sync"]).await.ended_with(code).said(words);
    }
}

/// Starts this program as a controller, with the real one's keytab in the environment, and gives its port.
async fn controller(world: &World, folder: &Path) -> (Child, String) {
    let place = world.domain.place();
    let keytab = folder.join("service.keytab");
    kerberos::export_keytab(place, &format!("ldap/{}", place.host()), &keytab);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "binding::controller_of_the_test_above"]);
    command.env(FOLDER, folder).env("KRB5_KTNAME", keytab);
    // Nothing that the next run would have to know.
    command.env("KRB5RCACHENAME", "none:");
    command.env("KRB5_CONFIG", place.krb5_conf());
    // What it says as a test is nobody's business.
    command.stdout(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    loop {
        if let Ok(port) = fs::read_to_string(folder.join("port")) {
            return (child, port);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the controller does not start"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// No test of its own: what [`controller`] starts.
#[test]
fn controller_of_the_test_above() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let certificate = CertificateDer::from_pem_file(folder.join("shown.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("shown.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let demanded = fs::read(folder.join("demanded.cer")).unwrap();
    let binding = [&b"tls-server-end-point:"[..], &Sha256::digest(&demanded)].concat();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    fs::write(folder.join("port.new"), port.to_string()).unwrap();
    fs::rename(folder.join("port.new"), folder.join("port")).unwrap();
    for stream in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream.unwrap());
        let _ = serve(&mut stream, &binding);
    }
}

/// One connection: a bind by GSSAPI, after which everything is answered by "unavailable".
fn serve(stream: &mut StreamOwned<ServerConnection, TcpStream>, binding: &[u8]) -> io::Result<()> {
    let credentials = Cred::acquire(None, None, CredUsage::Accept, None).unwrap();
    let mut context = ServerCtx::new(Some(credentials));
    let mut offered = false;
    loop {
        let request = read(stream)?;
        let (_, parts, _) = element(&request);
        let (_, id, operation) = element(parts);
        let (operation, content, _) = element(operation);
        let answer = match operation {
            0x60 if !context.is_complete() => match context.step(token(content), Some(binding)) {
                Ok(answer) => bound(14, "", answer.as_deref().unwrap_or_default()),
                Err(_) => {
                    // As Windows says it: SEC_E_BAD_BINDINGS (MS-ERREF 2.1.1).
                    let said = "80090346: LdapErr: DSID-0C090711, comment: AcceptSecurityContext error, data 80090346, v4563";
                    bound(49, said, b"")
                }
            },
            0x60 if !offered => {
                offered = true;
                bound(14, "", &context.wrap(false, &[1, 0, 0, 0]).unwrap())
            }
            0x60 => {
                assert_eq!(&*context.unwrap(token(content)).unwrap(), [1, 0, 0, 0]);
                bound(0, "", b"")
            }
            0x63 => done(0x65, &result(52, "")),
            _ => return Ok(()),
        };
        stream.write_all(&done(0x30, &[done(0x02, id), answer].concat()))?;
        stream.flush()?;
    }
}

fn bound(code: u8, said: &str, token: &[u8]) -> Vec<u8> {
    let mut content = result(code, said);
    if !token.is_empty() {
        content.extend(done(0x87, token));
    }
    done(0x61, &content)
}

fn result(code: u8, said: &str) -> Vec<u8> {
    [done(0x0A, &[code]), done(0x04, b""), done(0x04, said.as_bytes())].concat()
}

/// The SASL credentials of a bind request.
fn token(bind: &[u8]) -> &[u8] {
    let (_, _, rest) = element(bind);
    let (_, _, rest) = element(rest);
    let (_, sasl, _) = element(rest);
    let (_, _, rest) = element(sasl);
    if rest.is_empty() { rest } else { element(rest).1 }
}

/// One element with two octets of length, however short it is.
fn done(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (header, length) = match bytes[1] {
        short @ ..0x80 => (2, usize::from(short)),
        long => {
            let octets = usize::from(long & 0x7F);
            let length = bytes[2..2 + octets].iter();
            (
                2 + octets,
                length.fold(0, |length, octet| length << 8 | usize::from(*octet)),
            )
        }
    };
    let (content, rest) = bytes[header..].split_at(length);
    (bytes[0], content, rest)
}

/// One whole message.
fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 2];
    stream.read_exact(&mut message)?;
    let mut length = usize::from(message[1]);
    if length >= 0x80 {
        let mut octets = vec![0; length & 0x7F];
        stream.read_exact(&mut octets)?;
        length = octets
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet));
        message.extend(octets);
    }
    let start = message.len();
    message.resize(start + length, 0);
    stream.read_exact(&mut message[start..])?;
    Ok(message)
}
