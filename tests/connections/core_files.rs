//! R27: what the process has in memory ends up in no core file.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::prepared;

/// Returns `true` when a process that dies by a fault writes a core file here, into `folder` or to
/// a handler.
async fn is_dumped_by_itself(folder: &std::path::Path) -> bool {
    let shell = Command::new("sh")
        .args(["-c", "ulimit -c unlimited && kill -SEGV $$"])
        .current_dir(folder)
        .status();
    shell.await.unwrap().core_dumped()
}

/// Sends a signal until the process ends: Rust looks at the first one itself, for an overflow of
/// the stack.
async fn killed(service: &mut Child, process: &str, signal: &str) -> ExitStatus {
    for _ in 0..50 {
        let signal = format!("-{signal}");
        Command::new("kill")
            .args([signal.as_str(), process])
            .status()
            .await
            .unwrap();
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(200), service.wait()).await {
            return ended.unwrap();
        }
    }
    panic!("it goes on");
}

fn core_files(folder: &std::path::Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("core")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_a_service_that_dies_by_a_fault_leaves_no_core_file() {
    let (lab, _, _) = prepared(&[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let dumps = is_dumped_by_itself(elsewhere.path()).await;
    for signal in ["SEGV", "ABRT", "BUS"] {
        let mut service = Command::new("sh")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(lab.connector.clone_environment())
            .args([
                "-c",
                "ulimit -c unlimited; exec \"$0\" run",
                env!("CARGO_BIN_EXE_ad-connector"),
            ])
            .current_dir(lab.connector.folder())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(service.stderr.take().unwrap()).lines();
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("The service started") {
                break;
            }
        }
        let process = service.id().unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
        assert_eq!(numbers, ["0", "0"], "{core}");
        let ended = killed(&mut service, &process.to_string(), signal).await;
        assert!(ended.signal().is_some(), "{ended:?}");
        assert!(
            !ended.core_dumped(),
            "SIG{signal} dumped the memory; the shell alone does so: {dumps}"
        );
        assert_eq!(core_files(lab.connector.folder()), [""; 0]);
    }
}
