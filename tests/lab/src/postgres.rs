//! PostgreSQL server of Debian's package in a folder of its own, which ends with the process that
//! started it, however that ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::certificates::ServerCertificate;

mod bouncer;

pub use bouncer::Bouncer;

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Role that owns everything.
pub const ROLE: &str = "ad_connector";

/// Starts the server, or with `$6` a standby of the server in that folder at the port `$7`, and
/// holds it until its standard input ends.
const HOLD: &str = r#"
set -e
cd "$1"
export PATH="$2:$PATH" LC_ALL=C.UTF-8
if [ -z "$6" ]; then
    initdb -D data -U ad_connector --auth=trust -N >log 2>&1
else
    pg_basebackup -D data -U ad_connector -h "$6" -p "$7" -R -c fast >log 2>&1
fi
{
    echo "listen_addresses = '$3'"
    echo "port = $4"
    echo "unix_socket_directories = '$1'"
    echo "max_connections = 500"
    echo "shared_buffers = 128MB"
    echo "fsync = $5"
} >>data/postgresql.conf
pg_ctl start -w -D "$1/data" -l "$1/log" >/dev/null 2>&1
echo ready
cat >/dev/null || true
pg_ctl stop -m immediate -D "$1/data" >/dev/null 2>&1 || true
rm -rf data log .s.*
"#;

/// Server that runs.
#[derive(Debug)]
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Address that it listens on, besides its socket.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    holder: Child,
}

/// Returns the folder of the newest version that is installed.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(VERSIONS)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path.join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    versions.sort();
    Some(versions.pop()?.1)
}

/// Returns a command that runs as a user whom PostgreSQL starts for: it refuses root.
#[must_use]
pub fn unprivileged(program: &str) -> Command {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    command
}

impl Server {
    /// Starts a server whose commits wait for the disk, as those of a real one do, where `durable`.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start(durable: bool) -> Self {
        Self::held(durable, None)
    }

    /// Starts a standby of this server, which follows it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn standby(&self) -> Self {
        Self::held(true, Some(self))
    }

    fn held(durable: bool, primary: Option<&Self>) -> Self {
        let programs = programs().expect("PostgreSQL is installed (Debian: postgresql)");
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        // Whoever runs the server is not whoever created the folder.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let address: Ipv4Addr =
            std::env::var("LAB_ADDRESS").map_or(Ipv4Addr::LOCALHOST, |text| text.parse().unwrap());
        let port = TcpListener::bind((address, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut holder = unprivileged("/bin/sh")
            .args(["-c", HOLD, "sh"])
            .arg(folder.path())
            .arg(&programs)
            .args([address.to_string(), port.to_string()])
            .arg(if durable { "on" } else { "off" })
            .arg(primary.map_or(Path::new(""), Self::folder))
            .arg(primary.map_or(0, |primary| primary.port).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let server = Self {
            folder,
            programs,
            address,
            port,
            holder,
        };
        assert_eq!(line, "ready\n", "{}", server.log());
        server
    }

    /// Returns the folder of the socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the server's log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Creates an empty database, and returns its name.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn create_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "state_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Returns the `STATE_URL` of a database by the socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://{ROLE}@{folder}:{}/{database}", self.port)
    }

    /// Returns the `STATE_URL` of a database by a port of this host.
    #[must_use]
    pub fn tcp_url(&self, port: u16, database: &str) -> String {
        format!(
            "postgres://{ROLE}@{}:{port}/{database}?sslmode=disable",
            self.address
        )
    }

    /// Runs statements, and returns what they return without any decoration.
    ///
    /// # Panics
    /// When they fail.
    #[must_use]
    pub fn query(&self, database: &str, statements: &str) -> String {
        let output = self.begin_query(database, statements);
        let output = output.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{statements}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The same, with the messages of what fails in the text.
    ///
    /// # Panics
    /// When `psql` does not start.
    #[must_use]
    pub fn try_query(&self, database: &str, statements: &str) -> String {
        let output = self.begin_query(database, statements);
        let output = output.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Begins to run statements, and does not wait for their end.
    ///
    /// # Panics
    /// When `psql` does not start.
    #[must_use]
    pub fn begin_query(&self, database: &str, statements: &str) -> Child {
        let mut psql = Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", ROLE, "-d", database])
            .arg("-h")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before it has read everything.
        let _ = psql.stdin.take().unwrap().write_all(statements.as_bytes());
        psql
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When they fail.
    pub fn sql(&self, database: &str, statements: &str) {
        let _ = self.query(database, statements);
    }

    /// Runs `pg_ctl` on the data of this server.
    ///
    /// # Panics
    /// When it fails.
    pub fn control(&self, arguments: &[&str]) {
        let status = unprivileged(self.programs.join("pg_ctl").to_str().unwrap())
            .args(arguments)
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-l")
            .arg(self.folder.path().join("log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl {arguments:?}: {}", self.log());
    }

    /// Starts the server again with TLS, which it demands, as it does this password, of everybody
    /// who comes by its port.
    ///
    /// # Panics
    /// When it does not start so.
    pub fn demand_tls(&self, certificate: &ServerCertificate, password: &str) {
        let data = self.folder.path().join("data");
        let (chain, key) = certificate.write(&data, "server");
        for file in [&chain, &key] {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let owner = std::fs::metadata(&data).unwrap();
            let (user, group) = (owner.uid(), owner.gid());
            std::os::unix::fs::chown(file, Some(user), Some(group)).unwrap();
        }
        self.sql("postgres", &format!("ALTER ROLE {ROLE} PASSWORD '{password}'"));
        for (setting, value) in [
            ("ssl", "on"),
            ("ssl_cert_file", chain.to_str().unwrap()),
            ("ssl_key_file", key.to_str().unwrap()),
        ] {
            self.sql("postgres", &format!("ALTER SYSTEM SET {setting} = '{value}'"));
        }
        let rules = "local all all trust\nhostssl all all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        self.control(&["restart", "-w", "-m", "fast"]);
    }

    /// Starts the server again without TLS. It demands a password of everybody who comes by its
    /// port.
    ///
    /// # Panics
    /// When it does not start so.
    pub fn refuse_tls(&self) {
        self.sql("postgres", "ALTER SYSTEM SET ssl = off");
        let rules = "local all all trust\nhost all all all scram-sha-256\n";
        std::fs::write(self.folder.path().join("data/pg_hba.conf"), rules).unwrap();
        self.control(&["restart", "-w", "-m", "fast"]);
    }

    /// Makes a standby a primary server.
    pub fn promote(&self) {
        self.control(&["promote", "-w"]);
    }

    /// Lets the server crash and start again.
    pub fn crash(&self) {
        self.control(&["restart", "-w", "-m", "immediate"]);
    }

    /// Lets the server crash; [`Self::start_again`] starts it.
    pub fn crash_only(&self) {
        self.control(&["stop", "-w", "-m", "immediate"]);
    }

    /// Starts the server, which recovers from its log.
    pub fn start_again(&self) {
        self.control(&["start", "-w"]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
