//! Headless Chromium, driven over its DevTools pipe.
//!
//! The protocol (chromedevtools.github.io/devtools-protocol) is JSON messages with a NUL after each, on file descriptors 3
//! and 4. It shows what a WebDriver client does not: every console message and every request, as they happen. So little
//! of it is used that a library with types for all of it would take longer to build than the product.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

/// Chromium on a busy machine takes seconds to answer for the first time.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
/// An answer that takes longer does not come.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);
/// Names under which distributions install it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The name under which a person on another machine finds this one.
pub const ELSEWHERE: &str = "connector.example";
/// The browser's end of the pipe are file descriptors 3 and 4.
const MOVED: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// A running browser with an empty profile; killed when dropped.
pub struct Browser {
    pipe: Arc<Pipe>,
    _process: Child,
    _profile: TempDir,
}

/// The way to the browser and back.
pub struct Pipe {
    write: tokio::sync::Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Value>>>,
    /// Events by session, in order.
    events: Mutex<BTreeMap<String, Vec<Value>>>,
}

impl Browser {
    /// Starts it; the error says why it cannot run here.
    pub async fn start() -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
        let program = PROGRAMS
            .into_iter()
            .find(found)
            .ok_or("no Chromium here: apt-get install chromium")?;
        let profile = tempfile::tempdir().unwrap();
        let said = profile.path().join("said");
        let mut process = Command::new("sh")
            .args(["-c", MOVED, program])
            .args(["--headless", "--remote-debugging-pipe", "--no-first-run"])
            // Its sandbox works neither as root nor in most containers; what it shows is our own page.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--force-color-profile=srgb", "--hide-scrollbars"])
            .arg(format!("--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env_clear()
            .env("PATH", &path)
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pipe = Arc::new(Pipe {
            write: tokio::sync::Mutex::new(process.stdin.take().unwrap()),
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            events: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&pipe).listen(process.stdout.take().unwrap()));
        let version = pipe.ask("", "Browser.getVersion", json!({}));
        match tokio::time::timeout(STARTS_WITHIN, version).await {
            Ok(Ok(_)) => Ok(Self {
                pipe,
                _process: process,
                _profile: profile,
            }),
            _ => {
                let said = std::fs::read_to_string(said).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing");
                Err(format!("{program} does not run here: {last}"))
            }
        }
    }

    /// The way to it, for a tab.
    pub(super) fn pipe(&self) -> Arc<Pipe> {
        Arc::clone(&self.pipe)
    }
}

impl Pipe {
    /// Gives one command, to the browser or (with a session) to a tab, and waits for its answer.
    pub async fn ask(&self, session: &str, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let written = self.write.lock().await.write_all(&bytes).await;
        written.map_err(|error| format!("{method}: {error}"))?;
        let mut answer = tokio::time::timeout(ANSWERS_WITHIN, answer)
            .await
            .map_err(|_| format!("{method}: no answer"))?
            .map_err(|_| format!("{method}: the browser ended"))?;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].take()),
        }
    }

    /// What happened in a session, in order.
    pub fn events(&self, session: &str) -> Vec<Value> {
        self.events
            .lock()
            .unwrap()
            .get(session)
            .cloned()
            .unwrap_or_default()
    }

    async fn listen(self: Arc<Self>, pipe: impl AsyncRead + Unpin) {
        let mut pipe = BufReader::new(pipe);
        let mut message = Vec::new();
        while matches!(pipe.read_until(0, &mut message).await, Ok(1..)) {
            message.pop();
            let value: Value = serde_json::from_slice(&message).unwrap();
            message.clear();
            if let Some(id) = value["id"].as_u64() {
                if let Some(sender) = self.waiting.lock().unwrap().remove(&id) {
                    // Whoever asked may have gone.
                    let _ = sender.send(value);
                }
            } else if let Some(session) = value["sessionId"].as_str().map(str::to_owned) {
                self.events
                    .lock()
                    .unwrap()
                    .entry(session)
                    .or_default()
                    .push(value);
            }
        }
        // Nobody is answered any more.
        self.waiting.lock().unwrap().clear();
    }
}
