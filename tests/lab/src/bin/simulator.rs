//! A directory simulator to point a client at.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use lab::certificates::{Authority, Shape};
use lab::simulator::{Account, Directory, Kind, Options, People, Simulator, Tls};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Serves a synthetic Active Directory over LDAP until it is interrupted. A line `change N` on its standard input gives N users
/// another displayName; `count` tells how many searches and pages were asked for since the last `count`.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3389")]
    listen: SocketAddr,
    /// How many objects: 80 % users, 15 % groups, 5 % computers.
    #[arg(long, default_value_t = 1000)]
    objects: u32,
    /// Decides all names and values.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// DNS name of the domain.
    #[arg(long, default_value = "corp.example")]
    domain: String,
    /// Log-on name of the account, without domain; it sees deleted objects.
    #[arg(long, default_value = lab::simulator::READER)]
    bind: String,
    /// Its password.
    #[arg(long, default_value = lab::simulator::PASSWORD)]
    password: String,
    /// Certificate chain, PEM.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Makes a certificate authority and a certificate for localhost, and writes them to this folder.
    #[arg(long, conflicts_with = "tls_cert")]
    certificates: Option<PathBuf>,
    /// StartTLS on the plain port in place of LDAPS.
    #[arg(long)]
    starttls: bool,
    /// Refuses simple binds without encryption.
    #[arg(long)]
    require_signing: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let directory = Directory::new(&arguments.domain, People::of(arguments.objects, arguments.seed));
    let account = Account {
        name: arguments.bind.clone(),
        password: arguments.password.clone(),
        ..Account::administrator()
    };
    let name = account.dn(&directory.domain());
    let tls = match (tls_config(&arguments), arguments.starttls) {
        (None, _) => Tls::None,
        (Some(config), true) => Tls::StartTls(config),
        (Some(config), false) => Tls::Ldaps(config),
    };
    let scheme = if matches!(tls, Tls::Ldaps(_)) {
        "ldaps"
    } else {
        "ldap"
    };
    let simulator = Simulator::start(Options {
        listen: arguments.listen,
        directory,
        accounts: vec![account],
        tls,
        require_signing: arguments.require_signing,
        ..Options::default()
    });
    println!(
        "{scheme}://{} serves {} objects; bind as {name}",
        simulator.addr(),
        arguments.objects
    );
    let simulator = Arc::new(simulator);
    let asked = Arc::clone(&simulator);
    std::thread::spawn(move || obey(&asked));
    tokio::signal::ctrl_c().await.unwrap();
}

/// Does what the lines of the standard input say.
fn obey(simulator: &Simulator) {
    let directory = simulator.directory();
    let users = directory.all(Kind::User);
    for (round, line) in std::io::stdin().lines().enumerate() {
        let line = line.unwrap();
        if line == "count" {
            println!("{}", simulator.statistics().counts().pages);
            simulator.statistics().reset();
            continue;
        }
        let wanted: usize = line.strip_prefix("change ").unwrap().parse().unwrap();
        // Spread over the whole directory, as in a day's work.
        let apart = (users.len() / wanted.max(1)).max(1);
        for user in users.iter().step_by(apart).take(wanted) {
            directory.set_text(*user, "displayName", &format!("Changed {round}"));
        }
        println!("changed {wanted}");
    }
}

fn tls_config(arguments: &Arguments) -> Option<Arc<ServerConfig>> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        let chain = CertificateDer::pem_file_iter(certificate)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        return Some(Arc::new(
            builder
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap(),
        ));
    }
    let folder = arguments.certificates.as_deref()?;
    let authority = Authority::new("ad-connector test CA");
    let names = [
        "localhost",
        "127.0.0.1",
        "::1",
        &format!("dc1.{}", arguments.domain),
    ];
    let server = authority.server(&names, Shape::Sound);
    let ca = authority.write(folder);
    server.write(folder, "server");
    println!("certificate authority: {}", ca.display());
    Some(server.server_config())
}
