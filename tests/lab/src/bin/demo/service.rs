//! The real service as a process of its own.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lab::console::{self, Console};
use lab::receiver::{self, Receiver};
use lab::simulator::{PASSWORD, READER, Simulator};
use serde_json::Value;
use tokio::process::{Child, Command};

/// The service ends within 25 seconds of a signal (R26); a little is added for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Prefixes of the service's variables: none of the caller's may reach the demo.
const PREFIXES: [&str; 13] = [
    "CONNECTION_",
    "AD_",
    "SYNC_",
    "BASELINE_",
    "MAPPING_",
    "REMOVED_",
    "REMOVAL_",
    "QUALYS_",
    "STATE_",
    "HTTP_",
    "NOTIFY_",
    "REVIEW_",
    "LOG_",
];

/// The running service.
pub struct Service {
    child: Child,
    log: PathBuf,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// How the demo goes.
pub struct Pace {
    /// Where the page is.
    pub listen: SocketAddr,
    /// What lets the viewer change something.
    pub token: String,
    /// Whether there is time to look: the first run waits for its tick, and sends a few objects at a time.
    pub slow: bool,
}

impl Pace {
    /// A free port, and a token of this run.
    pub fn new(slow: bool) -> Self {
        let port = free_port();
        // Seeded by the system for each process; it guards a demo on loopback.
        let random = RandomState::new().hash_one(port);
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            token: format!("demo-{random:016x}"),
            slow,
        }
    }

    /// A link to a view of the page. It carries the token, which names of people and changes need.
    pub fn link(&self, view: &str) -> String {
        format!("http://{}/#token={}{view}", self.listen, self.token)
    }
}

/// Builds the service with the profile that the demo itself was built with; gives the program's path.
pub async fn build() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let folder = own.parent().ok_or("this program has no folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "ad-connector",
        "--bin",
        "ad-connector",
    ]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    match command.status().await {
        Ok(status) if status.success() => Ok(folder.join("ad-connector")),
        Ok(status) => Err(format!("building the service failed: {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}

impl Service {
    /// Starts `ad-connector run` between the two; its state and its log live in `folder`.
    pub fn start(
        program: &Path,
        folder: &Path,
        certificate: &Path,
        simulator: &Simulator,
        receiver: &Receiver,
        console: &Console,
        pace: &Pace,
    ) -> Result<Self, String> {
        let log = folder.join("ad-connector.log");
        let failed = |error: std::io::Error| format!("{} cannot be started: {error}", program.display());
        let output = File::create(&log).map_err(failed)?;
        let gateway = receiver::Options::default();
        let account = console::Options::default();
        let mut environment = vec![
            ("CONNECTION_NAME", "demo".to_owned()),
            ("AD_HOST", "localhost".to_owned()),
            ("AD_PORT", simulator.addr().port().to_string()),
            ("AD_BIND_DN", format!("{READER}@corp.example")),
            ("AD_PASSWORD", PASSWORD.to_owned()),
            ("AD_CERTIFICATE", certificate.display().to_string()),
            ("SYNC_CRON", "*/10 * * * * *".to_owned()),
            ("QUALYS_GATEWAY_URL", receiver.url()),
            ("QUALYS_AUTH", "client".to_owned()),
            ("QUALYS_CLIENT_ID", gateway.client_id),
            ("QUALYS_CLIENT_SECRET", gateway.client_secret),
            (
                "QUALYS_CONNECTOR_UUID",
                "7d1ad43f-0f9b-4b8e-9a1e-6b1d7c5f2a10".to_owned(),
            ),
            (
                "STATE_URL",
                format!("sqlite:{}", folder.join("state.db").display()),
            ),
            ("QUALYS_API_URL", console.url()),
            ("QUALYS_API_USERNAME", account.username),
            ("QUALYS_API_PASSWORD", account.password),
            (
                "REVIEW_ROLE_GROUPS",
                "Manager=CN=Domain Operators,OU=Groups,DC=corp,DC=example".to_owned(),
            ),
            ("HTTP_LISTEN", pace.listen.to_string()),
            ("HTTP_TOKEN", pace.token.clone()),
        ];
        if pace.slow {
            environment.push(("SYNC_ON_START", "false".to_owned()));
            environment.push(("QUALYS_BATCH_ASSETS", "4".to_owned()));
        }
        let child = command(program, folder, &environment)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            child,
            log,
            program: program.to_owned(),
            environment,
        })
    }

    /// How many removals it holds back, as its command line tells.
    pub async fn held(&self) -> Result<u64, String> {
        let folder = self.log.parent().unwrap_or(Path::new("."));
        let said = command(&self.program, folder, &self.environment)
            .args(["status", "--json"])
            .output()
            .await
            .map_err(|error| format!("status: {error}"))?;
        let status: Value =
            serde_json::from_slice(&said.stdout).map_err(|error| format!("status: {error}"))?;
        let kinds = status["counts"].as_object().into_iter().flatten();
        Ok(kinds.filter_map(|(_, counts)| counts["held"].as_u64()).sum())
    }

    /// Makes a review, as its command line does; gives the lines that it says.
    pub async fn review(&self) -> Result<Vec<String>, String> {
        let folder = self.log.parent().unwrap_or(Path::new("."));
        let said = command(&self.program, folder, &self.environment)
            .arg("review")
            .output()
            .await
            .map_err(|error| format!("review: {error}"))?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        match said.status.code() {
            Some(5) => Ok(text.lines().map(str::to_owned).collect()),
            _ => Err(format!(
                "review: {}\n{text}{}",
                said.status,
                String::from_utf8_lossy(&said.stderr)
            )),
        }
    }

    /// Where its log is, while the demo runs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last twenty lines of its log.
    pub fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// An error when it has ended.
    pub fn still_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("the service ended by itself: {status}")),
            Err(error) => Err(format!("the service cannot be watched: {error}")),
        }
    }

    /// Asks it to end, as Docker does, and waits for that; an error when it does not end with 0.
    pub async fn stop(&mut self) -> Result<(), String> {
        if let Some(process) = self.child.id() {
            let asked = Command::new("sh")
                .args(["-c", &format!("kill -TERM {process}")])
                .status()
                .await;
            asked.map_err(|error| format!("the service cannot be asked to end: {error}"))?;
        }
        match tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the service ended with {status}:\n{}", self.last_lines())),
            Ok(Err(error)) => Err(format!("the service cannot be waited for: {error}")),
            Err(_) => Err(format!(
                "the service did not end within {} s",
                ENDS_WITHIN.as_secs()
            )),
        }
    }
}

/// The program with nothing of the caller's own configuration.
fn command(program: &Path, folder: &Path, environment: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if PREFIXES
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener
        .and_then(|listener| listener.local_addr())
        .map_or(0, |addr| addr.port())
}
