//! A command that goes on while the test does something: what it says is seen line by line, and it can be stopped.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{Connector, LIMIT, Outcome};

/// A running command; killed when dropped.
pub struct Service {
    child: Child,
    command: String,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

/// Collects what comes from a pipe.
fn collected(pipe: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|text| {
                text.push_str(&line);
                text.push('\n');
            });
        }
    });
    receiver
}

fn watched(mut child: Child, arguments: &[&str]) -> Service {
    Service {
        stdout: collected(child.stdout.take().unwrap()),
        stderr: collected(child.stderr.take().unwrap()),
        child,
        command: arguments.join(" "),
    }
}

impl Connector {
    /// Starts a command and watches it.
    pub fn watch(&self, arguments: &[&str]) -> Service {
        watched(self.start(arguments), arguments)
    }

    /// The same with one more variable.
    pub fn watch_with(&self, name: &str, value: &str, arguments: &[&str]) -> Service {
        watched(self.start_with(name, value, arguments), arguments)
    }

    /// Runs one command to its end and measures it: wall time, and peak memory in KiB.
    pub async fn measured(&self, arguments: &[&str]) -> (Outcome, Duration, u64) {
        // The kernel tells the peak to the parent alone, when it waits for its child (wait4, getrusage(2)).
        const PARENT: &str = "import os, sys\n\
            pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)\n\
            _, status, usage = os.wait4(pid, 0)\n\
            open(sys.argv[1], 'w').write(str(usage.ru_maxrss))\n\
            sys.exit(os.waitstatus_to_exitcode(status))";
        let peak = self.folder().join("peak");
        let program = env!("CARGO_BIN_EXE_ad-connector");
        let mut command = Command::new("python3");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.environment)
            .args(["-c", PARENT, peak.to_str().unwrap(), program])
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let started = Instant::now();
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{arguments:?} did not end"))
            .unwrap();
        let outcome = Outcome::of(&arguments.join(" "), output);
        let kibibytes = std::fs::read_to_string(peak).unwrap().parse().unwrap();
        (outcome, started.elapsed(), kibibytes)
    }
}

impl Service {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its exit status, where it has ended.
    pub fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it has said so far on standard error.
    pub fn log(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Waits until it has said `text` on standard error, whatever the case.
    pub async fn said(&mut self, text: &str) {
        self.said_times(text, 1).await;
    }

    /// Waits until it has said `text` this many times.
    pub async fn said_times(&mut self, text: &str, times: usize) {
        let wanted = text.to_lowercase();
        let enough = |said: &String| said.to_lowercase().matches(&wanted).count() >= times;
        let enough = self.stderr.wait_for(enough);
        let ended = match tokio::time::timeout(LIMIT, enough).await {
            Ok(Ok(_)) => return,
            Ok(Err(_)) => "it ended",
            Err(_) => "time is up",
        };
        panic!(
            "`{}` did not say {text} {times} times before {ended}:\n{}",
            self.command,
            self.log()
        );
    }

    /// Sends a signal: `TERM`, `INT`, `KILL`.
    pub async fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end, `limit` at most; gives how long it took.
    pub async fn ended_within(mut self, limit: Duration) -> (Outcome, Duration) {
        let started = Instant::now();
        let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await else {
            panic!("`{}` did not end within {limit:?}:\n{}", self.command, self.log());
        };
        let took = started.elapsed();
        // The pipes are read to their end.
        while self.stderr.changed().await.is_ok() {}
        while self.stdout.changed().await.is_ok() {}
        let outcome = Outcome {
            command: self.command.clone(),
            code: status.unwrap().code(),
            stdout: self.stdout.borrow().clone(),
            stderr: self.log(),
        };
        (outcome, took)
    }

    /// Waits for its end.
    pub async fn ended(self) -> Outcome {
        self.ended_within(LIMIT).await.0
    }

    /// Stops it with SIGTERM; it must end with `code` within 25 s (R26).
    pub async fn stopped_with(self, code: i32) -> Outcome {
        self.signal("TERM").await;
        self.ended_within(Duration::from_secs(25))
            .await
            .0
            .ended_with(code)
    }

    /// Kills it as a power cut would.
    pub async fn killed(mut self) {
        self.child.kill().await.unwrap();
    }
}
