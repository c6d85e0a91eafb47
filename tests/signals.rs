//! Signals, the end of a terminal, secrets that change, and an address that is taken: the service
//! goes on, and a command ends in order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::process::Stdio;
use std::time::Duration;

use lab::receiver::Answer;
use lab::simulator::Action;
use support::simulated::Simulated;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A schedule that is due every second, and one that is not due while a test runs.
const EVERY_SECOND: &str = "* * * * * *";
const NEVER: &str = "59 59 23 31 12 *";

async fn scheduled(cron: &str) -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("SYNC_CRON", cron);
    lab.set("BASELINE_CRON", "off");
    lab
}

/// Gives a secret by a file in place of its variable, and returns the path of the file.
fn in_file(lab: &mut Simulated, name: &str, value: &str) -> std::path::PathBuf {
    let path = lab.connector.folder().join(name.to_lowercase());
    std::fs::write(&path, value).unwrap();
    lab.unset(name);
    lab.set(&format!("{name}_FILE"), path.to_str().unwrap());
    path
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Status of `GET path` with this token.
async fn get(port: u16, path: &str, token: &str) -> u16 {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sighup_never_ends_the_service_and_reads_the_secrets_in_files_again() {
    let mut lab = scheduled(EVERY_SECOND).await;
    let right = lab.connector.clone_environment();
    let port = free_port();
    lab.set("HTTP_LISTEN", &format!("127.0.0.1:{port}"));
    let password = in_file(&mut lab, "AD_PASSWORD", "of-last-month");
    let client = in_file(&mut lab, "QUALYS_CLIENT_SECRET", "of-last-month");
    let token = in_file(&mut lab, "HTTP_TOKEN", "the-first-token-of-all");
    let mut service = lab.connector.watch(&["run"]);
    service.said("password is wrong").await;
    assert_eq!(
        get(port, "/api/v1/connections", "the-first-token-of-all").await,
        200
    );

    // One that cannot be read leaves everything as it is.
    std::fs::write(&password, "").unwrap();
    service.signal("HUP").await;
    service.said("stays as it is").await;
    service.said_times("were read again", 1).await;

    std::fs::write(&password, &right["AD_PASSWORD"]).unwrap();
    service.signal("HUP").await;
    service.said_times("were read again", 2).await;
    service.said("credentials").await;
    std::fs::write(&client, &right["QUALYS_CLIENT_SECRET"]).unwrap();
    std::fs::write(&token, "the-second-token-of-all\n").unwrap();
    service.signal("HUP").await;
    lab.receiver.arrived(3).await;
    service.said("state=\"Processed\"").await;
    lab.assert_converged();
    assert_eq!(
        get(port, "/api/v1/connections", "the-first-token-of-all").await,
        401
    );
    assert_eq!(
        get(port, "/api/v1/connections", "the-second-token-of-all").await,
        200
    );
    let outcome = service.stopped_with(0).await;
    for secret in [
        "last-month",
        "token-of-all",
        &right["AD_PASSWORD"],
        &right["QUALYS_CLIENT_SECRET"],
    ] {
        assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_address_that_is_taken_stops_no_run_and_is_listened_on_later() {
    let mut lab = scheduled(NEVER).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    lab.set("HTTP_LISTEN", &format!("127.0.0.1:{port}"));
    let mut service = lab.connector.watch(&["run"]);
    service.said("nothing can be answered over http").await;
    service.said("HTTP_LISTEN=off").await;
    service.said("run finished").await;
    lab.assert_converged();
    drop(other);
    service.said("answered over http now").await;
    assert_eq!(get(port, "/live", "none").await, 200);
    let outcome = service.stopped_with(0).await;
    assert_eq!(outcome.stderr.matches("Nothing can be answered").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_a_sync_that_is_hung_up_ends_in_order() {
    let lab = Simulated::new().await;
    lab.at_users_page(3, Action::Silence);
    let sync = lab.connector.watch(&["sync"]);
    lab.receiver.arrived(1).await;
    sync.signal("HUP").await;
    let outcome = sync.ended().await.ended_with(129);
    assert!(
        outcome.stderr.contains("stopped by a signal"),
        "{}",
        outcome.stderr
    );
    assert_eq!(lab.last_run().await["outcome"], "stopped");
    lab.sync(0).await;
    lab.assert_converged();
}

/// Runs the program in a terminal of its own, which is closed when standard input ends; ends with
/// its code.
const TERMINAL: &str = "import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while 0 not in select.select([0, terminal], [], [])[0]:
    os.read(terminal, 4096)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";

/// A `sync` below another program that is given `arguments` before it.
fn below(lab: &Simulated, program: &str, arguments: &[&str]) -> tokio::process::Child {
    tokio::process::Command::new(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(lab.connector.clone_environment())
        .args(arguments)
        .args([env!("CARGO_BIN_EXE_ad-connector"), "sync"])
        .current_dir(lab.connector.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_a_sync_whose_terminal_closes_ends_in_order() {
    let lab = Simulated::new().await;
    lab.at_users_page(3, Action::Silence);
    let mut terminal = below(&lab, "python3", &["-c", TERMINAL]);
    lab.receiver.arrived(1).await;
    drop(terminal.stdin.take());
    let ended = tokio::time::timeout(Duration::from_secs(20), terminal.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(129));
    assert_eq!(lab.last_run().await["outcome"], "stopped");
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sync_below_nohup_goes_on_without_its_terminal() {
    let lab = Simulated::new().await;
    lab.receiver.script([Answer::Slow(Duration::from_secs(3))]);
    let mut sync = below(&lab, "nohup", &[]);
    lab.receiver.arrived(1).await;
    let id = sync.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args(["-HUP", &id]).status();
    assert!(sent.unwrap().success());
    assert_eq!(sync.wait().await.unwrap().code(), Some(0));
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_ctrl_c_ends_at_once_and_nothing_is_lost() {
    for (command, first) in [("run", "INT"), ("sync", "INT"), ("sync", "TERM")] {
        let lab = scheduled(NEVER).await;
        lab.receiver.script([Answer::Hang(Duration::from_secs(300))]);
        let mut stopping = lab.connector.watch(&[command]);
        lab.receiver.arrived(1).await;
        stopping.signal(first).await;
        stopping.said("Stopping").await;
        stopping.signal("INT").await;
        let (outcome, took) = stopping.ended_within(Duration::from_secs(10)).await;
        outcome.ended_with(130);
        assert!(took < Duration::from_secs(5), "{command}: {took:?}");
        lab.receiver.reset();
        lab.sync(0).await;
        lab.assert_converged();
    }
}
