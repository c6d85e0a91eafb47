//! PgBouncer before a server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{ROLE, Server, unprivileged};

/// Starts PgBouncer, and kills it or starts it again at a word, until its standard input ends.
const HOLD: &str = r#"
begin() {
    /usr/sbin/pgbouncer -q "$1" &
    pid=$!
}
begin "$1"
while read -r word; do
    case $word in
    kill)
        kill -KILL $pid
        wait $pid || true
        ;;
    start) begin "$1" ;;
    esac
    echo done
done
kill $pid 2>/dev/null
"#;

/// PgBouncer in transaction mode before a server; it ends with this value.
#[derive(Debug)]
pub struct Bouncer {
    /// Its address.
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts a PgBouncer that gives each transaction any of a few sessions.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    #[must_use]
    pub fn pooled(&self) -> Bouncer {
        let listener = TcpListener::bind((self.address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let settings = self.folder().join(format!("pgbouncer-{}.ini", address.port()));
        let text = format!(
            "[databases]\n* = host={ip} port={} user={ROLE}\n[pgbouncer]\nlisten_addr = {ip}\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 4\nserver_login_retry = 1\nlogfile = {}\n",
            self.port,
            address.port(),
            settings.with_extension("log").display(),
            ip = self.address,
        );
        std::fs::write(&settings, text).unwrap();
        std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut command: Command = unprivileged("/bin/sh");
        let process = command
            .args(["-c", HOLD, "sh"])
            .arg(&settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bouncer = Bouncer { address, process };
        bouncer.listens();
        bouncer
    }
}

impl Bouncer {
    fn listens(&self) {
        for _ in 0..100 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("PgBouncer does not listen (Debian: pgbouncer)");
    }

    fn tell(&mut self, word: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{word}").unwrap();
        let mut line = String::new();
        // One line a word, so nothing is left in the buffer.
        BufReader::new(self.process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "done\n");
    }

    /// Kills it as a power cut would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.tell("kill");
    }

    /// Starts it again at the same port, and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.tell("start");
        self.listens();
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
